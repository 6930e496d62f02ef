"""What cannot be becomes a fault: each cause, how long it has to last, and what ends it."""

import math
from typing import Any

import msgspec
import pytest

from chargerd.evse.faults import ALARMS, FaultCode
from chargerd.evse.metering import OPEN_CURRENT_S
from chargerd.evse.situation import Situation
from chargerd.evse.supervision import (
    AUTONOMOUS_CLOSE_S,
    CABLE_S,
    FEEDBACK_S,
    FOLLOW_S,
    HISTORY_LENGTH,
    INSERTION_S,
    LOCK_S,
    OUTPUT_VOLTAGE_S,
    OVERDRAW_S,
    OVERDRAW_WARNING_S,
    PHASES_S,
    PILOT_LEVEL_S,
    PILOT_SILENT_S,
    SILENT_S,
    SignalHistory,
    Supervision,
    allowed_amps,
)
from chargerd.evse.types import PilotState
from hal.types import Alarm, DeratePoint, EvseFacts, InputName, MeterSample
from tests.chargerd.evse.rig import WHOLE

FACTS = msgspec.structs.replace(WHOLE, derating=(DeratePoint(55.0, 80.0), DeratePoint(65.0, 0.0)))
CALM = Situation(
    facts=FACTS,
    now_mono=0.0,
    pilot_state=PilotState.C,
    pilot_missing=False,
    pilot_settled=True,
    pilot_volts=(6.0, -12.0),
    connected=True,
    diode_proven=True,
    relay_commanded=True,
    open_since_mono=math.inf,
    offered_amps=16.0,
    feedback=True,
    meter=MeterSample(0.0, 0.0, 0.0, (15.0,), (230.0,)),
    residual_ready=True,
    celsius=20.0,
    plug_celsius=20.0,
    inputs=(),
    cable_amps=20.0,
    lock_confirmed=True,
)
IDLE: dict[str, Any] = {
    "relay_commanded": False,
    "open_since_mono": -math.inf,
    "feedback": False,
    "offered_amps": 0.0,
}
UNPLUGGED: dict[str, Any] = {**IDLE, "pilot_state": PilotState.A, "connected": False}


class Watched:
    """A supervision that is shown one situation after the other, on its own clock."""

    def __init__(self) -> None:
        self.supervision = Supervision()
        self.mono = 1000.0

    def show(self, seconds: float = 0.0, amps: float = 0.0, **changes: Any) -> list[str]:
        """The fault codes after showing CALM with `changes` `seconds` later."""
        self.mono += seconds
        sample = MeterSample(self.mono, 0.0, 0.0, (amps,), (230.0,))
        situation = msgspec.structs.replace(CALM, **{"meter": sample, **changes}, now_mono=self.mono)
        return [active.code for active in self.supervision.update(situation)]


def test_calm_has_no_fault() -> None:
    watched = Watched()
    for _ in range(100):
        assert watched.show(0.1, amps=16.0) == []


