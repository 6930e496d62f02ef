"""Downloads from servers that do whatever they like: what is in the file afterwards, and what is said of it."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd import codec, downloads
from chargerd.downloads import MIN_BYTES_PER_S, PACE_OVER_S, Downloader, Folder, Pace, content_length, redirected
from chargerd.http_client import HttpError, parsed_url
from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import Download
from chargerd.tls import file_server_context
from tests.chargerd.certificates import Authority

KEY = "update 7"
CONTENT = bytes(range(256)) * 4
HALF = len(CONTENT) // 2
TAG = 'ETag: "one"'

Handler = Callable[[asyncio.StreamWriter], Awaitable[None]]


def reply(status: int, *headers: str, body: bytes = b"") -> Handler:
    """Answers with this and hangs up."""

    async def handler(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([f"HTTP/1.1 {status} X", *headers, "", ""]).encode() + body)
        await writer.drain()

    return handler


def whole(content: bytes = CONTENT, *headers: str) -> Handler:
    return reply(200, f"Content-Length: {len(content)}", *headers, body=content)


def half(*headers: str) -> Handler:
    """Hangs up in the middle."""
    return reply(200, f"Content-Length: {len(CONTENT)}", *headers, body=CONTENT[:HALF])


def rest(
    content_range: str = f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}", body: bytes = CONTENT[HALF:]
) -> Handler:
    return reply(206, f"Content-Length: {len(body)}", f"Content-Range: {content_range}", body=body)


async def stalled(writer: asyncio.StreamWriter) -> None:
    """Half of it, and then nothing."""
    await half(TAG)(writer)
    await asyncio.sleep(60.0)


async def endless(writer: asyncio.StreamWriter) -> None:
    """More than it said, for as long as anybody listens."""
    await whole(CONTENT)(writer)
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Half of it, and the connection is torn down."""
    await half(TAG)(writer)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server:
    """Serves one handler after the other, the last one for ever. `asked`: the heads of the requests."""

    def __init__(self, *handlers: Handler) -> None:
        self._handlers = list(handlers)
        self.asked: list[list[str]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2])
            handler = self._handlers.pop(0) if len(self._handlers) > 1 else self._handlers[0]
            await handler(writer)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            if not writer.is_closing():
                writer.transport.abort()


