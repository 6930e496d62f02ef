"""A CSMS on one port of loopback that misbehaves in a different way at each connection, and in the end not at all."""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargerd.bench.csms import Csms
from tests.processes.charge import PASSWORD

TEN_MEGABYTES = 10 * 1024 * 1024
GARBAGE = (
    "", "not JSON", "{}", "[]", "[2]", '[2,"1","Reset"]', '[9,"1","Reset",{}]', '[3,"nobody-asked",{}]',
    '[2,5,"Reset",{}]', '[2,"g1","NoSuchAction",{}]', '[2,"g2","Reset",{"type":"Sideways"}]',
    '[2,"g3","Heartbeat",{}]', '[2,"g4","Reset",{"type":"OnIdle","type":"Immediate"}]', '[2,"g5","Reset",NaN]',
    "[" * 5000, '[4,"nobody-asked","InternalError","",{}]',
)  # fmt: skip


class Doubling:
    """A connection that sends everything twice: each call, and each reply to a call of the station."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.subprotocol = connection.subprotocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def send(self, text: str) -> None:
        await self._connection.send(text)
        await self._connection.send(text)


class Hostile:
    """`habits`: what the next connections meet, in order; afterwards everybody meets the good `csms`."""

    def __init__(self, habits: Sequence[str]) -> None:
        self.csms = Csms("CS-1", PASSWORD)
        self.habits = deque(habits)
        self.met: list[str] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Present for as long as this lasts."""
        server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            ssl=tls,
            select_subprotocol=self._agree,
            process_request=self._check,
            ping_interval=None,
            close_timeout=0.2,
        )
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    @property
    def is_good(self) -> bool:
        """A connection that behaves is open."""
        return self.csms.connected and self.met[-1:] == ["good"]

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.met.append(self.habits.popleft() if self.habits else "good")
        if self.met[-1] == "refuse password":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return self.csms._check_credentials(connection, request)

    def _agree(self, _connection: ServerConnection, _offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return Subprotocol("ocpp1.6" if self.met[-1] == "another subprotocol" else "ocpp2.0.1")

    async def _serve(self, connection: ServerConnection) -> None:
        habits: dict[str, Callable[[ServerConnection], Awaitable[None]]] = {
            "binary": self._binary,
            "10 MB": self._ten_megabytes,
            "garbage": self._garbage,
            "second reply": self._second_reply,
        }
        with contextlib.suppress(ConnectionClosed):
            await habits.get(self.met[-1], self.csms._serve)(connection)

    async def _binary(self, connection: ServerConnection) -> None:
        await connection.send(b"\x00\x01")
        await connection.wait_closed()

    async def _ten_megabytes(self, connection: ServerConnection) -> None:
        await connection.send("x" * TEN_MEGABYTES)
        await connection.wait_closed()

    async def _garbage(self, connection: ServerConnection) -> None:
        """Among its garbage it answers nothing; then it serves as if nothing had been, and hangs up."""
        for text in GARBAGE:
            await connection.send(text)
        await self._serve_for_a_while(connection)

    async def _second_reply(self, connection: ServerConnection) -> None:
        await self._serve_for_a_while(Doubling(connection))

    async def _serve_for_a_while(self, connection: Any) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.csms._serve(connection), 3.0)
        await connection.close()
