"""OpenAI's Codex CLI as an agent: how it is started and found."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from backends.agents import executable
from backends.agents.codex_stream import CodexStream
from backends.agents.codex_transcript import CodexTranscript
from hive_tui.core.events import AgentResult
from hive_tui.core.model import Tokens, Usage
from hive_tui.core.ports import AgentJob, AgentProbe, Launch
from hive_tui.core.usage import add

_SANDBOXES = {
    "plan": "read-only",
    "bypassPermissions": "danger-full-access",
}
"""What Claude Code's permission modes mean to Codex; all others write in the work tree only."""

_KEYS = ("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_ACCESS_TOKEN")


class CodexAgent:
    """Codex (core.ports.Agent). It takes one prompt per process, so messages wait for the next one."""

    name = "codex"
    can_message = False
    can_resume = True
    credentials: tuple[str, ...] = (
        *_KEYS,
        "CODEX_HOME",
        "OPENAI_BASE_URL",
        "OPENAI_ORGANIZATION",
        "OPENAI_PROJECT",
        *executable.NETWORK,
    )

    def probe(self, command: str | None) -> AgentProbe:
        return executable.probe(
            command or "codex",
            install="Install it with `npm install -g @openai/codex`.",
            logged_in=_logged_in(),
            login="Log in once with `codex login`, or set CODEX_API_KEY.",
        )

    def launch(self, job: AgentJob, prompt: str, *, session: str | None, workdir: Path) -> Launch:
        """The prompt goes in on standard input. Codex keeps `.git` read-only in a writable work tree, so
        that folder is added: the agent commits there, and the runner never opens it."""
        sandbox = _SANDBOXES.get(job.permission_mode, "workspace-write")
        argv = [job.command or "codex", "exec", "--json", "--sandbox", sandbox]
        argv += ["--cd", str(workdir), "--config", 'approval_policy="never"']
        if sandbox == "workspace-write":
            argv += ["--add-dir", str(workdir / ".git")]
        if job.model:
            argv += ["--model", job.model]
        if session:
            argv += ["resume", session]
        return Launch(argv=(*argv, "-"), env={}, stdin=prompt.encode("utf-8", "replace"))

    def message(self, text: str) -> bytes:
        return text.encode("utf-8", "replace")

    def parser(self, *, before: AgentResult | None = None) -> CodexStream:
        return CodexStream(before=before, clock=lambda: datetime.now(UTC))

    def transcript(self) -> CodexTranscript:
        return CodexTranscript()

    def usage_record(self) -> CodexUsage:
        return CodexUsage()


class CodexUsage:
    """Codex tells its use with the end of a turn, and writes down each call when it was made."""

    variables: tuple[str, ...] = ("CODEX_HOME",)

    def command(self, session: str) -> tuple[str, ...]:
        return ("sh", "-c", _PRINT_USAGE, "sh", session)

    def read(self, data: bytes) -> dict[str | None, Tokens]:
        from hive_tui.costs import codex  # only where an agent was ended
        from hive_tui.costs.call import Place, Source

        places: dict[Place, int] = {}
        source = Source(0, "", lambda place: places.setdefault(place, len(places)))
        lines = codex.calls(data, source, codex.State())
        found = {line.key: line for line in lines if not isinstance(line, codex.State)}
        models = [model for _, model, _, _ in places]
        used: dict[str | None, Tokens] = {}
        for call in found.values():
            model = None if models[call.place] == codex.UNKNOWN_MODEL else models[call.place]
            tokens = Tokens(call.input, call.output, call.cache_read, call.cache_write_5m)
            used[model] = add(Usage(used.get(model, Tokens())), Usage(tokens)).tokens
        return used


# Only lines that tell of use: a rollout may have hundreds of megabytes of what was said.
_PRINT_USAGE = (
    'cat -- "${CODEX_HOME:-$HOME/.codex}"/sessions/*/*/*/rollout-*-"$1".jsonl'
    """ | grep -aE '^.{0,200}"(turn_context|token_usage_record|token_count)"'"""
)


def _logged_in() -> bool | None:
    """Whether credentials are there; OPENAI_API_KEY alone may or may not be used, so it proves nothing."""
    if os.environ.get("CODEX_API_KEY") or os.environ.get("CODEX_ACCESS_TOKEN"):
        return True
    folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    if (folder / "auth.json").is_file():
        return True
    return None if os.environ.get("OPENAI_API_KEY") or (folder / "config.toml").is_file() else False
