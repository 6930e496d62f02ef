"""A disk in memory whose power can be cut: what was not synced is lost, or not, or in part, as chance has it.

It holds what is read (as the system's cache does) apart from what is on the medium. A cut takes the medium, lets any of
the changes since the last sync have got there and others not, cuts the last content of a file at any byte, and starts
again from that.
"""

import errno
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware.disk import DIRECTORY_MODE, Form, Found


class PowerCut(BaseException):
    """Not an Exception, for nothing catches it."""


@dataclass
class Fuse:
    """Blows at the operation number `at` of all disks on it; None: never. `done` counts."""

    rng: random.Random
    at: int | None = None
    done: int = 0

    def blows(self) -> bool:
        self.done += 1
        return self.at is not None and self.done >= self.at


@dataclass
class File:
    content: bytearray
    mode: int
    on_medium: bytes = b""


@dataclass
class Directory:
    names: "dict[str, File | Directory]" = field(default_factory=dict)
    on_medium: "dict[str, File | Directory]" = field(default_factory=dict)
    waiting: "list[dict[str, File | Directory | None]]" = field(default_factory=list)
    """Changes since the last sync, in their order; None: the name goes."""

    def change(self, what: "dict[str, File | Directory | None]") -> None:
        self.waiting.append(what)
        apply(self.names, what)


Node = File | Directory


def apply(names: dict[str, Node], what: dict[str, Node | None]) -> None:
    for name, node in what.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class MemoryDisk:
    """See Disk of firmware/disk.py."""

    def __init__(self, fuse: Fuse | None = None, root: Directory | None = None) -> None:
        self.fuse = fuse or Fuse(random.Random(0))
        self.root = root or Directory()

    def listing(self, path: str) -> list[Found]:
        directory = self._directory(path)
        return [_found(name, directory.names[name]) for name in sorted(directory.names)]

    def read(self, path: str) -> Iterator[bytes]:
        yield bytes(self._file(path).content)

    def make_directory(self, path: str) -> None:
        self._tick()
        parent, name = self._parent(path, new=True)
        parent.change({name: Directory()})

    def create(self, path: str, mode: int) -> None:
        self._tick()
        parent, name = self._parent(path, new=True)
        parent.change({name: File(bytearray(), mode)})

    def append(self, path: str, data: bytes) -> None:
        content = self._file(path).content
        if self.fuse.blows():
            content += data[: self.fuse.rng.randint(0, len(data))]
            raise PowerCut
        content += data

    def sync(self, path: str) -> None:
        self._tick()
        file = self._file(path)
        file.on_medium = bytes(file.content)

    def sync_directory(self, path: str) -> None:
        self._tick()
        _sync_names(self._directory(path))

    def sync_all(self) -> None:
        self._tick()
        _sync_all(self.root)

    def rename(self, old: str, new: str) -> None:
        self._tick()
        parent, name = self._parent(old)
        parent.change({name: None, new.rpartition("/")[2]: parent.names[name]})

    def remove(self, path: str) -> None:
        self._tick()
        parent, name = self._parent(path)
        assert isinstance(parent.names[name], File)
        parent.change({name: None})

    def remove_directory(self, path: str) -> None:
        self._tick()
        parent, name = self._parent(path)
        if self._directory(path).names:
            raise OSError(errno.ENOTEMPTY, path)
        parent.change({name: None})

    # ---- for tests ----

    def after_cut(self, fuse: Fuse) -> "MemoryDisk":
        """The disk as it is found when the power is back."""
        return MemoryDisk(fuse, _survivor(self.root, self.fuse.rng))

    def synced(self, fuse: Fuse) -> "MemoryDisk":
        """A copy on which nothing waits for the medium."""
        _sync_all(self.root)
        return self.after_cut(fuse)

    def files(self, path: str = "") -> dict[str, bytes | None]:
        """All paths below `path`; None: a directory."""
        try:
            directory = self._directory(path)
        except FileNotFoundError:
            return {}
        found: dict[str, bytes | None] = {}
        for name, node in directory.names.items():
            found[name] = bytes(node.content) if isinstance(node, File) else None
            if isinstance(node, Directory):
                inner = self.files(f"{path}/{name}".lstrip("/"))
                found |= {f"{name}/{below}": content for below, content in inner.items()}
        return found

    def damage(self, path: str, rng: random.Random) -> None:
        """One bit of a file that rots."""
        content = self._file(path).content
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        self._file(path).on_medium = bytes(content)

    def _tick(self) -> None:
        if self.fuse.blows():
            raise PowerCut

    def _node(self, path: str) -> Node:
        node: Node = self.root
        for name in filter(None, path.split("/")):
            if not isinstance(node, Directory):
                raise NotADirectoryError(errno.ENOTDIR, path)
            if name not in node.names:
                raise FileNotFoundError(errno.ENOENT, path)
            node = node.names[name]
        return node

    def _directory(self, path: str) -> Directory:
        node = self._node(path)
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, path)
        return node

    def _file(self, path: str) -> File:
        node = self._node(path)
        if not isinstance(node, File):
            raise IsADirectoryError(errno.EISDIR, path)
        return node

    def _parent(self, path: str, *, new: bool = False) -> tuple[Directory, str]:
        parent, _, name = path.rpartition("/")
        directory = self._directory(parent)
        if new and name in directory.names:
            raise FileExistsError(errno.EEXIST, path)
        if not new and name not in directory.names:
            raise FileNotFoundError(errno.ENOENT, path)
        return directory, name


def _found(name: str, node: Node) -> Found:
    if isinstance(node, Directory):
        return Found(name, Form.DIRECTORY, DIRECTORY_MODE, 0, ours=True)
    return Found(name, Form.FILE, node.mode, len(node.content), ours=True)


def _sync_names(directory: Directory) -> None:
    directory.on_medium = dict(directory.names)
    directory.waiting.clear()


def _sync_all(node: Node) -> None:
    if isinstance(node, File):
        node.on_medium = bytes(node.content)
        return
    _sync_names(node)
    for inner in node.names.values():
        _sync_all(inner)


def _survivor(directory: Directory, rng: random.Random) -> Directory:
    """Names as a journal leaves them (all up to some change) or as no journal does (any of them)."""
    names = dict(directory.on_medium)
    in_order = rng.random() < 0.5
    kept = rng.randint(0, len(directory.waiting))
    for number, change in enumerate(directory.waiting):
        if number < kept if in_order else rng.random() < 0.5:
            apply(names, change)
    found = {name: _left(node, rng) for name, node in names.items()}
    return Directory(found, dict(found))


def _left(node: Node, rng: random.Random) -> Node:
    if isinstance(node, Directory):
        return _survivor(node, rng)
    whole = bytes(node.content)
    content = whole
    if whole != node.on_medium:
        # Anything between the last sync and now, and perhaps its length has got there and its bytes have not.
        content = whole[: rng.randint(len(node.on_medium), len(whole))]
        if rng.random() < 0.3:
            content = node.on_medium + bytes(len(content) - len(node.on_medium))
    return File(bytearray(content), node.mode, content)