class Station:
    """A folder, and attempts to fill it."""

    def __init__(self, path: Path, most_bytes: int = 1 << 20, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder = Folder(path / "firmware")
        self.downloader = Downloader(self.folder, file_server_context, most_bytes, monotonic)

    @property
    def content(self) -> bytes:
        return self.folder.file(KEY).read_bytes()

    async def fetch(self, server: Server, key: str = KEY) -> None:
        await self.downloader(order(f"http://127.0.0.1:{server.port}/new", key))


def order(location: str, key: str = KEY, *roots_pem: str) -> msgspec.Raw:
    return msgspec.Raw(codec.encode(Download(key=key, location=location, roots_pem=roots_pem)))


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


def play(server: Server, story: Callable[[], Coroutine[Any, Any, None]], tls: ssl.SSLContext | None = None) -> None:
    """`story`, while `server` serves."""

    async def run() -> None:
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as listening:
            server.port = listening.sockets[0].getsockname()[1]
            async with asyncio.timeout(10.0):
                await story()

    asyncio.run(run())


def fetched(station: Station, *handlers: Handler, attempts: int = 1) -> Server:
    """All attempts but the last fail."""
    server = Server(*handlers)

    async def story() -> None:
        for _ in range(attempts - 1):
            with pytest.raises(JobFailed):
                await station.fetch(server)
        await station.fetch(server)

    play(server, story)
    return server


def failed(station: Station, *handlers: Handler) -> str:
    """Why one attempt fails."""
    with pytest.raises(JobFailed) as failure:
        fetched(station, *handlers)
    assert station.downloader.progress is None
    assert failure.value.result == ""
    return str(failure.value)


# ---- what comes well ----


def test_a_file_is_fetched_and_its_owner_alone_may_read_it(station: Station) -> None:
    server = fetched(station, whole())
    assert station.content == CONTENT
    assert server.asked[0][0] == "GET /new HTTP/1.1"
    assert station.folder.file(KEY).stat().st_mode & 0o777 == 0o600
    assert station.folder.file(KEY).parent.stat().st_mode & 0o777 == 0o700


def test_what_is_there_already_is_not_fetched_again(station: Station) -> None:
    server = fetched(station, whole())
    play(server, lambda: station.fetch(server))
    assert len(server.asked) == 1


def test_what_belongs_to_another_update_is_dropped_and_discard_drops_all(station: Station) -> None:
    server = fetched(station, whole())

    async def story() -> None:
        await station.fetch(server, "another")
        assert not station.folder.file(KEY).exists()
        assert station.folder.file("another").read_bytes() == CONTENT
        await station.downloader.discard(msgspec.Raw(b"{}"))
        assert list(station.folder.file(KEY).parent.iterdir()) == []

    play(server, story)


def test_how_far_it_is_can_be_seen_while_it_runs_and_it_can_be_cancelled(station: Station) -> None:
    server = Server(stalled, rest())

    async def story() -> None:
        attempt = asyncio.create_task(station.fetch(server))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if station.folder.file(KEY).stat().st_size == HALF:
                break
        progress = station.downloader.progress
        assert progress is not None
        assert (progress.done_bytes, progress.total_bytes) == (HALF, len(CONTENT))
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        assert station.downloader.progress is None
        await station.fetch(server)
        assert station.content == CONTENT

    play(server, story)


# ---- going on ----


def test_a_broken_download_goes_on_where_it_ended(station: Station) -> None:
    server = fetched(station, half(TAG), rest(), attempts=2)
    assert station.content == CONTENT
    assert {f"Range: bytes={HALF}-", 'If-Range: "one"'} <= set(server.asked[1])


@pytest.mark.parametrize("headers", [(), ('ETag: W/"one"',), ("ETag: one",)], ids=["no mark", "weak", "malformed"])
def test_without_a_mark_for_exactly_this_content_it_begins_anew(station: Station, headers: tuple[str, ...]) -> None:
    server = fetched(station, half(*headers), whole(), attempts=2)
    assert station.content == CONTENT
    assert not [line for line in server.asked[1] if line.startswith(("Range", "If-Range"))]


def test_a_file_that_has_changed_comes_whole_and_nothing_is_left_of_the_old_one(station: Station) -> None:
    fetched(station, half(TAG), whole(b"new", 'ETag: "two"'), attempts=2)
    assert station.content == b"new"


def test_a_note_that_was_spoilt_is_a_reason_to_begin_anew(station: Station) -> None:
    failed(station, half(TAG))
    station.folder.source(KEY).write_bytes(b"\0\0\0")
    server = fetched(station, whole())
    assert station.content == CONTENT
    assert not [line for line in server.asked[0] if line.startswith("Range")]


@pytest.mark.parametrize(
    "lie",
    [
        rest(f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}", CONTENT),
        rest(f"bytes {HALF + 1}-{len(CONTENT) - 1}/{len(CONTENT)}", CONTENT[HALF + 1 :]),
        rest(f"bytes {HALF - 1}-{len(CONTENT) - 1}/{len(CONTENT)}", CONTENT[HALF - 1 :]),
        rest(f"bytes {HALF}-{len(CONTENT) - 2}/{len(CONTENT)}", CONTENT[HALF:-1]),
        rest(f"bytes {HALF}-{len(CONTENT)}/{len(CONTENT) + 1}", CONTENT[HALF:] + b"x"),
        rest(body=CONTENT[HALF:-1]),
        rest(body=CONTENT[HALF:] + b"x"),
        rest(f"bytes {HALF}-{len(CONTENT) - 1}/*"),
        rest("nonsense"),
        reply(206, f"Content-Length: {HALF}", body=CONTENT[HALF:]),
    ],
)
def test_a_part_that_was_not_asked_for_is_not_taken(station: Station, lie: Handler) -> None:
    failed(station, half(TAG))
    assert "part" in failed(station, lie)
    assert station.content == CONTENT[:HALF]


def test_a_part_is_not_taken_where_the_whole_was_asked_for(station: Station) -> None:
    assert "a part that nobody asked for" in failed(station, rest())
    assert station.content == b""


# ---- what does not come well ----


def test_a_server_that_hangs_up_early_is_told_of(station: Station) -> None:
    assert f"it hung up after {HALF} of {len(CONTENT)} bytes" in failed(station, half())


def test_a_connection_that_is_torn_down_leaves_nothing_wrong_behind(station: Station) -> None:
    failed(station, reset)
    assert CONTENT.startswith(station.content)  # how much of it arrives before is the network's affair
    fetched(station, whole())
    assert station.content == CONTENT


def test_only_so_much_is_taken_as_was_announced(station: Station) -> None:
    fetched(station, endless)
    assert station.content == CONTENT


@pytest.mark.parametrize(
    "headers, why",
    [
        ((), "does not say how long"),
        (("Content-Length: ",), "does not say how long"),
        (("Content-Length: -1",), "does not say how long"),
        (("Content-Length: 1e3",), "does not say how long"),
        ((f"Content-Length: {'9' * 19}",), "does not say how long"),
        (("Content-Length: 0",), "0 bytes, and there is room"),
        (("Content-Length: 5", "Transfer-Encoding: chunked"), "in another form"),
        (("Content-Length: 5", "Content-Encoding: gzip"), "in another form"),
    ],
)
def test_the_length_has_to_be_told_and_to_be_one(station: Station, headers: tuple[str, ...], why: str) -> None:
    assert why in failed(station, reply(200, *headers, body=b"12345"))
    assert station.content == b""


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500])
def test_a_server_that_has_no_file_is_told_of_by_its_status(station: Station, status: int) -> None:
    assert failed(station, reply(status, "Content-Length: 5", body=b"12345")).endswith(f"HTTP {status}")


