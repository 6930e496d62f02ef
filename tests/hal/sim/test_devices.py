from datetime import UTC, datetime

import pytest

from hal.interfaces import SigningMeter
from hal.sim.devices import (
    LONGEST_HOLD_S,
    SIGNING_S,
    MeterSettings,
    SimIndicator,
    SimLock,
    SimProximity,
    SimReader,
    SimResidual,
    SimThermometer,
)
from hal.sim.plant import LOCK_S
from hal.types import (
    Alarm,
    DeviceGarbled,
    DeviceMissing,
    DeviceSilent,
    DeviceSwapped,
    EvseFacts,
    HalError,
    Indication,
    PilotMode,
    SignedKind,
    SigningPhase,
    TokenKind,
)
from tests.hal.plants import World, charging


def test_a_duty_above_the_rating_is_refused_and_the_pilot_stays_as_it_was() -> None:
    world = World(EvseFacts(max_amps=16, phases=1))
    world.pilot.set(PilotMode.PWM, 26.66)
    with pytest.raises(HalError, match=r"evse\[0\].pilot: refused a duty"):
        world.pilot.set(PilotMode.PWM, 27.0)
    assert world.plant.state().evses[0].duty_percent == 26.66


def test_a_duty_counts_only_in_pwm_mode() -> None:
    world = World()
    world.pilot.set(PilotMode.STEADY_HIGH, 1e9)
    assert world.peaks() == (12, 12)


@pytest.mark.parametrize("for_s", [-0.1, LONGEST_HOLD_S + 0.1, float("nan"), float("inf")])
def test_a_lease_without_end_is_refused(for_s: float) -> None:
    world = World()
    with pytest.raises(HalError, match="refused to hold"):
        world.relays.hold(True, for_s)
    world.wait(0.1)
    assert world.closed() is False


def test_a_board_without_feedback_contact_says_so() -> None:
    world = World(EvseFacts(max_amps=32, phases=3, has_feedback=False))
    assert world.closed() is None


@pytest.mark.parametrize(
    "fault, kind",
    [
        ("stall_meter", DeviceSilent),
        ("garble_meter", DeviceGarbled),
        ("unplug_meter", DeviceMissing),
        ("delay_meter", DeviceSilent),
        ("misaddress_meter", DeviceGarbled),
        ("nan_meter", DeviceGarbled),
        ("refuse_meter", DeviceGarbled),
        ("swap_meter", DeviceSwapped),
    ],
)
def test_a_broken_meter_fails_in_its_own_way_and_recovers(fault: str, kind: type[HalError]) -> None:
    world = charging()
    world.evse.fault(fault)
    with pytest.raises(kind, match=r"evse\[0\].meter"):
        world.meter.read()
    world.evse.clear_fault(fault)
    assert world.amps()[0] > 31


def test_a_frozen_meter_answers_fresh_with_old_values() -> None:
    world = charging()
    before = world.meter.read()
    world.evse.fault("freeze_meter")
    world.charge(60, 20)
    frozen = world.meter.read()
    assert (frozen.energy_wh, frozen.amps, frozen.volts) == (before.energy_wh, before.amps, before.volts)
    assert frozen.at_mono == world.mono
    world.evse.clear_fault("freeze_meter")
    assert world.meter.read().energy_wh > before.energy_wh + 100


@pytest.mark.parametrize("amps", [None, 13, 20, 32, 63])
def test_the_proximity_contact_shows_the_class_of_the_cable(amps: float | None) -> None:
    world = World()
    proximity = SimProximity(world.evse, world.slot("proximity"))
    if amps is not None:
        world.evse.plug_in(amps)
    assert proximity.read().amps == amps


def test_the_lock_reports_where_it_is() -> None:
    world = World()
    lock = SimLock(world.evse, world.slot("lock"))
    lock.set(True)
    assert lock.read().locked is False
    world.wait(LOCK_S)
    assert lock.read().locked is True
    lock.set(True)
    world.wait(LOCK_S)
    assert lock.read().locked is True


def test_a_meter_that_restarts_counts_from_zero() -> None:
    world = charging()
    world.evse.fault("restart_meter")
    assert world.meter.read().energy_wh == 0
    world.charge(10)
    assert 0 < world.meter.read().energy_wh < 100
    world.evse.clear_fault("restart_meter")
    assert world.meter.read().energy_wh > 1_000_000


def test_a_meter_without_a_grid_has_no_frequency() -> None:
    world = World()
    world.evse.fault("grid_loss", 0)
    assert (world.meter.read().volts, world.meter.read().frequency_hz) == ((0, 0, 0), None)


