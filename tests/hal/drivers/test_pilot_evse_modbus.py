import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.drivers import meter_modbus
from hal.drivers.evse_module_link import STALE_S
from hal.drivers.evse_modules import Seen
from hal.drivers.pilot_evse_modbus import LineSettings, ModulePilot, ModuleRelays, Settings, peaks
from hal.drivers.register_map import load_map
from hal.iec61851 import NO_CABLE_OHMS
from hal.sim.evse_modbus import EvseWb, answer, request_bytes
from hal.sim.meter_book import MapBook
from hal.sim.meter_server import crc, respond
from hal.slot import DeviceSlot
from hal.types import (
    BoardError,
    DeviceMissing,
    DeviceSilent,
    EvseFacts,
    HalError,
    PilotMode,
    PilotReading,
    RelayDeadman,
    WakeUp,
)
from tests.hal.drivers.modules import Devices, devices_on, module_at
from tests.hal.drivers.ports import Port, descriptors
from tests.hal.drivers.registers import Registers
from tests.hal.plants import RealWorld

KINDS = ("evse_wb", "phoenix_ser")
TEN_AMPS, THIRTEEN_AMPS = 16.66, 21.66
FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture(params=KINDS)
def peer(request: pytest.FixtureRequest, world: RealWorld, tmp_path: Path) -> Iterator[Any]:
    with module_at(world, tmp_path / "m", request.param) as peer:
        peer.kind = request.param
        yield peer


@pytest.fixture
def devices(peer: Any, world: RealWorld, tmp_path: Path) -> Iterator[Devices]:
    with devices_on(world, tmp_path / "m", peer.kind) as devices:
        yield devices


def keep_until(devices: Devices, condition: Any, duty: float | None, closed: bool = True, bound_s: float = 6.0) -> None:
    end_mono = devices.world.monotonic() + bound_s
    while not condition():
        assert devices.world.monotonic() < end_mono
        devices.keep(closed, 0.02, duty)


# ---- a vehicle at a module ----


def test_a_vehicle_is_seen_offered_current_charged_and_stopped(world: RealWorld, devices: Devices) -> None:
    evse = world.evse
    evse.plug_in(32)
    keep_until(devices, lambda: devices.pilot.read().high_volts == 9.0, None, closed=False)
    assert devices.proximity.read().amps == 32.0
    evse.ev_ready()
    keep_until(devices, lambda: evse.contacts_closed, THIRTEEN_AMPS, closed=False)  # by itself, as soon as it may
    assert evse.offer_amps == pytest.approx(13.0, abs=0.01)
    keep_until(devices, lambda: devices.pilot.read().high_volts == 6.0, THIRTEEN_AMPS)
    assert devices.pilot.read().low_volts == -12.0
    keep_until(devices, lambda: evse.offer_amps <= 10.0, TEN_AMPS, bound_s=1.0)
    assert evse.offer_amps == pytest.approx(10.0, abs=0.02)
    keep_until(devices, lambda: evse.offer_amps == 0.0, None, bound_s=1.0)
    assert evse.contacts_closed  # softly: the vehicle has its time
    keep_until(devices, lambda: not evse.contacts_closed, None)
    assert devices.relays.read().closed is None


def test_opening_under_an_offer_opens_soon(world: RealWorld, devices: Devices) -> None:
    evse = world.evse
    evse.plug_in()
    evse.ev_ready()
    keep_until(devices, lambda: evse.contacts_closed, THIRTEEN_AMPS)
    devices.keep(True, 0.5, THIRTEEN_AMPS)
    keep_until(devices, lambda: not evse.contacts_closed, THIRTEEN_AMPS, closed=False, bound_s=4.0)


def test_a_hanging_control_loop_ends_the_charge(world: RealWorld, devices: Devices) -> None:
    evse = world.evse
    evse.plug_in()
    evse.ev_ready()
    keep_until(devices, lambda: evse.contacts_closed, THIRTEEN_AMPS)
    world.until(lambda: evse.offer_amps == 0.0 and not evse.state().contacts_closed, 6.0)


