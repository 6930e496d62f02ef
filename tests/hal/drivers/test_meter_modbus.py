import contextlib
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hal.drivers.meter_modbus import LONGEST_READING_S, ModbusMeter, Settings
from hal.drivers.register_map import load_map
from hal.sim.meter_book import encode_registers
from hal.sim.meter_server import MeterServer
from hal.slot import DeviceSlot
from hal.types import BoardError, DeviceGarbled, DeviceMissing, DeviceSilent, DeviceSwapped, EvseFacts, HalError
from tests.hal.drivers.golden_meters import GOLDEN, holding
from tests.hal.drivers.registers import UNIT, Registers
from tests.hal.plants import World, charging

SDM630 = load_map("eastron_sdm630")
THREE_PHASES = EvseFacts(max_amps=32, phases=3)
ONE_PHASE = EvseFacts(max_amps=32, phases=1)
SETTINGS: dict[str, Any] = {"map": "eastron_sdm630", "port": "/dev/ttyUSB0"}


# ---- Modbus RTU: the plant's own meter on its pseudo-terminal ----


@dataclass(frozen=True)
class Bus:
    world: World
    port: Path

    def meter(self, facts: EvseFacts = THREE_PHASES, **settings: Any) -> ModbusMeter:
        given = {"map": "eastron_sdm630", "timeout_ms": 100, "retries": 0, **settings}
        slot = DeviceSlot("evse[0].meter", facts, self.world.monotonic)
        return ModbusMeter(Settings(port=str(self.port), **given), slot)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    world = charging()
    server = MeterServer(world.evse, "eastron_sdm630", 1, tmp_path / "meter")
    yield Bus(world, tmp_path / "meter")
    server.close()


def test_a_sample_is_what_the_plant_has(bus: Bus) -> None:
    meter = bus.meter()
    sample, values = meter.read(), bus.world.evse.meter_values(bus.world.mono)
    assert sample.energy_wh == pytest.approx(values.energy_wh, abs=0.1)
    assert sample.power_w == pytest.approx(values.power_w)
    assert sample.amps == pytest.approx(values.amps)
    assert sample.volts == pytest.approx(values.volts)
    assert sample.watts == pytest.approx(values.phase_watts)
    assert (sample.frequency_hz, sample.signed, sample.at_mono) == (50, None, bus.world.mono)
    meter.close()


def test_a_single_phase_evse_reads_l1_of_a_three_phase_meter(bus: Bus) -> None:
    meter = bus.meter(ONE_PHASE)
    sample = meter.read()
    assert (len(sample.amps), len(sample.volts)) == (1, 1)
    meter.close()


def test_energy_grows_from_sample_to_sample(bus: Bus) -> None:
    meter = bus.meter()
    before = meter.read()
    bus.world.charge(60)
    assert meter.read().energy_wh - before.energy_wh == pytest.approx(before.power_w / 60, rel=1e-2)
    meter.close()


@pytest.mark.parametrize(
    "fault, kind",
    [
        ("stall_meter", DeviceSilent),
        ("garble_meter", DeviceGarbled),
        ("unplug_meter", DeviceMissing),
        ("misaddress_meter", DeviceGarbled),
        ("nan_meter", DeviceGarbled),
        ("refuse_meter", DeviceGarbled),
    ],
)
def test_a_fault_on_the_wire_is_told_and_the_meter_comes_back(bus: Bus, fault: str, kind: type[HalError]) -> None:
    meter = bus.meter()
    bus.world.evse.fault(fault)
    until(lambda: kind is not DeviceMissing or not bus.port.exists())
    for _ in range(3):
        with pytest.raises(kind, match=r"evse\[0\].meter"):
            meter.read()
    bus.world.evse.clear_fault(fault)
    until(bus.port.exists)
    assert meter.read().amps[0] > 31
    meter.close()


