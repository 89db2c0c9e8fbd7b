"""The HTTP server of the live page: Starlette on uvicorn, in a thread beside the listener."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import os
import re
import socket
import threading
from base64 import b64decode
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from factory_sim.errors import PageError
from factory_sim.live.page.browsers import MOST_BROWSERS, Browsers
from factory_sim.live.page.live_page import encoded
from factory_sim.live.page.page_address import PageAddress
from factory_sim.live.page.page_answers import HOUR_MS, SHIFT_MS, Refusal
from factory_sim.views.live.page_files import PAGE, page_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from factory_sim.live.page.live_page import LivePage

START_S, STOP_S = 10.0, 3.0
MOST_REQUESTS, MOST_CONNECTIONS = 300, 1_000  # at once; beyond, requests get a sentence, connections are refused
_PORT = re.compile(r":\d*$")
MOST_READS = 8  # of a recording, that wait for each other
POINTS = 600  # of a curve
BACKLOG = 128  # connections that wait to be accepted
LATEST_MS = 10**14  # since 1970: the year 5138
LONGEST_BODY = 1_000  # bytes of a request
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_REASONS = {
    errno.EADDRINUSE: "is in use. Choose another port (--page-address {host}:{other}), or end what listens there",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
    errno.EACCES: "needs rights that this user does not have; use a port above 1023",
}


class PageServer:
    """Serves a page between entering and leaving the context."""

    def __init__(self, page: LivePage, address: PageAddress, password: str = "") -> None:
        """Raise PageError for an address that other machines reach without a password."""
        address.check(password)
        self.page, self.address = page, address
        self.browsers = Browsers(page)
        self._password = password
        self._thread: threading.Thread | None = None
        self._server: uvicorn.Server | None = None

    def __enter__(self) -> Self:
        """Start to serve. Raises PageError if the address cannot be used."""
        listening = self._bound()
        self.address = PageAddress(self.address.host, listening.getsockname()[1])
        ready = threading.Event()
        config = uvicorn.Config(
            _Guard(_app(self.page, self.browsers, ready), self.address, self._password),
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="page", daemon=True
        )
        self._thread.start()
        if not ready.wait(START_S):
            msg = f"The page did not start within {START_S:g} s."
            raise PageError(msg)
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection."""
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self.browsers.close()
        self._thread.join(STOP_S)

    @property
    def thread(self) -> threading.Thread:
        """The thread that serves."""
        assert self._thread is not None
        return self._thread

    def _bound(self) -> socket.socket:
        host, port = self.address.host, self.address.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio asks for the protocol
        try:
            if os.name == "posix":  # elsewhere the option would let two servers share a port
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
            found.listen(BACKLOG)  # a browser that connects before the server is ready waits
        except OSError as error:
            found.close()
            reason = _REASONS.get(error.errno or 0, f"cannot be used: {error.strerror or error}")
            text = reason.format(host=host, other=port + 1 if port < 2**16 - 1 else port - 1)
            msg = f"The page cannot be served: {host}:{port} {text}."
            raise PageError(msg) from None
        return found


