"""The kind "download": firmware by HTTP into one file, going on where an attempt before it ended.

What comes is untrusted in every way: it may be slow, endless, cut off, or another file than before. Its length has to
be told beforehand and to fit the disk, its pace is watched, and a part is added to only where the server says that it
is the same file still. What is in the file is somebody else's question (firmware_jobs.py).
"""

import asyncio
import hashlib
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urljoin

import msgspec

from chargerd import codec
from chargerd.http_client import Answered, HttpError, Url, get, parsed_url
from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import MAX_ARGUMENT_BYTES, Download
from chargerd.tls import TrustError

FOLDER = "firmware"
"""In the state directory; only its user may look into it."""

DOWNLOAD_WITHIN_S = 6 * 3600.0
MIN_BYTES_PER_S, PACE_OVER_S = 1024, 60.0
"""Slower than this over a minute is no download: who serves like that wants to keep an update away."""

DISK_LEFT_BYTES = 64 * 1024 * 1024
"""So much stays free for the store; twice what it warns at."""

MAX_REDIRECTS = 3
PIECE_BYTES = 256 * 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


class Progress(msgspec.Struct):
    """How far a download is, for people."""

    done_bytes: int = 0
    total_bytes: int = 0


class _Source(msgspec.Struct, frozen=True):
    """What the file is a part of: its length, and the server's mark for exactly this content, empty: it has none."""

    total_bytes: int
    validator: str