@pytest.mark.parametrize(
    "code, lasting_s, cause",
    [
        (FaultCode.PILOT_SILENT, PILOT_SILENT_S, {"pilot_missing": True, "pilot_state": PilotState.UNKNOWN}),
        (FaultCode.PILOT_SHORT, PILOT_LEVEL_S, {"pilot_state": PilotState.E}),
        (FaultCode.PILOT_LEVEL, PILOT_LEVEL_S, {"pilot_state": PilotState.F}),
        (FaultCode.PILOT_LEVEL, PILOT_LEVEL_S, {"pilot_state": PilotState.UNKNOWN}),
        (FaultCode.VENTILATION, 0.0, {"pilot_state": PilotState.D}),
        (FaultCode.DIODE, 0.0, {"diode_wrong": True}),
        (FaultCode.CONTACTOR_NO_CLOSE, FEEDBACK_S, {"feedback": False}),
        (FaultCode.CONTACTOR_NO_CLOSE, FEEDBACK_S, {"feedback": None}),
        (FaultCode.CONTACTOR_WELDED, FEEDBACK_S, {**IDLE, "feedback": True}),
        (FaultCode.CURRENT_WHILE_OPEN, OPEN_CURRENT_S, {**IDLE, "amps": 1.01}),
        (FaultCode.CURRENT_WHILE_OPEN, OPEN_CURRENT_S, {**IDLE, "amps": -1.01}),
        (FaultCode.EV_OVERDRAW, OVERDRAW_S, {"amps": allowed_amps(16.0) + 0.01}),
        (FaultCode.EV_OVERDRAW_WARNING, OVERDRAW_WARNING_S, {"amps": allowed_amps(16.0) + 0.01}),
        (FaultCode.EV_DOES_NOT_STOP, 0.0, {**IDLE, "cut_off": True}),
        (FaultCode.OUTPUT_VOLTAGE, OUTPUT_VOLTAGE_S, {**IDLE, "inputs": (InputName.OUTPUT_VOLTAGE,)}),
        (FaultCode.RESIDUAL_AC, 0.0, {"residual_ac": True}),
        (FaultCode.RESIDUAL_DC, 0.0, {"residual_dc": True}),
        (FaultCode.RESIDUAL_DC_AGAIN, 0.0, {"residual_dc_again": True}),
        (FaultCode.RESIDUAL_TEST, 0.0, {**IDLE, "test_failed": True}),
        (FaultCode.EMERGENCY_STOP, 0.0, {"inputs": (InputName.EMERGENCY_STOP,)}),
        (FaultCode.ENCLOSURE_OPEN, 0.0, {"inputs": (InputName.BUTTON, InputName.ENCLOSURE)}),
        (FaultCode.CABLE_CUT, 0.0, {"inputs": (InputName.CABLE_CUT,)}),
        (FaultCode.POWER_LOSS, 0.0, {"inputs": (InputName.POWER_FAIL,)}),
        (FaultCode.DERATING, 0.0, {"celsius": 61.01}),
        (FaultCode.OVER_TEMPERATURE, 0.0, {"celsius": 65.0}),
        (FaultCode.PLUG_DERATING, 0.0, {"plug_celsius": 72.01}),
        (FaultCode.PLUG_OVER_TEMPERATURE, 0.0, {"plug_celsius": 80.0}),
        (FaultCode.METER_SILENT, 0.0, {"meter": None, "meter_silent": True}),
        (FaultCode.METER_FROZEN, 0.0, {"meter": None, "meter_frozen": True}),
        (FaultCode.METER_IMPLAUSIBLE, 0.0, {"meter": None, "meter_implausible": "9 W beside 99 VA"}),
        (FaultCode.METER_SWAPPED, 0.0, {"meter": None, "meter_swapped": "2 answers where 1 was"}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"residual_silent": True}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"celsius": None}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"plug_celsius": None}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"inputs": None}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"lock_silent": True}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"cable_silent": True}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {**IDLE, "feedback": None}),
        (FaultCode.PARTIAL_INSERTION, INSERTION_S, {"cable_absent": True, "cable_amps": None}),
        (FaultCode.CABLE_INVALID, CABLE_S, {"cable_invalid": True, "cable_amps": None}),
        (FaultCode.CABLE_CHANGED, CABLE_S, {"cable_changed": True}),
        (FaultCode.LOCK_FAILURE, LOCK_S, {"lock_off_course": True}),
        (FaultCode.LATCH_BROKEN, 0.0, {"lock_broken": True}),
        (FaultCode.PHASE_SWITCH, PHASES_S, {"phases_off_course": True}),
        (FaultCode.DEVICE_SILENT, SILENT_S, {"phases_silent": True}),
        (FaultCode.EV_NOT_CHARGING, 0.0, {"not_charging": True}),
    ],
)
def test_a_cause_becomes_a_fault_when_it_has_lasted_and_not_before(
    code: FaultCode, lasting_s: float, cause: dict[str, Any]
) -> None:
    watched = Watched()
    if lasting_s > 0:
        assert watched.show(**cause) == []
        assert code not in watched.show(lasting_s - 0.01, **cause)
    assert code in watched.show(0.011, **cause)


def test_the_figures_are_those_that_the_rules_name() -> None:
    assert (FEEDBACK_S, AUTONOMOUS_CLOSE_S, OUTPUT_VOLTAGE_S) == (0.25, 3.0, 2.0)
    assert (FOLLOW_S, OVERDRAW_WARNING_S, OVERDRAW_S) == (5.0, 3.5, 7.0)
    assert (PILOT_LEVEL_S, PILOT_SILENT_S, SILENT_S) == (0.1, 1.0, 5.0)
    assert (CABLE_S, INSERTION_S, LOCK_S) == (0.5, 1.0, 3.0)


def test_a_cause_that_pauses_starts_again() -> None:
    watched = Watched()
    for _ in range(10):
        assert watched.show(0.2, feedback=False) == []
        assert watched.show(0.2, feedback=True) == []