def test_the_end_of_the_devices_ends_the_offer(world: RealWorld, peer: Any, tmp_path: Path) -> None:
    world.evse.plug_in()
    before, threads = descriptors(), threading.active_count()
    with devices_on(world, tmp_path / "m", peer.kind) as devices:
        keep_until(devices, lambda: world.evse.offer_amps > 12.0, THIRTEEN_AMPS)
    world.until(lambda: world.evse.offer_amps == 0.0, 1.0)
    assert (descriptors(), threading.active_count()) == (before, threads)


def test_every_call_returns_at_once_and_readings_are_dated(world: RealWorld, devices: Devices) -> None:
    for call in (
        devices.pilot.read,
        devices.relays.read,
        devices.proximity.read,
        lambda: devices.pilot.set(PilotMode.PWM, TEN_AMPS),
        lambda: devices.relays.hold(True, 1.0),
    ):
        begin = world.monotonic()
        call()
        assert world.monotonic() - begin < 0.01
    age_s = world.monotonic() - devices.pilot.read().at_mono
    assert 0 <= age_s < STALE_S


@pytest.mark.parametrize("amps, ohms", [(13.0, 1500.0), (20.0, 680.0), (32.0, 220.0), (63.0, 100.0)])
def test_the_cable_is_of_the_class_that_the_module_tells(
    world: RealWorld, devices: Devices, amps: float, ohms: float
) -> None:
    world.evse.plug_in(amps)
    world.until(lambda: devices.proximity.read().amps == amps)
    assert devices.proximity.read().ohms == ohms


def test_no_plug_and_a_short_have_no_class(world: RealWorld, devices: Devices) -> None:
    assert (devices.proximity.read().amps, devices.proximity.read().ohms) == (None, NO_CABLE_OHMS)
    if devices.settings.module == "phoenix_ser":  # the other one does not tell them apart
        world.evse.fault("cable_resistor", 0.0)
        world.until(lambda: devices.proximity.read().ohms == 0.0)
        assert devices.proximity.read().amps is None


# ---- refusals ----


@pytest.mark.parametrize("mode", [PilotMode.STEADY_LOW, PilotMode.DISCONNECTED])
def test_a_mode_that_the_module_has_not_is_refused(devices: Devices, mode: PilotMode) -> None:
    with pytest.raises(HalError, match="this module has PWM and steady"):
        devices.pilot.set(mode, 0.0)


@pytest.mark.parametrize("duty", [55.0, 96.5, 5.0, 100.0, -1.0, float("nan")])
def test_a_duty_beyond_the_rating_or_without_current_never_gets_there(
    world: RealWorld, devices: Devices, duty: float
) -> None:
    world.evse.plug_in()
    with pytest.raises(HalError, match="refused a duty"):
        devices.pilot.set(PilotMode.PWM, duty)
    devices.keep(False, 0.4)
    assert world.evse.offer_amps == 0.0


@pytest.mark.parametrize("for_s", [3600.0, -1.0, float("nan"), float("inf")])
def test_a_lease_that_is_none_is_refused_and_opening_never(devices: Devices, for_s: float) -> None:
    with pytest.raises(HalError, match="this board holds 0 to 5 s"):
        devices.relays.hold(True, for_s)
    devices.relays.hold(False, for_s)


def test_relays_without_a_pilot_are_refused(world: RealWorld, tmp_path: Path) -> None:
    with pytest.raises(HalError, match=r"no pilot at unit 1 on .*; describe \[evse.pilot\] with this driver too"):
        ModuleRelays(LineSettings(port=str(tmp_path / "m")), world.slot("relays"))


def test_a_port_that_is_not_there_is_missing(world: RealWorld, tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="is not there; plug the adapter in"):
        Devices(world, tmp_path / "m", "evse_wb")


