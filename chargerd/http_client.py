"""One HTTP/1.1 request at a time, as much of it as files need: a body sent at a pace and the head of the reply, or the
body of a reply as it comes.

Whatever a server does ends in a Reply or an HttpError, within the bounds below and the caller's timeout. Nothing is
followed, kept or retried here, and no message holds a password.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

MAX_HEAD_BYTES = 16 * 1024
"""Longest head of a reply; real ones are a tenth of it."""

MAX_INTERIM_REPLIES = 4
"""Heads with a 1xx status before the real one."""

REPLY_WITHIN_S = 60.0
"""For a connection, and for the head of the reply with the file that was asked for."""

BODY_BYTES = 64 * 1024
"""Half of what is held of a body that comes faster than it is read. The longest head of such a reply too."""

BLOCK_BYTES = 16 * 1024
"""So much is sent before the pace is looked at."""

_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-5]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class HttpError(Exception):
    """No usable reply. `malformed`: the server answered, and not as HTTP has it; otherwise it was not reached."""

    def __init__(self, what: str, *, malformed: bool = False) -> None:
        super().__init__(what)
        self.malformed = malformed


class Url(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go. `target`: path and query as they stand in the request; `authorization`: header, from the user and
    password in the URL.
    """

    secure: bool
    host: str
    port: int
    target: str
    authorization: str | None

    @property
    def origin(self) -> str:
        """Scheme, host and port, for people and for the Host header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS["https" if self.secure else "http"]
        return name if self.port == default else f"{name}:{self.port}"

    def __repr__(self) -> str:
        return f"Url({self.origin})"


class Reply(msgspec.Struct, frozen=True):
    """The head of a reply; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]


def parsed_url(text: str) -> Url:
    """An absolute http or https URL. Raises HttpError."""
    if re.fullmatch(r"[!-~]+", text) is None:
        raise HttpError("the URL has characters that a URL cannot have")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise HttpError(f"the URL cannot be read ({error})") from error
    if parts.scheme not in _DEFAULT_PORTS or not host or re.search(r"[^0-9A-Za-z._:-]", host):
        raise HttpError("the URL is none of http or https with a host")
    return Url(
        secure=parts.scheme == "https",
        host=host,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        authorization=_authorization(parts),
    )


async def send(
    method: str,
    url: Url,
    headers: Mapping[str, str],
    body: bytes,
    *,
    context: ssl.SSLContext | None,
    bytes_per_s: float,
) -> Reply:
    """Send a request with a body and give the head of the reply; its body is not read. `context`: for https.

    Raises HttpError. Takes as long as the server likes: the caller sets a timeout, and may cancel at any time.
    """
    reader, writer = await _connected(url, context)
    try:
        reply = asyncio.ensure_future(_reply(reader, url))
        try:
            await _transmit(writer, _head(method, url, headers, len(body)) + body, bytes_per_s, reply)
            return await reply
        finally:
            reply.cancel()
    finally:
        writer.transport.abort()


class Answered:
    """A reply whose body comes from `read`."""

    def __init__(self, reply: Reply, reader: asyncio.StreamReader, origin: str) -> None:
        self.reply = reply
        self._reader = reader
        self._origin = origin

    async def read(self, most_bytes: int) -> bytes:
        """The next bytes, as many as have come; empty: the server has hung up. Raises HttpError."""
        try:
            return await self._reader.read(most_bytes)
        except OSError as error:
            raise HttpError(f"{self._origin}: {_said(error)}") from error


@asynccontextmanager
async def get(url: Url, headers: Mapping[str, str], *, context: ssl.SSLContext | None) -> AsyncIterator[Answered]:
    """Ask for a file; the connection ends with the block. `context`: for https.

    Raises HttpError. Takes as long as the server likes: the caller sets a timeout, and may cancel at any time.
    """
    reader, writer = await _connected(url, context, BODY_BYTES)
    try:
        writer.write(_head("GET", url, headers, None))
        try:
            reply = await asyncio.wait_for(_reply(reader, url), REPLY_WITHIN_S)
        except TimeoutError as error:
            raise HttpError(f"{url.origin}: no answer within {REPLY_WITHIN_S:g} s") from error
        yield Answered(reply, reader, url.origin)
    finally:
        writer.transport.abort()


async def _connected(
    url: Url, context: ssl.SSLContext | None, limit: int = MAX_HEAD_BYTES
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if url.secure and context is None:
        raise AssertionError("can't happen because the caller makes a context for https")
    try:
        connecting = asyncio.open_connection(url.host, url.port, ssl=context if url.secure else None, limit=limit)
        return await asyncio.wait_for(connecting, REPLY_WITHIN_S)
    except TimeoutError as error:
        raise HttpError(f"{url.origin}: no connection within {REPLY_WITHIN_S:g} s") from error
    except OSError as error:
        raise HttpError(f"{url.origin}: {_said(error)}") from error


async def _transmit(
    writer: asyncio.StreamWriter, data: bytes, bytes_per_s: float, reply: "asyncio.Task[Reply]"
) -> None:
    """Send until all is sent or the server has answered: one that refuses need not read to the end."""
    try:
        for start in range(0, len(data), BLOCK_BYTES):
            if reply.done():
                return
            block = data[start : start + BLOCK_BYTES]
            writer.write(block)
            await writer.drain()
            if start + BLOCK_BYTES < len(data):
                await asyncio.wait([reply], timeout=len(block) / bytes_per_s)
    except OSError:
        return  # what the server said before it hung up is the better reason


async def _reply(reader: asyncio.StreamReader, url: Url) -> Reply:
    for _ in range(MAX_INTERIM_REPLIES + 1):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise HttpError(
                f"{url.origin}: its answer begins with more than {MAX_HEAD_BYTES} bytes", malformed=True
            ) from error
        except asyncio.IncompleteReadError as error:
            raise HttpError(f"{url.origin}: it hung up without an answer", malformed=bool(error.partial)) from error
        except OSError as error:
            raise HttpError(f"{url.origin}: {_said(error)}") from error
        reply = parsed_head(head, url.origin)
        if reply.status >= 200:
            return reply
    raise HttpError(f"{url.origin}: it answers provisionally and never for good", malformed=True)


def parsed_head(head: bytes, origin: str) -> Reply:
    """The head of a reply, ended by an empty line. Raises HttpError. `origin`: who sent it, for the message."""
    status_line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    match = _STATUS_LINE.fullmatch(status_line)
    if match is None:
        raise HttpError(f"{origin}: it does not answer in HTTP/1.1", malformed=True)
    headers: dict[str, str] = {}
    for field in fields:
        named = _FIELD.fullmatch(field)
        if named is None:
            raise HttpError(f"{origin}: a header of its answer is malformed", malformed=True)
        headers[named[1].lower()] = named[2]
    return Reply(int(match[1]), headers)


def _head(method: str, url: Url, headers: Mapping[str, str], body_bytes: int | None) -> bytes:
    fields = {
        "Host": url.origin,
        "User-Agent": f"chargerd/{version('chargerd')}",
        "Accept": "*/*",
        "Connection": "close",
        **({} if body_bytes is None else {"Content-Length": str(body_bytes)}),
        **({} if url.authorization is None else {"Authorization": url.authorization}),
        **headers,
    }
    lines = [f"{method} {url.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    assert not any(re.search(r"[\r\n]", each) for each in lines), "can't happen because parsed_url lets none through"
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error})"
    return error.strerror or str(error) or type(error).__name__