@pytest.mark.parametrize("fault, tripped", [("trip_rcd", (True, False)), ("trip_rcd_dc", (False, True))])
def test_the_residual_monitor_tells_ac_from_dc(fault: str, tripped: tuple[bool, bool]) -> None:
    world = World()
    residual = SimResidual(world.evse, world.slot("residual"))
    assert (residual.read().tripped_ac, residual.read().tripped_dc) == (False, False)
    world.evse.fault(fault)
    assert (residual.read().tripped_ac, residual.read().tripped_dc) == tripped


def test_the_residual_monitor_passes_its_test_unless_it_is_broken() -> None:
    world = World()
    residual = SimResidual(world.evse, world.slot("residual"))
    assert residual.self_test() is True
    world.evse.fault("rcd_test_fails")
    assert residual.self_test() is False


@pytest.mark.parametrize("fault, role", [("stall_pilot", "pilot"), ("stall_rcd", "residual")])
def test_a_stalled_device_says_nothing_and_comes_back(fault: str, role: str) -> None:
    world = World()
    device = world.pilot if role == "pilot" else SimResidual(world.evse, world.slot("residual"))
    world.evse.fault(fault)
    with pytest.raises(DeviceSilent, match=rf"evse\[0\].{role}: no answer"):
        device.read()
    world.evse.clear_fault(fault)
    device.read()


@pytest.mark.parametrize(
    "fault, alarm",
    [
        ("no_ground", Alarm.NO_GROUND),
        ("controller_fault", Alarm.INTERNAL),
        ("miss_heartbeat", Alarm.HEARTBEAT_MISSED),
    ],
)
def test_what_the_controller_finds_by_itself_rides_on_the_pilot_reading(fault: str, alarm: Alarm) -> None:
    world = World()
    assert world.pilot.read().alarms == ()
    world.evse.fault(fault)
    assert world.pilot.read().alarms == (alarm,)


def test_the_thermometer_reads_the_enclosure() -> None:
    world = World()
    thermometer = SimThermometer(world.evse, world.slot("thermometer"))
    assert thermometer.read().celsius == 22
    world.evse.fault("over_temperature", 71)
    assert (thermometer.read().celsius, thermometer.read().at_mono) == (71, world.mono)


def test_the_indicator_shows_on_the_plant() -> None:
    world = World()
    SimIndicator(world.evse, world.slot("indicator")).show(Indication.FAULTED, 4)
    seen = world.plant.state().evses[0]
    assert (seen.indication, seen.blink_code) == (Indication.FAULTED, 4)


def test_a_token_is_read_once() -> None:
    world = World()
    reader = SimReader(world.evse, world.slot("reader"))
    assert reader.read() is None
    world.evse.present_token("04a1b2c3")
    token = reader.read()
    assert token is not None
    assert (token.uid, token.kind, token.at_mono) == ("04A1B2C3", TokenKind.ISO14443, world.mono)
    assert reader.read() is None


def test_a_frozen_reader_fails_and_keeps_what_was_presented() -> None:
    world = World()
    reader = SimReader(world.evse, world.slot("reader"))
    world.evse.fault("freeze_reader")
    world.evse.present_token("04A1B2C3")
    with pytest.raises(DeviceSilent, match="reader"):
        reader.read()
    world.evse.clear_fault("freeze_reader")
    assert reader.read() is not None


def test_a_simulated_meter_signs_a_session_at_its_end() -> None:
    world = World()
    meter, at = world.meter, datetime(2026, 1, 1, tzinfo=UTC)
    assert isinstance(meter, SigningMeter)
    meter.begin("04AABB", at)
    assert (meter.read().signed, meter.signing().phase) == (None, SigningPhase.BEGINNING)
    with pytest.raises(HalError, match="end it first"):
        meter.begin("another", at)
    world.wait(SIGNING_S)
    assert (meter.read().signed, meter.signing().phase) == (None, SigningPhase.ACTIVE)
    meter.end(at)
    world.wait(SIGNING_S)
    document = meter.read().signed
    assert document is not None
    assert document.startswith(b'OCMF|{"ID":"04AABB"')
    assert (meter.read().signed, meter.signing().phase) == (None, SigningPhase.IDLE)
    assert (meter.signed(SignedKind.BEGIN), meter.signed(SignedKind.END)) == (None, document)
    assert meter.public_key()


def test_whether_a_simulated_meter_signs_stands_in_the_board_file() -> None:
    plain = EvseFacts(max_amps=32, phases=3)
    assert not MeterSettings().amend(plain).signs
    assert MeterSettings(signs=True).amend(plain).signs