@pytest.mark.parametrize(
    "code, cause",
    [
        (FaultCode.DIODE, {"diode_wrong": True}),
        (FaultCode.VENTILATION, {"pilot_state": PilotState.D}),
        (FaultCode.RESIDUAL_AC, {"residual_ac": True}),
        (FaultCode.CABLE_CHANGED, {"cable_changed": True}),
        (FaultCode.CONTACTOR_NO_CLOSE, {"feedback": False}),
        (FaultCode.PHASE_SWITCH, {"phases_off_course": True}),
    ],
)
def test_a_latched_fault_outlives_its_cause_until_unplugged(code: FaultCode, cause: dict[str, Any]) -> None:
    watched = Watched()
    watched.show(**cause)
    assert watched.show(1.0, **cause) == [code]
    for _ in range(3):
        assert watched.show(100.0, **IDLE) == [code]
    # A vehicle has gone when the pilot shows A and has for a while: neither alone is enough.
    assert watched.show(0.1, **{**UNPLUGGED, "connected": True}) == [code]
    assert watched.show(0.1, **{**UNPLUGGED, "pilot_state": PilotState.B}) == [code]
    assert watched.show(0.1, **UNPLUGGED) == []


def test_a_weld_is_not_forgotten_while_it_is_seen_even_unplugged() -> None:
    watched = Watched()
    welded = {**UNPLUGGED, "feedback": True}
    watched.show(**welded)
    assert watched.show(1.0, **welded) == ["contactor_welded"]
    assert watched.show(100.0, **welded) == ["contactor_welded"]
    assert watched.show(0.1, **UNPLUGGED) == []


@pytest.mark.parametrize("state", [PilotState.E, PilotState.UNKNOWN])
def test_a_passing_fault_ends_with_its_cause(state: PilotState) -> None:
    watched = Watched()
    watched.show(pilot_state=state)
    assert watched.show(1.0, pilot_state=state)
    assert watched.show(0.1) == []


def test_a_fault_keeps_its_beginning_and_values() -> None:
    watched = Watched()
    watched.show(diode_wrong=True, pilot_volts=(9.0, -9.0))
    began = watched.mono
    watched.show(50.0, diode_wrong=True, pilot_volts=(8.5, -8.5))
    (fault,) = watched.supervision.faults
    assert fault.since_mono == began
    assert fault.detail == "high 9.0 V, low -9.0 V"


@pytest.mark.parametrize(
    "cause, detail",
    [
        ({"amps": 20.0}, "20.0 A of 16.0 A offered"),
        ({"alarms": (Alarm.OVER_CURRENT,), "meter": None}, ""),
        ({**IDLE, "amps": 3.0}, "3.0 A of 0.0 A offered"),
        ({"celsius": 70.0}, "70.0 C"),
        ({"alarms": (Alarm.OVER_TEMPERATURE,), "celsius": None}, ""),
        ({"plug_celsius": 75.0}, "75.0 C"),
        ({"meter": MeterSample(0.0, 0.0, 0.0, (9.0,), (300.0,))}, "300 V, 9.0 A"),
        ({"inputs": (InputName.POWER_FAIL,), "meter": None}, ""),
        ({"meter": None, "meter_implausible": "9 W beside 99 VA"}, "9 W beside 99 VA"),
        ({"meter": None, "meter_swapped": "2 answers where 1 was"}, "2 answers where 1 was"),
        ({**IDLE, "feedback": None}, "contactor feedback"),
        ({"plug_celsius": None, "inputs": None}, "plug thermometer, input lines"),
        ({"lock_silent": True, "cable_silent": True}, "lock, proximity"),
        ({"cable_changed": True}, "now 20.0 A"),
        ({"residual_silent": True, "celsius": None}, "residual current monitor, thermometer"),
        ({"pilot_state": PilotState.E, "pilot_volts": (0.1, -0.1)}, "high 0.1 V, low -0.1 V"),
        ({"meter": None, "meter_silent": True}, ""),
        ({"phases_off_course": True, "phases": 1}, "1 connected"),
        ({"phases_silent": True}, "phase contactor"),
        ({"not_charging": True}, ""),
    ],
)
def test_each_fault_tells_the_values_behind_it(cause: dict[str, Any], detail: str) -> None:
    watched = Watched()
    watched.show(**cause)
    watched.show(10.0, **cause)
    assert watched.supervision.faults[0].detail == detail


def test_a_level_not_settled_yet_is_no_fault() -> None:
    watched = Watched()
    for _ in range(10):
        assert watched.show(0.1, pilot_state=PilotState.UNKNOWN, pilot_settled=False) == []


