"""Every reason why no energy may flow, one by one and together."""

import math
from typing import Any

import msgspec
import pytest

from chargerd.evse.faults import TABLE, Fault, Severity, raised
from chargerd.evse.guard import Reason, has_fault, may_offer, must_open_now, reason_text, valid_orders, why_not
from chargerd.evse.situation import Situation
from chargerd.evse.types import ORDERS_LEASE_S, ActiveFault, EvseOrders, MeterSession, Orders, PilotState, SignFor
from chargerd.limits import Limit
from hal.types import EvseFacts, InputName, MeterSample, SigningPhase

NOW = 1000.0
ALL = EvseFacts(
    max_amps=32.0,
    phases=3,
    has_feedback=True,
    has_meter=True,
    has_proximity=True,
    has_lock=True,
    has_residual=True,
    has_thermometer=True,
    has_plug_thermometer=True,
    inputs=(InputName.EMERGENCY_STOP,),
)
GOOD = Situation(
    facts=ALL,
    now_mono=NOW,
    pilot_state=PilotState.C,
    pilot_missing=False,
    pilot_settled=True,
    connected=True,
    diode_proven=True,
    feedback=False,
    meter=MeterSample(NOW, 0.0, 0.0, (0.0,), (230.0,)),
    residual_ready=True,
    celsius=20.0,
    plug_celsius=20.0,
    inputs=(),
    cable_amps=20.0,
    lock_confirmed=True,
)
PERMITTED = EvseOrders(permit=True)
SIXTEEN = Limit("csms", 16.0)


def reasons(
    orders: EvseOrders | None = PERMITTED,
    limit: Limit = SIXTEEN,
    faults: tuple[ActiveFault, ...] = (),
    **changes: Any,
) -> tuple[str, ...]:
    return why_not(msgspec.structs.replace(GOOD, **changes), orders, limit, faults)


def facts(**changes: Any) -> EvseFacts:
    return msgspec.structs.replace(ALL, **changes)


def test_with_everything_in_order_there_is_no_reason() -> None:
    assert reasons() == ()


# ---- Orders and limits ---------------------------------------------------------------------------------------------


def test_without_orders_there_is_no_energy() -> None:
    assert reasons(orders=None) == (Reason.NO_ORDERS,)


def test_without_a_permit_there_is_no_energy() -> None:
    assert reasons(orders=EvseOrders(permit=False)) == (Reason.NOT_PERMITTED,)


def test_out_of_service_there_is_no_energy() -> None:
    assert reasons(orders=EvseOrders(permit=True, available=False)) == (Reason.UNAVAILABLE,)


def test_a_meter_that_signs_has_to_have_opened_the_session_first() -> None:
    signing, wanted = facts(signs=True), EvseOrders(permit=True, sign_for=SignFor("tx-1", "04AABB"))
    session = MeterSession(sign_for=wanted.sign_for, phase=SigningPhase.ACTIVE)
    assert reasons(wanted, facts=signing, session=session) == ()
    assert reasons(wanted, facts=signing) == (Reason.METER_NOT_SIGNING,)
    assert reasons(wanted) == ()  # a meter that does not sign is not waited for


@pytest.mark.parametrize("amps", [5.99, 0.0, -1.0, math.nan])
def test_table_A_8_below_6_ampere_there_is_no_energy_and_the_limits_owner_is_named(amps: float) -> None:
    assert reasons(limit=Limit("site", amps)) == ("limit:site",)


def test_6_ampere_are_enough() -> None:
    assert reasons(limit=Limit("site", 6.0)) == ()


# ---- Pilot ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state, reason",
    [
        (PilotState.A, Reason.NOT_CONNECTED),
        (PilotState.B, Reason.EV_NOT_READY),
        (PilotState.D, Reason.NO_VENTILATION),
        (PilotState.E, Reason.PILOT_INVALID),
        (PilotState.F, Reason.PILOT_INVALID),
        (PilotState.UNKNOWN, Reason.PILOT_INVALID),
    ],
)
def test_table_A_4_only_state_C_lets_energy_flow(state: PilotState, reason: Reason) -> None:
    assert reasons(pilot_state=state) == (reason,)


def test_state_D_lets_energy_flow_where_there_is_ventilation() -> None:
    assert reasons(pilot_state=PilotState.D, facts=facts(ventilated=True)) == ()


def test_a_missing_pilot_lets_no_energy_flow() -> None:
    assert reasons(pilot_missing=True, pilot_state=PilotState.UNKNOWN) == (Reason.PILOT_MISSING,)


def test_an_unproven_diode_lets_no_energy_flow() -> None:
    assert reasons(diode_proven=False) == (Reason.DIODE_NOT_PROVEN,)


def test_without_a_vehicle_no_diode_is_asked_for() -> None:
    assert reasons(pilot_state=PilotState.A, connected=False, diode_proven=False) == (Reason.NOT_CONNECTED,)


