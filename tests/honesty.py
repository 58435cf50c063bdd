"""Every test that talks to the GitHub for tests is held against what GitHub publishes of itself.

`conftest.py` takes the names of this module in, so that no test has to ask for it. A test whose calls are
wrong on purpose says so: `@pytest.mark.unpublished`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.fakes.github import honesty, published

_SHOWN = 10


@pytest.fixture(scope="session")
def fake_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[honesty.Recorder]:
    """The calls that the tests' servers were asked, in this process and in others."""
    folder = tmp_path_factory.mktemp("fake-github-calls")
    os.environ[honesty.FOLDER] = str(folder)
    with honesty.Recorder(folder) as recorder:
        yield recorder
    del os.environ[honesty.FOLDER]


@pytest.fixture(autouse=True)
def honest(request: pytest.FixtureRequest, fake_calls: honesty.Recorder) -> Iterator[None]:
    """Fails a test in whose calls or answers something is not GitHub's."""
    yield
    calls = fake_calls.take()
    if not calls or request.node.get_closest_marker("unpublished"):
        return
    try:
        found = honesty.violations(calls)
    except published.Unavailable:
        return
    if found:
        more = [f"… and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        lines = "\n".join(["Not as GitHub publishes it:", *found[:_SHOWN], *more])
        pytest.fail(lines, pytrace=False)


@pytest.fixture(scope="session")
def published_schema() -> None:
    """Skips a test that needs GraphQL, which the fake executes by the published schema."""
    try:
        published.read(published.GRAPHQL)
    except published.Unavailable as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed where GraphQL could not be answered for want of the schema is skipped."""
    report = yield
    if report.failed and not published.GRAPHQL.path.exists():
        recorder = getattr(item, "funcargs", {}).get("fake_calls")
        if recorder is not None and any(x.path == "/graphql" and x.status == 503 for x in recorder.look()):
            report.outcome = "skipped"
            reason = f"Skipped: {published.GRAPHQL.package} is not here; `make published` gets it"
            report.longrepr = (str(item.path), (item.location[1] or 0) + 1, reason)
    return report


def pytest_configure(config: pytest.Config) -> None:
    words = "unpublished: its calls to the GitHub for tests are wrong on purpose"
    config.addinivalue_line("markers", words)


def pytest_report_header() -> list[str]:
    if published.REST.path.exists() and published.GRAPHQL.path.exists():
        return []
    return ["GitHub's descriptions are not here, so calls to the GitHub for tests are not held against them."]