def test_state_D_is_no_fault_where_there_is_ventilation() -> None:
    ventilated = msgspec.structs.replace(FACTS, ventilated=True)
    assert Watched().show(1.0, pilot_state=PilotState.D, facts=ventilated) == []


def test_a_device_that_is_not_fitted_is_not_missed() -> None:
    bare = EvseFacts(max_amps=16.0, phases=1, has_feedback=False, has_meter=False)
    watched = Watched()
    for _ in range(20):
        found = watched.show(
            1.0,
            facts=bare,
            feedback=None,
            meter=None,
            meter_silent=True,
            residual_silent=True,
            celsius=None,
            plug_celsius=None,
            inputs=None,
            lock_silent=True,
            cable_silent=True,
        )
        assert found == []


def test_current_just_after_opening_is_the_meters_averaging() -> None:
    watched = Watched()
    opened: dict[str, Any] = {**IDLE, "open_since_mono": watched.mono}
    for _ in range(19):
        assert watched.show(0.1, amps=16.0, **opened) == []
    for _ in range(19):
        assert watched.show(0.1, amps=16.0, **opened) == []
    assert watched.show(0.3, amps=16.0, **opened) == ["current_while_open"]


def test_a_sample_taken_2_seconds_after_opening_counts() -> None:
    watched = Watched()
    opened: dict[str, Any] = {**IDLE, "open_since_mono": watched.mono - OPEN_CURRENT_S}
    sample = MeterSample(watched.mono, 0.0, 0.0, (16.0,), (230.0,))
    watched.show(meter=sample, **opened)
    assert watched.show(OPEN_CURRENT_S, meter=sample, **opened) == ["current_while_open"]


@pytest.mark.parametrize("amps", [0.0, 1.0, -1.0])
def test_up_to_1_ampere_an_open_contactor_is_open(amps: float) -> None:
    watched = Watched()
    for _ in range(100):
        assert watched.show(0.1, amps=amps, **IDLE) == []


def test_too_hot_begins_at_the_last_corner_of_the_curve_and_ends_10_kelvin_below() -> None:
    watched = Watched()
    assert watched.show(celsius=64.9) == ["derating"]
    assert watched.show(celsius=65.0) == ["over_temperature"]
    assert watched.show(celsius=55.0) == ["over_temperature"]
    assert watched.show(celsius=54.9) == []
    assert watched.show(celsius=60.0) == []
    assert watched.show(plug_celsius=80.0) == ["plug_over_temperature"]
    assert watched.show(plug_celsius=70.0) == ["plug_over_temperature"]
    assert watched.show(plug_celsius=69.9) == []


def test_each_thermometer_is_judged_whether_the_other_is_there_or_not() -> None:
    facts = msgspec.structs.replace(FACTS, has_thermometer=False)
    assert Watched().show(facts=facts, celsius=None, plug_celsius=80.0) == ["plug_over_temperature"]


def test_only_the_last_of_many_corners_is_too_hot() -> None:
    corners = (DeratePoint(40.0, 32.0), DeratePoint(50.0, 20.0), DeratePoint(60.0, 10.0), DeratePoint(70.0, 0.0))
    watched, facts = Watched(), msgspec.structs.replace(FACTS, derating=corners)
    assert watched.show(facts=facts, celsius=69.9) == ["derating"]
    assert watched.show(facts=facts, celsius=70.0) == ["over_temperature"]


def test_a_temperature_that_costs_current_is_told_and_forgotten_1_kelvin_below() -> None:
    watched = Watched()
    assert watched.show(celsius=61.0) == []  # leaves 32 A, the rating of the board
    assert watched.show(celsius=61.1) == ["derating"]
    assert watched.show(celsius=60.1) == ["derating"]
    assert watched.show(celsius=59.9) == []


@pytest.mark.parametrize("alarm", [alarm for alarm in Alarm if alarm not in (Alarm.RESIDUAL_AC, Alarm.RESIDUAL_DC)])
def test_an_alarm_of_the_controller_is_the_fault_that_fits_it_at_once(alarm: Alarm) -> None:
    watched = Watched()
    assert watched.show(alarms=(alarm,)) == [ALARMS[alarm]]
    watched.show(0.1, **UNPLUGGED)
    assert watched.show(0.1) == []