def test_an_odd_sample_prevents_closing_but_does_not_open() -> None:
    assert reasons(pilot_settled=False) == (Reason.PILOT_UNSETTLED,)
    assert reasons(pilot_settled=False, relay_commanded=True, feedback=True) == ()


# ---- Contactor -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("commanded", [False, True])
def test_missing_feedback_lets_no_energy_flow(commanded: bool) -> None:
    assert reasons(feedback=None, relay_commanded=commanded) == (Reason.FEEDBACK_MISSING,)


def test_a_board_without_feedback_is_not_asked_for_it() -> None:
    assert reasons(feedback=None, facts=facts(has_feedback=False)) == ()


def test_feedback_that_contradicts_the_command_prevents_closing() -> None:
    assert reasons(feedback=True) == (Reason.FEEDBACK_CONTRADICTS,)
    assert reasons(feedback=True, relay_commanded=True) == ()


def test_the_contactor_stays_open_until_its_interval_is_over() -> None:
    assert reasons(reclose_mono=NOW + 0.01) == (Reason.RECLOSE_INTERVAL,)
    assert reasons(reclose_mono=NOW) == ()
    assert reasons(reclose_mono=NOW + 0.01, relay_commanded=True, feedback=True) == ()


def test_feedback_is_no_contradiction_while_the_contactor_may_be_closed_by_another() -> None:
    assert reasons(feedback=True, open_since_mono=math.inf) == ()
    assert reasons(feedback=True, open_since_mono=NOW + 0.01) == ()
    assert reasons(feedback=True, open_since_mono=NOW) == (Reason.FEEDBACK_CONTRADICTS,)


def test_a_loop_that_stood_still_opens_a_closed_contactor_and_is_no_reason_for_an_open_one() -> None:
    assert reasons(stood_still=True, relay_commanded=True, feedback=True) == (Reason.STOOD_STILL,)
    assert reasons(stood_still=True) == ()


# ---- Devices -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, fitted, reason",
    [
        ({"meter": None}, "has_meter", Reason.METER_MISSING),
        ({"residual_silent": True}, "has_residual", Reason.RESIDUAL_MISSING),
        ({"residual_ready": False}, "has_residual", Reason.RESIDUAL_UNTESTED),
        ({"cable_amps": None}, "has_proximity", Reason.CABLE_UNKNOWN),
        ({"lock_confirmed": False}, "has_lock", Reason.LOCK_NOT_CONFIRMED),
        ({"celsius": None}, "has_thermometer", Reason.TEMPERATURE_MISSING),
        ({"plug_celsius": None}, "has_plug_thermometer", Reason.TEMPERATURE_MISSING),
    ],
)
def test_a_fitted_device_that_is_missing_lets_no_energy_flow(
    change: dict[str, Any], fitted: str, reason: Reason
) -> None:
    assert reasons(**change) == (reason,)
    assert reasons(**change, facts=facts(**{fitted: False})) == ()


def test_input_lines_that_are_missing_let_no_energy_flow() -> None:
    assert reasons(inputs=None) == (Reason.INPUTS_MISSING,)
    assert reasons(inputs=None, facts=facts(inputs=())) == ()


def test_two_temperatures_missing_are_one_reason() -> None:
    assert reasons(celsius=None, plug_celsius=None) == (Reason.TEMPERATURE_MISSING,)


def test_a_tripped_residual_monitor_lets_no_energy_flow_not_even_during_its_test() -> None:
    assert reasons(residual_tripped=True) == (Reason.RESIDUAL_TRIPPED,)


def test_phases_that_cannot_be_read_or_are_being_changed_let_no_energy_flow() -> None:
    assert reasons(phases_silent=True) == (Reason.PHASES_MISSING,)
    assert reasons(phase_switching=True) == (Reason.PHASE_SWITCHING,)
    assert reasons(phase_switching=True, phases_off_course=True) == (Reason.PHASE_SWITCHING,)


def test_nothing_closes_on_phases_that_are_not_where_they_should_be_and_a_blink_under_load_does_not_open() -> None:
    assert reasons(phases_off_course=True) == (Reason.PHASE_SWITCHING,)
    assert reasons(phases_off_course=True, relay_commanded=True, open_since_mono=math.inf, feedback=True) == ()


def test_a_vehicle_that_is_being_woken_gets_no_energy() -> None:
    assert reasons(waking=True) == (Reason.WAKING,)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_each_fault_but_a_warning_lets_no_energy_flow_and_is_named(row: Fault) -> None:
    expected = () if row.severity is Severity.WARNING else (f"fault:{row.code}",)
    assert reasons(faults=raised((), row.code, NOW)) == expected


def test_every_reason_is_listed_at_once() -> None:
    nothing = Situation(facts=ALL, now_mono=NOW, feedback=True, residual_silent=True, residual_tripped=True)
    fault = ActiveFault("diode", NOW)
    assert set(why_not(nothing, None, Limit("none", 0.0), (fault,))) == {
        "no_orders",
        "limit:none",
        "pilot_missing",
        "feedback_contradicts",
        "meter_missing",
        "residual_missing",
        "residual_untested",
        "residual_tripped",
        "inputs_missing",
        "cable_unknown",
        "lock_not_confirmed",
        "temperature_missing",
        "fault:diode",
    }


