"""One ClientHello that offers everything, to find out why a CSMS would not talk: the answer names the version and the
suite that it prefers. Nothing else is ever sent, and no connection is made.
"""

import asyncio
import contextlib
import os
from ipaddress import ip_address
from typing import NamedTuple

from chargerd.tls_talk import Message

WITHIN_S = 5.0
MAX_ANSWER_BYTES = 16_384 + 5
"""One TLS record."""

SUITES = (*range(0x1301, 0x1306), *range(0xC001, 0xC0B0), *range(0xCCA8, 0xCCAF), *range(0x0001, 0x00C6), 0x00FF)
"""All there are, the good ones first; the last asks for nothing, it says that renegotiation is known (RFC 5746)."""

GROUPS = (*range(0x1D, 0x1F), *range(0x17, 0x1A), *range(0x0E, 0x17), *range(0x01, 0x0E), *range(0x1A, 0x1D), 0x100)
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0401, 0x0501, 0x0601, 0x0301, 0x0303)
OLD_SIGNATURES = (0x0203, 0x0201, 0x0202, 0x0101)
VERSIONS = (0x0304, 0x0303, 0x0302, 0x0301, 0x0300)

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _GROUPS, _POINT_FORMATS, _SIGNATURES, _VERSIONS, _KEY_SHARE = 0, 10, 11, 13, 43, 51


class Choice(NamedTuple):
    """What a server prefers: TLS version (0x0303: 1.2) and cipher suite, by their numbers."""

    version: int
    suite: int


async def probe(host: str, port: int) -> Choice | None:
    """What the server at `host` would agree to; None: nothing, or nobody says. Takes WITHIN_S at most."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(client_hello(host))
                return await _choice(reader)
            finally:
                writer.transport.abort()
    return None


def client_hello(host: str) -> bytes:
    """The one record that is sent."""
    suites = b"".join(suite.to_bytes(2, "big") for suite in SUITES)
    extensions = b"".join(
        number.to_bytes(2, "big") + _sized(content, 2)
        for number, content in (
            *([] if _is_address(host) else [(_SERVER_NAME, _sized(b"\0" + _sized(host.encode("idna"), 2), 2))]),
            (_GROUPS, _numbers(GROUPS, 2)),
            (_POINT_FORMATS, b"\x01\x00"),
            (_SIGNATURES, _numbers(SIGNATURES + OLD_SIGNATURES, 2)),
            (_VERSIONS, _numbers(VERSIONS, 1)),
            (_KEY_SHARE, b"\0\0"),  # a server that speaks 1.3 asks for a key, and tells its suite (RFC 8446, 4.2.8)
        )
    )
    body = (
        b"\x03\x03" + os.urandom(32) + _sized(os.urandom(32), 1) + _sized(suites, 2) + b"\x01\0" + _sized(extensions, 2)
    )
    return b"\x16\x03\x01" + _sized(bytes([_CLIENT_HELLO]) + _sized(body, 3), 2)


def server_choice(hello: bytes) -> Choice:
    """What a ServerHello says. `hello`: a handshake message. Raises ValueError for what is none."""
    if len(hello) < 40 or hello[0] != Message.SERVER_HELLO:
        raise ValueError("no ServerHello")
    version, at = int.from_bytes(hello[4:6], "big"), 38
    at += 1 + hello[at]
    suite = int.from_bytes(hello[at : at + 2], "big")
    at += 5  # suite, compression, length of the extensions
    while at + 4 <= len(hello):
        kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == _VERSIONS:
            version = int.from_bytes(hello[at + 4 : at + 6], "big")
        at += 4 + size
    return Choice(version, suite)


async def _choice(reader: asyncio.StreamReader) -> Choice:
    header = await reader.readexactly(5)
    size = int.from_bytes(header[3:5], "big")
    if header[0] != _HANDSHAKE or size > MAX_ANSWER_BYTES:
        raise ValueError("no handshake")
    return server_choice(await reader.readexactly(size))


def _sized(content: bytes, size: int) -> bytes:
    return len(content).to_bytes(size, "big") + content


def _numbers(numbers: tuple[int, ...], size: int) -> bytes:
    return _sized(b"".join(number.to_bytes(2, "big") for number in numbers), size)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
