"""What a dispatcher says of a decision that it cannot carry out."""

from __future__ import annotations

import pytest

from hive_tui.core.decisions import CloseIssue, Decision, ReleaseSlot, Renew, Settle, about, undone
from hive_tui.core.ids import IssueKey
from tests import builders as b

KEY = IssueKey(b.REPO, 1)


@pytest.mark.parametrize(
    ("decision", "key", "words"),
    [
        (Settle(b.run(1), gives_up=False), KEY, "what its run came to is not in the tracker yet"),
        (Renew(b.run(1)), KEY, "the right to it is not renewed yet"),
        (CloseIssue(KEY, 50), KEY, "it is merged, but not closed yet"),
        (ReleaseSlot(b.run(1).id), None, f"the slot of {b.run(1).id} is not free yet"),
    ],
)
def test_it_names_the_issue_and_what_is_not_so_yet(
    decision: Decision, key: IssueKey | None, words: str
) -> None:
    assert (about(decision), undone(decision)) == (key, words)
