"""The one place that talks to GitHub: what it repeats, what it counts, and what it says of trouble."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from backends.forges.github.client import Client
from backends.forges.github.errors import (
    AnswerLost,
    Archived,
    BadToken,
    Blocked,
    Forbidden,
    Garbled,
    GitHubError,
    NotFound,
    QueryFailed,
    RateLimited,
    Renamed,
    ServerDown,
    SsoRequired,
)
from backends.forges.github.limits import Limits
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import GitHubSettings
from tests.fakes.github import changes
from tests.fakes.github.faults import Fault
from tests.fakes.github.hooks import GraphError
from tests.fakes.github.limits import Rules
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.fakes.github_writer import Token, repository

REPO = RepoName("me/proj")
ISSUES = "/repos/me/proj/issues"


class Site:
    """A GitHub, and one client of it that notes its waits instead of waiting."""

    def __init__(self, github: GitHub) -> None:
        self.github = github
        self.repo: Repository = repository(github, REPO)
        self.token = github.world.add_token("hive")
        self.waits: list[float] = []
        self.client = self.connect(Token(self.token.secret))

    def connect(self, token: Token, *, reserve: int = 500) -> Client:
        settings = GitHubSettings(url=self.github.site, reserve=reserve)
        return Client(settings, token, sleep=self.waits.append)

    def fault(self, kind: str, **more: object) -> Fault:
        return self.github.faults.add(Fault(kind, **more))  # type: ignore[arg-type]

    def get(self) -> object:
        return self.client.rest("GET", ISSUES, repo=REPO)

    def post(self) -> object:
        return self.client.rest("POST", ISSUES, repo=REPO, body={"title": "New"})

    @property
    def calls(self) -> int:
        return len(self.github.audit.entries)


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with GitHub(tmp_path_factory.mktemp("github")) as github:
        made = Site(github)
        yield made
        made.client.close()
    assert not github.crashes


class TestRepeating:
    @pytest.mark.parametrize("kind", ["error", "reset", "lost", "truncate"])
    def test_a_read_is_repeated(self, site: Site, kind: str) -> None:
        site.fault(kind, times=2)
        site.get()
        assert (site.calls, len(site.waits)) == (3, 2)

    @pytest.mark.parametrize("kind", ["error", "reset", "lost", "truncate"])
    def test_a_write_that_may_have_taken_place_is_not(self, site: Site, kind: str) -> None:
        site.fault(kind)
        with pytest.raises(AnswerLost):
            site.post()
        assert (site.calls, site.waits) == (1, [])

    def test_a_write_that_never_got_there_is(self, site: Site) -> None:
        gone = Client(GitHubSettings(url="http://127.0.0.1:1"), Token("t"), sleep=site.waits.append)
        with pytest.raises(ServerDown) as caught:
            gone.rest("POST", ISSUES, body={})
        gone.close()
        assert not isinstance(caught.value, AnswerLost)
        assert len(site.waits) == 4

    def test_waits_are_as_the_server_says(self, site: Site) -> None:
        site.fault("error", status=503, retry_after=3)
        site.get()
        assert site.waits == [3]

    def test_a_wait_beyond_the_deadline_is_not_begun(self, site: Site) -> None:
        site.fault("error", status=503, retry_after=100)
        with pytest.raises(ServerDown):
            site.get()
        assert site.waits == []

    def test_a_call_that_hangs_ends_in_time(self, site: Site) -> None:
        site.fault("hang", seconds=30, times=None)
        with pytest.raises(ServerDown, match="not answered"):
            site.client.rest("GET", ISSUES, seconds=0.6)

    def test_every_thread_gets_its_own_answer(self, site: Site) -> None:
        for number in range(1, 9):
            with site.github.world.lock:
                changes.create_issue(site.github.world, site.repo, author="anna", title=f"Title {number}")
        wrong: list[object] = []

        def ask(number: int) -> None:
            for _ in range(5):
                answer = site.client.rest("GET", f"{ISSUES}/{number}")
                if answer.decode(dict[str, object])["title"] != f"Title {number}":
                    wrong.append(answer)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


class TestLimits:
    def test_a_304_costs_nothing(self, site: Site) -> None:
        first = site.client.rest("GET", ISSUES)
        assert site.client.rest("GET", ISSUES, etag=first.etag).unchanged
        (use,) = site.client.uses()
        assert (use.name, use.used_hour, use.remaining) == ("core", 1, 4999)

    def test_points_that_are_used_up_are_waited_for_and_said(self, site: Site) -> None:
        site.fault("primary", seconds=600)
        with pytest.raises(RateLimited, match="used up") as caught:
            site.get()
        assert timedelta(minutes=9) < caught.value.until - datetime.now(UTC) < timedelta(minutes=11)
        calls = site.calls
        for _ in range(3):
            with pytest.raises(RateLimited):
                site.post()
        assert site.calls == calls, "nothing is sent before that"

    def test_the_second_that_is_named_is_over_before_it_is_tried_again(self, site: Site) -> None:
        moment = [datetime.now(UTC).replace(microsecond=0)]
        limits = Limits(500)
        reset = int(moment[0].timestamp()) + 60
        said = {"limit": "5000", "remaining": "0", "reset": str(reset), "resource": "core"}
        limits.heard({f"x-ratelimit-{name}": value for name, value in said.items()}, moment[0])
        late = moment[0] + timedelta(seconds=60.5)
        with pytest.raises(RateLimited) as caught:
            limits.check("core", write=True, now=late)
        again = limits.used_up("core", late)
        assert caught.value.until == again == moment[0] + timedelta(seconds=61)
        limits.check("core", write=True, now=again)
        limits.used_up("core", again)
        (use,) = limits.uses(again)
        assert (use.remaining, use.limit) == (0, 5000), "how large it is was heard"

    def test_another_token_has_points_of_its_own(self, site: Site) -> None:
        token = Token(site.token.secret)
        client = site.connect(token)
        site.fault("primary", seconds=600)
        for _ in range(2):
            with pytest.raises(RateLimited):
                client.rest("GET", ISSUES)
        token.secret = site.github.world.add_token("other").secret
        client.rest("GET", ISSUES)
        client.close()
        assert [entry.status for entry in site.github.audit.entries] == [403, 200]

    def test_a_server_of_ones_own_has_no_page_of_troubles(self, site: Site) -> None:
        site.fault("error", times=None)
        with pytest.raises(ServerDown) as caught:
            site.get()
        assert caught.value.hint == f"Look at your network, and whether {site.github.site[7:]} is up."

    def test_reads_leave_the_reserve_to_writes(self, site: Site) -> None:
        client = site.connect(Token(site.token.secret), reserve=2000)
        site.github.limits.spend("user-hive", "core", 3500)
        client.rest("POST", ISSUES, body={"title": "New"})
        with pytest.raises(RateLimited, match=r"^hive reads nothing .* kept for writes"):
            client.rest("GET", ISSUES)
        client.rest("POST", ISSUES, body={"title": "New"})
        client.close()

    def test_a_short_pause_is_waited_for(self, site: Site) -> None:
        site.fault("secondary", retry_after=2)
        with pytest.raises(RateLimited):
            # The noted wait took no time, so the pause is not over when it is tried again.
            site.post()
        assert all(0 < wait < 2.2 for wait in site.waits)
        assert site.calls == 1

    @pytest.mark.parametrize("status", [403, 429])
    def test_too_quick_a_row_of_calls_pauses_all(self, site: Site, status: int) -> None:
        site.fault("secondary", status=status, retry_after=90)
        with pytest.raises(RateLimited) as caught:
            site.post()
        assert caught.value.secondary
        assert timedelta(seconds=80) < caught.value.until - datetime.now(UTC) < timedelta(seconds=91)
        with pytest.raises(RateLimited):
            site.get()
        assert site.calls == 1

    def test_without_a_word_when_each_pause_is_longer(self, site: Site) -> None:
        moment = [datetime.now(UTC)]
        client = Client(
            GitHubSettings(url=site.github.site), Token(site.token.secret), clock=lambda: moment[0]
        )
        pauses = []
        for _ in range(3):
            site.fault("secondary")
            with pytest.raises(RateLimited) as caught:
                client.rest("GET", ISSUES)
            pauses.append((caught.value.until - moment[0]).total_seconds())
            moment[0] = caught.value.until
        client.close()
        assert pauses == [60, 120, 240]

    def test_a_query_is_counted_as_github_counts_it(self, site: Site) -> None:
        query = "query { rateLimit { cost limit remaining resetAt } viewer { login } }"
        found = site.client.graphql(query)
        (use,) = [use for use in site.client.uses() if use.name == "graphql"]
        assert (found.cost, use.used_hour, use.remaining) == (1, 1, 4999)


class TestTrouble:
    @pytest.mark.parametrize(
        ("fault", "kind", "words"),
        [
            (Fault("unauthorized", times=None), BadToken, "hive doctor"),
            (Fault("forbidden", permission="issues=write"), Forbidden, "issues: write"),
            (Fault("sso"), SsoRequired, "Authorise the token: http"),
            (Fault("archived"), Archived, "me/proj is archived"),
            (Fault("disabled"), Blocked, "me/proj was disabled"),
            (Fault("missing"), NotFound, "no access"),
        ],
    )
    def test_it_has_a_name_and_a_next_step(
        self, site: Site, fault: Fault, kind: type[GitHubError], words: str
    ) -> None:
        site.github.faults.add(fault)
        with pytest.raises(kind) as caught:
            site.client.rest("GET", ISSUES, repo=REPO, what="me/proj#1")
        assert words in caught.value.words
        assert caught.value.hint
        assert isinstance(caught.value, SourceError | Refused)

    def test_a_renamed_repository_is_named(self, site: Site) -> None:
        with site.github.world.lock:
            changes.rename(site.github.world, site.repo, "me/better")
        for verb in ("GET", "POST"):
            with pytest.raises(Renamed) as caught:
                site.client.rest(verb, ISSUES, repo=REPO, body={"title": "x"} if verb == "POST" else None)
            assert caught.value.to == "me/better"
        assert not site.repo.issues, "no write follows a redirect"

    def test_a_redirect_to_another_host_is_not_followed(self, site: Site) -> None:
        site.fault("moved", location="http://127.0.0.1:1/repositories/7/issues")
        with pytest.raises(Renamed) as caught:
            site.get()
        assert caught.value.to is None

    def test_a_page_of_a_proxy_is_no_answer(self, site: Site) -> None:
        site.fault("html")
        with pytest.raises(Garbled):
            site.client.rest("GET", ISSUES).decode(list[object])

    def test_a_fresh_token_is_tried_once(self, site: Site) -> None:
        class Rotated(Token):
            def forget(self) -> None:
                self.secret = site.token.secret

        client = site.connect(Rotated("ghp_" + "old" * 12))
        client.rest("GET", ISSUES)
        client.close()
        assert [entry.status for entry in site.github.audit.entries] == [401, 200]

    def test_what_came_of_a_query_is_used_and_what_failed_is_named(self, site: Site) -> None:
        broken = GraphError(("repository",), "FORBIDDEN", "Resource not accessible")
        site.fault("graphql", errors=(broken,))
        found = site.client.graphql(
            'query { viewer { login } repository(owner: "me" name: "proj") { id } }', repo=REPO
        )
        assert b'"hive"' in bytes(found.data)
        assert [(error.path, error.type) for error in found.errors] == [(("repository",), "FORBIDDEN")]

    def test_a_query_that_brings_nothing_says_why(self, site: Site) -> None:
        site.fault("graphql", errors=(GraphError(("viewer",), "FORBIDDEN", "Not for you"),))
        with pytest.raises(QueryFailed, match="Not for you"):
            site.client.graphql("query { viewer { login } }")

    def test_the_server_s_clock_counts(self, site: Site) -> None:
        site.fault("skew", seconds=-300, times=None)
        site.get()
        assert abs(site.client.now() - (datetime.now(UTC) - timedelta(seconds=300))) < timedelta(seconds=2)


def test_a_token_is_in_no_error_log_or_text(
    site: Site, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[BaseException] = []
    acts: tuple[Callable[[], object], ...] = (site.get, site.post)
    for kind in ("error", "reset", "truncate", "unauthorized", "forbidden", "html", "sso"):
        for act in acts:
            site.fault(kind, times=None)
            try:
                act()
            except GitHubError as caught:
                errors.append(caught)
            site.github.faults.clear()
    assert len(errors) > 10
    told = [caplog.text, *capsys.readouterr()]
    for error in errors:
        seen: BaseException | None = error
        while seen is not None:
            told += [repr(seen), str(seen), repr(vars(seen))]
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert site.token.secret not in "\n".join(told)


def test_a_server_with_small_limits_is_usable(tmp_path_factory: pytest.TempPathFactory) -> None:
    with GitHub(tmp_path_factory.mktemp("small"), rules=Rules(core=10)) as github:
        made = Site(github)
        for _ in range(5):
            made.get()
        with pytest.raises(RateLimited, match=r"^hive reads nothing .* kept for writes"):
            made.get()
        made.post()
        made.client.close()
