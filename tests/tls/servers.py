"""Servers that no station should trust, on real sockets: what one does, and what it got to see.

`csms.example.test` and everything below .test is this machine: names need no network.
"""

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chargerd.tls import NO_CHECK_TIME
from tests.chargerd.certificates import Issued

HOST = "csms.example.test"
PATIENCE_S = 5.0
"""Longer than any attempt of a case takes."""

Serve = Callable[[socket.socket, "Seen"], None]
"""One connection."""


class Seen:
    """What came to a server: `plain` on its sockets, `secret` inside of TLS, `connections`."""

    def __init__(self) -> None:
        self.plain = b""
        self.secret = b""
        self.connections = 0

    @property
    def http(self) -> bool:
        """Whether a request has come, in whatever form."""
        return bool(self.secret) or b"GET " in self.plain or b"Authorization" in self.plain


class HostileServer:
    """Listens on loopback, and does `serve` with everybody who comes."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.seen = Seen()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.02)
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> int:
        self._threads[0].start()
        port: int = self._listening.getsockname()[1]
        return port

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listening.close()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listening.accept()
                self.seen.connections += 1
                connection.settimeout(PATIENCE_S)
                self._threads.append(threading.Thread(target=self._one, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection, self.seen)


class LocalNames(asyncio.SelectorEventLoop):
    """A loop that finds every .test name on this machine."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """As of any loop."""
        return await super().getaddrinfo("127.0.0.1" if str(host).endswith(".test") else host, port, **options)


# ---- Servers that speak TLS ----------------------------------------------------------------------------------------


def tls(
    shown: Issued,
    *,
    suites: str = "ALL",
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    clients: Issued | None = None,
    forgiving: bool = False,
    curve: str = "",
) -> Serve:
    """A server that shows what it is given, as weak as it may be, and makes a WebSocket for a moment.

    `suites`: of TLS 1.2 and older. `clients`: whose client certificates it wants; `forgiving`: also those of the past.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = oldest, newest
    if curve:
        context.set_ecdh_curve(curve)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(shown.write(Path(folder)))
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem)
    if forgiving:
        context.verify_flags |= NO_CHECK_TIME

    def serve(connection: socket.socket, seen: Seen) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            while data := inside.recv(4096):
                seen.secret += data
                if b"\r\n\r\n" in seen.secret:
                    inside.sendall(_upgrade(seen.secret))
                    return

    return serve


def _upgrade(request: bytes) -> bytes:
    """The answer that makes a WebSocket of it (RFC 6455, 4.2.2)."""
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))[18:].strip()
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: ocpp2.0.1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def s_server(shown: Issued, *options: str) -> Serve:
    """OpenSSL's own server, for what Python's cannot be made to do."""

    def serve(connection: socket.socket, seen: Seen) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = shown.write(Path(folder))
            command: list[str | Path] = [
                "openssl",
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-naccept",
                "1",
                "-cert",
                path,
                "-cert_chain",
                path,
            ]
            command += ["-cipher", "ALL:@SECLEVEL=0", *options]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                line = next(line for line in process.stdout if line.startswith(b"ACCEPT"))
                with socket.create_connection(("127.0.0.1", int(line.rpartition(b":")[2])), PATIENCE_S) as far:
                    _relay_until_end(connection, far, seen)
                process.kill()
                seen.secret += b"".join(line for line in process.stdout if b"GET " in line)

    return serve


def cut(serve: Serve, after: int, drip_s: float = 0.0) -> Serve:
    """`serve`, of which so many bytes come through, and then the end. `drip_s`: that long for each."""

    def answers(near: socket.socket, connection: socket.socket) -> None:
        sent = 0
        while sent < after and (data := near.recv(min(after - sent, 1 if drip_s else 4096))):
            connection.sendall(data)
            sent += len(data)
            time.sleep(drip_s)

    return _between(serve, answers)


def altered(serve: Serve, alter: Callable[[bytes], bytes]) -> Serve:
    """`serve`, of which each record comes through as `alter` leaves it."""

    def answers(near: socket.socket, connection: socket.socket) -> None:
        while header := _exactly(near, 5):
            connection.sendall(alter(header + _exactly(near, int.from_bytes(header[3:5], "big"))))

    return _between(serve, answers)