def test_a_meter_that_freezes_is_not_told_from_one_that_rests(bus: Bus) -> None:
    """The charging core finds it: a register that stands while current flows. Here each answer was really given."""
    meter = bus.meter()
    bus.world.evse.fault("freeze_meter")
    before = meter.read()
    bus.world.charge(10)
    after = meter.read()
    assert (after.energy_wh, after.amps) == (before.energy_wh, before.amps)
    assert after.at_mono == pytest.approx(before.at_mono + 10)
    meter.close()


def test_a_register_that_fell_is_refused_once_and_then_told_as_it_is(bus: Bus) -> None:
    meter = bus.meter()
    meter.read()
    bus.world.evse.fault("restart_meter")
    bus.world.charge(1)
    with pytest.raises(DeviceGarbled, match="energy ran back from 1000"):
        meter.read()
    bus.world.charge(1)
    assert meter.read().energy_wh < 20
    meter.close()


def test_a_meter_that_was_swapped_is_refused_until_the_process_begins_anew(bus: Bus) -> None:
    meter = bus.meter()
    meter.read()
    bus.world.evse.fault("stall_meter")
    with pytest.raises(DeviceSilent):
        meter.read()
    bus.world.evse.clear_fault("stall_meter")
    bus.world.evse.fault("swap_meter")
    for _ in range(2):
        with pytest.raises(DeviceSwapped, match="number '40000501' answers where '40000001' was: the meter was sw"):
            meter.read()
    meter.close()
    anew = bus.meter()
    assert anew.read().amps[0] > 31
    anew.close()


@pytest.mark.parametrize("delay_ms", [150, 250, 350, 550])
def test_a_late_answer_is_never_the_sample_of_a_later_reading(bus: Bus, delay_ms: float) -> None:
    """The plant's register tells when an answer was made: it has to be after the reading began, or there is none."""
    meter = bus.meter(retries=1)
    meter.read()
    bus.world.evse.fault("delay_meter", delay_ms)
    for _ in range(8):
        bus.world.charge(1)
        with contextlib.suppress(DeviceSilent, DeviceGarbled):
            assert meter.read().energy_wh == pytest.approx(bus.world.meter.read().energy_wh, abs=0.2)
    bus.world.evse.clear_fault("delay_meter")
    until(lambda: _works(meter))
    bus.world.charge(1)
    assert meter.read().energy_wh == pytest.approx(bus.world.meter.read().energy_wh, abs=0.2)
    meter.close()


def _works(meter: ModbusMeter) -> bool:
    with contextlib.suppress(HalError):
        meter.read()
        return True
    return False


def test_an_answer_that_is_lost_is_asked_for_again_in_the_same_reading() -> None:
    golden = GOLDEN["eastron_sdm630"]
    lost = {4}  # probe, serial number and block of the first reading, then the block of the second
    with holding(golden, (3, 4), lost) as port:
        settings = Settings(map="eastron_sdm630", port=port.path, timeout_ms=100)
        meter = ModbusMeter(settings, DeviceSlot("evse[0].meter", THREE_PHASES, lambda: 7.0))
        assert meter.read() == meter.read()
        assert (meter.quality().requests, meter.quality().timeouts) == (5, 1)
        meter.close()


def test_a_meter_that_dies_is_told_within_two_seconds_with_the_default_settings(bus: Bus) -> None:
    meter = bus.meter(timeout_ms=300, retries=1)
    meter.read()
    bus.world.evse.fault("stall_meter")
    for _ in range(2):
        begin_s = time.monotonic()
        with pytest.raises(DeviceSilent):
            meter.read()
        assert time.monotonic() - begin_s < LONGEST_READING_S
    meter.close()


def test_a_dead_meter_is_asked_once_at_a_time(bus: Bus) -> None:
    meter = bus.meter(retries=3)
    bus.world.evse.fault("stall_meter")
    for _ in range(2):
        with pytest.raises(DeviceSilent):
            meter.read()
    assert meter.quality().requests == 2
    meter.close()


def until(condition: Any) -> None:
    """The server looks at its plug a few times a second; pytest's own timeout bounds the wait."""
    while not condition():
        threading.Event().wait(0.01)


