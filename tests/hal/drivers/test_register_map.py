import math
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.meter_modbus import ModbusMeter, Settings, read_serial_number
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.register_map import (
    REGISTERS,
    SUNSPEC,
    WORDS,
    Block,
    Identity,
    Point,
    RegisterMap,
    Type,
    load_map,
    map_names,
    missing_mark,
    plan_blocks,
    raw_number,
)
from hal.slot import DeviceSlot
from hal.types import BoardError, EvseFacts
from tests.hal.drivers.golden_meters import GOLDEN, f32, holding, i16, u16, u32


def words_of(raw: bytes) -> list[int]:
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


@pytest.mark.parametrize("name", map_names())
def test_every_map_decodes_and_its_points_do_not_overlap(name: str) -> None:
    registers = load_map(name)
    used = [a for point in registers.points.named().values() for a in range(point.address, point.end)]
    assert len(used) == len(set(used))
    assert all(point.scale > 0 for point in registers.points.named().values())


@pytest.mark.parametrize("name", map_names())
def test_every_map_says_where_it_comes_from(name: str) -> None:
    text = " ".join((REGISTERS / f"{name}.toml").read_text().split())
    assert "Source: " in text or "Sources: " in text


def test_every_map_that_an_evse_may_use_has_golden_vectors() -> None:
    usable = {name for name in map_names() if load_map(name).per_phase("current") and load_map(name).unfit is None}
    assert usable == set(GOLDEN)


def test_the_guide_has_a_line_for_every_map_and_none_for_others() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "meters.md").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", guide.partition("Left out")[0], re.MULTILINE))
    assert named == {"map", SUNSPEC, *map_names()}


def test_the_guide_explains_every_key_of_a_map() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "meters.md").read_text()
    assert all(f"`{key}`" in guide or f"`[{key}]`" in guide for key in RegisterMap.__struct_fields__)


@pytest.mark.parametrize("name", GOLDEN)
def test_bytes_on_the_wire_are_these_values(name: str) -> None:
    """Every point the map has, but for the export, which only an inverted meter reads."""
    registers, golden = load_map(name), GOLDEN[name]
    words = dict.fromkeys(range(0x10000), 0) | golden.words
    values = {key: registers.value(point, words) for key, point in registers.points.named().items()}
    expected = {"import": golden.energy_wh}
    expected |= {f"voltage_l{n}": volts for n, volts in enumerate(golden.volts, start=1)}
    expected |= {f"current_l{n}": amps for n, amps in enumerate(golden.amps, start=1)}
    if "power" in values:
        expected["power"] = golden.power_w
    if golden.frequency_hz is not None:
        expected["frequency"] = golden.frequency_hz
    assert {key: values[key] for key in expected} == pytest.approx(expected, rel=1e-6)
    if len(golden.volts) == 3 and "power_l1" in values:
        assert sum(values[f"power_l{n}"] for n in (1, 2, 3)) == pytest.approx(golden.power_w, rel=1e-3)


def test_the_registers_of_a_direct_current_meter_carry_their_exponents() -> None:
    raw = {0: u16(3520), 1: i16(2), 2: i16(-1234), 3: i16(1), 8: i16(4321), 9: i16(3), 12: u32(123_456)}
    words = {address + n: word for address, each in raw.items() for n, word in enumerate(words_of(each))}
    registers = load_map("acrel_djsf1352")
    points = registers.points.named()
    read = {name: registers.value(points[name], words) for name in ("voltage_l1", "current_l1", "power", "import")}
    assert read == pytest.approx({"voltage_l1": 352.0, "current_l1": -12.34, "power": 4321.0, "import": 123_456.0})
    assert registers.unfit == "it measures direct current"


def test_the_totals_of_the_first_sdm72_are_read() -> None:
    registers = load_map("eastron_sdm72d_m")
    raw = {0x34: f32(7703.5), 0x48: f32(1234.5)}
    words = {address + n: word for address, each in raw.items() for n, word in enumerate(words_of(each))}
    assert registers.points.power is not None
    assert registers.value(registers.points.power, words) == 7703.5
    assert registers.value(registers.points.import_, words) == 1_234_500


@pytest.mark.parametrize(
    "kind, raw, value",
    [
        ("f32", "4366 0000", 230.0),
        ("f32", "4366 3333", 230.2),
        ("u16", "fffe", 65534.0),
        ("i16", "fffe", -2.0),
        ("u32", "0001 0002", 65538.0),
        ("i32", "ffff fffe", -2.0),
        ("u64", "0000 0000 0001 0002", 65538.0),
        ("i64", "ffff ffff ffff fffe", -2.0),
        ("f64", "4066 c000 0000 0000", 182.0),
        ("t5", "02ff ffff", 1_677_721_500.0),
        ("t5", "fe00 0001", 0.01),
        ("t6", "02ff ffff", -100.0),
        ("t6", "fd7f ffff", 8388.607),
    ],
)
def test_registers_decode_in_both_word_orders(kind: Type, raw: str, value: float) -> None:
    words = words_of(bytes.fromhex(raw))
    assert raw_number(words, kind, "big", "none") == pytest.approx(value)
    assert raw_number(words[::-1], kind, "little", "none") == pytest.approx(value)


