import math
import struct

import msgspec
import pytest

from hal.drivers.register_map import RegisterMap, Type, load_map, map_names
from hal.sim.meter_book import MapBook, Refusal, encode_registers, pack
from hal.sim.pictures import MeterValues

SDM630 = load_map("eastron_sdm630")
VALUES = MeterValues(
    energy_wh=1_234_567.0,
    power_w=6_900.0,
    amps=(10.0, 9.5, 9.0),
    volts=(230.0, 231.0, 229.0),
    phase_watts=(2_300.0, 2_194.5, 2_061.0),
    frequency_hz=50.0,
)


def test_registers_hold_the_values_in_the_units_of_the_map() -> None:
    words = encode_registers(SDM630, VALUES)
    assert (words[0], words[1]) == (0x4366, 0x0000)
    assert struct.unpack(">f", struct.pack(">HH", words[0x48], words[0x49]))[0] == pytest.approx(1234.567)
    assert (words[0x4A], words[0x4B]) == (0, 0)


def test_integers_and_low_word_first_are_served_too() -> None:
    points = {"import": [0, "u64", 10.0], "power": [4, "i32", 0.1], "voltage_l1": [6, "u16", 0.1]}
    registers = msgspec.convert(
        {
            "vendor": "x", "models": ["x"], "phases": 1, "function": 3, "serial": "", "word_order": "little",
            "max_regs": 20, "gap_ms": 0, "max_amps": 80, "points": points,
        },
        RegisterMap,
    )  # fmt: skip
    words = encode_registers(registers, VALUES)
    assert [words[address] for address in range(7)] == [123456 & 0xFFFF, 123456 >> 16, 0, 0, 69000 & 0xFFFF, 1, 2300]


@pytest.mark.parametrize(
    "kind, number, raw",
    [
        ("u32", 2**32 + 5.0, "00000005"),  # a register that rolls over
        ("i16", 99_999.0, "7fff"),
        ("t5", 230.1, "fc231c48"),
        ("t6", -1.0, "fcffd8f0"),
        ("f64", 182.0, "4066c00000000000"),
    ],
)
def test_numbers_are_packed_as_their_type(kind: Type, number: float, raw: str) -> None:
    assert pack(kind, number, "none").hex() == raw


@pytest.mark.parametrize("kind", ["u16", "i32", "u64", "f32", "t5", "t6"])
def test_no_number_is_never_packed_as_one_that_can_be(kind: Type) -> None:
    raw = pack(kind, math.nan, "highest")
    assert raw in {b"\xff" * len(raw), b"\x7f" + b"\xff" * (len(raw) - 1), struct.pack(">f", math.nan)}


@pytest.mark.parametrize("name", map_names())
def test_every_map_serves_what_it_has_and_refuses_the_rest(name: str) -> None:
    registers = load_map(name)
    book = MapBook(registers)
    highest = 0
    for point in registers.points.named().values():
        count = point.end - point.address
        assert len(book.read(registers.function, point.address, count, VALUES, 1)) == count
        highest = max(highest, point.end, (point.exponent or 0) + 1)
    with pytest.raises(Refusal, match="exception 2"):
        book.read(registers.function, highest, 1, VALUES, 1)
    with pytest.raises(Refusal, match="exception 3"):
        book.read(registers.function, 0, registers.max_regs + 1, VALUES, 1)
    with pytest.raises(Refusal, match="exception 1"):
        book.write(0, [1])


def test_a_hole_is_read_along_only_where_the_map_says_so() -> None:
    abb = MapBook(load_map("abb_b23"))
    assert len(abb.read(3, 0x5B00, 0x2D, VALUES, 1)) == 0x2D
    with pytest.raises(Refusal, match="exception 2"):
        MapBook(load_map("finder_7e78")).read(4, 0x1000, 10, VALUES, 1)


def test_a_serial_number_is_where_the_map_has_it() -> None:
    assert MapBook(SDM630).read(3, 0xFC00, 2, VALUES, 0x12345678) == [0x1234, 0x5678]
    assert MapBook(load_map("iskra_wm3m4")).read(4, 9, 4, VALUES, 12345678) == [0x3132, 0x3334, 0x3536, 0x3738]