# ---- what happens on a wire ----


@pytest.mark.parametrize("fault", ["controller_stops", "controller_half_lines", "controller_bad_crc"])
def test_a_module_that_cannot_be_understood_goes_stale_and_comes_back(
    world: RealWorld, devices: Devices, fault: str
) -> None:
    world.evse.plug_in()
    world.evse.fault(fault)

    def is_lost() -> bool:
        try:
            devices.pilot.read()
        except HalError:
            return True
        return False

    keep_until(devices, is_lost, None, closed=False)
    world.evse.clear_fault(fault)
    keep_until(devices, lambda: not is_lost() and devices.pilot.read().high_volts == 9.0, None, closed=False)


def test_an_adapter_that_is_pulled_out_is_missing_and_works_again_when_it_is_back(
    world: RealWorld, devices: Devices
) -> None:
    kinds: set[type[HalError]] = set()
    world.evse.fault("controller_unplugged")

    def is_lost() -> bool:
        try:
            devices.pilot.read()
        except HalError as error:
            kinds.add(type(error))
            return True
        return False

    keep_until(devices, is_lost, None, closed=False)
    assert kinds <= {DeviceMissing, DeviceSilent}
    world.evse.clear_fault("controller_unplugged")
    keep_until(devices, lambda: not is_lost(), None, closed=False)


def test_a_module_that_restarts_is_told_again(world: RealWorld, devices: Devices) -> None:
    world.evse.plug_in()
    keep_until(devices, lambda: world.evse.offer_amps > 12.0, THIRTEEN_AMPS, closed=False)
    world.evse.fault("controller_reset")
    keep_until(devices, lambda: world.evse.offer_amps == 0.0, THIRTEEN_AMPS, closed=False, bound_s=1.0)
    keep_until(devices, lambda: world.evse.offer_amps > 12.0, THIRTEEN_AMPS, closed=False, bound_s=3.0)


def test_a_meter_on_the_same_line_is_read_beside_the_module(world: RealWorld) -> None:
    """One RS-485 line with an EVSE-WB as unit 1 and a meter as unit 2, each answering for itself."""
    book = EvseWb(world.evse)
    meter = MapBook(load_map("eastron_sdm630"))

    def answers(received: bytes) -> tuple[bytes, int]:
        size = request_bytes(received)
        if len(received) < size:
            return b"", 0
        frame = received[:size]
        with world.plant.lock:
            world.evse.catch_up()
            book.tick(world.monotonic())
            said = {
                1: lambda: answer(book, frame[1:-2]),
                2: lambda: respond(meter, world.evse.meter_values(world.monotonic()), 7, frame[1:-2]),
            }[frame[0]]()
        body = frame[:1] + said
        return body + crc(body), size

    with Port(answers) as port:
        shared: dict[str, object] = {}
        settings = Settings(module="evse_wb", port=port.path, gap_ms=20)
        beside = meter_modbus.Settings(map="eastron_sdm630", port=port.path, unit=2, timeout_ms=200)
        assert settings.bus() == beside.bus()
        pilot = ModulePilot(settings, DeviceSlot("evse[0].pilot", FACTS, world.monotonic, shared))
        reader = meter_modbus.ModbusMeter(beside, DeviceSlot("evse[0].meter", FACTS, world.monotonic, shared))
        readings = []
        for _ in range(5):
            pilot.set(PilotMode.PWM, THIRTEEN_AMPS)
            readings.append(reader.read().volts)
            assert isinstance(pilot.read(), PilotReading)
            assert world.monotonic() - pilot.read().at_mono < STALE_S
        assert len(readings) == 5
        world.until(lambda: world.evse.offer_amps == pytest.approx(13.0, abs=0.01), 1.0)
        reader.close()
        pilot.close()


# ---- Modbus TCP, against pymodbus as an independent peer ----


