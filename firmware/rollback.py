"""The floor under the security version, which only rises: what has been confirmed once is the least that may run.

Two records with checksums in the updater's own directory, written one after the other: while one is being replaced the
other holds. It protects against whoever can hand us a bundle, not against whoever can write as root (docs/firmware.md).
"""

import hashlib
from typing import Protocol

from firmware.bundle import MAX_SECURITY_VERSION
from firmware.disk import Disk, read_all, replace
from firmware.errors import FirmwareError, Refusal

_FILES = ("floor-1", "floor-2")
_MAX_BYTES = 128


class Floor(Protocol):
    """Kept in files, or in a chip that cannot count backwards. `most`: the highest that it can hold."""

    most: int

    def read(self) -> int:
        """The least security version; 0: nothing was confirmed yet. Raises FirmwareError(FLOOR_UNREADABLE)."""
        ...

    def raise_to(self, security_version: int) -> None:
        """Never lowers it; at most `most`. Raises OSError."""
        ...


class FileFloor:
    """A Floor in two files of `disk`."""

    most = MAX_SECURITY_VERSION

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def read(self) -> int:
        """See Floor."""
        found = [read_all(self._disk, name, _MAX_BYTES) for name in _FILES]
        known = [value for value in map(_decode, found) if value is not None]
        if not known and any(content is not None for content in found):
            raise FirmwareError(Refusal.FLOOR_UNREADABLE, "both records of the security version are damaged")
        return max(known, default=0)

    def raise_to(self, security_version: int) -> None:
        """See Floor. Damaged records are written anew: what runs and is good says what the least is."""
        for name in _FILES:
            present = _decode(read_all(self._disk, name, _MAX_BYTES))
            if present is None or present < security_version:
                replace(self._disk, name, _encode(security_version))


def _encode(value: int) -> bytes:
    text = str(value).encode()
    return text + b" " + hashlib.sha256(text).hexdigest().encode() + b"\n"


def _decode(content: bytes | None) -> int | None:
    """None: no record, or a damaged one."""
    text = (content or b"").partition(b" ")[0]
    return int(text) if text.isdigit() and len(text) <= 10 and content == _encode(int(text)) else None
