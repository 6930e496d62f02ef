"""The one place that can say no to energy.

`why_not` lists every reason at once, so that nobody has to guess why a vehicle does not charge. Missing, stale and
contradictory readings are reasons like any other. Two questions about a list of reasons are answered here too: may
the pilot offer current although the contactor may not close yet, and has a closed contactor to open at once.
"""

from enum import StrEnum

from chargerd.evse.faults import TABLE, Severity, fault
from chargerd.evse.signing import why_not_signed
from chargerd.evse.situation import Situation
from chargerd.evse.types import ORDERS_LEASE_S, ActiveFault, EvseOrders, Orders, PilotState
from chargerd.limits import MIN_AMPS, Limit
from hal.types import EvseFacts

LEASE_MARGIN_S = 1.0
"""Orders that claim to hold longer than the lease (and this) come from a broken clock and hold for no time at all."""


class Reason(StrEnum):
    """Why no energy may flow. LIMIT and FAULT are followed by ":" and the owner of the limit or the code of the
    fault."""

    STOOD_STILL = "stood_still"
    NO_ORDERS = "no_orders"
    NOT_PERMITTED = "not_permitted"
    UNAVAILABLE = "unavailable"
    PILOT_MISSING = "pilot_missing"
    PILOT_INVALID = "pilot_invalid"
    PILOT_UNSETTLED = "pilot_unsettled"
    NOT_CONNECTED = "not_connected"
    EV_NOT_READY = "ev_not_ready"
    NO_VENTILATION = "no_ventilation"
    DIODE_NOT_PROVEN = "diode_not_proven"
    FAULT = "fault"
    LIMIT = "limit"
    FEEDBACK_MISSING = "feedback_missing"
    FEEDBACK_CONTRADICTS = "feedback_contradicts"
    METER_MISSING = "meter_missing"
    METER_NOT_SIGNING = "meter_not_signing"
    RESIDUAL_MISSING = "residual_missing"
    RESIDUAL_TRIPPED = "residual_tripped"
    RESIDUAL_UNTESTED = "residual_untested"
    INPUTS_MISSING = "inputs_missing"
    CABLE_UNKNOWN = "cable_unknown"
    LOCK_NOT_CONFIRMED = "lock_not_confirmed"
    RECLOSE_INTERVAL = "reclose_interval"
    TEMPERATURE_MISSING = "temperature_missing"
    PHASES_MISSING = "phases_missing"
    PHASE_SWITCHING = "phase_switching"
    WAKING = "waking"


_TEXTS = {
    Reason.STOOD_STILL: "the control loop stood still and the board opened by itself",
    Reason.NO_ORDERS: "the station process gives no orders",
    Reason.NOT_PERMITTED: "nobody is authorised",
    Reason.UNAVAILABLE: "the EVSE is out of service",
    Reason.PILOT_MISSING: "the pilot cannot be read",
    Reason.PILOT_INVALID: "the pilot shows no valid vehicle state",
    Reason.PILOT_UNSETTLED: "the pilot is changing",
    Reason.NOT_CONNECTED: "no vehicle is plugged in",
    Reason.EV_NOT_READY: "the vehicle does not ask for energy",
    Reason.NO_VENTILATION: "the vehicle needs ventilation, which is not fitted",
    Reason.DIODE_NOT_PROVEN: "the diode of the vehicle has not been seen yet",
    Reason.LIMIT: "less than 6 A is left by",
    Reason.FEEDBACK_MISSING: "the contactor's feedback cannot be read",
    Reason.FEEDBACK_CONTRADICTS: "the contactor is closed although it was told to open",
    Reason.METER_MISSING: "the meter gives no fresh values",
    Reason.METER_NOT_SIGNING: "the meter has not opened the session that it is to sign",
    Reason.RESIDUAL_MISSING: "the residual current monitor cannot be read",
    Reason.RESIDUAL_TRIPPED: "the residual current monitor has tripped",
    Reason.RESIDUAL_UNTESTED: "the residual current monitor has not passed its test yet",
    Reason.INPUTS_MISSING: "the input lines cannot be read",
    Reason.CABLE_UNKNOWN: "the rating of the cable is unknown",
    Reason.LOCK_NOT_CONFIRMED: "the plug is not locked",
    Reason.RECLOSE_INTERVAL: "the contactor opened only just now",
    Reason.TEMPERATURE_MISSING: "a temperature cannot be read",
    Reason.PHASES_MISSING: "the phase contactor cannot be read",
    Reason.PHASE_SWITCHING: "the number of phases is being changed",
    Reason.WAKING: "the vehicle is being woken",
}

# Steps on the way to energy: with no other reason than these the pilot offers current, since the vehicle moves on
# only then (C follows the offer; the diode shows only while the oscillator runs).
_OFFERS_ANYWAY = frozenset(
    {Reason.EV_NOT_READY, Reason.DIODE_NOT_PROVEN, Reason.RECLOSE_INTERVAL, Reason.PILOT_UNSETTLED, Reason.WAKING}
)

# A controller that closes by itself while current is offered does not wait for the interval: the offer has to.
_OFFERS_ANYWAY_AUTONOMOUS = _OFFERS_ANYWAY - {Reason.RECLOSE_INTERVAL}

# Reasons that end energy by the soft stop; at every other one a closed contactor opens at once.
_STOPS_SOFTLY = frozenset(
    {
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
    }
    | {f"{Reason.FAULT}:{row.code}" for row in TABLE if row.severity is Severity.STOP}
)