def wrong_signature(sent: bytes) -> bytes:
    """Another signature under the ServerKeyExchange of TLS 1.2."""
    return sent[:-1] + bytes([sent[-1] ^ 1]) if sent[0] == 22 and sent[5] == 12 else sent


def garbled_certificate(sent: bytes) -> bytes:
    """No certificate where one is expected (TLS 1.2)."""
    return sent[:15] + b"\xff" * (len(sent) - 15) if sent[0] == 22 and sent[5] == 11 else sent


def _between(serve: Serve, answers: Callable[[socket.socket, socket.socket], None]) -> Serve:
    """Somebody between the station and `serve`, who passes answers on in his own way."""

    def relay(connection: socket.socket, seen: Seen) -> None:
        near, far = socket.socketpair()
        near.settimeout(PATIENCE_S)
        threads = [
            threading.Thread(target=_quietly, args=(serve, far, seen), daemon=True),
            threading.Thread(target=_pass_on, args=(connection, near, seen), daemon=True),
        ]
        for thread in threads:
            thread.start()
        with contextlib.suppress(OSError):
            answers(near, connection)
        _end(connection)
        _end(near)
        near.close()
        for thread in threads:
            thread.join(PATIENCE_S)

    return relay


def _relay_until_end(connection: socket.socket, far: socket.socket, seen: Seen) -> None:
    far.settimeout(PATIENCE_S)
    forward = threading.Thread(target=_pass_on, args=(connection, far, seen), daemon=True)
    forward.start()
    with contextlib.suppress(OSError):
        while data := far.recv(4096):
            connection.sendall(data)
    _end(connection)
    forward.join(PATIENCE_S)


def _exactly(source: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (data := source.recv(size - len(got))):
        got += data
    return got


def _pass_on(source: socket.socket, sink: socket.socket, seen: Seen) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            seen.plain += data
            sink.sendall(data)
    _end(sink)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _quietly(serve: Serve, connection: socket.socket, seen: Seen) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(PATIENCE_S)
        serve(connection, seen)


# ---- Servers that do something else --------------------------------------------------------------------------------


def says(*answers: bytes, then: str = "hang up") -> Serve:
    """Says this after the first flight. `then`: "hang up", "reset" or "wait" for the other side to go."""

    def serve(connection: socket.socket, seen: Seen) -> None:
        seen.plain += connection.recv(65_536)
        for answer in answers:
            connection.sendall(answer)
        if then == "wait":
            while data := connection.recv(65_536):
                seen.plain += data
        elif then == "reset":
            _reset(connection)

    return serve


def first_this_then(first: Serve, second: Serve) -> Serve:
    """Another thing from the second connection on."""

    def serve(connection: socket.socket, seen: Seen) -> None:
        (first if seen.connections == 1 else second)(connection, seen)

    return serve


def resets(connection: socket.socket, _seen: Seen) -> None:
    """Does not even listen."""
    _reset(connection)


def drips(connection: socket.socket, seen: Seen) -> None:
    """A long record header, and then a byte now and then, for ever."""
    seen.plain += connection.recv(65_536)
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while True:
        connection.sendall(b"\x02")
        time.sleep(0.02)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# ---- TLS by hand ---------------------------------------------------------------------------------------------------


def record(kind: int, content: bytes, version: int = 0x0303) -> bytes:
    """A TLS record."""
    return bytes([kind]) + version.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def handshake(kind: int, content: bytes) -> bytes:
    """A handshake message in a record of its own."""
    return record(22, bytes([kind]) + len(content).to_bytes(3, "big") + content)


def alert(number: int, level: int = 2) -> bytes:
    """An alert in the clear."""
    return record(21, bytes([level, number]))


def server_hello(
    version: int = 0x0303, suite: int = 0xC02B, compression: int = 0, random: bytes = b"r" * 32, more: bytes = b""
) -> bytes:
    """A ServerHello up to TLS 1.2. `more`: extensions besides the one for safe renegotiation."""
    extensions = b"\xff\x01\x00\x01\x00" + more
    sized = len(extensions).to_bytes(2, "big") + extensions
    body = version.to_bytes(2, "big") + random + b"\0" + suite.to_bytes(2, "big") + bytes([compression]) + sized
    return handshake(2, body)