def test_the_wrong_unit_hears_silence(bus: Bus) -> None:
    meter = bus.meter(unit=2)
    with pytest.raises(DeviceSilent, match="unit 2"):
        meter.read()
    meter.close()


def test_two_meters_on_one_line_take_turns(bus: Bus) -> None:
    """The second unit is not there, so its silence must not disturb the first one's answers."""
    shared: dict[str, object] = {}
    given = Settings(map="eastron_sdm630", port=str(bus.port), timeout_ms=100, retries=0)
    first = ModbusMeter(given, DeviceSlot("evse[0].meter", THREE_PHASES, bus.world.monotonic, shared))
    other = msgspec.structs.replace(given, unit=9)
    second = ModbusMeter(other, DeviceSlot("evse[1].meter", THREE_PHASES, bus.world.monotonic, shared))
    for _ in range(2):
        assert first.read().amps[0] > 31
        with pytest.raises(DeviceSilent, match=r"evse\[1\].meter: unit 9"):
            second.read()
    second.close()
    assert first.read().amps[0] > 31
    first.close()


def test_a_port_that_is_not_there_is_missing_with_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"evse\[0\].meter: .*/ttyUSB9 is not there; plug the adapter in, or mend"):
        Bus(World(), tmp_path / "ttyUSB9").meter()


def test_a_line_setting_that_the_port_refuses_is_told(bus: Bus) -> None:
    meter = bus.meter(parity="E")  # a pseudo-terminal has no parity
    with pytest.raises(DeviceMissing, match="cannot be used"):
        meter.read()
    meter.close()


# ---- Modbus TCP: pymodbus' own server, and what meters of all kinds may answer ----


@pytest.fixture
def tcp() -> Iterator[Registers]:
    """An SDM630 that measures the plant, until a test says otherwise."""
    with Registers(encode_registers(SDM630, charging().evse.meter_values(0.0))) as tcp:
        yield tcp


@pytest.fixture
def meter(tcp: Registers) -> Iterator[ModbusMeter]:
    driver = tcp_driver(tcp)
    yield driver
    driver.close()


def tcp_driver(tcp: Registers, mono: Any = lambda: 500.0, **settings: Any) -> ModbusMeter:
    given = {
        "map": "eastron_sdm630",
        "unit": UNIT,
        "host": "127.0.0.1",
        "tcp_port": tcp.port,
        "timeout_ms": 200,
        **settings,
    }
    return ModbusMeter(Settings(**{"retries": 0, **given}), DeviceSlot("evse[0].meter", THREE_PHASES, mono))


def measure(tcp: Registers, name: str, value: float) -> None:
    """Put a value into the registers, as the map scales it."""
    point = SDM630.points.named()[name]
    words = struct.unpack(">HH", struct.pack(">f", value / point.scale))
    tcp.words |= dict(enumerate(words, start=point.address))


def test_a_meter_on_tcp_is_read(meter: ModbusMeter) -> None:
    sample = meter.read()
    assert sample.amps == pytest.approx((32, 32, 32), abs=0.01)
    assert (sample.at_mono, sample.frequency_hz) == (500, 50)


def test_a_tcp_meter_that_falls_silent_is_read_again_when_it_speaks(tcp: Registers, meter: ModbusMeter) -> None:
    meter.read()
    tcp.silent = True
    for _ in range(8):
        with pytest.raises(DeviceSilent):
            meter.read()
    tcp.silent = False
    assert meter.read().amps[0] > 31


def test_an_answer_to_another_request_is_not_taken(tcp: Registers, meter: ModbusMeter) -> None:
    tcp.tid_shift = 1
    with pytest.raises(DeviceGarbled):
        meter.read()
    tcp.tid_shift = 0
    assert meter.read().amps[0] > 31


