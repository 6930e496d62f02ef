"""The link against real servers, good and hostile ones, over real TCP and real TLS."""

import asyncio
import base64
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargerd import link as link_module
from chargerd.config import IdentitySettings
from chargerd.keys import Keys
from chargerd.link import MAX_FRAME_BYTES, Link
from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.events import Event, LinkDown, LinkFailure, LinkUp, Received
from chargerd.tls import CsmsContext, context_for
from tests.chargerd.certificates import Authority

IDENTITY, PASSWORD = "CS-1", "correct horse battery"
Serve = Callable[[ServerConnection], Awaitable[None]]


class Listener:
    """Collects what a link tells and lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Condition()

    def feed(self, event: Event) -> None:
        self.events.append(event)
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()

    async def until(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))


def order(url: str, **changes: Any) -> OpenLink:
    fields: dict[str, Any] = {
        "slot": 1,
        "url": f"{url}/{IDENTITY}",
        "identity": IDENTITY,
        "password": PASSWORD,
        "security_profile": 1,
        "ping_interval_s": 0.0,
        "connect_timeout_s": 5.0,
    }
    return OpenLink(**fields | changes)


@asynccontextmanager
async def server(handler: Serve, **options: Any) -> AsyncIterator[str]:
    options = {"subprotocols": [Subprotocol("ocpp2.0.1")], "ping_interval": None, "close_timeout": 0.2} | options
    async with serve(handler, "127.0.0.1", 0, **options) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        scheme = "wss" if options.get("ssl") else "ws"
        yield f"{scheme}://127.0.0.1:{port}/ocpp"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def close_at_once(connection: ServerConnection) -> None:
    await connection.close()


async def silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


def no_tls(_order: OpenLink) -> CsmsContext:
    raise AssertionError("TLS was not asked for")


def tls(order: OpenLink) -> CsmsContext:
    return context_for(order, Keys(IdentitySettings(), Path("no folder")))


async def outcome(
    url: str, trust: Callable[[OpenLink], CsmsContext] = no_tls, **changes: Any
) -> tuple[list[Event], LinkDown]:
    """Open a link and let it run into its end."""
    listener = Listener()
    link = Link(listener.feed, trust)
    link.open(order(url, **changes))
    down = await listener.until(LinkDown)
    await link.wait_closed()
    return listener.events, down


def test_A00_FR_203_the_password_goes_along_as_basic_authentication_and_text_flows_both_ways() -> None:
    async def story() -> None:
        seen: list[str] = []

        def check(_connection: ServerConnection, request: Request) -> Response | None:
            seen.append(request.headers["Authorization"])
            return None

        listener = Listener()
        link = Link(listener.feed, no_tls)
        async with server(echo, process_request=check) as url:
            link.open(order(url))
            await listener.until(LinkUp)
            link.send('[2,"1","Heartbeat",{}]')
            received = await listener.until(Received)
            link.close("done")
            down = await listener.until(LinkDown)
        assert seen == ["Basic " + base64.b64encode(f"{IDENTITY}:{PASSWORD}".encode()).decode()]
        assert received == Received('[2,"1","Heartbeat",{}]')
        assert down == LinkDown(1, LinkFailure.CLOSED, "done")

    asyncio.run(story())


def test_what_was_sent_before_close_still_leaves() -> None:
    async def story() -> None:
        got: list[str] = []

        async def keep(connection: ServerConnection) -> None:
            got.extend([str(message) async for message in connection])

        listener = Listener()
        link = Link(listener.feed, no_tls)
        async with server(keep) as url:
            link.open(order(url))
            await listener.until(LinkUp)
            for number in range(50):
                link.send(str(number))
            link.close("done")
            await listener.until(LinkDown)
        assert got == [str(number) for number in range(50)]

    asyncio.run(story())


@pytest.mark.parametrize(
    "status,failure",
    [
        (HTTPStatus.UNAUTHORIZED, LinkFailure.REFUSED_CREDENTIALS),
        (HTTPStatus.FORBIDDEN, LinkFailure.REFUSED_CREDENTIALS),
        (HTTPStatus.NOT_FOUND, LinkFailure.UNKNOWN_IDENTITY),
        (HTTPStatus.INTERNAL_SERVER_ERROR, LinkFailure.UNREACHABLE),
    ],
)
def test_a_refusing_server_is_told_apart_and_the_password_stays_out_of_the_reason(
    status: HTTPStatus, failure: LinkFailure
) -> None:
    async def story() -> None:
        async with server(echo, process_request=lambda connection, _request: connection.respond(status, "no")) as url:
            events, down = await outcome(url)
        assert down.failure is failure
        assert str(status.value) in down.why
        assert PASSWORD not in down.why
        assert events == [down]

    asyncio.run(story())


def test_a_redirect_is_not_followed_for_it_would_carry_the_password_elsewhere() -> None:
    async def story() -> None:
        visited: list[str] = []

        def redirect(connection: ServerConnection, request: Request) -> Response:
            visited.append(request.path)
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = "/elsewhere"
            return response

        async with server(echo, process_request=redirect) as url:
            _, down = await outcome(url)
        assert down.failure is LinkFailure.UNREACHABLE
        assert visited == [f"/ocpp/{IDENTITY}"]

    asyncio.run(story())


def test_a_server_that_does_not_agree_to_the_subprotocol_is_left_without_a_word_of_ocpp() -> None:
    async def story() -> None:
        async with server(echo, subprotocols=None) as url:
            events, down = await outcome(url)
        assert down.failure is LinkFailure.WRONG_SUBPROTOCOL
        assert "ocpp2.0.1" in down.why
        assert events == [down]

    asyncio.run(story())


def test_a_server_that_picks_a_subprotocol_nobody_offered_is_left() -> None:
    async def story() -> None:
        async with server(echo, subprotocols=None, select_subprotocol=lambda _c, _s: Subprotocol("ocpp1.6")) as url:
            _, down = await outcome(url)
        assert down.failure is LinkFailure.WRONG_SUBPROTOCOL

    asyncio.run(story())


@pytest.mark.parametrize("message", [b"\x00\x01", "x" * (MAX_FRAME_BYTES + 1), "x" * 10_000_000])
def test_a_binary_or_oversized_frame_ends_the_link_and_never_reaches_the_core(message: bytes | str) -> None:
    async def story() -> None:
        async def send(connection: ServerConnection) -> None:
            await connection.send(message)
            await connection.wait_closed()

        async with server(send, max_size=None, write_limit=2**24) as url:
            events, down = await outcome(url)
        assert down.failure is LinkFailure.BAD_FRAME
        assert [type(event) for event in events] == [LinkUp, LinkDown]

    asyncio.run(story())


def test_a_frame_of_exactly_the_largest_size_is_taken() -> None:
    async def story() -> None:
        async def send(connection: ServerConnection) -> None:
            await connection.send("x" * MAX_FRAME_BYTES)
            await connection.close()

        async with server(send) as url:
            events, _ = await outcome(url)
        assert Received("x" * MAX_FRAME_BYTES) in events

    asyncio.run(story())


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    _, down = asyncio.run(outcome(f"ws://127.0.0.1:{port}/ocpp"))
    assert down.failure is LinkFailure.UNREACHABLE
    assert str(port) in down.why


def test_a_server_that_accepts_and_then_says_nothing_is_given_up_after_the_timeout() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        _, down = asyncio.run(outcome(f"ws://127.0.0.1:{port}/ocpp", connect_timeout_s=0.3))
    assert down.failure is LinkFailure.UNREACHABLE
    assert "within" in down.why


def test_a_server_that_talks_no_http_is_unreachable() -> None:
    async def story() -> None:
        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail ready\r\n\r\n")
            await writer.drain()
            writer.close()

        listening = await asyncio.start_server(babble, "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            _, down = await outcome(f"ws://127.0.0.1:{port}/ocpp")
        assert down.failure is LinkFailure.UNREACHABLE

    asyncio.run(story())


def test_a_half_open_link_is_found_by_its_unanswered_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "PONG_WITHIN_S", 0.3)

    async def story() -> None:
        listener = Listener()
        link = Link(listener.feed, no_tls)
        async with server(silent) as url, _Relay(url) as relay:
            link.open(order(relay.url, ping_interval_s=0.1))
            await listener.until(LinkUp)
            relay.swallow = True
            down = await listener.until(LinkDown)
        assert down.failure is LinkFailure.UNREACHABLE
        assert "ping" in down.why

    asyncio.run(story())


def test_a_new_ping_interval_counts_at_once() -> None:
    async def story() -> None:
        pings = asyncio.Event()

        async def count(connection: ServerConnection) -> None:
            connection.process_event_of = connection.protocol.recv_frame  # type: ignore[attr-defined]

            def recv_frame(frame: Any) -> None:
                if frame.opcode.name == "PING":
                    pings.set()
                connection.process_event_of(frame)  # type: ignore[attr-defined]

            connection.protocol.recv_frame = recv_frame  # type: ignore[method-assign]
            await connection.wait_closed()

        listener = Listener()
        link = Link(listener.feed, no_tls)
        async with server(count) as url:
            link.open(order(url, ping_interval_s=0))
            await listener.until(LinkUp)
            link.set_ping(0.05)
            async with asyncio.timeout(10):
                await pings.wait()
            link.close("done")
            await listener.until(LinkDown)

    asyncio.run(story())


def test_close_while_connecting_ends_in_one_link_down() -> None:
    async def story() -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            listener = Listener()
            link = Link(listener.feed, no_tls)
            link.open(order(f"ws://127.0.0.1:{mute.getsockname()[1]}/ocpp"))
            await asyncio.sleep(0)
            link.close("changed our mind")
            down = await listener.until(LinkDown)
            await link.wait_closed()
        assert listener.events == [down]
        assert down == LinkDown(1, LinkFailure.CLOSED, "changed our mind")

    asyncio.run(story())


# ---------------------------------------------------------------------- TLS


def tls_server(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_server_with_a_good_certificate_is_trusted_and_the_core_learns_by_which_root(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = tls_server(authority.issue("127.0.0.1"))

    async def story() -> None:
        listener = Listener()
        link = Link(listener.feed, tls)
        async with server(echo, ssl=context) as url:
            link.open(order(url, security_profile=2, roots_pem=(authority.root_pem,)))
            up = await listener.until(LinkUp)
            link.close("done")
            await listener.until(LinkDown)
        assert up == LinkUp(1, authority.certificate.fingerprint(hashes.SHA256()).hex())

    asyncio.run(story())


def test_A00_FR_301_A00_FR_302_A00_FR_303_a_verified_server_gets_name_and_password_within_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    seen: list[str] = []

    def check(_connection: ServerConnection, request: Request) -> Response | None:
        seen.append(request.headers["Authorization"])
        return None

    async def story() -> None:
        context = tls_server(authority.issue("127.0.0.1"))
        async with server(close_at_once, ssl=context, process_request=check) as url:
            await outcome(url, tls, security_profile=2, roots_pem=(authority.root_pem,))

    asyncio.run(story())
    assert seen == ["Basic " + base64.b64encode(f"{IDENTITY}:{PASSWORD}".encode()).decode()]


def test_a_server_that_is_not_verified_gets_nothing(tmp_path: Path) -> None:
    good, other = Authority(tmp_path), Authority(tmp_path, "Other root")
    requests: list[str] = []

    async def story() -> None:
        context = tls_server(other.issue("127.0.0.1"))
        remember = functools.partial(note_path, requests)
        async with server(echo, ssl=context, process_request=remember) as url:
            events, down = await outcome(url, tls, security_profile=2, roots_pem=(good.root_pem,))
        assert down.failure is LinkFailure.BAD_CERTIFICATE, down.why
        assert events == [down]

    asyncio.run(story())
    assert requests == []


def note_path(paths: list[str], _connection: ServerConnection, request: Request) -> None:
    paths.append(request.path)


def test_a_server_without_tls_where_tls_is_asked_for_gets_nothing(tmp_path: Path) -> None:
    root_pem = Authority(tmp_path).root_pem

    async def story() -> None:
        async with server(echo) as url:
            _, down = await outcome(url.replace("ws:", "wss:"), tls, roots_pem=(root_pem,))
        assert down.failure in {LinkFailure.TLS_FAILED, LinkFailure.UNREACHABLE}

    asyncio.run(story())


class _Relay:
    """A TCP relay that can begin to swallow everything while both sides still believe in the connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._port = parts.port
        self._tail = parts.path
        self._tasks: list[asyncio.Task[None]] = []
        self.swallow = False
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._tail}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._tasks = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                if not self.swallow:
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()
