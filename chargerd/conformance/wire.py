"""The test system's end of a real WebSocket: a server in a thread that moves frames between one station and a Peer."""

import ssl
import threading
import time
from http import HTTPStatus

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from chargerd.conformance.peer import Peer

SUBPROTOCOL = Subprotocol("ocpp2.0.1")
LOOK_EVERY_S = 0.02


class WireServer:
    """Listens at `address` (port 0: any that is free) for one station. `open`: connections are let in."""

    def __init__(self, peer: Peer, address: tuple[str, int], context: ssl.SSLContext | None = None) -> None:
        """Raises OSError when nobody can listen there."""
        self.open = True
        self.peer = peer
        self._server: Server = serve(
            self._serve, *address, subprotocols=[SUBPROTOCOL], process_request=self._let_in, ssl=context
        )
        self._scheme = "ws" if context is None else "wss"
        self._thread = threading.Thread(target=self._server.serve_forever, name="conformance wire", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the station is to connect; it appends its identity."""
        host, port = self._server.socket.getsockname()[:2]
        return f"{self._scheme}://{host}:{port}/ocpp"

    def close(self) -> None:
        """Hang up and listen no more."""
        self.open = False
        self._server.shutdown()
        self._thread.join()

    def _let_in(self, connection: ServerConnection, _request: Request) -> Response | None:
        return None if self.open else connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no network\n")

    def _serve(self, connection: ServerConnection) -> None:
        self.peer.opened()
        try:
            while self.open:
                for text in self.peer.due():
                    connection.send(text)
                try:
                    self.peer.receive(str(connection.recv(timeout=LOOK_EVERY_S)), time.monotonic())
                except TimeoutError:
                    continue
            connection.socket.close()  # a network that is cut says no goodbye
        except ConnectionClosed:
            pass
        finally:
            self.peer.closed()
