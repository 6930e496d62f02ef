from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.evse_modules import PHOENIX, EvseWb, Phoenix, Wish
from hal.drivers.modbus_unit import ModbusUnit
from hal.types import Alarm, DeviceGarbled, HalError, PilotMode
from tests.hal.drivers.modules import module_at, unit_on
from tests.hal.plants import RealWorld


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def wb(world: RealWorld, tmp_path: Path) -> Iterator[Any]:
    with module_at(world, tmp_path / "m", "evse_wb") as peer:
        yield peer


@pytest.fixture
def ser(world: RealWorld, tmp_path: Path) -> Iterator[Any]:
    with module_at(world, tmp_path / "m", "phoenix_ser") as peer:
        yield peer


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[ModbusUnit]:
    with unit_on(tmp_path / "m") as unit:
        yield unit


class Scripted:
    """A unit that answers what a test says, for what no simulated module does."""

    device = "evse[0].pilot"

    def __init__(self, answers: dict[tuple[int, int], list[int]]) -> None:
        self.answers = answers
        self.written: list[tuple[Any, ...]] = []

    def read(self, function: int, address: int, count: int) -> list[int]:
        return self.answers[function, address][:count]

    def write_one(self, address: int, value: int) -> None:
        self.written.append((6, address, value))

    def write_coil(self, address: int, on: bool) -> None:
        self.written.append((5, address, on))


# ---- EVSE-WB ----


def test_an_evse_wb_of_firmware_18_takes_hundredths_and_has_a_status(wb: Any, unit: ModbusUnit) -> None:
    module = EvseWb(unit)
    module.begin()
    assert module.step_amps == 0.01
    module.tell(Wish(12.34, cut=False))
    assert (wb.book.raw_amps, wb.book.off) == (1234, 0)
    assert module.look().letter == "A"


@pytest.mark.parametrize("firmware, options", [(16, 0xA0), (18, 0x20), (8, 0)])
def test_an_evse_wb_without_hundredths_takes_whole_amps(wb: Any, unit: ModbusUnit, firmware: int, options: int) -> None:
    wb.book.firmware, wb.book.options = firmware, options
    module = EvseWb(unit)
    module.begin()
    assert module.step_amps == 1.0
    module.tell(Wish(13.0, cut=False))
    assert wb.book.raw_amps == 13
    assert module.look().letter == "A"  # also without the status register, which firmware 8 has not


def test_an_evse_wb_that_offers_by_itself_after_a_loss_of_power_is_refused(wb: Any, unit: ModbusUnit) -> None:
    wb.book.boot_amps = 32
    with pytest.raises(HalError, match=r"register 2000 is 32: .* by itself; write 0 to it once"):
        EvseWb(unit).begin()


def test_a_cut_opens_an_evse_wb_before_the_offer_ends(wb: Any, unit: ModbusUnit) -> None:
    module = EvseWb(unit)
    module.begin()
    module.tell(Wish(10.0, cut=False))
    module.tell(Wish(0.0, cut=True))
    assert (wb.book.raw_amps, wb.book.off) == (0, 1)
    module.tell(Wish(0.0, cut=False))
    assert (wb.book.raw_amps, wb.book.off) == (0, 0)


@pytest.mark.parametrize("quirks, letter", [((), "C"), (("ventilation",), "D")])
def test_the_letters_of_an_evse_wb(
    world: RealWorld, wb: Any, unit: ModbusUnit, quirks: tuple[str, ...], letter: str
) -> None:
    module = EvseWb(unit)
    module.begin()
    world.evse.plug_in(20, quirks=quirks)
    world.until(lambda: module.look().letter == "B")
    module.tell(Wish(10.0, cut=False))
    world.evse.ev_ready()
    world.until(lambda: module.look().letter == letter)
    seen = module.look()
    assert (seen.pwm, seen.offered_amps, seen.cable_amps, seen.alarms) == (True, 10.0, 20.0, ())


def test_a_vehicle_without_a_diode_is_told_by_an_evse_wb(world: RealWorld, wb: Any, unit: ModbusUnit) -> None:
    module = EvseWb(unit)
    module.begin()
    world.evse.plug_in(quirks=("no_diode",))
    module.tell(Wish(10.0, cut=False))
    world.until(lambda: module.look().no_diode)
    assert module.look().alarms == ()


def test_a_residual_current_is_an_alarm_of_an_evse_wb(world: RealWorld, wb: Any, unit: ModbusUnit) -> None:
    module = EvseWb(unit)
    module.begin()
    world.evse.plug_in()
    world.evse.fault("trip_rcd_dc")
    world.until(lambda: module.look().alarms == (Alarm.RESIDUAL_DC,))


@pytest.mark.parametrize(
    "status, letter, alarms",
    [(0x00, "F", (Alarm.INTERNAL,)), (0x04, "D", ()), (0x10, "F", (Alarm.RESIDUAL_DC,)), (0x02, "F", ())],
)
def test_each_failure_of_an_evse_wb_has_its_meaning(status: int, letter: str, alarms: tuple[Alarm, ...]) -> None:
    unit: Any = Scripted({(3, 1000): [0, 0, 5, 0, 0, 18, 1, status]})
    seen = EvseWb(unit).look()
    assert (seen.letter, seen.alarms, seen.no_diode) == (letter, alarms, status == 0x02)