def test_an_ethernet_module_is_driven_over_tcp(world: RealWorld) -> None:
    with Registers({100: 0x0041, 101: 32, 107: 0, 300: 6}, unit=180) as module:  # an EM-CP-PP-ETH
        settings = Settings(module="phoenix_em_eth", host="127.0.0.1", tcp_port=module.port, unit=180, gap_ms=0)
        pilot = ModulePilot(settings, world.slot("pilot"))
        assert pilot.read().high_volts == 12.0
        module.words[100] = 0x0042
        world.until(lambda: pilot.read().high_volts == 9.0)

        def told() -> bool:
            pilot.set(PilotMode.PWM, THIRTEEN_AMPS)
            return (module.words[300], module.coils) == (13, {400: True})

        world.until(told)
        assert pilot.read().low_volts == -12.0
        pilot.close()
        assert module.coils == {400: False}


# ---- volts, and the board file ----


@pytest.mark.parametrize(
    "seen, offering, expected",
    [
        (Seen(letter="A"), False, (12.0, 12.0)),
        (Seen(letter="A"), True, (12.0, -12.0)),
        (Seen(letter="B"), True, (9.0, -12.0)),
        (Seen(letter="C"), False, (6.0, 6.0)),
        (Seen(letter="D"), True, (3.0, -12.0)),
        (Seen(letter="E"), True, (0.0, 0.0)),
        (Seen(letter="F"), False, (-12.0, -12.0)),
        (Seen(letter="C", no_diode=True), True, (6.0, -6.0)),
        (Seen(letter="F", no_diode=True), True, (9.0, -9.0)),
        (Seen(letter="F", no_diode=True), False, (9.0, 9.0)),
    ],
)
def test_a_letter_is_its_nominal_volts(seen: Seen, offering: bool, expected: tuple[float, float]) -> None:
    assert peaks(seen, offering) == expected


def test_a_module_changes_what_the_board_can_do() -> None:
    settings = Settings(module="evse_wb", port="/dev/ttyUSB0")
    facts = settings.amend(EvseFacts(max_amps=32, phases=3, wake_up=WakeUp.STATE_F))
    assert (facts.autonomous, facts.interlocked, facts.pilot_stale_s) == (True, True, STALE_S)
    assert (facts.has_feedback, facts.has_state_f, facts.can_disconnect) == (False, False, False)
    assert facts.wake_up is WakeUp.INTERRUPT
    assert settings.amend(EvseFacts(max_amps=32, phases=3, wake_up=WakeUp.OFF)).wake_up is WakeUp.OFF


@pytest.mark.parametrize("line", [{}, {"port": "/dev/ttyUSB0", "host": "192.168.7.20"}])
def test_a_line_is_serial_or_tcp(line: dict[str, Any]) -> None:
    with pytest.raises(BoardError, match="port: found both or neither"):
        Settings(module="evse_wb", **line).check(FACTS)


def test_a_unit_on_a_line_is_claimed_and_its_line_described() -> None:
    serial = Settings(module="evse_wb", port="/dev/ttyUSB0", unit=3, echo=True)
    assert serial.claims() == ("unit 3 on /dev/ttyUSB0",)
    assert serial.bus() == ("/dev/ttyUSB0", "9600 baud, parity N, 1 stop bits, 200 ms, echo")
    tcp = Settings(module="phoenix_em_eth", host="192.168.7.20", unit=180)
    assert (tcp.claims(), tcp.bus()) == (("unit 180 on 192.168.7.20:502",), ("192.168.7.20:502", "200 ms"))
    assert LineSettings(port="/dev/ttyUSB0").bus() is None


def test_the_board_says_what_opens_the_contactor_when_linux_dies() -> None:
    for deadman in (RelayDeadman.HARDWARE, RelayDeadman.MCU, RelayDeadman.SIMULATED):
        Settings(module="evse_wb", port="x").check(EvseFacts(max_amps=32, phases=3, relay_deadman=deadman))
