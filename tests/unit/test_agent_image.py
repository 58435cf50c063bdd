"""What the agent image is made of: pinned, and nothing of the developers' tools."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "agent-image" / "Dockerfile").read_text(encoding="utf-8")


def prepare() -> Any:
    loader = SourceFileLoader("prepare", str(ROOT / "agent-image" / "prepare"))
    spec = importlib.util.spec_from_loader("prepare", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_it_has_what_hive_needs_and_nothing_of_its_developers() -> None:
    pinned = prepare().runtime((ROOT / "constraints" / "dev.txt").read_text(encoding="utf-8"))
    names = set(re.findall(r"^([a-z0-9-]+)==", pinned, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = (re.split(r"[^A-Za-z0-9_.-]", each)[0].lower() for each in project["dependencies"])
    wanted = {re.sub(r"[-_.]+", "-", name) for name in asked}
    assert wanted <= names
    assert {"urllib3", "cryptography"} <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "hatchling", "import-linter"}


def test_every_package_is_pinned_with_its_hashes() -> None:
    pinned = prepare().runtime((ROOT / "constraints" / "dev.txt").read_text(encoding="utf-8"))
    for entry in re.split(r"\n(?=\S)", pinned.strip()):
        assert re.match(r"[a-z0-9-]+==[^ ]+", entry), entry
        assert "--hash=sha256:" in entry
    assert "://" not in pinned


def test_a_graph_of_packages_is_followed_from_hive_on() -> None:
    entries = (
        ("a", "hive-tui (pyproject.toml)"),
        ("b", "a"),
        ("c", "b"),
        ("dev", "hive-tui (pyproject.toml:dev)"),
        ("e", "dev"),
    )
    pinned = "".join(
        f"{name}==1 \\\n    --hash=sha256:0\n    # via\n    #   {via}\n" for name, via in entries
    )
    assert re.findall(r"^(\w+)==", prepare().runtime(pinned), re.MULTILINE) == ["a", "b", "c"]


def test_the_cli_is_the_one_that_is_tested() -> None:
    found = re.search(r"^ARG CLAUDE_CODE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert found
    assert f"@anthropic-ai/claude-code@{found[1]}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_it_ends_as_nobody_special_and_fetches_nothing_by_hand() -> None:
    assert DOCKERFILE.rstrip().endswith("USER 1000:1000")
    assert DOCKERFILE.rpartition("FROM ")[2].startswith("clis AS full")
    assert not re.search(r"curl|wget|amd64|x86_64|arm64|ADD ", DOCKERFILE)
