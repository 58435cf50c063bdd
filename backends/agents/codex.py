"""OpenAI's Codex CLI as an agent: how it is started and found."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from backends.agents import executable
from backends.agents.codex_stream import CodexStream
from backends.agents.codex_transcript import CodexTranscript
from hive_tui.core.events import AgentResult
from hive_tui.core.ports import AgentJob, AgentProbe, Launch

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


def _logged_in() -> bool | None:
    """Whether credentials are there; OPENAI_API_KEY alone may or may not be used, so it proves nothing."""
    if os.environ.get("CODEX_API_KEY") or os.environ.get("CODEX_ACCESS_TOKEN"):
        return True
    folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    if (folder / "auth.json").is_file():
        return True
    return None if os.environ.get("OPENAI_API_KEY") or (folder / "config.toml").is_file() else False