# ---- What follows from reasons -------------------------------------------------------------------------------------

STEPS = [
    Reason.EV_NOT_READY,
    Reason.DIODE_NOT_PROVEN,
    Reason.RECLOSE_INTERVAL,
    Reason.PILOT_UNSETTLED,
    Reason.WAKING,
]
SOFT = [
    Reason.NO_ORDERS,
    Reason.NOT_PERMITTED,
    Reason.UNAVAILABLE,
    Reason.METER_MISSING,
    Reason.METER_NOT_SIGNING,
    Reason.CABLE_UNKNOWN,
    Reason.LOCK_NOT_CONFIRMED,
    Reason.TEMPERATURE_MISSING,
    Reason.PHASES_MISSING,
    Reason.PHASE_SWITCHING,
]
PLAIN = [reason for reason in Reason if reason not in (Reason.LIMIT, Reason.FAULT)]


@pytest.mark.parametrize("reason", PLAIN)
def test_only_steps_on_the_way_leave_the_offer_on(reason: Reason) -> None:
    assert may_offer((reason,), ALL) is (reason in STEPS)


def test_an_offer_needs_no_other_reason_than_steps() -> None:
    assert may_offer((), ALL)
    assert may_offer(tuple(STEPS), ALL)
    assert not may_offer((*STEPS, Reason.NOT_PERMITTED), ALL)
    assert not may_offer(("limit:csms",), ALL)
    assert not may_offer(("fault:meter_silent",), ALL)


@pytest.mark.parametrize("reason", PLAIN)
def test_a_controller_that_closes_by_itself_is_not_offered_current_within_the_interval(reason: Reason) -> None:
    expected = reason in STEPS and reason is not Reason.RECLOSE_INTERVAL
    assert may_offer((reason,), facts(autonomous=True)) is expected


@pytest.mark.parametrize("reason", PLAIN)
def test_what_only_withdraws_consent_stops_softly_and_all_else_opens_now(reason: Reason) -> None:
    assert must_open_now((reason,)) is (reason not in SOFT)


def test_limits_stop_softly_and_faults_as_grave_as_they_are() -> None:
    assert not must_open_now(())
    assert not must_open_now(("limit:csms", *SOFT))
    assert must_open_now((*SOFT, Reason.EV_NOT_READY))
    for row in TABLE:
        if row.severity is not Severity.WARNING:
            assert must_open_now((f"fault:{row.code}",)) is (row.severity is Severity.OPEN)


def test_a_fault_among_the_reasons_is_seen() -> None:
    assert has_fault(("not_permitted", "fault:diode"))
    assert not has_fault(("not_permitted", "limit:fault"))


@pytest.mark.parametrize("reason", PLAIN)
def test_every_reason_has_words_for_people(reason: Reason) -> None:
    assert " " in reason_text(reason)
    assert reason_text(reason) == reason_text(reason).strip()


def test_the_words_name_the_limits_owner_and_the_fault() -> None:
    assert reason_text("limit:csms") == "less than 6 A is left by csms"
    assert "diode" in reason_text("fault:diode")
    with pytest.raises(ValueError, match="nonsense"):
        reason_text("nonsense")
    with pytest.raises(KeyError):
        reason_text("fault:nonsense")


# ---- The lease of orders -------------------------------------------------------------------------------------------


def board(valid_until_mono: float, count: int = 1) -> Orders:
    return Orders(seq=1, valid_until_mono=valid_until_mono, evses=(PERMITTED,) * count)


@pytest.mark.parametrize("left_s", [0.0, 0.02, ORDERS_LEASE_S, ORDERS_LEASE_S + 1.0])
def test_orders_hold_while_their_lease_runs(left_s: float) -> None:
    assert valid_orders(board(NOW + left_s), 1, NOW) is PERMITTED


@pytest.mark.parametrize("left_s", [-0.001, -100.0, ORDERS_LEASE_S + 1.001, 1e9, math.inf, -math.inf, math.nan])
def test_orders_that_lapsed_or_claim_too_long_a_lease_are_none(left_s: float) -> None:
    assert valid_orders(board(NOW + left_s), 1, NOW) is None


def test_orders_that_leave_an_evse_out_are_none_for_it() -> None:
    assert valid_orders(None, 1, NOW) is None
    assert valid_orders(board(NOW, count=2), 2, NOW) is PERMITTED
    assert valid_orders(board(NOW, count=1), 2, NOW) is None
    assert valid_orders(board(NOW), 0, NOW) is None


def test_each_evse_has_its_own_orders() -> None:
    other = EvseOrders()
    both = Orders(seq=1, valid_until_mono=NOW, evses=(PERMITTED, other))
    assert valid_orders(both, 1, NOW) is PERMITTED
    assert valid_orders(both, 2, NOW) is other
