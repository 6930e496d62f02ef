from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from hal.tables import LARGEST_FILE_BYTES, decode_table, read_toml
from hal.types import BoardError


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


class Pair(msgspec.Struct, frozen=True, array_like=True):
    address: int
    kind: Literal["u16", "f32"]


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    height: Annotated[float, msgspec.Meta(ge=6, le=80)] = 10.0
    colour: Colour = Colour.GREEN
    leaf: tuple[Leaf, ...] = ()
    top: Leaf | None = None
    pair: Pair = Pair(1, "u16")
    corners: tuple[float, float] = (0.0, 0.0)
    old: bool = False
    depth: Annotated[int, msgspec.Meta(ge=2)] = 2
    rings: Annotated[int, msgspec.Meta(le=7)] = 2
    import_: str = msgspec.field(name="import", default="")
    words: tuple[str, ...] = ()


def decode(table: object) -> Tree:
    return decode_table(Tree, table, "tree.toml", "tree")


def complaint(table: object) -> str:
    with pytest.raises(BoardError) as caught:
        decode(table)
    return str(caught.value)


def test_a_right_table_becomes_the_struct() -> None:
    tree = decode({"name": "oak", "height": 7, "leaf": [{"size": 3}, {}], "pair": [2, "f32"], "import": "x"})
    assert tree == Tree(name="oak", height=7.0, leaf=(Leaf(size=3), Leaf()), pair=Pair(2, "f32"), import_="x")


def test_a_table_that_may_be_left_out_is_complained_about_like_any_other() -> None:
    assert decode({"name": "oak", "top": {"size": 2}}).top == Leaf(size=2)
    assert complaint({"name": "oak", "top": {"size": 0}}) == (
        "tree.toml: tree.top.size: found 0; expected a whole number from 1 to 9"
    )
    assert complaint({"name": "oak", "top": 3}) == "tree.toml: tree.top: found 3; expected a table"


@pytest.mark.parametrize(
    "table, text",
    [
        ({"nane": "oak"}, "tree.toml: tree: unknown key 'nane'; did you mean 'name'? known keys: name, height, colour"),
        ({"name": "oak", "qqqq": 1}, "tree.toml: tree: unknown key 'qqqq'; known keys: name"),
        ({}, "tree.toml: tree: key 'name' is missing; give it: text of 1 to 5 characters"),
        ({"name": 3}, "tree.toml: tree.name: found 3; expected text of 1 to 5 characters"),
        ({"name": "a long name"}, "tree.toml: tree.name: found 'a long name'; expected text of 1 to 5 characters"),
        ({"name": "oak", "height": 5.9}, "tree.height: found 5.9; expected a number from 6 to 80"),
        ({"name": "oak", "height": True}, "tree.height: found true; expected a number from 6 to 80"),
        ({"name": "oak", "height": float("nan")}, "tree.height: found nan; expected a number from 6 to 80"),
        ({"name": "oak", "colour": "gren"}, "colour: found 'gren'; did you mean 'green'? expected one of: red, green"),
        ({"name": "oak", "leaf": [{}, {"size": 10}]}, "leaf[1].size: found 10; expected a whole number from 1 to 9"),
        ({"name": "oak", "leaf": {}}, "tree.leaf: found a table; expected a list, each of it a table"),
        ({"name": "oak", "leaf": [3]}, "tree.leaf[0]: found 3; expected a table"),
        ({"name": "oak", "top": []}, "tree.top: found []; expected a table"),
        ({"name": "oak", "pair": [1, "u17"]}, "a list: address (a whole number), kind (one of: f32, u16)"),
        ({"name": "oak", "corners": [1]}, "tree.corners: found [1]; expected a list of 2: a number, a number"),
        ({"name": "oak", "old": "no"}, "tree.old: found 'no'; expected true or false"),
        ({"name": "oak", "depth": 1}, "tree.depth: found 1; expected a whole number of at least 2"),
        ({"name": "oak", "rings": 8}, "tree.rings: found 8; expected a whole number of at most 7"),
        ({"name": "oak", "import": 1}, "tree.import: found 1; expected text in quotes"),
        ({"name": "oak", "words": ["a", 1]}, "tree.words: found ['a', 1]; expected a list, each of it text in quotes"),
        ([], "tree.toml: tree: found []; expected a table"),
        ({"name": "x" * 500}, "...; expected text"),
    ],
)  # fmt: skip
def test_each_fault_names_file_key_finding_and_expectation(table: object, text: str) -> None:
    assert text in complaint(table)


def test_the_whole_file_as_a_table_has_no_key() -> None:
    with pytest.raises(BoardError, match=r"^tree.toml: key 'name' is missing"):
        decode_table(Tree, {}, "tree.toml")


@pytest.mark.parametrize(
    "raw, text",
    [
        (b"[board\nx = 1\n", "line 1, column 7: not valid TOML"),
        (b"[board]\nx = \n", "line 2, column 5: not valid TOML"),
        (b'[board]\nx = """', "end of file: not valid TOML"),
        (b"[board]\nx = 1\nx = 2\n", "line 3, column 6: not valid TOML: Cannot overwrite a value"),
        (b"[board]\nname = '\xff'\n", "line 2: a byte that is not UTF-8; save the file as UTF-8"),
        (b"#" * (LARGEST_FILE_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path, raw: bytes, text: str) -> None:
    path = tmp_path / "tree.toml"
    path.write_bytes(raw)
    with pytest.raises(BoardError) as caught:
        read_toml(path, "tree file")
    assert str(caught.value).startswith(str(path))
    assert text in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"missing.toml: cannot read the tree file \(No such file or directory\)"):
        read_toml(tmp_path / "missing.toml", "tree file")
