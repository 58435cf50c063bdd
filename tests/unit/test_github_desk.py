"""One issue or pull request, read for a write: what cannot be brought is not what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive_tui.core.errors import SourceError, UsageError
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from tests.fakes.github import changes
from tests.fakes.github.faults import Fault
from tests.fakes.github.hooks import GraphError
from tests.fakes.github.server import GitHub
from tests.fakes.github_writer import Writer, repository

REPO = RepoName("me/proj")


@pytest.mark.parametrize("path", [("r0", "i1"), ("r0",)])
def test_a_refusal_is_no_absence(tmp_path: Path, published_schema: None, path: tuple[str, ...]) -> None:
    with GitHub(tmp_path / "github") as github:
        repo = repository(github, REPO)
        changes.create_issue(github.world, repo, author="anna", title="Mend it", body="Broken.")
        writer = Writer(github, REPO, tmp_path / "fleet")
        try:
            error = GraphError(path, "SERVICE_UNAVAILABLE", "Something went wrong.")
            github.faults.add(Fault("graphql", path="/graphql", errors=(error,)))
            with pytest.raises(SourceError, match="Something went wrong"):
                writer.get_issue(IssueKey(REPO, 1))
            assert writer.get_issue(IssueKey(REPO, 1)).title == "Mend it"
            with pytest.raises(UsageError):
                writer.get_issue(IssueKey(REPO, 99))
            with pytest.raises(UsageError):
                writer.get_pull(PullKey(REPO, 99))
        finally:
            writer.close()
