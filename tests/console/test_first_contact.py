"""`hive top` where nothing is set up: what it finds, and the ways on from there."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hive_tui.app import _serves_nothing
from hive_tui.app.contact_lines import Found
from hive_tui.app.first_contact import FirstContact, Probes
from hive_tui.app.line.child import Said
from hive_tui.config import load
from hive_tui.core.errors import HiveError, UsageError
from hive_tui.probing import AgentFound, Checkout, Kubeconfig, kubeconfig
from tests.console.conftest import wait_for

pytestmark = pytest.mark.timeout(60)

HERE = Checkout(Path("/src/app"), "acme/app", "main", "github.com/acme/app")


class Machine:
    """Stands for what is on this machine, and for the calls of `hive`."""

    def __init__(self, *answers: Said | HiveError, checkout: Checkout | HiveError = HERE) -> None:
        self.slow = threading.Event()
        self.calls: list[list[str]] = []
        self.answers = list(answers)
        self.where = checkout

    def probes(self) -> Probes:
        return Probes(
            checkout=self._checkout,
            agents={"claude": self._claude, "codex": lambda: AgentFound("codex", False, hint="Install it.")},
            kubeconfig=lambda: Kubeconfig(Path("/k/config"), "kind-dev"),
        )

    def _checkout(self) -> Checkout:
        if isinstance(self.where, HiveError):
            raise self.where
        return self.where

    def _claude(self) -> AgentFound:
        self.slow.wait(30)
        return AgentFound("claude", True, "2.1", logged_in=False, hint="Log in with `claude`.")

    async def call(self, words: Sequence[str], *, columns: int) -> Said:
        self.calls.append(list(words))
        answer = self.answers.pop(0)
        if isinstance(answer, HiveError):
            raise answer
        return answer


def text(app: FirstContact) -> str:
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text for strip in strips)


@asynccontextmanager
async def contact(
    machine: Machine, *, read_only: bool = False
) -> AsyncIterator[tuple[FirstContact, Pilot[None]]]:
    found = Found(fleet="local", config="/c/config.yaml", configured=False)
    app = FirstContact(found, machine.probes(), machine.call, read_only=read_only)
    try:
        async with app.run_test(size=(100, 40)) as pilot:
            yield app, pilot
    finally:
        machine.slow.set()


async def test_it_says_what_is_here_as_it_finds_out() -> None:
    machine = Machine()
    async with contact(machine) as (app, pilot):
        await wait_for(lambda: "kind-dev" in text(app))
        assert "/src/app · branch main · origin github.com/acme/app" in text(app)
        assert "codex" in text(app)
        assert "Install it." in text(app)
        assert "looking …" in text(app)
        machine.slow.set()
        await wait_for(lambda: "not logged in" in text(app))
        assert "looking …" not in text(app)
        await pilot.press("q")
        await wait_for(lambda: not app.is_running)
    assert app.next_fleet is None
    assert machine.calls == []


async def test_the_demo_is_built_and_opened_also_at_the_second_try() -> None:
    machine = Machine(
        HiveError("`hive demo start` took longer.", "Try it."), Said(1, "hive: no room"), Said(0, "")
    )
    async with contact(machine) as (app, pilot):
        await pilot.press("d")
        await wait_for(lambda: "took longer. Try it." in text(app))
        await pilot.press("d")
        await wait_for(lambda: "d tries it again" in text(app) and "hive: no room" in text(app))
        await pilot.press("d")
        await wait_for(lambda: not app.is_running)
    assert app.next_fleet == "demo"
    assert machine.calls == [["demo", "start"]] * 3


async def test_init_shows_what_it_did_before_the_fleet_is_opened() -> None:
    machine = Machine(Said(0, "acme/app is now in fleet local.\n  base  main"))
    async with contact(machine) as (app, pilot):
        await wait_for(lambda: "work on acme/app" in text(app))
        await pilot.press("i")
        await wait_for(lambda: "is now in fleet local" in text(app) and "Enter opens the fleet" in text(app))
        assert "Fleet local works on acme/app." in text(app)
        assert "no repository to work on" not in text(app)
        await pilot.press("i")
        await wait_for(lambda: "init: it is done." in text(app))
        await pilot.press("enter")
        await wait_for(lambda: not app.is_running)
    assert (app.next_fleet, machine.calls) == ("local", [["init"]])


async def test_what_cannot_be_done_says_why() -> None:
    nowhere = Machine(checkout=UsageError("/tmp is not in a git repository.", "`git init` makes one."))
    async with contact(nowhere) as (app, pilot):
        await wait_for(lambda: "`git init` makes one" in text(app))
        await pilot.press("i")
        await wait_for(lambda: "init: /tmp is not in a git repository." in text(app))
        nowhere.where = HERE
        await pilot.press("r")
        await wait_for(lambda: "branch main" in text(app))
    async with contact(Machine(), read_only=True) as (app, pilot):
        await pilot.press("d")
        await wait_for(lambda: "demo: hive is in read-only mode." in text(app))
    assert nowhere.calls == []


async def test_one_may_look_at_the_empty_fleet() -> None:
    async with contact(Machine()) as (app, pilot):
        await pilot.press("enter")
        await wait_for(lambda: not app.is_running)
    assert app.next_fleet == "local"


def test_only_a_fleet_without_a_repository_begins_so(hive_home: Path) -> None:
    path = hive_home / "config" / "config.yaml"
    assert _serves_nothing(load(), "local")
    path.parent.mkdir(parents=True)
    path.write_text("fleets: {local: {repos: [{name: a/b, path: /x}]}, empty: {}, far: {forge: github}}\n")
    found = load()
    assert [_serves_nothing(found, name) for name in ("local", "empty", "far")] == [False, True, False]


def test_a_kubeconfig_is_read_without_asking_a_cluster(tmp_path: Path) -> None:
    assert kubeconfig({}, tmp_path) is None
    path = tmp_path / ".kube" / "config"
    path.parent.mkdir()
    path.write_text("current-context: kind-dev\nusers: []\n", encoding="utf-8")
    assert kubeconfig({}, tmp_path) == Kubeconfig(path, "kind-dev")
    path.write_text("users: []\n", encoding="utf-8")
    assert kubeconfig({"KUBECONFIG": f"/nowhere:{path}"}, tmp_path) == Kubeconfig(path, None)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(HiveError, match="is no YAML"):
        kubeconfig({}, tmp_path)