def valid_orders(orders: Orders | None, evse_id: int, now_mono: float) -> EvseOrders | None:
    """The orders for one EVSE while their lease runs, else None."""
    if orders is None or not 1 <= evse_id <= len(orders.evses):
        return None
    if not 0.0 <= orders.valid_until_mono - now_mono <= ORDERS_LEASE_S + LEASE_MARGIN_S:
        return None
    return orders.evses[evse_id - 1]


def why_not(
    situation: Situation, orders: EvseOrders | None, limit: Limit, faults: tuple[ActiveFault, ...]
) -> tuple[str, ...]:
    """Every reason why no energy may flow now, as stable short strings (see Reason); empty when it may.

    `orders`: as `valid_orders` gives them. `limit`: the winning row of the limit table. `faults`: what stands.
    """
    reasons: list[str] = []
    if situation.stood_still and situation.relay_commanded:
        reasons.append(Reason.STOOD_STILL)
    if orders is None:
        reasons.append(Reason.NO_ORDERS)
    else:
        if not orders.permit:
            reasons.append(Reason.NOT_PERMITTED)
        if not orders.available:
            reasons.append(Reason.UNAVAILABLE)
    if not limit.amps >= MIN_AMPS:
        reasons.append(f"{Reason.LIMIT}:{limit.source}")
    _pilot(situation, reasons)
    _contactor(situation, reasons)
    _devices(situation, reasons)
    if situation.facts.signs and why_not_signed(orders, situation.session):
        reasons.append(Reason.METER_NOT_SIGNING)
    _phases(situation, reasons)
    if situation.waking:
        reasons.append(Reason.WAKING)
    reasons.extend(f"{Reason.FAULT}:{active.code}" for active in faults if not active.warning)
    return tuple(reasons)


def may_offer(reasons: tuple[str, ...], facts: EvseFacts) -> bool:
    """Whether the pilot may offer current: nothing is in the way but the steps between the offer and the closing."""
    return (_OFFERS_ANYWAY_AUTONOMOUS if facts.autonomous else _OFFERS_ANYWAY).issuperset(reasons)


def must_open_now(reasons: tuple[str, ...]) -> bool:
    """Whether a closed contactor has to open at once, under load if need be; False: the soft stop will do."""
    return any(reason not in _STOPS_SOFTLY and not reason.startswith("limit:") for reason in reasons)


def has_fault(reasons: tuple[str, ...]) -> bool:
    """Whether a fault is among the reasons."""
    return any(reason.startswith(f"{Reason.FAULT}:") for reason in reasons)


def reason_text(reason: str) -> str:
    """A reason of `why_not` in words for people. ValueError: there is no such reason. KeyError: no such fault."""
    name, _, what = reason.partition(":")
    if name == Reason.FAULT:
        return fault(what).text
    return f"{_TEXTS[Reason(name)]} {what}".rstrip()


def _pilot(situation: Situation, reasons: list[str]) -> None:
    state = situation.pilot_state
    if situation.pilot_missing:
        reasons.append(Reason.PILOT_MISSING)
    elif state is PilotState.A:
        reasons.append(Reason.NOT_CONNECTED)
    elif state is PilotState.B:
        reasons.append(Reason.EV_NOT_READY)
    elif state is PilotState.D and not situation.facts.ventilated:
        reasons.append(Reason.NO_VENTILATION)
    elif state not in (PilotState.C, PilotState.D):
        reasons.append(Reason.PILOT_INVALID)
    if situation.connected and state is not PilotState.A and not situation.diode_proven:
        reasons.append(Reason.DIODE_NOT_PROVEN)
    # One odd sample does not open a contactor, but none closes on it.
    if not situation.pilot_settled and not situation.relay_commanded and not situation.pilot_missing:
        reasons.append(Reason.PILOT_UNSETTLED)


def _contactor(situation: Situation, reasons: list[str]) -> None:
    if situation.facts.has_feedback and situation.feedback is None:
        reasons.append(Reason.FEEDBACK_MISSING)
    if not situation.relay_commanded:
        if situation.feedback is True and situation.has_to_be_open:
            reasons.append(Reason.FEEDBACK_CONTRADICTS)
        if situation.now_mono < situation.reclose_mono:
            reasons.append(Reason.RECLOSE_INTERVAL)


def _devices(situation: Situation, reasons: list[str]) -> None:
    facts = situation.facts
    if facts.has_meter and situation.meter is None:
        reasons.append(Reason.METER_MISSING)
    if facts.has_residual and situation.residual_silent:
        reasons.append(Reason.RESIDUAL_MISSING)
    if situation.residual_tripped:
        reasons.append(Reason.RESIDUAL_TRIPPED)
    if facts.has_residual and not situation.residual_ready:
        reasons.append(Reason.RESIDUAL_UNTESTED)
    if facts.inputs and situation.inputs is None:
        reasons.append(Reason.INPUTS_MISSING)
    if facts.has_proximity and situation.cable_amps is None:
        reasons.append(Reason.CABLE_UNKNOWN)
    if facts.has_lock and not situation.lock_confirmed:
        reasons.append(Reason.LOCK_NOT_CONFIRMED)
    hot_unknown = facts.has_thermometer and situation.celsius is None
    plug_hot_unknown = facts.has_plug_thermometer and situation.plug_celsius is None
    if hot_unknown or plug_hot_unknown:
        reasons.append(Reason.TEMPERATURE_MISSING)


def _phases(situation: Situation, reasons: list[str]) -> None:
    if situation.phases_silent:
        reasons.append(Reason.PHASES_MISSING)
    # A contact that blinks under load gets the time its fault needs; closed on it is never.
    if situation.phase_switching or (situation.phases_off_course and not situation.relay_commanded):
        reasons.append(Reason.PHASE_SWITCHING)
