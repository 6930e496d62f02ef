"""TLS of the test system's servers: each connection is served as the door says when it comes."""

import socket
import ssl
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from chargerd.conformance.authority import Identity
from chargerd.conformance.door import Door
from chargerd.conformance.peer import Peer

ANY_SUITE = "ALL:@SECLEVEL=0"
"""A server takes what it gets: it is the station that has to be strict."""


class DoorContext(ssl.SSLContext):
    """For a listening socket. `host`: the one that is right for the certificate of `peer.door`. Attempts count from
    here: a station that leaves within the handshake has tried as well.
    """

    def __new__(cls, _peer: Peer, _host: str) -> Self:
        """As a context of any server."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, peer: Peer, host: str) -> None:
        super().__init__()
        self._peer = peer
        self._host = host

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """The listening socket keeps this context, and asks it for each connection."""
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return super().wrap_socket(sock, *arguments, **options)
        self._peer.attempts.append(time.monotonic())
        return context_of(self._peer.door, self._host).wrap_socket(sock, *arguments, **options)


def context_of(door: Door, host: str) -> ssl.SSLContext:
    """What a server does behind this door, at `host`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ANY_SUITE)
    if door.newest_tls:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion[door.newest_tls.replace(".", "_")]
    with TemporaryDirectory() as folder:
        _load(context, door.server(host), Path(folder))
        if door.clients:
            context.verify_mode = ssl.CERT_REQUIRED
            revoked = Path(folder, "revoked.pem")
            revoked.write_text("".join(each.revoked(door.refused) for each in door.clients))
            context.load_verify_locations(cafile=revoked, cadata="".join(each.root_pem for each in door.clients))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _load(context: ssl.SSLContext, identity: Identity, folder: Path) -> None:
    path = folder / "server.pem"
    path.write_text(identity.key_pem + identity.chain_pem)
    context.load_cert_chain(path)