@pytest.mark.parametrize("alarm", [Alarm.RESIDUAL_AC, Alarm.RESIDUAL_DC])
def test_a_residual_alarm_is_left_to_the_residual_watch(alarm: Alarm) -> None:
    assert Watched().show(alarms=(alarm,)) == []


def test_a_cause_seen_twice_lasts_as_long_as_the_surer_of_the_two_needs() -> None:
    watched = Watched()
    assert watched.show(feedback=False, alarms=(Alarm.CONTACTOR_NO_CLOSE,)) == ["contactor_no_close"]


def test_a_button_is_no_fault() -> None:
    assert Watched().show(10.0, inputs=(InputName.BUTTON,)) == []


def test_voltage_behind_a_contactor_that_may_be_closed_or_is_seen_closed_is_not_voltage_behind_an_open_one() -> None:
    watched = Watched()
    voltage: dict[str, Any] = {"inputs": (InputName.OUTPUT_VOLTAGE,)}
    for _ in range(5):
        assert watched.show(1.0, **voltage) == []
    for _ in range(5):
        assert watched.show(1.0, **{**IDLE, **voltage, "feedback": True}) in ([], ["contactor_welded"])


def test_a_vehicle_that_was_cut_off_and_has_gone_is_not_named_any_more() -> None:
    watched = Watched()
    assert watched.show(**IDLE, cut_off=True) == ["ev_does_not_stop"]
    assert watched.show(0.1, **UNPLUGGED, cut_off=True) == []


def test_what_was_seen_before_the_loop_stood_still_need_not_have_lasted_through_it() -> None:
    watched = Watched()
    watched.show(feedback=False)
    assert watched.show(5.0, feedback=False, stood_still=True) == []
    assert watched.show(FEEDBACK_S, feedback=False) == ["contactor_no_close"]


# ---- A controller that closes by itself ----------------------------------------------------------------------------

AUTONOMOUS: dict[str, Any] = {"facts": msgspec.structs.replace(FACTS, autonomous=True)}


def test_a_controller_that_closes_by_itself_has_3_seconds_for_it() -> None:
    watched = Watched()
    watched.show(feedback=False, **AUTONOMOUS)
    assert watched.show(AUTONOMOUS_CLOSE_S - 0.01, feedback=False, **AUTONOMOUS) == []
    assert watched.show(0.02, feedback=False, **AUTONOMOUS) == ["contactor_no_close"]


def test_contacts_that_may_be_closed_are_no_weld_and_their_current_is_held_to_the_offer() -> None:
    watched = Watched()
    by_itself: dict[str, Any] = {"relay_commanded": False, **AUTONOMOUS}
    for _ in range(50):
        assert watched.show(0.2, amps=15.0, **by_itself) == []
    codes: list[str] = []
    for _ in range(40):
        codes = watched.show(0.2, amps=20.0, **by_itself)
    assert codes == ["ev_overdraw_warning", "ev_overdraw"]


def test_contacts_that_had_to_open_and_did_not_are_welded_whoever_closed_them() -> None:
    watched = Watched()
    closed = {**IDLE, **AUTONOMOUS, "feedback": True, "open_since_mono": watched.mono + 1.0}
    assert watched.show(0.9, amps=16.0, **closed) == []
    watched.show(0.1, amps=16.0, **closed)
    assert watched.show(FEEDBACK_S, amps=16.0, **closed) == ["contactor_welded"]


# ---- Over-current against what is signalled ------------------------------------------------------------------------


def test_110_percent_and_half_an_ampere_are_allowed() -> None:
    assert allowed_amps(16.0) == pytest.approx(18.1)
    assert allowed_amps(0.0) == 0.5
    watched = Watched()
    for _ in range(100):
        assert watched.show(0.2, amps=allowed_amps(16.0)) == []


def test_overdraw_interrupted_within_7_seconds_is_tolerated() -> None:
    watched = Watched()
    for _ in range(10):
        watched.show(0.1, amps=25.0)
        assert watched.show(6.8, amps=25.0) == ["ev_overdraw_warning"]
        assert watched.show(0.1, amps=15.0) == []


def test_overdraw_by_any_one_phase_counts() -> None:
    watched = Watched()
    for _ in range(71):
        sample = MeterSample(watched.mono, 0.0, 0.0, (15.0, 15.0, 19.0), (230.0,) * 3)
        codes = watched.show(0.1, meter=sample)
    assert codes == ["ev_overdraw_warning", "ev_overdraw"]