def test_a_refused_connection_is_missing() -> None:
    with Registers() as gone:
        pass
    driver = tcp_driver(gone)
    with pytest.raises(DeviceMissing, match=f"127.0.0.1:{gone.port} cannot be used"):
        driver.read()
    driver.close()


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("voltage_l1", float("nan"), "voltage of L1 reads nan V, possible are 0 to 300 V"),
        ("voltage_l2", 300.5, "voltage of L2 reads 300.5 V"),
        ("voltage_l3", -1.0, "voltage of L3"),
        ("current_l1", 121.0, "current of L1 reads 121 A, possible are -120 to 120 A"),
        ("current_l2", float("inf"), "current of L2"),
        ("power", float("nan"), "power reads nan W"),
        ("power", 1e9, "power reads 1e"),
        ("frequency", 44.0, "frequency reads 44 Hz, possible are 45 to 65 Hz"),
        ("frequency", 0.0, "frequency"),
        ("import", -1.0, "energy reads -1 Wh"),
        ("import", float("nan"), "energy reads nan Wh"),
        ("import", float("inf"), "energy reads inf Wh"),
    ],
)
def test_a_value_that_cannot_be_is_garbled(
    tcp: Registers, meter: ModbusMeter, name: str, value: float, text: str
) -> None:
    measure(tcp, name, value)
    with pytest.raises(DeviceGarbled) as caught:
        meter.read()
    assert text in str(caught.value)


def test_a_frame_of_zeros_is_garbled(tcp: Registers, meter: ModbusMeter) -> None:
    tcp.words = {}
    with pytest.raises(DeviceGarbled, match="every value reads 0"):
        meter.read()


def test_a_lost_grid_is_a_true_reading_while_the_meter_lives(tcp: Registers, meter: ModbusMeter) -> None:
    for name in ("voltage", "current", "power"):
        for phase in (1, 2, 3):
            measure(tcp, f"{name}_l{phase}", 0.0)
    measure(tcp, "power", 0.0)
    measure(tcp, "frequency", 0.0)
    sample = meter.read()
    assert (sample.volts, sample.amps, sample.power_w, sample.frequency_hz) == ((0, 0, 0), (0, 0, 0), 0, None)
    assert sample.energy_wh > 0


def test_a_lost_phase_is_a_true_reading(tcp: Registers, meter: ModbusMeter) -> None:
    measure(tcp, "voltage_l2", 0.0)
    assert meter.read().volts[1] == 0


def test_words_in_the_wrong_order_are_garbled(tcp: Registers, meter: ModbusMeter) -> None:
    tcp.words = {address ^ 1: word for address, word in tcp.words.items()}
    with pytest.raises(DeviceGarbled):
        meter.read()


def test_tenths_of_a_hertz_are_understood(tcp: Registers, meter: ModbusMeter) -> None:
    measure(tcp, "frequency", 499.8)
    assert meter.read().frequency_hz == pytest.approx(49.98)


def test_current_has_the_direction_of_its_power(tcp: Registers, meter: ModbusMeter) -> None:
    measure(tcp, "power_l2", -7000.0)
    assert meter.read().amps == pytest.approx((32, -32, 32), abs=0.01)


def test_an_inverted_meter_counts_on_its_export_register(tcp: Registers) -> None:
    for phase in (1, 2, 3):
        measure(tcp, f"power_l{phase}", -7000.0)
    measure(tcp, "power", -21000.0)
    measure(tcp, "export", 777_000.0)
    driver = tcp_driver(tcp, invert=True)
    sample = driver.read()
    assert sample.energy_wh == pytest.approx(777_000)
    assert sample.power_w == 21000
    assert sample.amps == pytest.approx((32, 32, 32), abs=0.01)
    driver.close()


# ---- settings ----