def test_no_firmware_is_larger_than_the_largest(tmp_path: Path) -> None:
    exact = Station(tmp_path, most_bytes=len(CONTENT))
    fetched(exact, whole())
    assert exact.content == CONTENT
    (tmp_path / "other").mkdir()
    smaller = Station(tmp_path / "other", most_bytes=len(CONTENT) - 1)
    assert f"{len(CONTENT)} bytes, and there is room for {len(CONTENT) - 1}" in failed(smaller, whole())
    assert smaller.content == b""


def test_the_store_keeps_its_room_on_the_disk(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DISK_LEFT_BYTES", 1 << 60)
    assert "there is room for 0" in failed(station, whole())
    assert station.content == b""


def test_a_link_in_its_place_is_not_followed(station: Station, tmp_path: Path) -> None:
    station.folder.keep_only(None)
    (tmp_path / "precious").write_text("precious")
    station.folder.file(KEY).symlink_to(tmp_path / "precious")
    assert "cannot be written" in failed(station, whole())
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_server_that_stalls_is_left(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PACE_OVER_S", 0.2)
    assert "nothing came for 0.2 s" in failed(station, stalled)
    assert station.content == CONTENT[:HALF]


def test_a_server_that_trickles_is_left(tmp_path: Path) -> None:
    clock = iter(range(0, 10_000, 61))
    slow = Station(tmp_path, monotonic=lambda: float(next(clock)))
    assert f"slower than {MIN_BYTES_PER_S} bytes a second" in failed(slow, stalled)


def test_a_download_has_an_end(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DOWNLOAD_WITHIN_S", 0.2)
    assert failed(station, stalled) == "not there within 0.2 s"


@pytest.mark.parametrize("more, kept", [(0, True), (-1, False)])
def test_the_pace_is_kept_or_not_over_each_minute(more: int, kept: bool) -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    now[0] = PACE_OVER_S - 0.1
    assert pace.is_kept(0)
    now[0] = PACE_OVER_S
    assert pace.is_kept(int(MIN_BYTES_PER_S * PACE_OVER_S) + more) is kept
    now[0] = 2 * PACE_OVER_S
    assert not pace.is_kept(1)  # what came before counts no more


# ---- where to ----


def test_redirects_are_followed_and_not_for_ever(station: Station) -> None:
    server = fetched(station, reply(302, "Location: /there?x"), whole())
    assert station.content == CONTENT
    assert server.asked[1][0] == "GET /there?x HTTP/1.1"
    station.folder.keep_only(None)
    assert "more than 3 redirects" in failed(station, reply(307, "Location: /round"))


def test_what_one_host_was_shown_no_other_sees() -> None:
    url = parsed_url("https://user:secret@files.example/a")
    assert redirected(url, "/b").authorization == url.authorization
    for other in ("https://evil.example/b", "https://files.example:444/b", "//evil.example/b"):
        assert redirected(url, other).authorization is None
    assert redirected(url, "https://me:too@other.example/").authorization not in {None, url.authorization}


@pytest.mark.parametrize("location", ["http://files.example/b", "ftp://files.example/b", "https://a b/", "a b"])
def test_no_redirect_leads_out_of_tls_or_out_of_http(location: str) -> None:
    with pytest.raises(HttpError):
        redirected(parsed_url("https://files.example/a"), location)


def test_a_length_that_is_plain_is_believed() -> None:
    assert content_length({"content-length": "12", "content-encoding": "identity"}, "x") == 12


def test_only_a_server_that_somebody_vouches_for_is_asked(station: Station, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.issue("localhost").write(tmp_path))
    server = Server(whole())

    async def story() -> None:
        location = f"https://localhost:{server.port}/new"
        with pytest.raises(JobFailed, match="does not verify"):
            await station.downloader(order(location))
        assert server.asked == []
        await station.downloader(order(location, KEY, authority.root_pem))
        assert station.content == CONTENT

    play(server, story, tls)
