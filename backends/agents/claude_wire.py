"""The lines that Claude Code prints with `--output-format stream-json`, as far as hive reads them.

One flat struct for every type of line: the types number in the dozens and grow with each release, the
fields that matter do not. Formats seen with 2.1.197 and 2.1.329.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from hive_tui.core.lenient import Count


class Block(msgspec.Struct, gc=False):
    """A content block of a message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None


class MessageUsage(msgspec.Struct, gc=False):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None


class Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: str | list[Block] | None = None
    usage: MessageUsage | None = None
    stop_reason: str | None = None


class ModelUsage(msgspec.Struct, gc=False):
    """What a model used in the session, in a `result`."""

    input: Count = field(default=0, name="inputTokens")
    output: Count = field(default=0, name="outputTokens")
    cache_read: Count = field(default=0, name="cacheReadInputTokens")
    cache_write: Count = field(default=0, name="cacheCreationInputTokens")
    dollars: float | None = field(default=None, name="costUSD")


class Denial(msgspec.Struct, gc=False):
    tool_name: str = ""
    tool_use_id: str | None = None
    tool_input: dict[str, Any] | None = None


class Task(msgspec.Struct, gc=False):
    task_id: str = ""
    task_type: str | None = None


class Patch(msgspec.Struct, gc=False):
    status: str | None = None


class Compaction(msgspec.Struct, gc=False):
    trigger: str | None = None
    pre_tokens: Count | None = None
    post_tokens: Count | None = None


class RateLimit(msgspec.Struct, gc=False):
    status: str | None = None
    resets_at: float | None = field(default=None, name="resetsAt")
    kind: str | None = field(default=None, name="rateLimitType")
    utilization: float | None = None
    using_overage: bool | None = field(default=None, name="isUsingOverage")


class Partial(msgspec.Struct):
    """The API's own stream event, passed through with `--include-partial-messages`."""

    type: str = ""
    message: Message | None = None
    usage: MessageUsage | None = None


class Control(msgspec.Struct, gc=False):
    subtype: str | None = None
    error: str | None = None
    tool_name: str | None = None


class Line(msgspec.Struct):
    type: str = ""
    subtype: str | None = None
    session_id: str | None = None
    timestamp: str | None = None

    # assistant and user
    message: Message | str | None = None
    parent_tool_use_id: str | None = None
    agent_id: str | None = None
    subagent_type: str | None = None
    task_description: str | None = None
    is_replay: bool | None = field(default=None, name="isReplay")
    error: str | None = None
    is_api_error: bool | None = field(default=None, name="is_api_error_message")
    api_error_status: Count | None = None
    aborted: bool | None = None

    # result
    is_error: bool | None = None
    terminal_reason: str | None = None
    result: str | None = None
    errors: list[str] | None = None
    total_cost_usd: float | None = None
    usage: MessageUsage | None = None
    model_usage: dict[str, ModelUsage] | None = field(default=None, name="modelUsage")
    since_last_result: dict[str, ModelUsage] | None = field(
        default=None, name="model_usage_since_last_result"
    )
    permission_denials: list[Denial] | None = None
    queued_turn_count: Count | None = None

    # system
    model: str | None = None
    cwd: str | None = None
    attempt: Count | None = None
    max_retries: Count | None = None
    retry_delay_ms: float | None = None
    error_status: Count | None = None
    tool_name: str | None = None
    tool_use_id: str | None = None
    task_id: str | None = None
    task_type: str | None = None
    is_backgrounded: bool | None = None
    description: str | None = None
    status: str | None = None
    summary: str | None = None
    patch: Patch | None = None
    tasks: list[Task] | None = None
    content: str | None = None
    original_model: str | None = None
    fallback_model: str | None = None
    compact_metadata: Compaction | None = None

    # others
    rate_limit_info: RateLimit | None = None
    event: Partial | None = None
    api_message_id: str | None = None
    response: Control | None = None
    request: Control | None = None


DECODER = msgspec.json.Decoder(Line)
