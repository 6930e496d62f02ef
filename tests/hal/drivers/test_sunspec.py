"""Against the plant's own chain, which is written down apart from the driver's table."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hal.drivers.meter_modbus import ModbusMeter, Settings
from hal.drivers.modbus_line import ModbusLine
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.sunspec import FLOAT_METERS, INTEGER_METERS, find_map, map_of
from hal.sim.meter_book import Book, Refusal
from hal.sim.meter_server import MeterServer
from hal.sim.pictures import MeterValues
from hal.sim.sunspec_book import SunspecBook
from hal.slot import DeviceSlot
from hal.types import DeviceGarbled, DeviceSwapped, EvseFacts
from tests.hal.plants import World, charging

THREE_PHASES = EvseFacts(max_amps=32, phases=3)


@contextmanager
def meter_of(world: World, run: Path, book: Book, facts: EvseFacts = THREE_PHASES) -> Iterator[ModbusMeter]:
    server = MeterServer(world.evse, "sunspec", 1, run / "meter", book)
    settings = Settings(map="sunspec", port=str(run / "meter"), timeout_ms=100, retries=0)
    driver = ModbusMeter(settings, DeviceSlot("evse[0].meter", facts, world.monotonic))
    yield driver
    driver.close()
    server.close()


@pytest.mark.parametrize("model", [203, 204, 213, 214])
@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_a_three_phase_meter_is_found_wherever_its_chain_begins(tmp_path: Path, model: int, base: int) -> None:
    world = charging()
    with meter_of(world, tmp_path, SunspecBook(model, base)) as meter:
        sample, values = meter.read(), world.evse.meter_values(world.mono)
        assert sample.volts == pytest.approx(values.volts, abs=0.1)
        assert sample.amps == pytest.approx(values.amps, abs=0.01)
        assert sample.power_w == pytest.approx(values.power_w, abs=10)
        assert sample.energy_wh == pytest.approx(values.energy_wh, abs=0.2)
        assert sample.frequency_hz == pytest.approx(50.0)


@pytest.mark.parametrize("model", [201, 211])
def test_a_single_phase_meter_serves_a_single_phase_evse_only(tmp_path: Path, model: int) -> None:
    facts = EvseFacts(max_amps=32, phases=1)
    with meter_of(charging(facts), tmp_path, SunspecBook(model), facts) as meter:
        assert len(meter.read().amps) == 1
    with (
        meter_of(charging(), tmp_path, SunspecBook(model)) as meter,
        pytest.raises(DeviceGarbled, match="measures fewer than 3 phases; fit a three-phase meter"),
    ):
        meter.read()


def test_the_chain_is_walked_once_and_the_serial_number_read_at_each_new_beginning(tmp_path: Path) -> None:
    world = charging()
    with meter_of(world, tmp_path, SunspecBook()) as meter:
        meter.read()
        found = meter.quality().requests
        meter.read()
        assert meter.quality().requests == found + 1
        world.evse.fault("swap_meter")
        world.evse.fault("refuse_meter")
        with pytest.raises(DeviceGarbled):
            meter.read()
        world.evse.clear_fault("refuse_meter")
        with pytest.raises(DeviceSwapped, match="the meter was swapped"):
            meter.read()


@pytest.mark.parametrize("model", [203, 213])
def test_points_that_are_not_implemented_are_never_numbers(tmp_path: Path, model: int) -> None:
    world = charging()
    with meter_of(world, tmp_path, SunspecBook(model)) as meter:
        meter.read()
        world.evse.fault("nan_meter")
        with pytest.raises(DeviceGarbled, match="reads nan"):
            meter.read()


class Registers:
    """A device with these holding registers and no others."""

    def __init__(self, words: dict[int, list[int]]) -> None:
        self._words = {start + n: word for start, each in words.items() for n, word in enumerate(each)}

    def read(self, function: int, address: int, count: int, values: MeterValues, serial: int) -> list[int]:
        if not all(each in self._words for each in range(address, address + count)):
            raise Refusal(2)
        return [self._words[each] for each in range(address, address + count)]

    def write(self, address: int, words: list[int]) -> None:
        raise Refusal(1)


SUNS = [0x5375, 0x6E53]


@pytest.mark.parametrize(
    "words, text",
    [
        ({}, "no SunSpec chain begins at 40000, 50000, 0; name its register map"),
        ({40000: [0x5375, 0x6E54]}, "no SunSpec chain begins"),
        ({40000: [*SUNS, 1, 2, 0, 0, 0xFFFF, 0]}, "the SunSpec chain at 40000 has no meter"),
        ({40000: [*SUNS, *[7, 0] * 60]}, "the SunSpec chain does not end"),
        ({50000: [*SUNS, 7, 0xFFF0]}, "the SunSpec chain does not end: it leads to 115524"),
    ],
    ids=["nothing", "no mark", "no meter", "endless", "too long"],
)
def test_a_chain_without_a_meter_is_told(tmp_path: Path, words: dict[int, list[int]], text: str) -> None:
    world = charging()
    server = MeterServer(world.evse, "sunspec", 1, tmp_path / "meter", Registers(words))
    line = ModbusLine.serial(str(tmp_path / "meter"), 9600, "N", 1, 0.2)
    line.join()
    with pytest.raises(DeviceGarbled, match=text):
        find_map(ModbusUnit(line, "evse[0].meter", 1, 0))
    line.leave()
    server.close()


@pytest.mark.parametrize("model", [*INTEGER_METERS, *FLOAT_METERS])
def test_every_meter_model_is_read_in_one_request(model: int) -> None:
    points = map_of(model, 40069, 40002).points.named().values()
    ends = [point.end for point in points] + [point.exponent for point in points if point.exponent is not None]
    assert max(ends) - min(point.address for point in points) < 125
