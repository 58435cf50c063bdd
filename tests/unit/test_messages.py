"""What hive writes on a tracker: for people who do not look at the console."""

from __future__ import annotations

import msgspec

from hive_tui.core import messages
from hive_tui.core.model import Phase, Run, Tokens, Usage
from tests import builders as b


def ended(**changes: object) -> Run:
    run = b.run(1, phase=Phase.SUCCEEDED)
    return msgspec.structs.replace(run, status=msgspec.structs.replace(run.status, **changes))


def test_a_pull_request_quotes_the_agent_not_the_runner() -> None:
    body = messages.pull_body(ended(last_words="It `is` done."), b.issue(1))
    assert "The agent's last words: `It 'is' done.`" in body
    assert "last words" not in messages.pull_body(ended(), b.issue(1))


def test_what_an_agent_cost_is_said_or_that_it_did_not_say() -> None:
    assert "Cost: not reported." in messages.pull_body(ended(usage=Usage()), b.issue(1))
    used = Usage(Tokens(input=1000, output=200), cost_micros=1_230_000)
    assert "Cost: $1.23, 1.2k tokens." in messages.pull_body(ended(usage=used), b.issue(1))
