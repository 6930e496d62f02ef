"""The test system's end of a real WebSocket: a server in a thread that moves frames between one station and a Peer."""

import base64
import hmac
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
    """Listens at `address` (port 0: any that is free) for one station. `password`: of whoever comes; None: any."""

    def __init__(
        self,
        peer: Peer,
        address: tuple[str, int],
        context: ssl.SSLContext | None = None,
        password: str | None = None,
    ) -> None:
        """Raises OSError when nobody can listen there."""
        self.peer = peer
        self._password = password
        self._server: Server = serve(
            self._serve, *address, subprotocols=[SUBPROTOCOL], process_request=self._let_in, ssl=context
        )
        self._scheme = "ws" if context is None else "wss"
        self._thread = threading.Thread(target=self._server.serve_forever, name="conformance wire", daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """The address it listens at."""
        return str(self._server.socket.getsockname()[0])

    @property
    def url(self) -> str:
        """Where the station is to connect; it appends its identity."""
        host, port = self._server.socket.getsockname()[:2]
        return f"{self._scheme}://{host}:{port}/ocpp"

    def close(self) -> None:
        """Hang up and listen no more."""
        self.peer.open = False
        self._server.shutdown()
        self._thread.join()

    def _let_in(self, connection: ServerConnection, request: Request) -> Response | None:
        self.peer.attempts.append(time.monotonic())
        if not self.peer.open:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no network\n")
        if self._password is not None and not _knows(request.headers.get("Authorization", ""), self._password):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "wrong password\n")
        return None

    def _serve(self, connection: ServerConnection) -> None:
        number = self.peer.opened()
        try:
            while self.peer.open and number == self.peer.connections:
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
            self.peer.closed(number)


def _knows(authorization: str, password: str) -> bool:
    """Whether a header of HTTP Basic authentication has this password."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given.encode(), password.encode())
