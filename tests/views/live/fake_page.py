"""A stand-in for the server of the live page: it sends what a test gives it, at the time the test chooses."""

from __future__ import annotations

import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from factory_sim.views.live.page_files import PAGE, page_files

if TYPE_CHECKING:
    from collections.abc import Callable

    Json = dict[str, Any]

POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
PARTS = ("units", "levels", "vehicles", "crews")
END = "end"


class FakePage:
    """A server on a free port of this machine. `answers`: first segment of a path -> function(rest, query)."""

    def __init__(self, plan: Json, picture: Json, port: int = 0) -> None:
        self.plan, self.picture = plan, picture
        self.answers: dict[str, Callable[[str, Json], Json | None]] = {}
        self.asked: list[str] = []
        self._lock, self._streams = Lock(), list[Queue[str]]()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def change(self, **change: Any) -> None:
        """Send a difference, and keep it for those that connect later."""
        with self._lock:
            for key, value in change.items():
                if key in PARTS:
                    self.picture.setdefault(key, {}).update(value)
                else:
                    self.picture[key] = value
            for stream in self._streams:
                stream.put(event("change", change))

    def drop(self) -> None:
        """End every event stream, as a server does that stops."""
        with self._lock:
            for stream in self._streams:
                stream.put(END)

    def _subscribe(self) -> Queue[str]:
        stream: Queue[str] = Queue()
        with self._lock:
            stream.put(event("full", self.picture))
            self._streams.append(stream)
        return stream

    def _handler(page) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802 - the library's name
                page.asked.append(self.path)
                path = urlsplit(self.path).path
                name = path.removeprefix("/static/") if path.startswith("/static/") else PAGE if path == "/" else ""
                if path == "/events":
                    with suppress(ConnectionError):
                        self._stream()
                elif name in page_files():
                    self._send(200, page_files()[name].content, page_files()[name].media_type)
                elif path == "/plan.json":
                    self._json(page.plan)
                else:
                    self._answer({key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()})

            def do_POST(self) -> None:  # noqa: N802 - the library's name
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, query: Json) -> None:
                first, _, rest = unquote(urlsplit(self.path).path).strip("/").partition("/")
                found = page.answers[first](rest, query) if first in page.answers else None
                self._json(found if found is not None else {"error": "There is no such thing."}, 404 * (found is None))

            def _json(self, value: Any, status: int = 0) -> None:
                self._send(status or 200, json.dumps(value).encode(), "application/json")

            def _send(self, status: int, content: bytes, media_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Content-Security-Policy", POLICY)
                self.end_headers()
                self.wfile.write(content)

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                stream = page._subscribe()
                try:
                    while (text := _next(stream)) != END:
                        self.wfile.write(text.encode())
                        self.wfile.flush()
                finally:
                    page._streams.remove(stream)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        return Handler


def event(name: str, content: Json) -> str:
    return f"event: {name}\ndata: {json.dumps(content)}\n\n"


def _next(stream: Queue[str]) -> str:
    try:
        return stream.get(timeout=1.5)
    except Empty:
        return event("change", {})
