"""A tree has one form, and what is read is harmless whoever wrote it."""

import random

import pytest

from firmware.errors import FirmwareError, Refusal
from firmware.tree import END, Entry, Kind, TreeReader, check_path
from tests.firmware.kit import TREE, tree_bytes


def read(payload: bytes, sizes: random.Random | None = None) -> dict[str, bytes | None]:
    reader, found, path = TreeReader(), dict[str, bytes | None](), ""
    while payload:
        count = sizes.randint(1, 3000) if sizes else len(payload)
        for part in reader.feed(payload[:count]):
            if isinstance(part, Entry):
                path = part.path
                found[path] = None if part.kind is Kind.DIRECTORY else b""
            else:
                found[path] = (found[path] or b"") + part
        payload = payload[count:]
    reader.finish()
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_tree_is_read_back_in_whatever_pieces(seed: int) -> None:
    assert read(tree_bytes(TREE), random.Random(seed)) == TREE


def test_pieces_of_nothing_change_nothing() -> None:
    reader = TreeReader()
    assert list(reader.feed(b"")) == []
    assert list(reader.feed(END)) == []
    assert list(reader.feed(b"")) == []
    reader.finish()


def test_a_directory_may_come_after_a_file_whose_name_goes_on_differently() -> None:
    files = {"a": None, "a/b": b"1", "a.txt": b"2", "a.txt2": None, "b": b""}
    assert read(tree_bytes(files)) == files


def test_programs_are_told_from_files() -> None:
    kinds = {part.path: part.kind for part in TreeReader().feed(tree_bytes(TREE)) if isinstance(part, Entry)}
    assert kinds["bin/chargerd"] is Kind.PROGRAM
    assert kinds["lib/chargerd.py"] is Kind.FILE


@pytest.mark.parametrize(
    "path", ["a", "a/b.py", "jaraco.text-3.12.1.dist-info/x", "script (dev).tmpl", "__init__.py", ".x", "..."]
)
def test_names_of_python_packages_are_allowed(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize("path", ["/".join(["d" * 100] * 4), "/".join(["d"] * 33), "n" * 129])
def test_paths_have_their_bounds(path: str) -> None:
    with pytest.raises(FirmwareError) as refused:
        check_path(path)
    assert refused.value.refusal is Refusal.BAD_TREE
    check_path(path[:-4])


def test_a_tree_that_goes_on_for_ever_is_cut_off() -> None:
    """20 000 entries, each a name of its own, and the memory for them stays small."""
    payload = b"".join(Entry(Kind.FILE, f"{number:05d}").encode() for number in range(30_000))
    with pytest.raises(FirmwareError) as refused:
        read(payload, random.Random(1))
    assert refused.value.refusal is Refusal.BAD_TREE
    assert "20000 entries" in refused.value.why


def test_a_tree_cut_short_is_noticed() -> None:
    payload = tree_bytes(TREE)
    for cut in (0, 5, 40, len(payload) - 1):
        with pytest.raises(FirmwareError):
            read(payload[:cut])
