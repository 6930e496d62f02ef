"""The HTTP client against servers that do whatever they like."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd import http_client
from chargerd.http_client import BLOCK_BYTES, MAX_HEAD_BYTES, HttpError, Reply, Url, parsed_head, parsed_url, send

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def put(
    handler: Handler, body: bytes = b"hello", *, bytes_per_s: float = 1e9, within_s: float = 5.0, **url: Any
) -> Reply:
    """Send `body` to a server that does what `handler` does with the connection."""

    async def whole() -> Reply:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            where = Url(
                **{"secure": False, "host": "127.0.0.1", "port": port, "target": "/a?b", "authorization": None} | url
            )
            async with asyncio.timeout(within_s):
                return await send("PUT", where, {"X-More": "1"}, body, context=None, bytes_per_s=bytes_per_s)

    return asyncio.run(whole())


def answering(*parts: bytes) -> Handler:
    """Reads the whole request and answers with these, one after the other."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)

    return handler


async def read_request(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    length = int(next(line for line in lines if line.startswith("Content-Length: ")).partition(": ")[2])
    return lines, await reader.readexactly(length)


# ---- what is sent ----


def test_the_request_is_whole_and_carries_the_credentials_of_the_url() -> None:
    seen: list[tuple[list[str], bytes]] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 201 Created\r\nX: y\r\n\r\n")
        await writer.drain()

    reply = put(handler, b"x" * 100_000, authorization="Basic abc")
    assert (reply.status, reply.headers) == (201, {"x": "y"})
    ((lines, body),) = seen
    assert lines[0] == "PUT /a?b HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert {"Connection: close", "Content-Length: 100000", "Authorization: Basic abc", "X-More: 1"} < set(lines)
    assert body == b"x" * 100_000


def test_it_keeps_to_the_pace() -> None:
    began = time.monotonic()
    put(answering(b"HTTP/1.1 200 OK\r\n\r\n"), b"x" * BLOCK_BYTES * 4, bytes_per_s=BLOCK_BYTES * 20)
    assert 0.14 < time.monotonic() - began < 1.0


# ---- what comes back ----


def test_interim_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert put(answering(early, b"HTTP/1.1 200\r\n\r\n")).status == 200


def test_a_server_that_refuses_early_is_heard_although_it_reads_no_further() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(5.0)

    assert put(handler, b"x" * 50_000_000).status == 413


def test_a_reply_that_never_ends_costs_nothing() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1000):
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
        raise AssertionError("it was read to the end")

    assert put(handler).status == 200


async def _reset(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def _flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * MAX_HEAD_BYTES * 2)
    await writer.drain()
    await asyncio.sleep(5.0)


@pytest.mark.parametrize(
    "handler, malformed, said",
    [
        (_reset, False, "hung up|reset"),
        (answering(b""), False, "hung up without an answer"),
        (answering(b"HTTP/1.1 200 OK\r\nX: "), True, "hung up without an answer"),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), True, "does not answer in HTTP"),
        (answering(b"HTTP/2 200 OK\r\n\r\n"), True, "does not answer in HTTP"),
        (answering(b"HTTP/1.1 999 OK\r\n\r\n"), True, "does not answer in HTTP"),
        (answering(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), True, "a header of its answer is malformed"),
        (answering(b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n"), True, "a header of its answer is malformed"),
        (answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), True, "provisionally"),
        (_flood, True, f"begins with more than {MAX_HEAD_BYTES} bytes"),
    ],
)
def test_no_usable_reply_is_an_error_that_says_why(handler: Handler, malformed: bool, said: str) -> None:
    with pytest.raises(HttpError, match=said) as failure:
        put(handler, authorization="Basic c2VjcmV0")
    assert failure.value.malformed is malformed
    assert str(failure.value).startswith("127.0.0.1:")
    assert "c2VjcmV0" not in str(failure.value)


def test_nobody_there_is_an_error() -> None:
    async def whole() -> None:
        await send("PUT", parsed_url("http://u:secret@127.0.0.1:1/"), {}, b"", context=None, bytes_per_s=1.0)

    with pytest.raises(HttpError, match=r"^127\.0\.0\.1:1: ") as failure:
        asyncio.run(whole())
    assert not failure.value.malformed


@pytest.mark.parametrize("trickle", [b"", b"H"])
def test_a_slow_server_is_left_to_the_timeout_of_the_caller(trickle: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(500):
            writer.write(trickle)
            await asyncio.sleep(0.01)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        put(handler, b"x" * 10_000_000, within_s=0.3)
    assert time.monotonic() - began < 2.0


# ---- heads and URLs ----


@given(st.binary(max_size=200))
def test_any_head_is_a_reply_or_an_error(head: bytes) -> None:
    try:
        reply = parsed_head(head + b"\r\n\r\n", "x")
    except HttpError:
        return
    assert 100 <= reply.status < 600


@pytest.mark.parametrize(
    "text, secure, host, port, target",
    [
        ("http://files.example", False, "files.example", 80, "/"),
        ("HTTPS://Files.Example:8443/a/b?c=d#e", True, "files.example", 8443, "/a/b?c=d"),
        ("http://[2001:db8::1]:81/x", False, "2001:db8::1", 81, "/x"),
    ],
)
def test_a_url_is_taken_apart(text: str, secure: bool, host: str, port: int, target: str) -> None:
    url = parsed_url(text)
    assert (url.secure, url.host, url.port, url.target, url.authorization) == (secure, host, port, target, None)


def test_user_and_password_of_a_url_become_a_header_and_are_shown_nowhere() -> None:
    url = parsed_url("https://user:p%40ss:word@files.example/logs")
    assert url.authorization == "Basic " + base64.b64encode(b"user:p@ss:word").decode()
    assert repr(url) == "Url(files.example)"
    assert parsed_url("http://user@files.example/").authorization == "Basic " + base64.b64encode(b"user:").decode()
    assert parsed_url("http://[::1]:8080/").origin == "[::1]:8080"
    assert parsed_url("https://files.example:443/").origin == "files.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "files.example",
        "ftp://files.example/",
        "http://",
        "http://:80/",
        "http://files.example:99999/",
        "http://files.example:http/",
        "http://files example/",
        "http://files.example/\r\nX: y",
        "http://[::1/",
        "http://fi'les/",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(HttpError):
        parsed_url(text)


@given(st.text(max_size=80))
def test_any_text_is_a_url_or_an_error(text: str) -> None:
    try:
        url = parsed_url("http://" + text)
    except HttpError:
        return
    http_client._head("PUT", url, {}, 0)