def _app(page: LivePage, browsers: Browsers, ready: threading.Event) -> Starlette:
    """Return the application: every address of the page."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(browsers.run())
        ready.set()
        yield
        browsers.close()
        await running

    answers = _Answers(page, browsers)
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", answers.file),
            Route("/static/{name:path}", answers.file),
            Route("/plan.json", answers.plan),
            Route("/events", answers.events),
            Route("/values.json", answers.values),
            Route("/units/{name}", answers.unit),
            Route("/signals/{name}", answers.signals),
            Route("/chart", answers.chart),
            Route("/at", answers.at),
            Route("/figures", answers.figures),
            Route("/timeline", answers.timeline),
            Route("/whatif", answers.offered),
            Route("/whatif", answers.evaluated, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Refusal: _refusal, Exception: _failure},
    )


class _Answers:
    """The answers to requests."""

    def __init__(self, page: LivePage, browsers: Browsers) -> None:
        self._page, self._browsers = page, browsers
        self._reads, self._reading, self._concluding = 0, asyncio.Lock(), asyncio.Lock()
        self._tags = {name: f'"{hashlib.sha256(each.content).hexdigest()[:16]}"' for name, each in page_files().items()}

    async def file(self, request: Request) -> Response:
        """A file of the page, by its name in the one table of files."""
        name = request.path_params.get("name", PAGE)
        found = page_files().get(name)
        if found is None:
            raise Refusal(404, f"The page has no file {name[:80]!r}.")
        headers = {"etag": self._tags[name], "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self._tags[name]:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    async def plan(self, _: Request) -> Response:
        """What does not change during a run."""
        return _json(self._page.plan())

    async def events(self, _: Request) -> Response:
        """Server-sent events."""
        if len(self._browsers) >= MOST_BROWSERS:
            raise Refusal(503, f"The page is open in {MOST_BROWSERS} browsers already: close one.")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._browsers.events(), media_type="text/event-stream", headers=headers)

    async def values(self, request: Request) -> Response:
        """The KPIs."""
        return _json(self._page.answers().values(request.query_params.get("window", "run")))

    async def unit(self, request: Request) -> Response:
        """The last hours of a unit."""
        name, at_ms = request.path_params["name"], _number(request, "t_ms")
        read = partial(self._page.answers().unit, name, at_ms)
        return _json(read() if at_ms is None else await self._read(read))

    async def signals(self, request: Request) -> Response:
        """The signals of a unit."""
        first, stop, points = (_number(request, key) for key in ("from_ms", "to_ms", "points"))
        answers = self._page.answers()
        read = partial(answers.signals, request.path_params["name"], first, stop, points or POINTS)
        return _json(await self._read(read) if answers.is_old(first, HOUR_MS) else read())

    async def chart(self, request: Request) -> Response:
        """The states of all machines."""
        first, stop = _number(request, "from_ms"), _number(request, "to_ms")
        answers = self._page.answers()
        read = partial(answers.chart, first, stop)
        return _json(await self._read(read) if answers.is_old(first, SHIFT_MS) else read())

    async def timeline(self, _: Request) -> Response:
        """The stretch that can be looked back on."""
        return _json(await self._read(self._page.answers().timeline))

    async def at(self, request: Request) -> Response:
        """The picture of an instant."""
        return _json(await self._read(partial(self._page.answers().at, _number(request, "t_ms"))))

    async def figures(self, request: Request) -> Response:
        """What the analysis concludes at an instant: it takes seconds, in which pictures are still read."""
        read = partial(self._page.answers().figures, _number(request, "t_ms"))
        return _json(await self._read(read, self._concluding))

    async def offered(self, _: Request) -> Response:
        """The changes that can be evaluated."""
        what_if, limit = self._page.what_if, self._page.constraint()
        found = what_if.offered(limit) if what_if is not None else ()
        return _json([{"change": change, "text": text} for change, text in found])

    async def evaluated(self, request: Request) -> Response:
        """The effect of a change."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise Refusal(403, "Changes are evaluated for the page itself only.")
        if self._page.what_if is None:
            raise Refusal(404, "Changes are evaluated for a simulated feed whose run is saved: run --page --save FILE.")
        return _json(await self._page.what_if.evaluate(await _change(request), self._page.constraint()))

    async def _read(self, read: Callable[[], object], turn: asyncio.Lock | None = None) -> object:
        """Return what a recording answers: read in a thread, one at a time, so that the analysis is not slowed."""
        if self._reads >= MOST_READS:
            raise Refusal(503, "The recording is being read for other browsers: try again.")
        self._reads += 1
        try:
            async with turn or self._reading:
                return await asyncio.to_thread(read)
        finally:
            self._reads -= 1


def _number(request: Request, key: str) -> int | None:
    text = request.query_params.get(key, "")
    try:
        number = int(float(text)) if text else None
    except (ValueError, OverflowError):
        number = LATEST_MS + 1
    if number is not None and abs(number) > LATEST_MS:
        raise Refusal(400, f"{key}: expected a whole number, got {text[:40]!r}.")
    return number


async def _change(request: Request) -> str:
    """Return the change in the body of a request."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            raise Refusal(413, f"The request is longer than {LONGEST_BODY} bytes.")
    try:
        change = json.loads(body)["change"]
    except (ValueError, KeyError, TypeError):
        change = None
    if not isinstance(change, str):
        raise Refusal(400, 'Expected {"change": TEXT}.')
    return change


def _json(content: object, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(encoded(content), status, headers, media_type="application/json")


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _json({"error": str(error)}, error.status)


async def _failure(_: Request, error: Exception) -> Response:
    return _json({"error": f"The request could not be answered: {type(error).__name__}."}, 500)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {404: f"There is nothing at {request.url.path[:80]!r}.", 405: f"{request.method} is not allowed here."}
    return _json({"error": sentences.get(error.status_code, error.detail)}, error.status_code)


class _Guard:
    """Adds the security headers; refuses clients without the password, and other host names on this machine."""

    def __init__(self, app: ASGIApp, address: PageAddress, password: str) -> None:
        self._app, self._password = app, password.encode()
        names = {"127.0.0.1", "localhost", "[::1]", address.host, f"[{address.host}]"}
        self._hosts = names if address.is_loopback else set()  # without ports: a tunnel may have another one
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        answer = self._refused(dict(scope["headers"]))
        self._active += 1
        try:
            await (answer or self._app)(scope, receive, with_headers)
        finally:
            self._active -= 1

    def _refused(self, headers: dict[bytes, bytes]) -> Response | None:
        if self._password and not self._is_known(headers.get(b"authorization", b"")):
            answer = _json({"error": "The page needs a password: any user name, and the one it was started with."}, 401)
            answer.headers["www-authenticate"] = 'Basic realm="factory_sim", charset="UTF-8"'
            return answer
        if self._active >= MOST_REQUESTS:
            return _json({"error": f"{MOST_REQUESTS} requests are being answered: try again."}, 503)
        host = _PORT.sub("", headers.get(b"host", b"").decode("latin-1"))
        if self._hosts and host not in self._hosts:  # a foreign name that resolves to this machine (DNS rebinding)
            return _json({"error": f"The page is not served as {host[:80]!r}."}, 421)
        return None

    def _is_known(self, given: bytes) -> bool:
        kind, _, text = given.partition(b" ")
        try:
            password = b64decode(text, validate=True).partition(b":")[2]
        except ValueError:
            return False
        return kind.lower() == b"basic" and hmac.compare_digest(password, self._password)