def test_a_state_that_an_evse_wb_has_not_is_garbage() -> None:
    unit: Any = Scripted({(3, 1000): [0, 0, 6, 0, 0, 18, 1, 0]})
    with pytest.raises(DeviceGarbled, match="tells the state 6"):
        EvseWb(unit).look()


def test_an_evse_wb_that_holds_another_current_than_it_was_told_is_found_out(wb: Any, unit: ModbusUnit) -> None:
    module = EvseWb(unit)
    module.begin()
    module.tell(Wish(10.0, cut=False))
    wb.book.raw_amps = 0  # it was restarted
    with pytest.raises(DeviceGarbled, match="register 1000 holds 0, 1000 was written; was the module restarted"):
        module.look()


# ---- Phoenix Contact ----


def test_a_serial_phoenix_module_takes_whole_amps_and_a_coil(world: RealWorld, ser: Any, unit: ModbusUnit) -> None:
    module = Phoenix(unit, PHOENIX["phoenix_ser"])
    module.begin()
    world.evse.plug_in(32)
    module.tell(Wish(13.0, cut=False))
    assert (ser.book.amps, ser.book.enabled) == (13, True)
    world.evse.ev_ready()
    world.until(lambda: module.look().letter == "C")
    seen = module.look()
    assert (seen.pwm, seen.offered_amps, seen.cable_amps, seen.alarms) == (True, 13.0, 32.0, ())
    module.tell(Wish(0.0, cut=True))
    assert (ser.book.amps, ser.book.enabled) == (13, False)
    world.until(lambda: world.evse.state().pilot_mode is PilotMode.STEADY_HIGH)


def test_a_phoenix_module_that_is_not_told_by_its_coil_is_refused(ser: Any, unit: ModbusUnit) -> None:
    ser.book.release = 1
    with pytest.raises(HalError, match="register 4000 is 1, so it does not charge as it is told; write 3 to it once"):
        Phoenix(unit, PHOENIX["phoenix_ser"]).begin()


def test_what_a_phoenix_module_finds_is_told(world: RealWorld, ser: Any, unit: ModbusUnit) -> None:
    module = Phoenix(unit, PHOENIX["phoenix_ser"])
    module.begin()
    world.evse.fault("weld_relay")
    world.until(lambda: module.look().alarms == (Alarm.CONTACTOR_WELDED,))
    world.evse.clear_fault("weld_relay")
    world.evse.plug_in(quirks=("no_diode",))
    module.tell(Wish(10.0, cut=False))
    world.until(lambda: module.look().no_diode)


@pytest.mark.parametrize("family", ["phoenix_em_eth", "phoenix_ev_eth", "wallbe"])
@pytest.mark.parametrize("word, letter, pwm", [(0x0043, "C", None), (0x4332, "C", True), (0x4231, "B", False)])
def test_the_ethernet_modules_tell_a_letter(family: str, word: int, letter: str, pwm: bool | None) -> None:
    unit: Any = Scripted({(4, 100): [word, 20], (4, 107): [0]})
    module = Phoenix(unit, PHOENIX[family])
    module.begin()
    seen = module.look()
    assert (seen.letter, seen.pwm, seen.cable_amps, seen.offered_amps) == (letter, pwm, 20.0, None)


@pytest.mark.parametrize(
    "family, writes",
    [
        ("phoenix_em_eth", [(6, 300, 13), (5, 400, True), (5, 400, False)]),
        ("phoenix_ev_eth", [(6, 528, 13), (5, 400, True), (5, 400, False)]),
        ("wallbe", [(6, 528, 130), (5, 400, True), (5, 400, False)]),
    ],
)
def test_each_ethernet_family_is_told_in_its_own_registers(family: str, writes: list[tuple[int, int, int]]) -> None:
    unit: Any = Scripted({})
    module = Phoenix(unit, PHOENIX[family])
    module.tell(Wish(13.0, cut=False))
    module.tell(Wish(0.0, cut=False))
    assert unit.written == writes


@pytest.mark.parametrize("word", [0x0000, 0x4142, 0x0047, 0xFFFF])
def test_what_is_no_letter_is_garbage(word: int) -> None:
    unit: Any = Scripted({(4, 100): [word, 0], (4, 107): [0]})
    with pytest.raises(DeviceGarbled, match="expected a letter A to F"):
        Phoenix(unit, PHOENIX["phoenix_em_eth"]).look()


@pytest.mark.parametrize(
    "errors, alarms, no_diode",
    [
        (0x0004, (Alarm.PROXIMITY,), False),
        (0x0003, (Alarm.PROXIMITY,), False),
        (0x0800, (Alarm.CONTACTOR_WELDED,), False),
        (0x1000, (), True),
        (0xC000, (Alarm.RESIDUAL_DC, Alarm.RESIDUAL_TEST), False),
        (0x0018, (), False),
    ],
)
def test_each_bit_of_the_error_word_has_its_alarm(errors: int, alarms: tuple[Alarm, ...], no_diode: bool) -> None:
    unit: Any = Scripted({(4, 100): [0x0042, 0xFFFF], (4, 107): [errors]})
    seen = Phoenix(unit, PHOENIX["phoenix_em_eth"]).look()
    assert (seen.alarms, seen.no_diode, seen.cable_amps) == (alarms, no_diode, None)
