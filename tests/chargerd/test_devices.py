"""One EVSE's devices: errors are missing values, a pilot that disobeys is none, a dead contactor output is the end."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chargerd.clock import ManualClock
from chargerd.devices import Device, EvseUnit, OutputFailed
from chargerd.evse.types import MeterSession, Outputs, SignFor
from hal.board import Board, EvseDevices, load_board, open_board
from hal.types import DeviceSilent, Indication, PilotMode, SigningPhase
from tests.chargerd.charger import ALL_SIMULATED, Wire

CLOSED = Outputs(
    pilot_mode=PilotMode.PWM,
    duty_percent=16.7,
    relay_closed=True,
    relay_hold_s=1.0,
    locked=True,
    indication=Indication.CHARGING,
)
OPEN = Outputs(
    pilot_mode=PilotMode.STEADY_HIGH,
    duty_percent=100.0,
    relay_closed=False,
    relay_hold_s=0.0,
    locked=False,
    indication=Indication.AVAILABLE,
)
"""The contactor closes within 0.1 s in the plant."""
MOVED_S = 0.2


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def board(tmp_path: Path, clock: ManualClock) -> Iterator[Board]:
    path = tmp_path / "board.toml"
    path.write_text(ALL_SIMULATED)
    board = open_board(load_board(path), monotonic=clock.monotonic)
    yield board
    board.close()


def contacts(board: Board, clock: ManualClock) -> bool:
    clock.advance(MOVED_S)
    assert board.plant is not None
    return board.plant.state().evses[0].contacts_closed


def test_the_number_of_a_fault_reaches_the_lights(board: Board, clock: ManualClock) -> None:
    faulted = msgspec.structs.replace(OPEN, indication=Indication.FAULTED, blink_code=7)
    EvseUnit(1, board.evses[0]).write(faulted, clock.monotonic())
    assert board.plant is not None
    evse = board.plant.evses[0]
    assert (evse.indication, evse.blink_code) == (Indication.FAULTED, 7)


def test_every_fitted_device_is_read(board: Board, clock: ManualClock) -> None:
    unit = EvseUnit(1, board.evses[0])
    assert [poller.name.removeprefix("evse[0].") for poller in unit.pollers] == [
        "meter",
        "reader",
        "thermometer",
        "plug_thermometer",
        "external_limit",
        "display",
        "residual self-test",
    ]
    unit.write(msgspec.structs.replace(OPEN, self_test_seq=1), clock.monotonic())
    assert board.plant is not None
    board.plant.evse(1).present_token("04a1")
    for poller in unit.pollers:
        poller.poll_once()
    readings = unit.read(clock.monotonic())
    assert [name for name in readings.__struct_fields__ if getattr(readings, name) is None] == []
    assert readings.token is not None
    assert (readings.token.token.uid, readings.token.seq) == ("04A1", 1)


def test_a_device_that_is_not_fitted_reads_none_and_needs_no_thread(board: Board, clock: ManualClock) -> None:
    bare = EvseDevices(pilot=board.evses[0].pilot, relays=board.evses[0].relays)
    unit = EvseUnit(1, bare)
    readings = unit.read(clock.monotonic())
    assert unit.pollers == []
    assert readings.pilot is not None
    assert (readings.meter, readings.lock, readings.residual, readings.cable) == (None, None, None, None)


@pytest.mark.parametrize(
    "role, reading", [("pilot", "pilot"), ("relays", "relay"), ("proximity", "cable"), ("lock", "lock")]
)
def test_a_failing_device_is_a_missing_value_and_the_others_are_read(
    board: Board, clock: ManualClock, role: str, reading: str
) -> None:
    fitted = {name: getattr(board.evses[0], name) for name in ("pilot", "relays", "proximity", "lock", "residual")}
    wire = Wire(fitted[role])
    unit = EvseUnit(1, EvseDevices(**{**fitted, role: wire}))
    wire.cut = True
    readings = unit.read(clock.monotonic())
    read = {name for name in readings.__struct_fields__ if getattr(readings, name) not in (None, "")}
    assert read == {"pilot", "relay", "cable", "lock", "residual"} - {reading}
    wire.cut = False
    assert getattr(unit.read(clock.monotonic()), reading) is not None


def test_outputs_reach_the_plant(board: Board, clock: ManualClock) -> None:
    unit = EvseUnit(1, board.evses[0])
    unit.write(CLOSED, clock.monotonic())
    assert contacts(board, clock)
    assert unit.relay_closed
    assert board.plant is not None
    state = board.plant.state().evses[0]
    assert (state.pilot_mode, state.duty_percent) == (PilotMode.PWM, 16.7)
    unit.write(OPEN, clock.monotonic())
    assert not contacts(board, clock)
    assert not unit.relay_closed


def test_the_contactor_opens_before_and_closes_after_the_pilot_is_set(board: Board, clock: ManualClock) -> None:
    used: list[str] = []
    devices = board.evses[0]
    unit = EvseUnit(1, EvseDevices(pilot=Wire(devices.pilot, used), relays=Wire(devices.relays, used)))
    unit.write(CLOSED, clock.monotonic())
    unit.write(OPEN, clock.monotonic())
    assert used == ["SimPilot.set", "SimRelays.hold", "SimRelays.hold", "SimPilot.set"]


def test_a_pilot_that_cannot_be_set_opens_the_contactor_and_counts_as_missing(board: Board, clock: ManualClock) -> None:
    devices = board.evses[0]
    wire = Wire(devices.pilot)
    unit = EvseUnit(1, EvseDevices(pilot=wire, relays=devices.relays))
    unit.write(CLOSED, clock.monotonic())
    wire.cut = True
    unit.write(CLOSED, clock.monotonic())
    wire.cut = False
    assert not unit.relay_closed
    assert unit.read(clock.monotonic()).pilot is None
    unit.write(OPEN, clock.monotonic())
    assert unit.read(clock.monotonic()).pilot is not None


@pytest.mark.parametrize("outputs", [CLOSED, OPEN], ids=["closed", "open"])
def test_a_contactor_that_cannot_be_written_ends_it(board: Board, clock: ManualClock, outputs: Outputs) -> None:
    wire = Wire(board.evses[0].relays)
    unit = EvseUnit(1, EvseDevices(pilot=board.evses[0].pilot, relays=wire))
    wire.cut = True
    with pytest.raises(OutputFailed, match=r"evse\[0\]\.wire: no answer \(wanted (closed|open)\)"):
        unit.write(outputs, clock.monotonic())


def test_a_lock_or_indicator_that_fails_does_not_stop_the_rest(board: Board, clock: ManualClock) -> None:
    devices = board.evses[0]
    lock, indicator = Wire(devices.lock), Wire(devices.indicator)
    unit = EvseUnit(1, EvseDevices(devices.pilot, devices.relays, lock=lock, indicator=indicator))
    lock.cut = indicator.cut = True
    unit.write(CLOSED, clock.monotonic())
    assert contacts(board, clock)


def test_trouble_is_told_when_it_begins_and_ends_and_at_most_each_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    device = Device[int]("evse[0].lock")

    def fail() -> int:
        raise DeviceSilent("evse[0].lock", "no answer")

    for tick in range(500):
        device.ask(fail, tick * 0.02)
    assert device.ask(lambda: 5, 10.0) == 5
    for tick in range(100):
        assert device.ask(fail if tick % 2 else lambda: 5, 10.0 + tick * 0.02) in (5, None)
    assert [record.getMessage() for record in caplog.records] == [
        "evse[0].lock: no answer",
        "evse[0].lock: works again after 500 failures",
        "evse[0].lock: no answer",
        "evse[0].lock: works again after 1 failures",
    ]


def test_a_meter_that_signs_opens_the_session_that_is_wanted(board: Board, clock: ManualClock) -> None:
    unit = EvseUnit(1, board.evses[0])
    (meter,) = [poller for poller in unit.pollers if poller.name.endswith(".meter")]
    sign_for = SignFor("tx-1", "04AABB")
    assert unit.read(clock.monotonic()).session == MeterSession()
    unit.write(msgspec.structs.replace(OPEN, sign_for=sign_for), clock.monotonic())
    meter.poll_once()
    session = unit.read(clock.monotonic()).session
    assert session is not None
    assert (session.sign_for, session.phase) == (sign_for, SigningPhase.BEGINNING)
