"""A month of somebody's work with Claude Code, made from the corpus: for pictures."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from hive_tui.costs import files
from hive_tui.costs.files import Root
from tests.corpus import HERE

SESSIONS = 130

_MODELS = ("claude-opus-5-5", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001")
_PROJECTS = ("shop", "api", "infra", "docs")
_STAMP = re.compile(rb'"timestamp":"(20[^"]+)"')
_LONGER = {rb'"cache_read_input_tokens":(\d+)': 90, rb'"output_tokens":(\d+)': 60}
"""By how much more a day's work is than the errands of the corpus."""


def make(home: Path, now: datetime) -> tuple[Root, ...]:
    """Transcripts below `home` that end at `now`; the same every time. Returns where they are."""
    dice = random.Random(7)
    (source,) = (HERE / "claude" / "success" / "claude-home" / "projects").rglob("*.jsonl")
    whole = source.read_bytes()
    first = _STAMP.search(whole)
    assert first is not None, "every line of a transcript has its time"
    begun = _moment(first[1])
    for number in range(SESSIONS):
        ago = timedelta(days=int(30 * dice.random() ** 1.6), hours=0.3 + 8 * dice.random())
        _write(home, number, whole, now - ago - begun, dice)
    return files.roots({"CLAUDE_CONFIG_DIR": str(home), "CODEX_HOME": str(home / "codex")}, home)


def _write(home: Path, number: int, whole: bytes, later: timedelta, dice: random.Random) -> None:
    longer = 0.2 + dice.random()

    def moved(found: re.Match[bytes]) -> bytes:
        return b'"timestamp":"%s"' % (_moment(found[1]) + later).isoformat().encode()

    data = _STAMP.sub(moved, whole)
    for pattern, times in _LONGER.items():
        data = re.sub(pattern, partial(_times, round(times * longer)), data)
    data = data.replace(b'"msg_', b'"msg_%d_' % number).replace(b'"req_', b'"req_%d_' % number)
    data = re.sub(rb'"sessionId":"[0-9a-f]{8}', b'"sessionId":"%08x' % number, data)
    data = data.replace(_MODELS[0].encode(), dice.choices(_MODELS, (6, 3, 2))[0].encode())
    project = dice.choices(_PROJECTS, (5, 4, 2, 1))[0]
    data = re.sub(rb'"cwd":"[^"]*"', b'"cwd":"/home/you/src/%s"' % project.encode(), data)
    folder = home / "projects" / f"-home-you-src-{project}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:08x}-369b-473e-a714-5d2a01c8e9f0.jsonl").write_bytes(data)


def _times(factor: int, found: re.Match[bytes]) -> bytes:
    return found[0].replace(found[1], b"%d" % (int(found[1]) * factor))


def _moment(stamp: bytes) -> datetime:
    return datetime.fromisoformat(stamp.decode())
