"""A directory of the device as a few operations, each of which a power cut can come before, after or into.

Nothing here follows a link: every part of every path is opened below the one before it, and a link where a directory or
a file should be is an error. What is written is on the medium when `sync`, `sync_directory` or `sync_all` has returned,
not before.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from firmware.errors import FirmwareError, Refusal

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Not blocking: a pipe that somebody put where a file should be must not hold us."""

PIECE_BYTES = 256 * 1024

DIRECTORY_MODE = 0o755
FILE_MODE = 0o644


class Form(Enum):
    """What stands under a name."""

    DIRECTORY = auto()
    FILE = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """A name in a directory. `mode`: the permission bits; `ours`: it is root's, or of whom this process runs as."""

    name: str
    form: Form
    mode: int
    size_bytes: int
    ours: bool


class Disk(Protocol):
    """Paths are relative, with "/" between parts; "" is the directory itself. Every operation raises OSError."""

    def listing(self, path: str) -> list[Found]:
        """What a directory holds, in order of name."""
        ...

    def read(self, path: str) -> Iterator[bytes]:
        """A file, piece by piece, from the medium if the system lets us."""
        ...

    def make_directory(self, path: str) -> None:
        """A new one, mode 0755."""
        ...

    def create(self, path: str, mode: int) -> None:
        """A new, empty file with exactly this mode."""
        ...

    def append(self, path: str, data: bytes) -> None:
        """To a file that was created here."""
        ...

    def sync(self, path: str) -> None:
        """The content of a file reaches the medium."""
        ...

    def sync_directory(self, path: str) -> None:
        """The names in a directory reach the medium."""
        ...

    def sync_all(self) -> None:
        """Everything written so far reaches the medium. What fails is found by reading back only."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Within one directory; `new` is replaced at one go."""
        ...

    def remove(self, path: str) -> None:
        """A file, or what is neither file nor directory."""
        ...

    def remove_directory(self, path: str) -> None:
        """An empty one."""
        ...


# ---- what is made of these ----


def read_all(disk: Disk, path: str, most_bytes: int) -> bytes | None:
    """A small file whole; None: there is none. Raises OSError, also when it is larger than `most_bytes`."""
    content = b""
    try:
        for piece in disk.read(path):
            content += piece
            if len(content) > most_bytes:
                raise OSError(errno.EFBIG, f"{path} is larger than {most_bytes} bytes")
    except FileNotFoundError:
        return None
    return content


def replace(disk: Disk, path: str, content: bytes) -> None:
    """A small file gets this content whole or keeps the old one, whenever the power goes. Raises OSError."""
    new = f"{path}.new"
    with suppress(FileNotFoundError):
        disk.remove(new)
    disk.create(new, FILE_MODE)
    disk.append(new, content)
    disk.sync(new)
    disk.rename(new, path)
    disk.sync_directory(path.rpartition("/")[0])


def remove_tree(disk: Disk, path: str) -> None:
    """Whatever stands below `path`, and itself; nothing is there: nothing is done. Raises OSError."""
    try:
        found = disk.listing(path)
    except FileNotFoundError:
        return
    for each in found:
        inner = f"{path}/{each.name}"
        if each.form is Form.DIRECTORY:
            remove_tree(disk, inner)
        else:
            disk.remove(inner)
    disk.remove_directory(path)


# ---- the real one ----


class Folder:
    """A Disk: the directory `root` and what is below it. Raises OSError when it is not there."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _DIRECTORY)

    def close(self) -> None:
        """Afterwards nothing can be done with it."""
        os.close(self._root)

    def listing(self, path: str) -> list[Found]:
        """See Disk."""
        with self._directory(path) as directory, os.scandir(directory) as entries:
            found = [_found(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return sorted(found, key=lambda each: each.name)

    def read(self, path: str) -> Iterator[bytes]:
        """See Disk."""
        with self._opened(path, os.O_RDONLY) as file:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, f"{path} is no file")
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            while piece := os.read(file, PIECE_BYTES):
                yield piece

    def make_directory(self, path: str) -> None:
        """See Disk."""
        with self._parent(path) as (parent, name):
            os.mkdir(name, DIRECTORY_MODE, dir_fd=parent)
            os.chmod(name, DIRECTORY_MODE, dir_fd=parent)  # whatever the umask; nobody else may write in `parent`

    def create(self, path: str, mode: int) -> None:
        """See Disk."""
        with self._opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) as file:
            os.fchmod(file, mode)

    def append(self, path: str, data: bytes) -> None:
        """See Disk."""
        with self._opened(path, os.O_WRONLY | os.O_APPEND) as file:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]

    def sync(self, path: str) -> None:
        """See Disk."""
        with self._opened(path, os.O_RDONLY) as file:
            os.fsync(file)

    def sync_directory(self, path: str) -> None:
        """See Disk."""
        with self._directory(path) as directory:
            os.fsync(directory)

    def sync_all(self) -> None:
        """See Disk."""
        os.sync()

    def rename(self, old: str, new: str) -> None:
        """See Disk."""
        assert old.rpartition("/")[0] == new.rpartition("/")[0], "can't happen because both are in one directory"
        with self._parent(old) as (parent, name):
            os.rename(name, new.rpartition("/")[2], src_dir_fd=parent, dst_dir_fd=parent)

    def remove(self, path: str) -> None:
        """See Disk."""
        with self._parent(path) as (parent, name):
            os.unlink(name, dir_fd=parent)

    def remove_directory(self, path: str) -> None:
        """See Disk."""
        with self._parent(path) as (parent, name):
            os.rmdir(name, dir_fd=parent)

    @contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        """The descriptor of a directory, reached part by part."""
        directory = os.dup(self._root)
        try:
            for name in filter(None, path.split("/")):
                inner = os.open(name, _DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = inner
            yield directory
        finally:
            os.close(directory)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        parent, _, name = path.rpartition("/")
        with self._directory(parent) as directory:
            yield directory, name

    @contextmanager
    def _opened(self, path: str, flags: int, mode: int = 0) -> Iterator[int]:
        with self._parent(path) as (parent, name):
            file = os.open(name, flags | _FILE, mode, dir_fd=parent)
        try:
            yield file
        finally:
            os.close(file)


def _found(name: str, status: os.stat_result) -> Found:
    form = Form.OTHER
    if stat.S_ISDIR(status.st_mode):
        form = Form.DIRECTORY
    elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        form = Form.FILE  # a second name somewhere else would be a second way to write it
    return Found(name, form, stat.S_IMODE(status.st_mode), status.st_size, status.st_uid in (0, os.geteuid()))


def why_not_protected(path: Path) -> FirmwareError | None:
    """Why somebody but root (or whom this process runs as) could put something else at `path`; None: nobody could.

    Every directory on the way counts, after all links have been followed.
    """
    real = Path(os.path.realpath(path))
    for place in (real, *real.parents):
        try:
            status = place.stat()
        except OSError as error:
            return FirmwareError(Refusal.WRITABLE_CODE, f"{place} cannot be looked at ({error.strerror})")
        sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX) and place != real
        if status.st_uid not in (0, os.geteuid()) or (status.st_mode & 0o022 and not sticky):
            return FirmwareError(Refusal.WRITABLE_CODE, f"{place} can be written by others than root")
    return None
