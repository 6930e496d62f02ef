import struct
from pathlib import Path

import pytest

from hal.drivers.register_map import REGISTERS, WORDS, Block, Point, load_map, map_names, plan_blocks
from hal.types import BoardError


@pytest.mark.parametrize("name", map_names())
def test_every_map_decodes_and_its_points_do_not_overlap(name: str) -> None:
    registers = load_map(name)
    used = [a for point in registers.points.named().values() for a in range(point.address, point.end)]
    assert len(used) == len(set(used))
    assert registers.points.power.scale > 0


@pytest.mark.parametrize("name", map_names())
def test_every_map_says_where_it_comes_from(name: str) -> None:
    assert "Sources:" in (REGISTERS / f"{name}.toml").read_text()


def test_the_sdm630_is_read_in_one_block() -> None:
    registers = load_map("eastron_sdm630")
    assert plan_blocks(list(registers.points.named().values()), registers.max_regs) == (Block(0, 76),)
    assert [point.address for point in registers.per_phase("current")] == [6, 8, 10]


def test_only_the_second_generation_of_the_sdm72_has_currents() -> None:
    assert len(load_map("eastron_sdm72d_m_v2").per_phase("current")) == 3
    assert load_map("eastron_sdm72d_m").per_phase("current") == ()


def test_blocks_split_at_the_longest_read_and_never_inside_a_value() -> None:
    points = [Point(address, "f32", 1.0) for address in (0, 2, 4, 9, 50, 52)]
    assert plan_blocks(points, 6) == (Block(0, 6), Block(9, 2), Block(50, 4))
    assert plan_blocks(points, 5) == (Block(0, 4), Block(4, 2), Block(9, 2), Block(50, 4))
    assert plan_blocks(list(reversed(points)), 125) == (Block(0, 54),)


def test_the_sizes_of_types_are_those_of_the_numbers() -> None:
    sizes = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}
    assert {name: 2 * words for name, words in WORDS.items()} == {n: struct.calcsize(f">{c}") for n, c in sizes.items()}


def test_a_map_that_is_not_there_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(BoardError, match=r"no register map 'eastron_sdm360'; did you mean 'eastron_sdm630'\? maps: "):
        load_map("eastron_sdm360")


def test_a_maker_may_have_a_map_of_his_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text((REGISTERS / "eastron_sdm630.toml").read_text())
    assert load_map(str(own)) == load_map("eastron_sdm630")
    own.write_text(own.read_text().replace("0x0006", "0x10000"))
    with pytest.raises(
        BoardError, match=r"own.toml: points.current_l1: found \[65536, 'f32', 1.0\]; expected a list: address"
    ):
        load_map(str(own))


@pytest.mark.parametrize("name", ["../board", "board.toml", ""])
def test_a_map_is_not_looked_for_beside_the_process(name: str) -> None:
    with pytest.raises(BoardError, match="there is no register map"):
        load_map(name)
