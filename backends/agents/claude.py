"""Claude Code as an agent: how it is started, spoken to and found."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from backends.agents import executable
from backends.agents.claude_stream import ClaudeStream
from backends.agents.claude_transcript import ClaudeTranscript
from hive_tui.core.events import AgentResult
from hive_tui.core.ports import AgentJob, AgentProbe, Launch

_LOGIN = "Log in once with `claude` (then /login), or set ANTHROPIC_API_KEY."
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")


class ClaudeAgent:
    """Claude Code (core.ports.Agent)."""

    name = "claude"
    can_message = True
    can_resume = True
    credentials: tuple[str, ...] = (
        *_KEYS,
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_MODEL",
        "ANTHROPIC_SMALL_FAST_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS",
        "DISABLE_TELEMETRY",
        "DISABLE_AUTOUPDATER",
        "DISABLE_ERROR_REPORTING",
        "API_TIMEOUT_MS",
        *_PROVIDERS,
        "ANTHROPIC_BEDROCK_BASE_URL",
        "ANTHROPIC_VERTEX_BASE_URL",
        "ANTHROPIC_VERTEX_PROJECT_ID",
        "ANTHROPIC_FOUNDRY_API_KEY",
        "ANTHROPIC_FOUNDRY_RESOURCE",
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "CLOUD_ML_REGION",
        "GOOGLE_APPLICATION_CREDENTIALS",
        *executable.NETWORK,
    )

    def probe(self, command: str | None) -> AgentProbe:
        return executable.probe(
            command or "claude",
            install="Install it with `npm install -g @anthropic-ai/claude-code`.",
            logged_in=_logged_in(),
            login=_LOGIN,
        )

    def launch(self, job: AgentJob, prompt: str, *, session: str | None, workdir: Path) -> Launch:
        """The prompt goes in as the first message on standard input, never as an argument, which every
        user of the machine could read. Partial messages are asked for because they alone tell the true
        output tokens before the end, and so what a killed run used."""
        argv = [job.command or "claude", "-p", "--verbose"]
        argv += ["--input-format", "stream-json", "--output-format", "stream-json"]
        argv += ["--replay-user-messages", "--include-partial-messages"]
        argv += ["--permission-mode", job.permission_mode]
        if job.allowed_tools:
            argv += ["--allowedTools", *job.allowed_tools]
        if job.model:
            argv += ["--model", job.model]
        if job.max_turns is not None:
            argv += ["--max-turns", str(job.max_turns)]
        if session:
            argv += ["--resume", session]
        env = {"DISABLE_AUTOUPDATER": "1"}
        if job.permission_mode == "bypassPermissions" and os.geteuid() == 0:
            # As root it refuses to bypass permissions unless told that this is a sandbox; whoever chose
            # the mode for a fleet that runs as root said so.
            env["IS_SANDBOX"] = "1"
        return Launch(argv=tuple(argv), env=env, stdin=self.message(prompt), keep_stdin=True)

    def message(self, text: str) -> bytes:
        content = [{"type": "text", "text": text}]
        return msgspec.json.encode({"type": "user", "message": {"role": "user", "content": content}}) + b"\n"

    def parser(self, *, before: AgentResult | None = None) -> ClaudeStream:
        return ClaudeStream(before=before, clock=lambda: datetime.now(UTC))

    def transcript(self) -> ClaudeTranscript:
        return ClaudeTranscript()


def _mentions(path: Path, words: bytes) -> bool:
    try:
        return words in path.read_bytes()
    except OSError:
        return False


def _logged_in() -> bool | None:
    """Whether credentials are there; a key in the keychain of macOS, or from a helper of the user's,
    cannot be seen without asking for it."""
    if any(os.environ.get(name) for name in (*_KEYS, *_PROVIDERS)):
        return True
    folder = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    if (folder / ".credentials.json").is_file():
        return True
    state = folder if os.environ.get("CLAUDE_CONFIG_DIR") else Path.home()
    if _mentions(state / ".claude.json", b'"primaryApiKey"'):
        return True
    if os.uname().sysname == "Darwin" or (folder / "settings.json").is_file():
        return None
    return False
