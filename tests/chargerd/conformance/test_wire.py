"""A real WebSocket between a station and the peer."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from chargerd.conformance.peer import Peer
from chargerd.conformance.wire import WireServer
from tests.chargerd.conformance.pretend import MIDNIGHT


@pytest.fixture
def server() -> Iterator[WireServer]:
    server = WireServer(Peer(lambda: MIDNIGHT), ("127.0.0.1", 0))
    yield server
    server.close()


def station(server: WireServer, headers: Mapping[str, str] | None = None) -> ClientConnection:
    return connect(f"{server.url}/CS-1", subprotocols=[Subprotocol("ocpp2.0.1")], additional_headers=headers)


def until(holds: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 5.0
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_frames_go_both_ways(server: WireServer) -> None:
    with station(server) as connection:
        assert connection.subprotocol == "ocpp2.0.1"
        connection.send('[2,"1","Heartbeat",{}]')
        assert connection.recv(5.0) == '[3, "1", {"currentTime": "2026-01-01T00:00:00.000Z"}]'
        asked = server.peer.ask("Reset", {"type": "OnIdle"})
        assert connection.recv(5.0) == '[2, "test-1", "Reset", {"type": "OnIdle"}]'
        connection.send('[3,"test-1",{"status":"Accepted"}]')
        until(lambda: asked.done)
    until(lambda: not server.peer.connected)


def test_a_network_that_is_cut_ends_the_connection_and_lets_nobody_in(server: WireServer) -> None:
    with station(server) as connection:
        until(lambda: server.peer.connected)
        server.peer.open = False
        with pytest.raises(ConnectionClosed):
            connection.recv(5.0)
    with pytest.raises(InvalidStatus), station(server):
        pass
    server.peer.open = True
    with station(server):
        until(lambda: server.peer.connections == 2)
    assert len(server.peer.attempts) == 3


def test_whoever_comes_needs_the_password_where_there_is_one() -> None:
    server = WireServer(Peer(lambda: MIDNIGHT), ("127.0.0.1", 0), password="secret")
    right = {"Authorization": f"Basic {base64.b64encode(b'CS-1:secret').decode()}"}
    wrong = {"Authorization": f"Basic {base64.b64encode(b'CS-1:other').decode()}"}
    try:
        for headers in ({}, wrong, {"Authorization": "Basic ?"}, {"Authorization": "Bearer secret"}):
            with pytest.raises(InvalidStatus, match="401"), station(server, headers):
                pass
        with station(server, right):
            until(lambda: server.peer.connected)
    finally:
        server.close()
