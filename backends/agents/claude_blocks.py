"""Content blocks of Claude Code's messages as events: words, thoughts, tool calls and their results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from backends.agents import said
from backends.agents.claude_wire import Block, Denial, Line
from hive_tui.core.events import AnyEvent, Question, Raw, Said, Thinking, ToolCall, ToolResult

_EXIT_CODE = re.compile(r"(?:Error: )?Exit code (\d{1,3})(?:\n|$)")


class Blocks:
    """Knows which tool calls are open, and which of them are sub-agents."""

    def __init__(self) -> None:
        self.workdir: str | None = None
        self._started: dict[str, str | None] = {}
        self._agents: dict[str, str] = {}
        self._denied: set[str] = set()

    def sub_agent(self, line: Line) -> str | None:
        """The name of the sub-agent that a line is about, None for the main one."""
        parent = line.parent_tool_use_id
        if parent is None:
            return None
        name = line.task_description or self._agents.get(parent) or line.subagent_type or line.agent_id
        return said.line(name or parent, 60)

    def events(self, block: Block, agent: str | None, timestamp: str | None) -> Iterator[AnyEvent]:
        match block.type:
            case "text":
                if text := said.text(block.text or ""):
                    yield Said(text=text, agent=agent)
            case "thinking":
                if text := said.text(block.thinking or ""):
                    yield Thinking(text=text, agent=agent)
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                yield from self._call(block, agent, timestamp)
            case "redacted_thinking":
                pass
            case _ if block.tool_use_id is not None:
                yield self.result(block, agent, timestamp)
            case kind:
                yield Raw(text=f"[{said.line(kind, 60)}]", agent=agent)

    def _call(self, block: Block, agent: str | None, timestamp: str | None) -> Iterator[AnyEvent]:
        values = block.input or {}
        name = said.name(block.name or "tool")
        if block.id is not None:
            self._started[block.id] = timestamp
            if name in ("Agent", "Task"):
                self._agents[block.id] = str(values.get("description") or values.get("subagent_type") or "")
        added, removed = _edited(values)
        yield ToolCall(
            name=name,
            argument=said.argument(values, self.workdir),
            id=_id(block.id),
            added=added,
            removed=removed,
            agent=agent,
        )
        if name == "AskUserQuestion" and (text := _questions(values)):
            yield Question(text=text, agent=agent)

    def result(self, block: Block, agent: str | None, timestamp: str | None) -> ToolResult:
        """What a tool gave back; a failed command's exit code is the first line of its text."""
        text = flat(block.content)
        failed = bool(block.is_error)
        code = _EXIT_CODE.match(text) if failed else None
        started = self._started.pop(block.tool_use_id or "", None)
        return ToolResult(
            text=said.text(text[code.end() :] if code else text, said.RESULT),
            failed=failed,
            exit_code=int(code[1]) if code else None,
            id=_id(block.tool_use_id),
            size=len(text),
            seconds=_between(started, timestamp),
            agent=agent,
        )

    def refused(self, line: Line) -> Question:
        """A tool call that was denied, told when it happened."""
        if line.tool_use_id is not None:
            self._denied.add(line.tool_use_id)
        why = line.message.partition(". ")[0] if isinstance(line.message, str) else ""
        return Question(text=said.line(f"was denied {line.tool_name or 'a tool'}: {why}", 300).rstrip(": "))

    def denials(self, denials: list[Denial]) -> Iterator[Question]:
        """Those of a result's list that were not told before."""
        for denial in denials:
            if denial.tool_use_id in self._denied:
                continue
            argument = said.argument(denial.tool_input or {}, self.workdir)
            yield Question(text=said.line(f"was denied {denial.tool_name or 'a tool'} {argument}", 300))


def flat(content: str | list[Block] | None) -> str:
    """A message's or a result's content as text."""
    if isinstance(content, list):
        return "\n".join(block.text if block.text is not None else f"[{block.type}]" for block in content)
    return content or ""


def moment(text: str | None) -> datetime | None:
    """A line's timestamp."""
    if text is None or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _between(start: str | None, end: str | None) -> float | None:
    began, ended = moment(start), moment(end)
    if began is None or ended is None:
        return None
    return max(0.0, (ended - began).total_seconds())


def _edited(values: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Lines added and removed, as far as the call of an editing tool tells."""
    match values:
        case {"old_string": str(old), "new_string": str(new)}:
            return said.changed_lines(old, new)
        case {"file_path": str(), "content": str(content)}:
            return len(content.splitlines()), None
        case {"edits": list(edits)}:
            pairs = [
                said.changed_lines(before, after)
                for edit in edits
                if isinstance(edit, dict)
                and isinstance(before := edit.get("old_string"), str)
                and isinstance(after := edit.get("new_string"), str)
            ]
            if pairs:
                return sum(added for added, _ in pairs), sum(removed for _, removed in pairs)
    return None, None


def _questions(values: Mapping[str, object]) -> str:
    questions = values.get("questions")
    found = [
        said.line(text, 500)
        for question in (questions if isinstance(questions, list) else [values])
        if isinstance(question, dict) and isinstance(text := question.get("question"), str)
    ]
    return " / ".join(found)


def _id(value: str | None) -> str | None:
    return None if value is None else said.name(value)