@pytest.mark.parametrize(
    "changes, facts, text",
    [
        (
            {"map": "eastron_sdm72d_m"},
            THREE_PHASES,
            "map: eastron_sdm72d_m (Eastron SDM72D-M) has totals only, no current",
        ),
        ({"map": "nothing"}, THREE_PHASES, "map: there is no register map 'nothing'; maps: abb_b23, "),
        ({"host": "10.0.0.1"}, THREE_PHASES, "port: found both or neither of 'port' and 'host'"),
        ({"port": None}, THREE_PHASES, "port: found both or neither"),
        (
            {"map": "acrel_djsf1352"},
            ONE_PHASE,
            "map: acrel_djsf1352 (Acrel DJSF1352-RN) cannot measure the outlet: it measures direct current",
        ),
        (
            {"map": "finder_7e78", "timeout_ms": 500},
            THREE_PHASES,
            "each 500 ms and 20 ms of silence), 2 s are allowed; set timeout_ms to 313 or less, or retries to 0",
        ),
        (
            {"baud": 2400},
            THREE_PHASES,
            "timeout_ms: 74 registers take 738 ms at 2400 baud, the meter has 300 ms; set the meter and 'baud' to a",
        ),
    ],
)
def test_settings_that_cannot_serve_the_evse_are_refused(changes: dict[str, Any], facts: EvseFacts, text: str) -> None:
    with pytest.raises(BoardError) as caught:
        Settings(**{**SETTINGS, **changes}).check(facts)
    assert text in str(caught.value)


OWN_MAP = """
vendor = "Own"
models = ["One"]
phases = 1
function = 3
serial = "9600 8N1"
max_regs = 20
gap_ms = 0
max_amps = 40
[points]
import = [0, "u32", 10]
power = [2, "i32", 0.1]
voltage_l1 = [4, "u16", 0.1]
current_l1 = [5, "u16", 0.01]
"""


@pytest.mark.parametrize(
    "changes, facts, text",
    [
        ({}, THREE_PHASES, "measures fewer than 3 phases; fit a three-phase meter"),
        ({}, EvseFacts(max_amps=41, phases=1), "ends at 40 A; the EVSE has 41 A"),
        ({"invert": True}, ONE_PHASE, "has no export register; wire the meter the right way round"),
    ],
)
def test_a_meter_too_small_for_the_evse_is_refused(
    tmp_path: Path, changes: dict[str, Any], facts: EvseFacts, text: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN_MAP)
    given = Settings(map=str(own), port="/dev/ttyUSB0", **changes)
    with pytest.raises(BoardError) as caught:
        given.check(facts)
    assert text in str(caught.value)


def test_a_map_of_whole_numbers_is_read_as_well(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN_MAP)
    world = charging(ONE_PHASE)
    server = MeterServer(world.evse, str(own), 1, tmp_path / "meter")
    meter = Bus(world, tmp_path / "meter").meter(ONE_PHASE, map=str(own))
    read = meter.read()
    assert read.amps == pytest.approx((31.99,))
    assert read.energy_wh == pytest.approx(world.evse.meter_values(world.mono).energy_wh, abs=10)
    assert read.frequency_hz is None
    meter.close()
    server.close()


@pytest.mark.parametrize("facts", [ONE_PHASE, THREE_PHASES])
def test_settings_that_serve_the_evse_pass(facts: EvseFacts) -> None:
    Settings(**SETTINGS).check(facts)
    Settings(map="eastron_sdm72d_m_v2", host="10.0.0.1", invert=True).check(facts)
    Settings(map="sunspec", host="10.0.0.1").check(facts)


def test_a_unit_on_a_line_is_claimed_and_the_line_has_one_setting() -> None:
    rtu, tcp = Settings(**SETTINGS, unit=4), Settings(map="eastron_sdm630", host="10.0.0.1")
    assert rtu.claims() == ("unit 4 on /dev/ttyUSB0",)
    assert tcp.claims() == ("unit 1 on 10.0.0.1:502",)
    assert rtu.bus() == ("/dev/ttyUSB0", "9600 baud, parity N, 1 stop bits, 300 ms")
    assert Settings(**SETTINGS, echo=True).bus()[1] == "9600 baud, parity N, 1 stop bits, 300 ms, echo"
    assert tcp.bus() == ("10.0.0.1:502", "300 ms")
