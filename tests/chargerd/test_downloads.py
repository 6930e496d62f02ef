"""Downloads from servers that do whatever they like: each ends, and what is kept is a part of one file."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from chargerd import codec, downloads
from chargerd.downloads import Downloader, Folder, Pace, content_length, redirected, validator
from chargerd.http_client import HttpError, parsed_url
from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import Download
from chargerd.tls import file_server_context

CONTENT = bytes(range(256)) * 400
TAG = '"v1"'
Handler = Callable[[dict[str, str], asyncio.StreamWriter], Awaitable[None]]


class Bay:
    """A folder, and a downloader for it. `asked`: the headers of each request that came."""

    def __init__(self, path: Path, most_bytes: int = 10_000_000) -> None:
        self.path = path
        self.folder = Folder(path)
        self.downloader = Downloader(self.folder, file_server_context, most_bytes)
        self.asked: list[dict[str, str]] = []

    def fetch(self, handler: Handler, key: str = "key", path: str = "/f", within_s: float = 10.0) -> str | None:
        """One attempt; why it failed, None: it did not."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
                self.asked.append(headers | {"target": head[0].split()[1]})
                await handler(self.asked[-1], writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        async def whole() -> None:
            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                order = Download(key=key, location=f"http://127.0.0.1:{port}{path}")
                async with asyncio.timeout(within_s):
                    await self.downloader(msgspec.Raw(codec.encode(order)))

        try:
            asyncio.run(whole())
        except JobFailed as failure:
            return str(failure)
        return None

    def content(self, key: str = "key") -> bytes:
        return self.folder.file(key).read_bytes()

    @property
    def names(self) -> set[str]:
        return {path.suffix for path in self.path.iterdir()}


@pytest.fixture
def bay(tmp_path: Path) -> Bay:
    return Bay(tmp_path / "firmware")


def answering(head: str, body: bytes = b"", *more: bytes) -> Handler:
    async def handler(_asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        for part in more:
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(part)
        await writer.drain()

    return handler


def serving(content: bytes = CONTENT, tag: str = TAG, cut_at: int | None = None) -> Handler:
    """A server as it should be; it hangs up after `cut_at` bytes of what it sends."""

    async def handler(asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        start = int(asked["Range"].removeprefix("bytes=").rstrip("-")) if asked.get("If-Range") == tag else 0
        status = f"206 Partial Content\r\nContent-Range: bytes {start}-{len(content) - 1}/{len(content)}"
        head = (
            f"HTTP/1.1 {status if start else '200 OK'}\r\nETag: {tag}\r\nContent-Length: {len(content) - start}\r\n\r\n"
        )
        writer.write(head.encode() + content[start:][:cut_at])
        await writer.drain()

    return handler


# ---- what goes well ----


def test_a_file_comes_whole_for_its_owner_alone(bay: Bay) -> None:
    assert bay.fetch(serving()) is None
    assert bay.content() == CONTENT
    assert (bay.path.stat().st_mode & 0o777, bay.folder.file("key").stat().st_mode & 0o777) == (0o700, 0o600)
    assert bay.downloader.progress is None


def test_what_is_there_is_not_fetched_again(bay: Bay) -> None:
    bay.fetch(serving())
    assert bay.fetch(serving()) is None
    assert len(bay.asked) == 1


@pytest.mark.parametrize("cut_at", [1, 5000, len(CONTENT) - 1])
def test_a_broken_download_goes_on_where_it_broke_off(bay: Bay, cut_at: int) -> None:
    assert "hung up" in (bay.fetch(serving(cut_at=cut_at)) or "")
    assert bay.content() == CONTENT[:cut_at]
    assert bay.fetch(serving()) is None
    assert bay.content() == CONTENT
    assert bay.asked[1]["Range"] == f"bytes={cut_at}-"


def test_another_file_under_the_same_name_begins_anew(bay: Bay) -> None:
    bay.fetch(serving(cut_at=5000))
    other = CONTENT[::-1] + b"more"
    assert bay.fetch(serving(other, '"v2"')) is None
    assert bay.content() == other


def test_without_a_mark_of_the_content_nothing_is_added_to(bay: Bay) -> None:
    bay.fetch(answering(f"HTTP/1.1 200 OK\nContent-Length: {len(CONTENT)}", CONTENT[:5000]))
    assert bay.fetch(serving()) is None
    assert "Range" not in bay.asked[1]
    assert bay.content() == CONTENT


def test_one_update_is_kept_and_the_parts_of_others_are_dropped(bay: Bay) -> None:
    bay.fetch(serving(cut_at=5000), key="old")
    assert bay.fetch(serving(), key="new") is None
    assert len(list(bay.path.iterdir())) == 2
    asyncio.run(bay.downloader.discard(msgspec.Raw(b"{}")))
    assert list(bay.path.iterdir()) == []


def test_a_note_that_a_power_cut_has_spoilt_costs_the_part_and_no_more(bay: Bay) -> None:
    bay.fetch(serving(cut_at=5000))
    bay.folder.source("key").write_bytes(b"")
    assert bay.fetch(serving()) is None
    assert bay.content() == CONTENT


# ---- what servers do ----


@pytest.mark.parametrize(
    "handler, why",
    [
        (answering("HTTP/1.1 404 Not Found\nContent-Length: 0"), "HTTP 404"),
        (answering("HTTP/1.1 500 Oh\nContent-Length: 0"), "HTTP 500"),
        (answering("HTTP/1.1 200 OK", CONTENT), "how long"),
        (answering("HTTP/1.1 200 OK\nContent-Length: -1", CONTENT), "how long"),
        (answering("HTTP/1.1 200 OK\nContent-Length: 0x10", CONTENT), "how long"),
        (answering("HTTP/1.1 200 OK\nContent-Length: 0"), "there is room"),
        (answering(f"HTTP/1.1 200 OK\nContent-Length: {2**58}", CONTENT), "there is room"),
        (answering("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n"), "plain length"),
        (answering("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Encoding: gzip", b"hello"), "plain length"),
        (answering("HTTP/1.1 200 OK\nContent-Length: 10", b"hello"), "hung up after 5 of 10"),
        (answering("HTTP/1.1 206 Part\nContent-Length: 5\nContent-Range: bytes 0-4/5", b"hello"), "nobody asked"),
        (answering("HTTP/1.1 206 Part\nContent-Length: 5", b"hello"), "nobody asked"),
        (answering("SMTP ready"), "HTTP/1.1"),
        (answering("HTTP/1.1 200 OK\n" + "X: y\n" * 100_000), "begins with more"),
        (answering("HTTP/1.1 301 Moved\nLocation: /f"), "more than 3 redirects"),
        (answering("HTTP/1.1 302 Moved\nLocation: ftp://x/"), "none of http"),
        (answering("HTTP/1.1 302 Moved"), "more than 3 redirects"),
    ],
)
def test_a_server_that_does_not_serve_fails_the_attempt_with_a_reason(bay: Bay, handler: Handler, why: str) -> None:
    assert why in (bay.fetch(handler) or "nothing")


@pytest.mark.parametrize(
    "part",
    [
        "bytes 4999-{last}/{all}",
        "bytes 5001-{last}/{all}",
        "bytes 5000-{last}/9999999",
        "bytes 5000-6000/{all}",
        "x",
        "",
    ],
)
def test_a_server_that_lies_about_the_part_adds_nothing(bay: Bay, part: str) -> None:
    bay.fetch(serving(cut_at=5000))
    told = part.format(last=len(CONTENT) - 1, all=len(CONTENT))
    rest = CONTENT[5000:]
    head = f"HTTP/1.1 206 Part\nETag: {TAG}\nContent-Length: {len(rest)}\nContent-Range: {told}"
    assert bay.fetch(answering(head, rest)) is not None
    assert bay.content() == CONTENT[:5000]


def test_what_comes_beyond_the_length_is_not_kept(bay: Bay) -> None:
    assert bay.fetch(answering("HTTP/1.1 200 OK\nContent-Length: 5", b"hello" + CONTENT)) is None
    assert bay.content() == b"hello"


def test_more_than_any_firmware_is_not_begun(tmp_path: Path) -> None:
    bay = Bay(tmp_path / "firmware", most_bytes=len(CONTENT) - 1)
    assert "there is room" in (bay.fetch(serving()) or "")
    assert bay.content() == b""


def test_a_disk_without_room_is_not_filled(bay: Bay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DISK_LEFT_BYTES", 2**62)
    assert "there is room for 0" in (bay.fetch(serving()) or "")
    assert bay.content() == b""


def test_a_server_that_falls_silent_is_given_up(bay: Bay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PACE_OVER_S", 0.1)

    async def silent(_asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await writer.drain()
        await asyncio.sleep(2.0)

    assert "nothing came" in (bay.fetch(silent) or "")


def test_a_server_that_drips_is_given_up(bay: Bay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PACE_OVER_S", 0.2)

    async def dripping(_asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert "slower than" in (bay.fetch(dripping) or "")


def test_a_download_as_a_whole_has_an_end(bay: Bay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DOWNLOAD_WITHIN_S", 0.2)

    async def forever(_asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
        while True:
            writer.write(b"x" * 2000)
            await writer.drain()
            await asyncio.sleep(0.02)

    assert "not there within" in (bay.fetch(forever) or "")
    assert bay.downloader.progress is None


def test_nobody_at_all_is_a_reason_too(bay: Bay) -> None:
    order = Download(key="key", location="http://127.0.0.1:1/f")
    with pytest.raises(JobFailed, match=r"127\.0\.0\.1:1"):
        asyncio.run(bay.downloader(msgspec.Raw(codec.encode(order))))


def test_a_link_where_the_file_should_be_is_not_followed(bay: Bay, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    bay.path.mkdir()
    bay.folder.file("key").symlink_to(victim)
    assert "cannot be written" in (bay.fetch(serving()) or "")
    assert victim.read_bytes() == b"precious"


# ---- redirects ----


def test_a_redirect_on_the_same_server_is_followed(bay: Bay) -> None:
    async def handler(asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        moved = answering("HTTP/1.1 302 Found\nLocation: /other?x=y\nContent-Length: 0")
        await (serving() if asked["target"] == "/other?x=y" else moved)(asked, writer)

    assert bay.fetch(handler) is None
    assert bay.content() == CONTENT


@pytest.mark.parametrize(
    "start, location, target, shows",
    [
        ("https://u:p@a/x", "/y", "https://a/y", True),
        ("https://u:p@a/x", "https://a/y", "https://a/y", True),
        ("https://u:p@a/x", "https://b/y", "https://b/y", False),
        ("https://u:p@a/x", "https://a:8443/y", "https://a:8443/y", False),
        ("http://u:p@a/x", "https://a/y", "https://a/y", False),
        ("https://a/x", "https://v:q@b/y", "https://v:q@b/y", True),
    ],
)
def test_what_one_host_was_shown_no_other_gets_to_see(start: str, location: str, target: str, shows: bool) -> None:
    url = redirected(parsed_url(start), location)
    assert (url.origin, url.target) == (parsed_url(target).origin, "/y")
    assert (url.authorization is not None) == shows


def test_no_redirect_leads_out_of_tls() -> None:
    with pytest.raises(HttpError, match="from https to http"):
        redirected(parsed_url("https://a/x"), "http://a/x")


# ---- parts ----


@pytest.mark.parametrize("tag", ['"abc"', '"a-b:c"'])
def test_a_strong_mark_is_used(tag: str) -> None:
    assert validator({"etag": tag}) == tag


@pytest.mark.parametrize("tag", ['W/"abc"', "abc", '"', '""', '"a b"', '"a\x80"', '"' + "a" * 300 + '"'])
def test_a_mark_that_may_stand_for_more_than_one_content_is_not(tag: str) -> None:
    assert validator({"etag": tag}) == ""


def test_a_length_is_digits() -> None:
    assert content_length({"content-length": "12"}, "x") == 12
    for text in ("", "+1", "1 ", "१", "9" * 19):
        with pytest.raises(HttpError):
            content_length({"content-length": text}, "x")


def test_a_pace_is_judged_over_each_stretch() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    now = 59.0
    assert pace.is_kept(1)
    now = 61.0
    assert pace.is_kept(70_000)
    now = 125.0
    assert not pace.is_kept(1)


def test_no_name_of_a_file_comes_from_outside() -> None:
    folder = Folder(Path("/x"))
    assert folder.file("../../etc/passwd").parent == Path("/x")
    assert os.sep not in folder.file("../a").name
