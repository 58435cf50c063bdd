"""A scripted server of the OpenAI Responses API, good enough for the real Codex CLI.

A script is a list of answers, one for each request of a model; when it is over the server keeps silent.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """One answer of the model: words, and whether it goes on with a tool, of which Codex knows none."""

    text: str
    goes_on: bool = False
    input: int = 20
    cached: int = 0
    output: int = 30


class ResponsesServer:
    """Serves on a free port of this machine while the `with` block lasts."""

    def __init__(self, *script: Answer, address: str | None = None) -> None:
        """With an `address` of this machine other machines reach it there."""
        self._script = script
        self._next = itertools.count()
        self.ending = threading.Event()
        self.silent = threading.Event()
        """Something was asked after the end of the script."""
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("0.0.0.0" if address else "127.0.0.1", 0), Handler)
        self._address = address or "127.0.0.1"
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self._http.server_port}/v1"

    def __enter__(self) -> ResponsesServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self) -> Answer | None:
        number = next(self._next)
        if number < len(self._script):
            return self._script[number]
        self.silent.set()
        self.ending.wait()
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ResponsesServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""

    def do_GET(self) -> None:
        """Codex tries a WebSocket first, several times unless it is told that there is none."""
        self._no(426)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self.path.partition("?")[0].endswith("/responses"):
            self._no(404)
            return
        answer = self.owner.answer()
        self.close_connection = True
        if answer is None:
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in _events(answer):
            self.wfile.write(
                f"event: {event['type']}\ndata: {msgspec.json.encode(event).decode()}\n\n".encode()
            )
            self.wfile.flush()

    def _no(self, status: int) -> None:
        data = b'{"error":{"message":"nothing here","type":"not_found"}}'
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _events(answer: Answer) -> Iterator[dict[str, Any]]:
    response = {"id": f"resp_{uuid.uuid4().hex}"}
    yield {"type": "response.created", "response": response}
    words = {"type": "output_text", "text": answer.text}
    items: list[dict[str, Any]] = [
        {"type": "message", "role": "assistant", "id": f"msg_{uuid.uuid4().hex}", "content": [words]}
    ]
    if answer.goes_on:
        call = f"call_{uuid.uuid4().hex}"
        items.append({"type": "function_call", "call_id": call, "name": "wait_for_it", "arguments": "{}"})
    for index, item in enumerate(items):
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    usage = {
        "input_tokens": answer.input,
        "input_tokens_details": {"cached_tokens": answer.cached},
        "output_tokens": answer.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input + answer.output,
    }
    yield {"type": "response.completed", "response": {**response, "usage": usage}}