@pytest.mark.parametrize(
    "kind, missing, mark",
    [
        ("u16", "highest", "ffff"),
        ("i16", "highest", "7fff"),
        ("u32", "highest", "ffff ffff"),
        ("i32", "highest", "7fff ffff"),
        ("u64", "highest", "ffff ffff ffff ffff"),
        ("i64", "highest", "7fff ffff ffff ffff"),
        ("u16", "sunspec", "ffff"),
        ("i16", "sunspec", "8000"),
        ("u32", "sunspec", "ffff ffff"),
        ("i32", "sunspec", "8000 0000"),
        ("f32", "none", "7fc0 0000"),
        ("f64", "none", "7ff8 0000 0000 0000"),
    ],
)
def test_a_mark_for_no_value_is_no_number(kind: Type, missing: str, mark: str) -> None:
    words = words_of(bytes.fromhex(mark))
    assert math.isnan(raw_number(words, kind, "big", missing))
    if kind[0] != "f":
        assert missing_mark(kind, missing) == bytes.fromhex(mark)
        assert not math.isnan(raw_number(words, kind, "big", "none"))


def test_a_float_with_its_words_swapped_is_no_number_rather_than_nearly_zero() -> None:
    assert math.isnan(raw_number([0x0000, 0x4366], "f32", "big", "none"))
    assert raw_number([0, 0], "f32", "big", "none") == 0.0


def test_an_exponent_that_cannot_be_makes_no_number() -> None:
    registers = load_map("iskra_wm3m4")
    words = dict.fromkeys(range(500), 0) | {419: 5, 414: 0x8000}
    assert math.isnan(registers.value(registers.points.import_, words))
    assert registers.value(registers.points.import_, {**words, 414: 0xFFFF}) == 0.5


def test_the_sdm630_is_read_in_one_block() -> None:
    registers = load_map("eastron_sdm630")
    points = list(registers.points.named().values())
    assert plan_blocks(points, registers.max_regs, registers.max_hole) == (Block(0, 76),)
    assert [point.address for point in registers.per_phase("current")] == [6, 8, 10]


def test_only_the_second_generation_of_the_sdm72_has_currents() -> None:
    assert len(load_map("eastron_sdm72d_m_v2").per_phase("current")) == 3
    assert load_map("eastron_sdm72d_m").per_phase("current") == ()


def test_blocks_split_at_the_longest_read_and_never_inside_a_value() -> None:
    points = [Point(address, "f32", 1.0) for address in (0, 2, 4, 9, 50, 52)]
    assert plan_blocks(points, 6, 125) == (Block(0, 6), Block(9, 2), Block(50, 4))
    assert plan_blocks(points, 5, 125) == (Block(0, 4), Block(4, 2), Block(9, 2), Block(50, 4))
    assert plan_blocks(list(reversed(points)), 125, 125) == (Block(0, 54),)


def test_blocks_do_not_read_along_more_unknown_registers_than_the_map_allows() -> None:
    points = [Point(address, "f32", 1.0) for address in (0, 2, 7, 20)]
    assert plan_blocks(points, 125, 0) == (Block(0, 4), Block(7, 2), Block(20, 2))
    assert plan_blocks(points, 125, 3) == (Block(0, 9), Block(20, 2))


def test_blocks_cover_exponent_registers() -> None:
    assert plan_blocks([Point(4, "i32", 1.0, 0)], 125, 3) == (Block(0, 6),)
    assert plan_blocks([Point(4, "i32", 1.0, 0)], 125, 0) == (Block(0, 1), Block(4, 2))


def test_the_sizes_of_types_are_those_of_the_numbers() -> None:
    sizes = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}
    sizes |= {"t5": "I", "t6": "I"}
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


def test_a_map_needs_a_power_or_its_parts(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text((REGISTERS / "eastron_sdm230.toml").read_text().replace("power = ", "export_power = "))
    with pytest.raises(BoardError, match=r"points: there is neither power nor import_power; give 'power', or the two"):
        load_map(str(own))


@pytest.mark.parametrize("name", ["../board", "board.toml", ""])
def test_a_map_is_not_looked_for_beside_the_process(name: str) -> None:
    with pytest.raises(BoardError, match="there is no register map"):
        load_map(name)


def test_a_serial_number_is_a_number_or_text() -> None:
    maps: dict[str, RegisterMap] = {name: load_map(name) for name in ("eastron_sdm630", "carlo_gavazzi_em340")}
    assert maps["eastron_sdm630"].identity == Identity(0xFC00, 2, "number", 3)
    assert maps["carlo_gavazzi_em340"].identity == Identity(0x5000, 7, "text", 4)


# ---- each meter on the wire, by its map ----


@pytest.mark.parametrize("name", GOLDEN)
def test_the_bytes_of_each_meter_become_its_sample(name: str) -> None:
    golden, registers = GOLDEN[name], load_map(name)
    functions = {registers.function} | ({registers.identity.function} if registers.identity else set())
    facts = EvseFacts(max_amps=16, phases=len(golden.volts))
    with holding(golden, tuple(functions)) as port:
        settings = Settings(map=name, port=port.path, baud=115200, retries=0)
        settings.check(facts)
        driver = ModbusMeter(settings, DeviceSlot("evse[0].meter", facts, lambda: 7.0))
        sample = driver.read()
        assert (sample.energy_wh, sample.power_w) == pytest.approx((golden.energy_wh, golden.power_w), rel=1e-6)
        assert sample.volts == pytest.approx(golden.volts, rel=1e-6)
        assert sample.amps == pytest.approx(golden.amps, rel=1e-6)
        assert sample.frequency_hz == pytest.approx(golden.frequency_hz)
        identity = read_serial_number(ModbusUnit(driver._unit._line, "m", 1, 0), registers)
        assert identity == golden.serial_number
        driver.close()


@pytest.mark.parametrize("name", GOLDEN)
def test_each_meter_is_read_in_time_with_the_default_settings(name: str) -> None:
    registers = load_map(name)
    baud: Any = int(registers.serial.split()[0]) if registers.serial[0].isdigit() else 9600
    Settings(map=name, port="/dev/ttyUSB0", baud=baud).check(EvseFacts(max_amps=16, phases=registers.phases))
