"""A scripted server of the Anthropic Messages API, good enough for the real Claude Code CLI.

A script is a list of replies; each request of the agent's main loop takes the next one. Requests that
the CLI makes beside that (titles, probes: they offer no tools) get a short answer that costs nothing.
"""

from __future__ import annotations

import itertools
import re
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec


class Figures(msgspec.Struct, frozen=True):
    """Tokens that a reply claims to have used."""

    input: int = 20
    output: int = 30
    cache_read: int = 0
    cache_write: int = 0


class ToolUse(msgspec.Struct, frozen=True):
    name: str
    input: dict[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """One answer of the model: words, then tool calls."""

    text: str = ""
    tools: tuple[ToolUse, ...] = ()
    usage: Figures = Figures()


class Failure(msgspec.Struct, frozen=True):
    """One answer of a server that does not serve: 429, 401, 529, or 400 for want of credit."""

    status: int
    kind: str
    message: str
    headers: dict[str, str] = {}


_WORKDIR = re.compile(r"working directory: (.+)", re.IGNORECASE)

DONE = Reply(text="Done.")
NO_CREDIT = Failure(
    400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."
)
OVERLOADED = Failure(529, "overloaded_error", "Overloaded")
RATE_LIMITED = Failure(429, "rate_limit_error", "Number of requests exceeded.", {"retry-after": "1"})
BAD_KEY = Failure(401, "authentication_error", "invalid x-api-key", {"x-should-retry": "false"})


def bash(command: str) -> ToolUse:
    return ToolUse("Bash", {"command": command, "description": "Work"})


def write(path: str, content: str) -> ToolUse:
    """A relative path is below the working directory that the CLI named in its request."""
    return ToolUse("Write", {"file_path": path, "content": content})


class ModelServer:
    """Serves on a free port of this machine while the `with` block lasts."""

    def __init__(self, *script: Reply | Failure, endless: bool = False, address: str | None = None) -> None:
        """When the script is over it answers "Done."; an `endless` one keeps silent instead.

        With an `address` of this machine other machines reach it there.
        """
        self._script = list(script)
        self._endless = endless
        self._ending = threading.Event()
        self._next = itertools.count()
        self._lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        """Bodies of the main loop's requests, in order."""
        self.others: list[str] = []
        """Method and path of everything else that was asked."""
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("0.0.0.0" if address else "127.0.0.1", 0), Handler)
        self._address = address or "127.0.0.1"
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self._http.server_port}"

    def environment(self) -> dict[str, str]:
        """What makes the CLI talk to this server, and to nobody else."""
        return {
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "test-key-of-nobody",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, body: dict[str, Any]) -> Reply | Failure:
        if not body.get("tools"):
            with self._lock:
                self.others.append("POST without tools")
            return Reply(text="ok", usage=Figures(0, 0))
        with self._lock:
            self.requests.append(body)
            number = next(self._next)
        if number >= len(self._script) and self._endless:
            self._ending.wait()
        answer = self._script[number] if number < len(self._script) else DONE
        return _placed(answer, body) if isinstance(answer, Reply) else answer


def _placed(reply: Reply, body: dict[str, Any]) -> Reply:
    named = _WORKDIR.search("\n".join(block["text"] for block in body["system"]))
    workdir = Path(named[1] if named else "/")
    tools = tuple(
        ToolUse(tool.name, {**tool.input, "file_path": str(workdir / tool.input["file_path"])})
        if "file_path" in tool.input
        else tool
        for tool in reply.tools
    )
    return msgspec.structs.replace(reply, tools=tools)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ModelServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""

    def do_HEAD(self) -> None:
        self._other()

    def do_GET(self) -> None:
        self._other()

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            self._json(200, {"input_tokens": max(1, len(data) // 4)})
            return
        if not path.endswith("/v1/messages"):
            self._other()
            return
        body = msgspec.json.decode(data)
        answer = self.owner.answer(body)
        if isinstance(answer, Failure):
            fault = {"type": answer.kind, "message": answer.message}
            self._json(answer.status, {"type": "error", "error": fault}, answer.headers)
        elif body.get("stream"):
            self._stream(answer, str(body.get("model")))
        else:
            self._json(200, _message(answer, str(body.get("model")), whole=True))

    def _other(self) -> None:
        self.owner.others.append(f"{self.command} {self.path}")
        self._json(404, {"type": "error", "error": {"type": "not_found_error", "message": "nothing here"}})

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        data = msgspec.json.encode(value)
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, reply: Reply, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("request-id", f"req_{uuid.uuid4().hex[:24]}")
        self.send_header("connection", "close")
        self.end_headers()
        for event in _events(reply, model):
            data = msgspec.json.encode(event).decode()
            self.wfile.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True


def _message(reply: Reply, model: str, *, whole: bool) -> dict[str, Any]:
    used = reply.usage
    blocks: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    for tool in reply.tools:
        blocks.append(
            {
                "type": "tool_use",
                "id": f"toolu_{uuid.uuid4().hex[:24]}",
                "name": tool.name,
                "input": tool.input,
            }
        )
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks if whole else [],
        "stop_reason": ("tool_use" if reply.tools else "end_turn") if whole else None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": used.input,
            "cache_read_input_tokens": used.cache_read,
            "cache_creation_input_tokens": used.cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.cache_write,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": used.output if whole else 1,
            "service_tier": "standard",
        },
    }


def _events(reply: Reply, model: str) -> Iterator[dict[str, Any]]:
    """The server-sent events of a streamed reply; the output tokens come last, as from the real one."""
    yield {"type": "message_start", "message": _message(reply, model, whole=False)}
    for index, block in enumerate(_message(reply, model, whole=True)["content"]):
        start: dict[str, Any]
        if block["type"] == "text":
            start = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": msgspec.json.encode(block["input"]).decode()}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use" if reply.tools else "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": reply.usage.output},
    }
    yield {"type": "message_stop"}