class Folder:
    """Where firmware is kept: one file at a time, and beside it what it is a part of."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def file(self, key: str) -> Path:
        """The file of an update. Its name says nothing, and nobody else chose it."""
        return self._path / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.bundle"

    def keep_only(self, key: str | None) -> None:
        """Drop whatever belongs to another update; None: everything. Raises OSError."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        kept = () if key is None else (self.file(key), self.source(key))
        for path in self._path.iterdir():
            if path not in kept:
                path.unlink()

    def open(self, key: str, flags: int = os.O_RDONLY) -> int:
        """The file, as a descriptor. Raises OSError."""
        return os.open(self.file(key), flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def source(self, key: str) -> Path:
        """Beside the file."""
        return self.file(key).with_suffix(".source")

    def free_bytes(self) -> int:
        """What may still be written. Raises OSError."""
        found = os.statvfs(self._path)
        return found.f_bavail * found.f_frsize - DISK_LEFT_BYTES


class Downloader:
    """One attempt for each order. `trust`: roots -> a context for https. `most_bytes`: no firmware is larger."""

    def __init__(
        self,
        folder: Folder,
        trust: Callable[[tuple[str, ...]], ssl.SSLContext],
        most_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._trust = trust
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self.progress: Progress | None = None
        """Of the download that runs now."""

    async def __call__(self, arguments: msgspec.Raw) -> None:
        """One attempt. Raises JobFailed."""
        order = codec.decode(Download, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        self.progress = Progress()
        try:
            async with asyncio.timeout(DOWNLOAD_WITHIN_S):
                await self._fetch(order)
        except TimeoutError as error:
            raise JobFailed(f"not there within {DOWNLOAD_WITHIN_S:g} s") from error
        except (HttpError, TrustError) as error:
            raise JobFailed(str(error)) from error
        except OSError as error:
            raise JobFailed(f"the file cannot be written ({error.strerror or error})") from error
        finally:
            self.progress = None

    async def discard(self, _arguments: msgspec.Raw) -> None:
        """The kind "discard". Raises JobFailed."""
        try:
            self._folder.keep_only(None)
        except OSError as error:
            raise JobFailed(f"old firmware cannot be removed ({error.strerror or error})") from error

    async def _fetch(self, order: Download) -> None:
        self._folder.keep_only(order.key)
        file = self._folder.open(order.key, os.O_RDWR | os.O_CREAT)
        try:
            await self._fetch_into(file, order)
        finally:
            os.close(file)

    async def _fetch_into(self, file: int, order: Download) -> None:
        have_bytes, source = os.fstat(file).st_size, self._known(order.key)
        if source is not None and have_bytes == source.total_bytes:
            return
        # Without a mark nobody can say whether the rest belongs to what is here.
        resumable = source is not None and bool(source.validator) and 0 < have_bytes < source.total_bytes
        wanted = {"Range": f"bytes={have_bytes}-", "If-Range": source.validator} if source and resumable else {}
        url = parsed_url(order.location)
        context: ssl.SSLContext | None = None
        for _ in range(MAX_REDIRECTS + 1):
            if url.secure and context is None:
                # Loading the roots of the system takes longer than the loop should stand still.
                context = await asyncio.to_thread(self._trust, order.roots_pem)
            async with get(url, wanted, context=context if url.secure else None) as answered:
                if answered.reply.status in _REDIRECTS:
                    url = redirected(url, answered.reply.headers.get("location", ""))
                    continue
                await self._take(file, order.key, answered, url, source if resumable else None)
                return
        raise HttpError(f"{url.origin}: more than {MAX_REDIRECTS} redirects")

    async def _take(self, file: int, key: str, answered: Answered, url: Url, source: _Source | None) -> None:
        reply = answered.reply
        if reply.status not in {200, 206}:
            raise HttpError(f"{url.origin}: HTTP {reply.status}")
        length = content_length(reply.headers, url.origin)
        start = 0
        if reply.status == 206:
            start = _continued(reply.headers, url.origin, source, os.fstat(file).st_size, length)
        total_bytes = start + length
        room_bytes = min(self._most_bytes, start + self._folder.free_bytes())
        if not 0 < total_bytes <= room_bytes:
            raise HttpError(f"{url.origin}: {total_bytes} bytes, and there is room for {max(0, room_bytes)}")
        os.truncate(file, start)
        if source is None or start == 0:
            self._note(key, _Source(total_bytes, validator(reply.headers)))
        await self._copy(file, answered, start, total_bytes, url.origin)
        await asyncio.to_thread(os.fsync, file)

    async def _copy(self, file: int, answered: Answered, start: int, total_bytes: int, origin: str) -> None:
        progress = self.progress = Progress(start, total_bytes)
        pace = Pace(self._monotonic)
        while progress.done_bytes < total_bytes:
            try:
                async with asyncio.timeout(PACE_OVER_S):
                    piece = await answered.read(min(PIECE_BYTES, total_bytes - progress.done_bytes))
            except TimeoutError as error:
                raise HttpError(f"{origin}: nothing came for {PACE_OVER_S:g} s") from error
            if not piece:
                raise HttpError(f"{origin}: it hung up after {progress.done_bytes} of {total_bytes} bytes")
            await asyncio.to_thread(_write, file, piece, progress.done_bytes)
            progress.done_bytes += len(piece)
            if not pace.is_kept(len(piece)):
                raise HttpError(f"{origin}: slower than {MIN_BYTES_PER_S} bytes a second")

    def _known(self, key: str) -> _Source | None:
        try:
            return codec.decode(_Source, self._folder.source(key).read_bytes(), max_bytes=4096)
        except (FileNotFoundError, codec.CodecError):
            return None  # begun anew: a note that a power cut has spoilt is no reason to fail

    def _note(self, key: str, source: _Source) -> None:
        path = self._folder.source(key)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, codec.encode(source))
            os.fsync(file)
        finally:
            os.close(file)


class Pace:
    """Whether bytes come fast enough, over any stretch of PACE_OVER_S."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since_mono = monotonic()
        self._bytes = 0

    def is_kept(self, count: int) -> bool:
        """So many bytes more have come."""
        self._bytes += count
        lasted_s = self._monotonic() - self._since_mono
        if lasted_s < PACE_OVER_S:
            return True
        kept = self._bytes >= MIN_BYTES_PER_S * lasted_s
        self._since_mono, self._bytes = self._monotonic(), 0
        return kept


def redirected(url: Url, location: str) -> Url:
    """Where a reply sends us. Never from TLS to none, and what the request showed to one host no other gets to see.

    Raises HttpError.
    """
    scheme = "https" if url.secure else "http"
    target = parsed_url(urljoin(f"{scheme}://{url.origin}{url.target}", location))
    if url.secure and not target.secure:
        raise HttpError(f"{url.origin}: redirects from https to http are not followed")
    if target.authorization is None and target.origin == url.origin and target.secure == url.secure:
        return msgspec.structs.replace(target, authorization=url.authorization)
    return target


def content_length(headers: Mapping[str, str], origin: str) -> int:
    """How much follows. Raises HttpError for a reply that does not say, or not so that it can be believed."""
    if "transfer-encoding" in headers or headers.get("content-encoding", "identity") != "identity":
        raise HttpError(f"{origin}: it sends the file in another form than it is; its plain length is needed")
    text = headers.get("content-length", "")
    if re.fullmatch(r"[0-9]{1,18}", text) is None:
        raise HttpError(f"{origin}: it does not say how long the file is")
    return int(text)


def validator(headers: Mapping[str, str]) -> str:
    """What stands for exactly this content in If-Range (RFC 9110, 13.1.5); empty: nothing does."""
    tag = headers.get("etag", "")
    return tag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', tag) else ""


def _continued(headers: Mapping[str, str], origin: str, source: _Source | None, have_bytes: int, length: int) -> int:
    """Where the rest begins: exactly where what is here ends. Raises HttpError for any other part."""
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    if source is None or found is None:
        raise HttpError(f"{origin}: it sends a part that nobody asked for")
    first, last, total_bytes = (int(each) for each in found.groups())
    if (first, last, total_bytes, length) != (
        have_bytes,
        source.total_bytes - 1,
        source.total_bytes,
        source.total_bytes - have_bytes,
    ):
        raise HttpError(f"{origin}: it sends another part than was asked for ({found[0]})")
    return have_bytes


def _write(file: int, piece: bytes, offset: int) -> None:
    while piece:
        written = os.pwrite(file, piece, offset)
        piece, offset = piece[written:], offset + written
