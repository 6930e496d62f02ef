"""The charging core before a controller that closes and opens its contactor by itself while current is offered."""

import msgspec

from chargerd.evse.contactor import RECLOSE_S, SOFT_STOP_S
from hal.types import EvseFacts, PilotMode
from tests.chargerd.evse.rig import TICK_S, B, C, Rig, charging

AUTONOMOUS = EvseFacts(max_amps=32.0, phases=3, autonomous=True, pilot_stale_s=1.5)


def test_contacts_that_a_controller_closes_by_itself_are_no_contradiction_and_our_command_follows() -> None:
    rig = Rig(AUTONOMOUS)
    rig.high_volts = B
    rig.run(1.0)
    assert rig.mode() is PilotMode.PWM
    rig.high_volts, rig.feedback, rig.amps = C, True, (15.0,) * 3
    for _ in range(10):
        rig.tick()
        assert "feedback_contradicts" not in rig.status.why_not
    rig.run_until(rig.is_closed, 0.5)
    rig.run(30.0)
    assert rig.fault_codes == []


def test_after_the_offer_a_controller_has_the_time_of_the_soft_stop_to_open_by_itself() -> None:
    rig = charging(AUTONOMOUS)
    rig.feedback = True
    rig.permit = False
    rig.run_until(lambda: not rig.is_closed(), SOFT_STOP_S + 0.1)
    rig.amps = (0.0,)
    rig.run(SOFT_STOP_S - 0.2)
    assert "contactor_welded" not in rig.fault_codes
    assert "feedback_contradicts" not in rig.status.why_not
    rig.run(0.6)
    assert "contactor_welded" in rig.fault_codes


def test_current_that_flows_on_without_an_offer_is_current_while_open_behind_a_controller_too() -> None:
    rig = charging(AUTONOMOUS)
    rig.high_volts = B
    rig.run(0.2)
    assert not rig.is_closed()
    rig.permit = False
    rig.run(SOFT_STOP_S + 3.7)
    assert "current_while_open" not in rig.fault_codes
    rig.run(0.5)
    assert "current_while_open" in rig.fault_codes


def test_a_controller_that_closes_by_itself_is_offered_nothing_within_the_interval() -> None:
    rig = charging(AUTONOMOUS)
    rig.high_volts = B
    rig.amps = (0.0,)
    rig.run_until(lambda: not rig.is_closed(), 0.1)
    rig.tick()
    assert rig.mode() is PilotMode.STEADY_HIGH
    assert rig.run_until(lambda: rig.mode() is PilotMode.PWM, 6.0) >= RECLOSE_S - 3 * TICK_S


def test_a_pilot_that_reports_slowly_stands_as_long_as_the_board_says() -> None:
    rig = charging(AUTONOMOUS)
    rig.pilot_speaks = False
    rig.run(1.48)
    assert rig.is_closed()
    rig.run_until(lambda: not rig.is_closed(), 0.06)


def test_contacts_welded_before_the_first_offer_are_found_behind_a_controller_too() -> None:
    rig = Rig(AUTONOMOUS)
    rig.feedback = True
    rig.run(SOFT_STOP_S + 0.5)
    assert rig.fault_codes == ["contactor_welded"]


def test_contactor_and_residual_monitor_of_a_controller_are_believed_as_long_as_its_pilot() -> None:
    rig = charging(msgspec.structs.replace(AUTONOMOUS, has_residual=True))
    rig.board_lags_s = AUTONOMOUS.pilot_stale_s - 0.1
    rig.tick()
    assert not rig.status.why_not
    rig.board_lags_s = AUTONOMOUS.pilot_stale_s + 0.1
    rig.tick()
    assert rig.status.why_not == ("feedback_missing", "residual_missing")
