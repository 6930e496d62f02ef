"""Slots that are directories: a slot is a bundle unpacked, and written out again it is that bundle, byte for byte.

    a/head      all that stands before the payload: key lists, signatures, manifest, table
    a/tree/     the tree

So one check serves for reading back after writing, before activating and before starting: head and tree go through the
same Verifier as the bundle did. A file too many, too few, changed, renamed or executable by mistake is another byte.
"""

import errno
from collections.abc import Iterator

from firmware.bundle import HEADER, MAX_CHUNKS, MAX_MANIFEST_BYTES, MAX_SIGNATURES_BYTES
from firmware.disk import DIRECTORY_MODE, FILE_MODE, Disk, Form, Found, read_all, remove_tree
from firmware.errors import FirmwareError, Refusal
from firmware.keys import MAX_SECTION_BYTES
from firmware.slots import Name
from firmware.tree import END, Entry, Kind, TreeReader, check_path
from firmware.verify import Device, Verifier

PROGRAM_MODE = 0o755
_MODES = {Kind.FILE: FILE_MODE, Kind.PROGRAM: PROGRAM_MODE}

MAX_HEAD_BYTES = HEADER.size + MAX_SECTION_BYTES + MAX_SIGNATURES_BYTES + MAX_MANIFEST_BYTES + 32 * MAX_CHUNKS

_GATHERED_BYTES = 256 * 1024
"""Thousands of small files are hashed in pieces of this size."""


class DirectoryWriter:
    """Fills a slot, which is emptied first. Give it verified bytes only."""

    def __init__(self, disk: Disk, name: Name) -> None:
        """Raises OSError."""
        self._disk = disk
        self._name = name
        self._reader = TreeReader()
        self._file = ""
        remove_tree(disk, name)
        disk.make_directory(name)
        disk.make_directory(f"{name}/tree")

    def write(self, data: bytes) -> None:
        """The next verified bytes of the payload. Raises FirmwareError(BAD_TREE), OSError."""
        for part in self._reader.feed(data):
            if isinstance(part, bytes):
                self._disk.append(self._file, part)
            elif part.kind is Kind.DIRECTORY:
                self._disk.make_directory(f"{self._name}/tree/{part.path}")
            else:
                self._file = f"{self._name}/tree/{part.path}"
                self._disk.create(self._file, _MODES[part.kind])

    def close(self, head: bytes) -> None:
        """All bytes were given. On return they are on the medium. Raises FirmwareError(BAD_TREE), OSError."""
        self._reader.finish()
        self._disk.create(f"{self._name}/head", FILE_MODE)
        self._disk.append(f"{self._name}/head", head)
        self._disk.sync_all()


def head_of(disk: Disk, name: Name) -> bytes:
    """Raises FirmwareError(SLOT_DAMAGED) when the slot has none, OSError."""
    head = read_all(disk, f"{name}/head", MAX_HEAD_BYTES)
    if head is None:
        raise FirmwareError(Refusal.SLOT_DAMAGED, f"slot {name} holds no bundle")
    return head


def check_head(disk: Disk, name: Name, device: Device) -> Verifier:
    """What the head of a slot says was signed, for this device. Raises FirmwareError, OSError."""
    verifier = Verifier(device)
    verifier.feed(head_of(disk, name))
    if not verifier.has_head:
        raise FirmwareError(Refusal.SLOT_DAMAGED, f"the head of slot {name} ends too early")
    return verifier


def check_slot(disk: Disk, name: Name, device: Device) -> Verifier:
    """What is in a slot is what was signed, for this device, whole. Raises FirmwareError, OSError."""
    for parent, inner in (("", name.value), (name, "tree")):
        _check_directory(disk, parent, inner)
    verifier = check_head(disk, name, device)
    for piece in written_out(disk, f"{name}/tree"):
        verifier.feed(piece)
    verifier.finish()
    return verifier


def _check_directory(disk: Disk, parent: str, name: str) -> None:
    """Who can write it could change what was verified a moment ago."""
    found = next((each for each in disk.listing(parent) if each.name == name), None)
    if found is None or found.form is not Form.DIRECTORY:
        raise FirmwareError(Refusal.SLOT_DAMAGED, f"{parent}/{name} is no directory".lstrip("/"))
    _check_mode(found, f"{parent}/{name}".lstrip("/"), (DIRECTORY_MODE,), on_desk=False)


def written_out(disk: Disk, path: str, *, on_desk: bool = False) -> Iterator[bytes]:
    """The tree below `path` in its one form. `on_desk`: a maker's, where owners and umask are the maker's own business.

    Raises OSError, FirmwareError for what has no form, or could be written by others.
    """
    gathered = bytearray()
    for piece in _pieces(disk, path, "", on_desk):
        gathered += piece
        if len(gathered) >= _GATHERED_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered) + END


def _pieces(disk: Disk, root: str, below: str, on_desk: bool) -> Iterator[bytes]:
    for found in disk.listing(f"{root}/{below}".strip("/")):
        path = f"{below}/{found.name}".lstrip("/")
        if found.form is Form.DIRECTORY:
            _check_mode(found, path, (DIRECTORY_MODE,), on_desk)
            yield Entry(Kind.DIRECTORY, path).encode()
            yield from _pieces(disk, root, path, on_desk)
        elif found.form is Form.FILE:
            _check_mode(found, path, tuple(_MODES.values()), on_desk)
            yield Entry(Kind.PROGRAM if found.mode & 0o100 else Kind.FILE, path, found.size_bytes).encode()
            yield from _content(disk, f"{root}/{path}".lstrip("/"), found.size_bytes)
        else:
            check_path(path)
            raise FirmwareError(Refusal.BAD_TREE, f"{path!r} is a link, a file with two names, or a device")


def _check_mode(found: Found, path: str, modes: tuple[int, ...], on_desk: bool) -> None:
    if not on_desk and (not found.ours or found.mode not in modes):
        raise FirmwareError(
            Refusal.WRITABLE_CODE if found.mode & 0o022 or not found.ours else Refusal.BAD_TREE,
            f"{path!r} has mode {found.mode:04o}{' and another owner' * (not found.ours)}; expected "
            + " or ".join(f"{mode:04o}" for mode in modes),
        )


def _content(disk: Disk, path: str, size_bytes: int) -> Iterator[bytes]:
    """A file that changes while it is read breaks the hash anyway; this only keeps it from going on for ever."""
    left = size_bytes
    for piece in disk.read(path):
        left -= len(piece)
        if left < 0:
            raise OSError(errno.EBUSY, f"{path} grows while it is read")
        yield piece
