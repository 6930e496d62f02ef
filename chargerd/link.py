"""The WebSocket to the CSMS: it opens and closes when told and moves text. When to try again is the core's decision.

Every `open` ends in exactly one LinkDown, whatever happens. Nothing of OCPP is sent before the server has been
verified, has accepted the credentials and has agreed to the subprotocol.
"""

import asyncio
import base64
import contextlib
import socket
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
    ProtocolError,
)
from websockets.typing import Subprotocol

from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.events import Event, LinkDown, LinkFailure, LinkUp, Received
from chargerd.tls import CsmsContext
from chargerd.tls_failures import failure_by_probe, failure_of, is_ambiguous
from chargerd.tls_probe import probe

SUBPROTOCOL = "ocpp2.0.1"

MAX_FRAME_BYTES = 64 * 1024
"""A message larger than this ends the link (close code 1009); the largest 2.0.1 request of a CSMS fits many times."""

PONG_WITHIN_S = 20.0
"""A ping unanswered for this long means that the other side is gone: the link is half-open."""

UNACKNOWLEDGED_MS = 30_000
"""TCP_USER_TIMEOUT: sent data nobody acknowledges for this long ends the connection, pings or no pings."""

CLOSE_WITHIN_S = 2.0
"""How long a polite closing handshake may take before the socket is simply closed."""