def test_before_it_is_stopped_a_vehicle_that_takes_too_much_is_warned_of() -> None:
    watched = Watched()
    for _ in range(35):
        assert watched.show(0.1, amps=25.0) == []
    for _ in range(34):
        codes = watched.show(0.1, amps=25.0)
        assert codes == ["ev_overdraw_warning"]
    assert watched.show(0.1, amps=15.0) == []


def test_a_vehicle_that_is_signalled_less_for_taking_too_much_is_judged_by_what_it_may_take_otherwise() -> None:
    watched = Watched()
    for _ in range(200):
        assert watched.show(0.1, amps=16.0, offered_amps=12.0, unreduced_amps=16.0) == []
    codes: list[str] = []
    for _ in range(80):
        codes = watched.show(0.1, amps=19.0, offered_amps=12.0, unreduced_amps=16.0)
    assert codes == ["ev_overdraw_warning", "ev_overdraw"]


def test_without_an_offer_nothing_may_be_taken_whatever_it_was_before() -> None:
    watched = Watched()
    codes: list[str] = []
    for _ in range(150):
        codes = watched.show(0.1, amps=10.0, offered_amps=0.0, unreduced_amps=16.0)
    assert codes == ["ev_overdraw_warning", "ev_overdraw"]


def test_a_vehicle_has_time_to_follow_a_lowered_limit() -> None:
    watched = Watched()
    for _ in range(50):
        watched.show(0.1, amps=16.0)
    for _ in range(49):
        assert watched.show(0.1, amps=16.0, offered_amps=6.0) == []
    for _ in range(2):
        watched.show(0.1, amps=16.0, offered_amps=6.0)
    for _ in range(17):
        assert watched.show(0.1, amps=16.0, offered_amps=6.0) == ["ev_overdraw_warning"]
    for _ in range(5):
        codes = watched.show(0.1, amps=16.0, offered_amps=6.0)
    assert codes == ["ev_overdraw_warning", "ev_overdraw"]


def test_a_vehicle_following_one_lowered_limit_is_not_blamed_for_the_next() -> None:
    watched = Watched()
    watched.show(0.1, amps=32.0, offered_amps=32.0)
    for _ in range(40):
        watched.show(0.1, amps=20.0, offered_amps=16.0)
    for _ in range(60):
        assert "ev_overdraw" not in watched.show(0.1, amps=16.0, offered_amps=10.0)
    for _ in range(40):
        assert watched.show(0.1, amps=10.0, offered_amps=10.0) == []


def test_a_limit_that_flaps_does_not_hide_a_vehicle_that_never_obeys() -> None:
    watched = Watched()
    codes: list[str] = []
    for count in range(200):
        codes = watched.show(0.1, amps=20.0, offered_amps=10.0 if count % 20 < 10 else 9.9)
    assert codes == ["ev_overdraw_warning", "ev_overdraw"]


def test_the_history_of_signals_keeps_the_highest_of_its_span_in_bounded_memory() -> None:
    history = SignalHistory(7.0)
    for count in range(1000):
        history.note(1000.0 - count, count * 0.001)
    assert history.highest_amps() == 1000.0
    history.note(1.0, 5.0)
    assert history.highest_amps() == 1000.0
    history.note(1.0, 100.0)
    assert history.highest_amps() == 1.0
    history.note(3.0, 101.0)
    assert history.highest_amps() == 3.0
    history.note(2.0, 102.0)
    assert history.highest_amps() == 3.0
    history.note(4.0, 103.0)
    assert history.highest_amps() == 4.0
    history.note(0.0, 104.0)
    assert history.highest_amps() == 4.0
    assert math.isfinite(history.highest_amps())


def test_a_history_that_is_full_forgets_the_latest_step_and_is_the_stricter_for_it() -> None:
    history = SignalHistory(7.0)
    for count in range(HISTORY_LENGTH + 2):
        history.note(1000.0 - count, count * 0.1)
    after_s = 7.0 + (HISTORY_LENGTH + 0.5) * 0.1  # the step that came last would still count, none before it does
    history.note(1000.0 - HISTORY_LENGTH - 1, after_s)
    assert history.highest_amps() == 1000.0 - HISTORY_LENGTH - 1


def test_a_new_history_knows_no_signal_and_a_step_down_stands_for_its_span_and_no_longer() -> None:
    history = SignalHistory(7.0)
    assert history.highest_amps() == 0.0
    history.note(16.0, 0.0)
    history.note(10.0, 1.0)
    history.note(10.0, 7.9)
    assert history.highest_amps() == 16.0
    history.note(10.0, 8.0)
    assert history.highest_amps() == 10.0
