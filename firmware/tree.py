"""A directory tree as bytes, in exactly one form: directories and files, nothing else, each where it must stand.

    entry       kind (1 byte), length of the path (2), length of the content (8), path, content
    last        kind 0 and both lengths 0; nothing follows

Kinds: a directory, a file, a file that may be executed. No links, owners, times, devices or other modes: what has no
form here cannot be installed. Entries stand in the order of their paths, part by part, each below a directory that came
before; so a path cannot occur twice, and an installed tree written out again gives the very bytes that were signed.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from firmware.errors import FirmwareError, Refusal

HEADER = struct.Struct(">BHQ")
MAX_ENTRIES = 20_000
MAX_DEPTH = 32
MAX_NAME_CHARS = 128
MAX_PATH_CHARS = 400

_NAME = re.compile(r"(?!\.{1,2}\Z)(?! )[0-9A-Za-z ._+@~=,#%&'()\[\]{}!$^-]+(?<! )\Z", re.ASCII)
"""Letters, digits and what Python packages use: no control character, no separator, no blank at an end."""


class Kind(IntEnum):
    """Of an entry."""

    END = 0
    DIRECTORY = 1
    FILE = 2
    PROGRAM = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory or a file. `path` with "/" between its parts; `size_bytes` of the content that follows."""

    kind: Kind
    path: str
    size_bytes: int = 0

    def encode(self) -> bytes:
        """What stands before its content. Raises FirmwareError(BAD_TREE) for a path that has no form here."""
        check_path(self.path)
        path = self.path.encode()
        return HEADER.pack(self.kind, len(path), self.size_bytes) + path


END = HEADER.pack(Kind.END, 0, 0)

Part = Entry | bytes
"""What reading yields: an entry, or some of the content of the file that came last."""


def check_path(path: str) -> None:
    """Relative, of harmless names, not too long or deep. Raises FirmwareError(BAD_TREE)."""
    names = path.split("/")
    if len(path) > MAX_PATH_CHARS or len(names) > MAX_DEPTH:
        raise _bad(f"the path {path[:60]!r}… is too long or too deep")
    for name in names:
        if len(name) > MAX_NAME_CHARS or not _NAME.match(name):
            raise _bad(f"the path {path!r} holds the name {name!r}, which is not allowed")


@dataclass(slots=True)
class _Directory:
    """One that may still get entries. `folded`: names as a file system without case sees them."""

    path: str
    last: str = ""
    folded: set[str] = field(default_factory=set)


class TreeReader:
    """The bytes of a tree, piece by piece, as entries and contents in their order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._open = [_Directory("")]
        self._content_left = 0
        self._entries = 0
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Part]:
        """What `data` completes. Raises FirmwareError(BAD_TREE); the tree is worth nothing then."""
        self._buffer += data
        at = 0
        while True:
            if self._content_left:
                piece = bytes(self._buffer[at : at + self._content_left])
                if not piece:
                    break
                at += len(piece)
                self._content_left -= len(piece)
                yield piece
                continue
            entry, at = self._entry(at)
            if entry is None:
                break
            yield entry
        del self._buffer[:at]
        if self._ended and self._buffer:
            raise _bad("goes on after its end")

    def finish(self) -> None:
        """There are no more bytes. Raises FirmwareError(BAD_TREE)."""
        if not self._ended:
            raise _bad("ends too early")

    def _entry(self, at: int) -> tuple[Entry | None, int]:
        """The entry that begins at `at` and where to go on; None: not all of it is here, or it was the last."""
        if self._ended or len(self._buffer) - at < HEADER.size:
            return None, at
        number, path_bytes, size_bytes = HEADER.unpack_from(self._buffer, at)
        end = at + HEADER.size + path_bytes
        if number == Kind.END:
            if path_bytes or size_bytes:
                raise _bad("its end has a path or a content")
            self._ended = True
            return None, end
        if path_bytes > MAX_PATH_CHARS:
            raise _bad(f"a path of {path_bytes} bytes, {MAX_PATH_CHARS} are allowed")
        if len(self._buffer) < end:
            return None, at
        entry = _entry_of(number, bytes(self._buffer[at + HEADER.size : end]), size_bytes)
        self._check_place(entry)
        self._content_left = size_bytes
        return entry, end

    def _check_place(self, entry: Entry) -> None:
        """In order, below a directory that is there, and unlike its neighbours whatever the file system."""
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise _bad(f"more than {MAX_ENTRIES} entries")
        check_path(entry.path)
        parent, _, name = entry.path.rpartition("/")
        while self._open[-1].path != parent:
            self._open.pop()
            if not self._open:
                raise _bad(f"{entry.path!r} stands below no directory that is open, or out of order")
        directory = self._open[-1]
        if name <= directory.last:
            raise _bad(f"{entry.path!r} stands twice or out of order")
        folded = name.casefold()
        if folded in directory.folded:
            raise _bad(f"{entry.path!r} differs from its neighbour in capitals only")
        directory.last = name
        directory.folded.add(folded)
        if entry.kind is Kind.DIRECTORY:
            self._open.append(_Directory(entry.path))


def _entry_of(number: int, path: bytes, size_bytes: int) -> Entry:
    try:
        kind = Kind(number)
        text = path.decode("ascii")
    except ValueError:
        raise _bad("an entry of no kind known, or a path that is not ASCII") from None
    if kind is Kind.DIRECTORY and size_bytes:
        raise _bad(f"the directory {text!r} has a content")
    return Entry(kind, text, size_bytes)


def _bad(why: str) -> FirmwareError:
    return FirmwareError(Refusal.BAD_TREE, f"the tree: {why}")