class _Connect(connect):
    """A redirect would carry the password to somebody else's server, so it is an error like any other status."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Connection(ClientConnection):
    """Not a byte of HTTP is sent before the CSMS has been verified to the end. `root_sha256`: see LinkUp."""

    root_sha256 = ""

    async def handshake(self, *arguments: Any, **options: Any) -> None:
        """The opening handshake of the WebSocket."""
        tls = self.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.root_sha256 = tls.context.verified(tls)
        await super().handshake(*arguments, **options)


class Link:
    """At most one connection. `feed` is called with LinkUp, Received and LinkDown; `trust` makes the TLS context."""

    def __init__(self, feed: Callable[[Event], None], trust: Callable[[OpenLink], CsmsContext]) -> None:
        self._feed = feed
        self._trust = trust
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._ping_interval_s = 0.0
        self._ping_changed = asyncio.Event()
        self._closing = ""

    @property
    def is_open(self) -> bool:
        """Connected, with the subprotocol agreed."""
        return self._socket is not None

    def open(self, order: OpenLink) -> None:
        """Start connecting; what comes of it arrives as events."""
        assert self._task is None or self._task.done(), "can't happen because the core opens only after a LinkDown"
        self._closing = ""
        self._outgoing = asyncio.Queue()
        self.set_ping(order.ping_interval_s)
        self._task = asyncio.create_task(self._run(order), name="link")

    def send(self, text: str) -> None:
        """Queue one text frame, in order; without a connection it is lost, as the core expects (it keeps what must
        arrive).
        """
        self._outgoing.put_nowait(text)

    def set_ping(self, interval_s: float) -> None:
        """Ping at this interval (0: never), now and after every answer."""
        self._ping_interval_s = interval_s
        self._ping_changed.set()

    def close(self, why: str) -> None:
        """End the connection, after what was queued before has been written; a LinkDown follows."""
        self._closing = why
        if self._task is not None:
            self._outgoing.put_nowait("")
            if self._socket is None:
                self._task.cancel()

    async def wait_closed(self) -> None:
        """Until the running connection, if any, has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self, order: OpenLink) -> None:
        failure, why = LinkFailure.CLOSED, ""
        try:
            failure, why = await self._connect_and_serve(order)
        except asyncio.CancelledError:
            if not self._closing:
                raise
            failure, why = LinkFailure.CLOSED, self._closing
        except OSError as error:
            failure, why = _why_not_served(error, order)
        finally:
            self._socket = None
        self._task = None  # whoever hears of the end may open again at once
        self._feed(LinkDown(order.slot, failure, why))

    async def _connect_and_serve(self, order: OpenLink) -> tuple[LinkFailure, str]:
        """Connect, serve until the end, and say why it ended."""
        context = None
        try:
            async with asyncio.timeout(order.connect_timeout_s):
                if order.url.startswith("wss:"):
                    context = await asyncio.to_thread(self._trust, order)
                connection = await self._connect(order, context)
        except Exception as error:  # noqa: BLE001 - every way to fail is told apart by why_failed, none is lost
            return await why_failed(error, order, context)
        finally:
            if context is not None:
                context.settled()
        try:
            if connection.subprotocol != SUBPROTOCOL:
                return LinkFailure.WRONG_SUBPROTOCOL, f"{order.url}: the server did not agree to {SUBPROTOCOL}"
            _watch_acknowledgements(connection)
            self._socket = connection
            self._feed(LinkUp(order.slot, connection.root_sha256))
            return await self._serve(connection)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), CLOSE_WITHIN_S)
            connection.transport.abort()

    async def _connect(self, order: OpenLink, context: CsmsContext | None) -> _Connection:
        headers = {}
        if order.password is not None:
            secret = base64.b64encode(f"{order.identity}:{order.password}".encode()).decode()
            headers["Authorization"] = f"Basic {secret}"  # A00.FR.203: on every attempt
        connection = await _Connect(
            order.url,
            create_connection=_Connection,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=headers,
            user_agent_header=f"chargerd/{version('chargerd')}",
            ssl=context,
            proxy=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=CLOSE_WITHIN_S,
            max_size=MAX_FRAME_BYTES,
        )
        assert isinstance(connection, _Connection), "can't be another: it is made above"
        return connection

    async def _serve(self, connection: ClientConnection) -> tuple[LinkFailure, str]:
        """Move text until one of the three directions ends; the first reason is the one told."""
        tasks = [
            asyncio.create_task(self._receive(connection), name="link-receive"),
            asyncio.create_task(self._transmit(connection), name="link-transmit"),
            asyncio.create_task(self._keep_alive(connection), name="link-ping"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return next(task for task in tasks if task in done).result()

    async def _receive(self, connection: ClientConnection) -> tuple[LinkFailure, str]:
        while True:
            try:
                message = await connection.recv()
            except ConnectionClosed as closed:
                return _why_closed(closed)
            if isinstance(message, bytes):
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(connection.close(1003, "text frames only"), CLOSE_WITHIN_S)
                return LinkFailure.BAD_FRAME, "the CSMS sent a binary frame; OCPP-J knows text frames only"
            self._feed(Received(message))

    async def _transmit(self, connection: ClientConnection) -> tuple[LinkFailure, str]:
        while True:
            text = await self._outgoing.get()
            if not text:
                return LinkFailure.CLOSED, self._closing
            try:
                await connection.send(text)
            except ConnectionClosed as closed:
                return _why_closed(closed)

    async def _keep_alive(self, connection: ClientConnection) -> tuple[LinkFailure, str]:
        """Ping at the interval; an unanswered ping is the only proof that a silent link is dead."""
        while True:
            self._ping_changed.clear()
            interval_s = self._ping_interval_s or None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ping_changed.wait(), interval_s)
                continue
            try:
                await asyncio.wait_for(await connection.ping(), PONG_WITHIN_S)
            except TimeoutError:
                return LinkFailure.UNREACHABLE, f"no answer to a ping within {PONG_WITHIN_S:.0f} s"
            except ConnectionClosed as closed:
                return _why_closed(closed)


async def why_failed(error: Exception, order: OpenLink, context: CsmsContext | None) -> tuple[LinkFailure, str]:
    """What a failed attempt to connect means, with the place and the remedy for people. Never contains the password."""
    if isinstance(error, TimeoutError | InvalidStatus | NegotiationError):
        return _why_not_served(error, order)
    talk = None if context is None else context.talk
    failure = failure_of(error, talk)
    if talk is not None and is_ambiguous(talk):
        parts = urlsplit(order.url)
        failure = failure_by_probe(await probe(parts.hostname or "", parts.port or 443), talk) or failure
    if failure is None:
        return _why_not_served(error, order)
    return failure[0], f"{order.url}: {failure[1]}"


def _why_not_served(error: Exception, order: OpenLink) -> tuple[LinkFailure, str]:
    match error:
        case TimeoutError():
            return LinkFailure.UNREACHABLE, f"{order.url}: no connection within {order.connect_timeout_s:.0f} s"
        case InvalidStatus(response=response) if response.status_code in {401, 403}:
            return (
                LinkFailure.REFUSED_CREDENTIALS,
                f"{order.url}: HTTP {response.status_code}, identity {order.identity!r} or its password is refused",
            )
        case InvalidStatus(response=response) if response.status_code == 404:
            return (
                LinkFailure.UNKNOWN_IDENTITY,
                f"{order.url}: HTTP 404, the CSMS does not know identity {order.identity!r}",
            )
        case InvalidStatus(response=response):
            return LinkFailure.UNREACHABLE, f"{order.url}: HTTP {response.status_code} instead of a WebSocket"
        case NegotiationError():
            return LinkFailure.WRONG_SUBPROTOCOL, f"{order.url}: the server did not agree to {SUBPROTOCOL} ({error})"
        case InvalidURI() | InvalidHandshake() | ProtocolError():
            return LinkFailure.UNREACHABLE, f"{order.url}: {error}"
        case OSError():
            return LinkFailure.UNREACHABLE, f"{order.url}: {error.strerror or str(error) or type(error).__name__}"
        case _:
            return LinkFailure.UNREACHABLE, f"{order.url}: {type(error).__name__}: {error}"


def _why_closed(closed: ConnectionClosed) -> tuple[LinkFailure, str]:
    """Whose fault the end was: close codes we sent for bad frames, or whatever the other side did."""
    sent, received = closed.sent, closed.rcvd
    if sent is not None and sent.code in {1002, 1003, 1007, 1009} and not closed.rcvd_then_sent:
        return LinkFailure.BAD_FRAME, f"the CSMS broke the protocol: {sent.reason or sent.code}"
    if received is not None:
        return LinkFailure.CLOSED, f"closed by the CSMS ({received.code} {received.reason})".rstrip()
    return LinkFailure.UNREACHABLE, "the connection broke"


def _watch_acknowledgements(connection: ClientConnection) -> None:
    """Let the kernel find a dead peer by unacknowledged data."""
    raw = connection.transport.get_extra_info("socket")
    if raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}:
        with contextlib.suppress(OSError):  # the other side may have closed already; the reader will tell
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
