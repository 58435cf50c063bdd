"""What agents say, made safe to keep and show: the bounds, and the masking of secrets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hive_tui.core.text import Redactor, clean, clean_line

SAID = 16_384
"""Characters kept of what an agent says or thinks."""
RESULT = 8_192
"""Characters kept of a tool's result."""
RAW = 2_048
"""Characters kept of a line that is not understood."""
ARGUMENT = 512
WHY = 300

_redact = Redactor()


def text(value: str, limit: int = SAID) -> str:
    """Several lines, cleaned before secrets are looked for, so that no escape code can hide one."""
    return _redact(clean(value, limit=limit)).strip()


def line(value: str, limit: int = ARGUMENT) -> str:
    """The same on one line."""
    if len(value) <= limit and value.isprintable() and "  " not in value:
        # Nothing that `clean_line` removes is printable; most lines are as harmless as this.
        return _redact(value.strip())
    return _redact(clean_line(value, limit=limit))


def name(value: str) -> str:
    """An identifier or a name, which agents repeat on every line."""
    return _name(value[:512])


@lru_cache(maxsize=256)
def _name(value: str) -> str:
    return line(value, 128)


def raw(value: bytes) -> str:
    """A line that is not understood, bounded before it is decoded."""
    return line(value[: 4 * RAW].decode("utf-8", "replace"), RAW)


_TELLING = (
    "command",
    "file_path",
    "notebook_path",
    "path",
    "pattern",
    "url",
    "query",
    "skill",
    "description",
    "prompt",
    "task_id",
)


def argument(values: Mapping[str, Any], workdir: str | None = None) -> str:
    """The argument of a tool call that tells most; paths below the work tree are shown relative."""
    value = next((found for name in _TELLING if isinstance(found := values.get(name), str) and found), None)
    if value is None:
        value = next((found for found in values.values() if isinstance(found, str) and found), "")
    return line(relative(value, workdir))


def relative(path: str, workdir: str | None) -> str:
    if workdir and path.startswith(f"{workdir.rstrip('/')}/"):
        return path[len(workdir.rstrip("/")) + 1 :]
    return path


def changed_lines(old: str, new: str) -> tuple[int, int]:
    """Lines added and removed by replacing `old` with `new`: what differs between the common start
    and the common end."""
    before, after = old.splitlines(), new.splitlines()
    most = min(len(before), len(after))
    start = 0
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return len(after) - start - end, len(before) - start - end
