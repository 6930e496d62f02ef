"""What stands between EVSE and vehicle as components: pilot, connector, lock, cable."""

from chargerd.evse.types import EvseStatus
from chargerd.ocpp.hardware_readings import Reading, always, fact, faulty, live
from chargerd.ocpp.variables import Tier, boolean, decimal, integer, string
from hal.types import Alarm, EvseFacts, InputName

PILOT_STATE = string(
    "CPPWMController",
    "State",
    "",
    tier=Tier.EVSE,
    required=False,
    doc="State of the vehicle on the pilot: A to F (IEC 61851-1 table A.4), or unknown.",
)
PILOT_DUTY = decimal(
    "CPPWMController",
    "Percent",
    100.0,
    tier=Tier.EVSE,
    unit="Percent",
    required=False,
    doc="Duty cycle; 100 without a square wave.",
)
PILOT_AMPS = decimal(
    "CPPWMController",
    "ACCurrent",
    0.0,
    tier=Tier.EVSE,
    unit="A",
    required=False,
    doc="Current per phase that is offered to the vehicle.",
)
PILOT_ACTIVE = boolean(
    "CPPWMController", "Active", False, tier=Tier.EVSE, required=False, doc="A vehicle is connected."
)
VENTILATION = boolean(
    "AreaVentilation",
    "Available",
    False,
    tier=Tier.EVSE,
    required=False,
    constant=True,
    doc="Vehicles that need ventilation (state D) are served.",
)
CHARGE_PROTOCOL = string(
    "Connector",
    "ChargeProtocol",
    "CPPWM",
    tier=Tier.CONNECTOR,
    required=False,
    constant=True,
    doc="How charging is controlled: by the pilot of IEC 61851-1.",
)
CABLE_AMPS = decimal(
    "Connector",
    "ACCurrent",
    0.0,
    tier=Tier.CONNECTOR,
    unit="A",
    required=False,
    doc="What the cable in the socket carries, by its resistor; empty: no cable.",
)
LOCKED = boolean(
    "ConnectorPlugRetentionLock", "Active", False, tier=Tier.CONNECTOR, required=False, doc="The plug is held."
)
LOCK_COUNT = integer(
    "ConnectorPlugRetentionLock",
    "Count",
    0,
    tier=Tier.CONNECTOR,
    required=False,
    doc="How often it was told to hold since the control process began.",
)


def _has_lock(facts: EvseFacts) -> bool:
    return facts.has_lock


def _has_proximity(facts: EvseFacts) -> bool:
    return facts.has_proximity


def _sees_cut(facts: EvseFacts) -> bool:
    return InputName.CABLE_CUT in facts.inputs


def _is_watched(facts: EvseFacts) -> bool:
    """A controller of its own stands behind the pilot."""
    return not {Alarm.INTERNAL, Alarm.HEARTBEAT_MISSED}.isdisjoint(facts.alarms)


def _pilot(evse: EvseStatus) -> str:
    return evse.pilot_state.value


VEHICLE: tuple[Reading, ...] = (
    live(PILOT_STATE, _pilot, always),
    live(PILOT_DUTY, lambda evse: evse.duty_percent, always),
    live(PILOT_AMPS, lambda evse: evse.offered_amps, always),
    live(PILOT_ACTIVE, lambda evse: evse.ev_connected, always),
    faulty("CPPWMController", "Problem", always),
    faulty("Controller", "Problem", _is_watched),
    fact(VENTILATION, lambda facts: facts.ventilated, always),
    faulty("AreaVentilation", "Problem", always),
    fact(CHARGE_PROTOCOL, lambda _facts: "CPPWM", always),
    live(CABLE_AMPS, lambda evse: evse.cable_amps, _has_proximity),
    faulty("Connector", "Problem", always, tier=Tier.CONNECTOR),
    live(LOCKED, lambda evse: evse.locked, _has_lock),
    live(LOCK_COUNT, lambda evse: evse.lock_cycles, _has_lock),
    faulty("ConnectorPlugRetentionLock", "Problem", _has_lock, tier=Tier.CONNECTOR),
    faulty("ConnectorPlugRetentionLock", "Tripped", _has_lock, tier=Tier.CONNECTOR),
    faulty("CableBreakawaySensor", "Tripped", _sees_cut, tier=Tier.CONNECTOR),
)
"""What each EVSE, or its connector, has of these."""
