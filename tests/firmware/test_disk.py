"""The real directory: no links, no surprises; and it is written as the disk in memory is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.disk import Disk, Folder, Form, read_all, remove_tree, replace, why_not_protected
from firmware.errors import Refusal
from tests.firmware.memory_disk import MemoryDisk


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "disk").mkdir()
    made = Folder(tmp_path / "disk")
    yield made
    made.close()


@pytest.fixture(params=["real", "memory"])
def disk(request: pytest.FixtureRequest) -> Disk:
    """Both keep the same promises: what is tested on the one in memory is true of the real one."""
    made: Disk = request.getfixturevalue("folder") if request.param == "real" else MemoryDisk()
    return made


def test_what_is_written_is_read_and_listed_in_order(disk: Disk) -> None:
    disk.make_directory("d")
    disk.create("d/b", 0o644)
    disk.append("d/b", b"one")
    disk.append("d/b", b"two")
    disk.sync("d/b")
    disk.create("d/a", 0o755)
    disk.sync_directory("d")
    disk.sync_all()
    assert b"".join(disk.read("d/b")) == b"onetwo"
    found = [(each.name, each.form, each.mode, each.size_bytes, each.ours) for each in disk.listing("d")]
    assert found == [("a", Form.FILE, 0o755, 0, True), ("b", Form.FILE, 0o644, 6, True)]
    assert [(each.name, each.form, each.mode) for each in disk.listing("")] == [("d", Form.DIRECTORY, 0o755)]


def test_errors_are_those_of_the_system(disk: Disk) -> None:
    disk.create("a", 0o644)
    disk.make_directory("d")
    disk.create("d/x", 0o644)
    for act, error in (
        (lambda: disk.create("a", 0o644), FileExistsError),
        (lambda: disk.make_directory("d"), FileExistsError),
        (lambda: disk.remove("b"), FileNotFoundError),
        (lambda: list(disk.read("b")), FileNotFoundError),
        (lambda: disk.listing("b"), FileNotFoundError),
        (lambda: disk.listing("a"), NotADirectoryError),
        (lambda: disk.create("a/b", 0o644), NotADirectoryError),
        (lambda: disk.remove_directory("d"), OSError),
        (lambda: disk.rename("b", "c"), FileNotFoundError),
        (lambda: disk.append("b", b""), FileNotFoundError),
    ):
        with pytest.raises(error):
            act()


def test_a_small_file_is_replaced_whole(disk: Disk) -> None:
    assert read_all(disk, "state", 100) is None
    replace(disk, "state", b"1")
    disk.create("state.new", 0o644)  # left by a power cut
    replace(disk, "state", b"2")
    assert read_all(disk, "state", 100) == b"2"
    assert [each.name for each in disk.listing("")] == ["state"]


def test_a_file_that_should_be_small_is_not_read_without_end(disk: Disk) -> None:
    replace(disk, "state", b"x" * 101)
    with pytest.raises(OSError, match="larger than 100"):
        read_all(disk, "state", 100)


def test_a_tree_is_removed_whole_and_one_that_is_not_there_is_no_error(disk: Disk) -> None:
    disk.make_directory("d")
    disk.make_directory("d/e")
    disk.create("d/e/f", 0o644)
    remove_tree(disk, "d")
    remove_tree(disk, "d")
    assert disk.listing("") == []


# ---- the real one only ----


def test_a_link_is_never_followed(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    disk = tmp_path / "disk"
    (disk / "link").symlink_to(outside / "secret")
    (disk / "way").symlink_to(outside)
    for act in (
        lambda: list(folder.read("link")),
        lambda: list(folder.read("way/secret")),
        lambda: folder.append("link", b"x"),
        lambda: folder.create("way/x", 0o644),
        lambda: folder.create("link", 0o644),
        lambda: folder.make_directory("way/x"),
        lambda: folder.listing("way"),
        lambda: folder.remove("way/secret"),
        lambda: folder.sync_directory("way"),
    ):
        with pytest.raises(OSError, match=r"link|directory|exists"):
            act()
    assert [each.form for each in folder.listing("")] == [Form.OTHER, Form.OTHER]
    folder.remove("way")
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_link_put_in_place_of_a_tree_is_removed_and_not_what_it_points_to(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (tmp_path / "disk/b").mkdir()
    (tmp_path / "disk/b/tree").symlink_to(outside)
    remove_tree(folder, "b")
    assert (outside / "kept").exists()
    assert folder.listing("") == []


def test_a_pipe_does_not_hold_the_reader(folder: Folder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "disk/pipe")
    with pytest.raises(OSError, match="no file"):
        list(folder.read("pipe"))
    assert folder.listing("")[0].form is Form.OTHER


def test_a_file_with_a_second_name_is_not_taken_for_one(folder: Folder, tmp_path: Path) -> None:
    """Whoever holds the other name could write it."""
    (tmp_path / "disk/a").write_bytes(b"x")
    (tmp_path / "elsewhere").hardlink_to(tmp_path / "disk/a")
    assert folder.listing("")[0].form is Form.OTHER


def test_modes_do_not_depend_on_the_umask(folder: Folder, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder.make_directory("d")
        folder.create("d/f", 0o644)
        os.umask(0)
        folder.create("d/g", 0o755)
    finally:
        os.umask(before)
    assert [each.mode for each in folder.listing("d")] == [0o644, 0o755]
    assert (tmp_path / "disk/d").stat().st_mode & 0o777 == 0o755


def test_code_that_others_can_write_is_not_protected(tmp_path: Path) -> None:
    code = tmp_path / "way/code"
    code.mkdir(parents=True)
    tmp_path.chmod(0o755)
    assert why_not_protected(code) is None
    for place in (code, code.parent):
        for mode in (0o775, 0o757, 0o777):
            place.chmod(mode)
            found = why_not_protected(code)
            assert found is not None
            assert found.refusal is Refusal.WRITABLE_CODE
            assert str(place) in found.why
        place.chmod(0o755)


def test_what_a_link_points_to_counts_and_what_is_missing_is_not_protected(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "link").symlink_to(open_to_all)
    assert why_not_protected(tmp_path / "link") is not None
    assert why_not_protected(tmp_path / "missing") is not None


def test_a_sticky_directory_on_the_way_is_safe_for_what_is_ours(tmp_path: Path) -> None:
    way = tmp_path / "way"
    (way / "code").mkdir(parents=True)
    way.chmod(0o1777)
    assert why_not_protected(way / "code") is None
    assert why_not_protected(way) is not None
