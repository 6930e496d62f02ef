"""A slot is a bundle unpacked: whatever is changed in it, however little, it is no longer that bundle."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.disk import Folder, Found
from firmware.errors import FirmwareError, Refusal
from firmware.installers.directory import DirectoryWriter, check_head, check_slot, written_out
from firmware.slots import Name
from firmware.verify import Verifier
from tests.firmware.kit import TREE, device, good, tree_bytes
from tests.firmware.memory_disk import MemoryDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "slots").mkdir()
    made = Folder(tmp_path / "slots")
    verifier = Verifier(device())
    writer = DirectoryWriter(made, Name.B)
    writer.write(verifier.feed(good()))
    verifier.finish()
    writer.close(verifier.head)
    yield made
    made.close()


def test_head_and_tree_together_are_the_bundle_again(disk: Folder, tmp_path: Path) -> None:
    head = (tmp_path / "slots/b/head").read_bytes()
    assert head + b"".join(written_out(disk, "b/tree")) == good()
    assert check_slot(disk, Name.B, device()).finish().version == "2.0.0"
    assert check_head(disk, Name.B, device()).manifest_sha256 == check_slot(disk, Name.B, device()).manifest_sha256


def test_programs_can_be_executed_and_nothing_else_can(disk: Folder, tmp_path: Path) -> None:
    tree = tmp_path / "slots/b/tree"
    modes = {path.relative_to(tree).as_posix(): path.stat().st_mode & 0o7777 for path in tree.rglob("*")}
    assert modes == {"bin": 0o755, "bin/chargerd": 0o755, "lib": 0o755, "lib/chargerd.py": 0o644, "lib/empty.py": 0o644}


def write(path: str, content: bytes) -> Callable[[Path], object]:
    return lambda tree: (tree / path).write_bytes(content)


def link_to_nothing(tree: Path) -> None:
    (tree / "lib/empty.py").unlink()
    (tree / "lib/empty.py").symlink_to("/dev/null")


def link_to_the_same(tree: Path) -> None:
    (tree / "lib").rename(tree / "bil")
    (tree / "lib").symlink_to("bil")


def pipe(tree: Path) -> None:
    (tree / "lib/empty.py").unlink()
    os.mkfifo(tree / "lib/empty.py")


def not_text(tree: Path) -> None:
    os.close(os.open(os.fsencode(tree) + b"/\xff", os.O_CREAT | os.O_WRONLY, 0o644))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a byte changed": write("bin/chargerd", b"#!/usr/bin/python3 -I\nprint('evi')\n"),
    "a byte more": write("lib/empty.py", b"\n"),
    "a file emptied": write("lib/chargerd.py", b""),
    "a file too many": write("lib/sitecustomize.py", b"import os"),
    "a hidden file too many": write(".hidden", b""),
    "a file too few": lambda tree: (tree / "lib/empty.py").unlink(),
    "a directory too many": lambda tree: (tree / "lib/__pycache__").mkdir(mode=0o755),
    "a file renamed": lambda tree: (tree / "lib/empty.py").rename(tree / "lib/emptx.py"),
    "a file moved": lambda tree: (tree / "lib/empty.py").rename(tree / "empty.py"),
    "executable by mistake": lambda tree: (tree / "lib/empty.py").chmod(0o755),
    "no longer executable": lambda tree: (tree / "bin/chargerd").chmod(0o644),
    "writable by the group": lambda tree: (tree / "lib/empty.py").chmod(0o664),
    "writable by all": lambda tree: (tree / "lib").chmod(0o777),
    "runs as its owner": lambda tree: (tree / "bin/chargerd").chmod(0o4755),
    "a tree writable by all": lambda tree: tree.chmod(0o777),
    "a slot writable by the group": lambda tree: tree.parent.chmod(0o775),
    "a link to nothing": link_to_nothing,
    "a directory by a link to the same": link_to_the_same,
    "a pipe": pipe,
    "a name that is not text": not_text,
    "a second name": lambda tree: (tree.parent.parent.parent / "x").hardlink_to(tree / "lib/empty.py"),
    "a name without form": write("lib/a\nb", b""),
    "the head of nothing": lambda tree: (tree.parent / "head").write_bytes(b""),
    "half a head": lambda tree: (tree.parent / "head").write_bytes(good()[:300]),
    "no head": lambda tree: (tree.parent / "head").unlink(),
    "no tree": lambda tree: tree.rename(tree.parent / "ert"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_changed_slot_is_not_what_was_signed(disk: Folder, tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(tmp_path / "slots/b/tree")
    with pytest.raises((FirmwareError, OSError)):
        check_slot(disk, Name.B, device())


def test_what_others_can_write_is_called_so(disk: Folder, tmp_path: Path) -> None:
    (tmp_path / "slots/b/tree/lib").chmod(0o777)
    with pytest.raises(FirmwareError) as refused:
        check_slot(disk, Name.B, device())
    assert refused.value.refusal is Refusal.WRITABLE_CODE
    assert "'lib' has mode 0777" in refused.value.why


class Foreign(MemoryDisk):
    """Where somebody else owns one of the files."""

    def listing(self, path: str) -> list[Found]:
        return [replace(found, ours=found.name != "empty.py") for found in super().listing(path)]


def test_a_file_of_somebody_else_is_one_that_others_can_write() -> None:
    disk = Foreign()
    verifier = Verifier(device())
    writer = DirectoryWriter(disk, Name.A)
    writer.write(verifier.feed(good()))
    writer.close(verifier.head)
    with pytest.raises(FirmwareError) as refused:
        check_slot(disk, Name.A, device())
    assert refused.value.refusal is Refusal.WRITABLE_CODE


@pytest.mark.parametrize("seed", range(60))
def test_one_bit_anywhere_is_noticed(seed: int) -> None:
    disk, rng = MemoryDisk(), random.Random(seed)
    verifier = Verifier(device())
    writer = DirectoryWriter(disk, Name.A)
    writer.write(verifier.feed(good()))
    writer.close(verifier.head)
    disk.damage(rng.choice(["a/head", "a/tree/bin/chargerd", "a/tree/lib/chargerd.py"]), rng)
    with pytest.raises(FirmwareError):
        check_slot(disk, Name.A, device())


def test_what_was_in_the_slot_is_gone_when_something_new_is_written(disk: Folder, tmp_path: Path) -> None:
    tree = tmp_path / "slots/b/tree"
    (tree / "left-over").mkdir()
    (tree / "left-over/link").symlink_to("/etc")
    DirectoryWriter(disk, Name.B)
    assert list(tree.iterdir()) == []
    assert Path("/etc").is_dir()


def test_a_tree_without_its_end_is_not_closed(disk: Folder) -> None:
    writer = DirectoryWriter(disk, Name.A)
    writer.write(tree_bytes(TREE)[:-1])
    with pytest.raises(FirmwareError) as refused:
        writer.close(b"")
    assert refused.value.refusal is Refusal.BAD_TREE


def test_on_a_desk_only_the_executable_bit_of_a_mode_counts(tmp_path: Path) -> None:
    (tmp_path / "src/bin").mkdir(parents=True)
    (tmp_path / "src/bin/run").write_bytes(b"x")
    written = set()
    for directory_mode, mode in ((0o755, 0o755), (0o775, 0o775), (0o700, 0o700)):
        (tmp_path / "src/bin").chmod(directory_mode)
        (tmp_path / "src/bin/run").chmod(mode)
        folder = Folder(tmp_path / "src")
        written.add(b"".join(written_out(folder, "", on_desk=True)))
        folder.close()
    assert len(written) == 1
