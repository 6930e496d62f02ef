import math

import msgspec
import pytest

from hal.sim.meter_book import Refusal
from hal.sim.pictures import MeterValues
from hal.sim.sunspec_book import SunspecBook

VALUES = MeterValues(
    energy_wh=1_234_567.0,
    power_w=6_900.0,
    amps=(10.0, 9.5, 9.0),
    volts=(230.0, 231.0, 229.0),
    phase_watts=(2_300.0, 2_190.0, 2_060.0),
    frequency_hz=50.0,
)


def test_the_chain_begins_with_its_mark_and_the_common_model_and_ends() -> None:
    book = SunspecBook()
    assert book.read(3, 40000, 4, VALUES, 77) == [0x5375, 0x6E53, 1, 66]
    assert book.read(3, 40052, 2, VALUES, 77) == [0x3737, 0]  # the serial number, 50 behind the model's id
    assert book.read(3, 40070, 2, VALUES, 77) == [64001, 8]
    assert book.read(3, 40080, 2, VALUES, 77) == [203, 105]
    assert book.read(3, 40187, 2, VALUES, 77) == [0xFFFF, 0]


def test_the_values_stand_beside_their_scale_factors() -> None:
    book = SunspecBook()
    assert book.read(3, 40083, 4, VALUES, 1) == [1000, 950, 900, 0xFFFE]  # amps, and -2
    assert book.read(3, 40088, 3, VALUES, 1) == [2300, 2310, 2290]
    assert book.read(3, 40126, 2, VALUES, 1) == [12345670 >> 16, 12345670 & 0xFFFF]


def test_what_is_not_implemented_says_so() -> None:
    none = msgspec.structs.replace(VALUES, power_w=math.nan, energy_wh=math.nan)
    book = SunspecBook()
    assert book.read(3, 40098, 1, none, 1) == [0x8000]
    assert book.read(3, 40126, 2, none, 1) == [0xFFFF, 0xFFFF]


def test_floats_are_served_too() -> None:
    assert SunspecBook(213).read(3, 40080 + 12, 2, VALUES, 1) == [0x4366, 0x0000]


@pytest.mark.parametrize(
    "function, address, count, code", [(4, 40000, 2, 1), (3, 39999, 2, 2), (3, 40188, 2, 2), (3, 40000, 126, 2)]
)
def test_what_is_not_there_is_refused(function: int, address: int, count: int, code: int) -> None:
    with pytest.raises(Refusal, match=f"exception {code}"):
        SunspecBook().read(function, address, count, VALUES, 1)
    with pytest.raises(Refusal, match="exception 1"):
        SunspecBook().write(40000, [0])
