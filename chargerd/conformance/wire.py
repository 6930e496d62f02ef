"""The test system's end of a real WebSocket: a server in a thread that moves frames between one station and a Peer."""

import base64
import hmac
import socket
import ssl
import threading
import time
from http import HTTPStatus
from urllib.parse import unquote

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from chargerd.conformance.door import Shown
from chargerd.conformance.door_context import DoorContext
from chargerd.conformance.peer import Peer

SUBPROTOCOL = Subprotocol("ocpp2.0.1")
LOOK_EVERY_S = 0.02


class WireServer:
    """Listens at `address` (port 0: any that is free) for one station, and lets it in as `peer.door` says."""

    def __init__(
        self,
        peer: Peer,
        address: tuple[str, int],
        context: ssl.SSLContext | None = None,
        password: str | None = None,
    ) -> None:
        """`context`: None: TLS is spoken as the door says. `password`: the one the door opens for, None: any.

        Raises OSError when nobody can listen there.
        """
        self.peer = peer
        if context is None and peer.door.authority is not None:
            context = DoorContext(peer, address[0])
        if password is not None:
            peer.door.passwords = (password,)
        self._server: Server = serve(
            self._serve, *address, subprotocols=[SUBPROTOCOL], process_request=self._let_in, ssl=context
        )
        self._scheme = "ws" if context is None else "wss"
        self._counted = isinstance(context, DoorContext)
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
        if not self._counted:
            self.peer.attempts.append(time.monotonic())
        if not self.peer.open:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no network\n")
        user, password = _basic(request.headers.get("Authorization", ""))
        identity = unquote(request.path.rpartition("/")[2])
        self.peer.shown.append(_shown(connection.socket, identity, user, password))
        right = self.peer.door.passwords
        if right is not None and not any(hmac.compare_digest(password.encode(), each.encode()) for each in right):
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


def _shown(end: socket.socket, identity: str, user: str, password: str) -> Shown:
    """What came over this socket."""
    if not isinstance(end, ssl.SSLSocket):
        return Shown(security_profile=1, identity=identity, user=user, password=password)
    leaf = end.getpeercert(binary_form=True)
    return Shown(
        security_profile=2 if leaf is None else 3,
        identity=identity,
        user=user,
        password=password,
        client_pem="" if leaf is None else ssl.DER_cert_to_PEM_cert(leaf),
        tls=end.version() or "",
        suites=tuple(name for name, _, _ in end.shared_ciphers() or ()),
    )


def _basic(authorization: str) -> tuple[str, str]:
    """User name and password of a header of HTTP Basic authentication; empty where there is none."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (user, password) if scheme.lower() == "basic" else ("", "")
