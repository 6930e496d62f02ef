"""The one table of faults: what each means, how grave it is, what clears it, how it blinks, and its names elsewhere.

A fault that is not in this table can't be raised. What stands is a plain tuple of ActiveFault; raising and clearing
give a new one. docs/faults.md is this table for people (`python -m tools.faults_page`).
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from chargerd.evse.types import ActiveFault
from hal.types import Alarm, Indication


class FaultCode(StrEnum):
    """The faults an EVSE can find in itself, its cable, its vehicle or its mains, and those of its station process."""

    PILOT_LEVEL = "pilot_level"
    PILOT_SHORT = "pilot_short"
    PILOT_SILENT = "pilot_silent"
    DIODE = "diode"
    VENTILATION = "ventilation"
    EV_OVERDRAW_WARNING = "ev_overdraw_warning"
    EV_OVERDRAW = "ev_overdraw"
    EV_DOES_NOT_STOP = "ev_does_not_stop"
    EV_NOT_CHARGING = "ev_not_charging"
    CONTACTOR_NO_CLOSE = "contactor_no_close"
    CONTACTOR_WELDED = "contactor_welded"
    CURRENT_WHILE_OPEN = "current_while_open"
    PHASE_SWITCH = "phase_switch"
    OUTPUT_VOLTAGE = "output_voltage"
    RESIDUAL_AC = "residual_ac"
    RESIDUAL_DC = "residual_dc"
    RESIDUAL_DC_AGAIN = "residual_dc_again"
    RESIDUAL_TEST = "residual_test"
    NO_GROUND = "no_ground"
    OVER_VOLTAGE = "over_voltage"
    UNDER_VOLTAGE = "under_voltage"
    PHASE_LOSS = "phase_loss"
    POWER_LOSS = "power_loss"
    PHASE_UNBALANCE = "phase_unbalance"
    DERATING = "derating"
    OVER_TEMPERATURE = "over_temperature"
    PLUG_DERATING = "plug_derating"
    PLUG_OVER_TEMPERATURE = "plug_over_temperature"
    PARTIAL_INSERTION = "partial_insertion"
    CABLE_INVALID = "cable_invalid"
    CABLE_CHANGED = "cable_changed"
    CABLE_CUT = "cable_cut"
    LOCK_FAILURE = "lock_failure"
    LATCH_BROKEN = "latch_broken"
    EMERGENCY_STOP = "emergency_stop"
    ENCLOSURE_OPEN = "enclosure_open"
    METER_SILENT = "meter_silent"
    METER_FROZEN = "meter_frozen"
    METER_IMPLAUSIBLE = "meter_implausible"
    METER_SWAPPED = "meter_swapped"
    DEVICE_SILENT = "device_silent"
    CONTROLLER_FAULT = "controller_fault"
    HEARTBEAT_MISSED = "heartbeat_missed"
    WEAK_SIGNAL = "weak_signal"
    AUTHORIZATION_TIMEOUT = "authorization_timeout"
    NO_CSMS = "no_csms"


class Severity(StrEnum):
    """What a fault does to energy: opens the contactor at once, ends energy by the soft stop, or only tells."""

    OPEN = "open"
    STOP = "stop"
    WARNING = "warning"


class ClearedBy(StrEnum):
    """What ends a fault. CAUSE_GONE: the cause is no longer seen. UNPLUG: that, and the vehicle was unplugged (state
    A)."""

    CAUSE_GONE = "cause_gone"
    UNPLUG = "unplug"


class Origin(StrEnum):
    """Who raises a fault: the charging core, or the station process, which alone sees network and people."""

    CHARGING = "charging"
    STATION = "station"


class Fault(msgspec.Struct, frozen=True):
    """One row of the table.

    `cleared_by` other than CAUSE_GONE means latched: the fault outlives its cause. `mrec`: code of the Minimum
    Required Error Codes list, "" where it has none. `blink_code`: how often the light flashes between pauses, for
    eyes that do not tell red from green; 0: not at all. `component` and `variable`: of the OCPP 2.0.1 device model, for
    NotifyEvent. `text`: what is so; `remedy`: what people can do, which may be to wait. `stopped_reason`: the
    stoppedReason with which it ends a transaction (ReasonEnumType, E06.FR.16), "" where it only suspends one.
    """

    code: FaultCode
    severity: Severity
    cleared_by: ClearedBy
    mrec: str
    blink_code: int
    component: str
    variable: str
    text: str
    remedy: str
    stopped_reason: str = ""
    origin: Origin = Origin.CHARGING

    @property
    def latched(self) -> bool:
        """Whether the fault stays after its cause has gone."""
        return self.cleared_by is not ClearedBy.CAUSE_GONE

    @property
    def indication(self) -> Indication | None:
        """What the lights show while it stands; None: what they show anyway, for energy may flow."""
        return None if self.severity is Severity.WARNING else Indication.FAULTED


BLINK_CODES = {
    1: "emergency stop, enclosure or cable",
    2: "the vehicle or its pilot circuit",
    3: "residual current or protective earth",
    4: "the contactor",
    5: "the mains",
    6: "temperature",
    7: "the meter",
    8: "plug or lock",
    9: "a device or the controller of the station",
}
"""What to look at, by the number of flashes; never more than people count at a glance."""

_OPEN, _STOP, _WARN = Severity.OPEN, Severity.STOP, Severity.WARNING
_GONE, _UNPLUG = ClearedBy.CAUSE_GONE, ClearedBy.UNPLUG
_C, _STATION = FaultCode, Origin.STATION
_OTHER, _GROUND, _CURRENT, _STOPPED = "Other", "GroundFault", "OvercurrentFault", "EmergencyStop"

# fmt: off
TABLE: tuple[Fault, ...] = (
    Fault(_C.PILOT_LEVEL, _OPEN, _GONE, "CX014", 2, "CPPWMController", "Problem",
          "The pilot voltage fits no vehicle state.", "Unplug; try another cable or vehicle."),
    Fault(_C.PILOT_SHORT, _OPEN, _GONE, "CX014", 2, "CPPWMController", "Problem",
          "The pilot is shorted to earth.", "Unplug; look for water or dirt in the plug."),
    Fault(_C.PILOT_SILENT, _OPEN, _GONE, "CX014", 2, "CPPWMController", "Problem",
          "The pilot cannot be read.", "Call service if it lasts."),
    Fault(_C.DIODE, _OPEN, _UNPLUG, "CX014", 2, "CPPWMController", "Problem",
          "The pilot circuit of the vehicle has no diode.", "Unplug; try another cable or vehicle.", _OTHER),
    Fault(_C.VENTILATION, _OPEN, _UNPLUG, "CX010", 2, "AreaVentilation", "Problem",
          "The vehicle asks for ventilation, which this place does not have.",
          "Charge this vehicle elsewhere.", _OTHER),
    Fault(_C.EV_OVERDRAW_WARNING, _WARN, _GONE, "CX004", 2, "EVSE", "Overload",
          "The vehicle takes more current than it is offered.", "It is about to be stopped unless it obeys."),
    Fault(_C.EV_OVERDRAW, _OPEN, _UNPLUG, "CX004", 2, "OverCurrentProtection", "Operated",
          "The vehicle took more current than it was offered.", "Unplug to try again.", _CURRENT),
    Fault(_C.EV_DOES_NOT_STOP, _WARN, _GONE, "CX016", 2, "ConnectedEV", "ChargingSystemError",
          "The vehicle did not stop when asked and was cut off under load.", "Have the vehicle looked at."),
    Fault(_C.EV_NOT_CHARGING, _WARN, _GONE, "CX010", 2, "ConnectedEV", "VehicleChargingEnabled",
          "The vehicle is offered current, does not take it and cannot be woken.", "Look what the vehicle waits for."),
    Fault(_C.CONTACTOR_NO_CLOSE, _OPEN, _UNPLUG, "CX017", 4, "PowerContactor", "Problem",
          "The contactor was told to close and did not.", "Unplug to try again; call service if it recurs.", _OTHER),
    Fault(_C.CONTACTOR_WELDED, _OPEN, _UNPLUG, "CX017", 4, "PowerContactor", "Problem",
          "The contactor was told to open and did not.", "Do not touch the plug; call service.", _OTHER),
    Fault(_C.CURRENT_WHILE_OPEN, _OPEN, _UNPLUG, "CX017", 4, "PowerContactor", "Problem",
          "Current flows although the contactor is open.", "Do not touch the plug; call service.", _OTHER),
    Fault(_C.PHASE_SWITCH, _OPEN, _UNPLUG, "CX017", 4, "AcPhaseSelector", "Problem",
          "The contactor of L2 and L3 is not where it was told to be.",
          "Unplug to try again; else call service.", _OTHER),
    Fault(_C.OUTPUT_VOLTAGE, _OPEN, _GONE, "CX024", 4, "PowerContactor", "Tripped",
          "There is voltage behind the open contactor.", "Do not touch the plug; call service."),
    Fault(_C.RESIDUAL_AC, _OPEN, _UNPLUG, "CX002", 3, "RCD", "Tripped",
          "Residual current (AC) was found.", "Unplug to try again; try another cable or vehicle.", _GROUND),
    Fault(_C.RESIDUAL_DC, _OPEN, _GONE, "CX002", 3, "RCD", "Tripped",
          "Residual current (DC) was found.", "Wait: it is tried again after 5 minutes, up to three times."),
    Fault(_C.RESIDUAL_DC_AGAIN, _OPEN, _UNPLUG, "CX002", 3, "RCD", "Tripped",
          "Residual current (DC) was found again and again.",
          "Unplug to try again; try another cable or vehicle.", _GROUND),
    Fault(_C.RESIDUAL_TEST, _OPEN, _GONE, "CX002", 3, "RCD", "Operated",
          "The residual current monitor failed its own test.", "Wait for the next test; call service if it lasts."),
    Fault(_C.NO_GROUND, _OPEN, _GONE, "CX002", 3, "GroundIsolationProtection", "Problem",
          "The protective earth is missing.", "Call an electrician."),
    Fault(_C.OVER_VOLTAGE, _OPEN, _GONE, "CX005", 5, "ElectricalFeed", "ACVoltage",
          "The voltage of the mains is too high.", "Wait; call an electrician if it lasts."),
    Fault(_C.UNDER_VOLTAGE, _STOP, _GONE, "CX006", 5, "ElectricalFeed", "ACVoltage",
          "The voltage of the mains is too low.", "Wait; call an electrician if it lasts."),
    Fault(_C.PHASE_LOSS, _STOP, _GONE, "CX015", 5, "ElectricalFeed", "Problem",
          "A phase of the mains is missing.", "Look at the fuses; call an electrician."),
    Fault(_C.POWER_LOSS, _OPEN, _GONE, "CX015", 5, "ElectricalFeed", "Problem",
          "The mains failed.", "Wait for it to return; look at the fuses."),
    Fault(_C.PHASE_UNBALANCE, _WARN, _GONE, "", 5, "EVSE", "CurrentImbalance",
          "The vehicle loads the phases more unevenly than this place allows.", "It gets less current meanwhile."),
    Fault(_C.DERATING, _WARN, _GONE, "CX003", 6, "TemperatureSensor", "Temperature",
          "The station is hot; the current is reduced.", "Nothing to do; shade and air help."),
    Fault(_C.OVER_TEMPERATURE, _OPEN, _GONE, "CX003", 6, "TemperatureSensor", "Problem",
          "The station is too hot.", "Wait until it has cooled down."),
    Fault(_C.PLUG_DERATING, _WARN, _GONE, "CX018", 6, "ExternalTemperatureSensor", "Temperature",
          "The plug is hot; the current is reduced.", "Nothing to do; have the plug looked at if it recurs."),
    Fault(_C.PLUG_OVER_TEMPERATURE, _OPEN, _GONE, "CX019", 6, "ExternalTemperatureSensor", "Problem",
          "The plug is too hot.", "Let it cool down; do not use a plug that is brown or melted."),
    Fault(_C.PARTIAL_INSERTION, _STOP, _GONE, "CX020", 8, "Connector", "Problem",
          "The plug is not fully inserted.", "Push it in, or unplug and start again."),
    Fault(_C.CABLE_INVALID, _STOP, _GONE, "CX023", 8, "Connector", "Problem",
          "The rating of the cable cannot be recognised.", "Unplug; try another cable."),
    Fault(_C.CABLE_CHANGED, _OPEN, _UNPLUG, "CX023", 8, "Connector", "Problem",
          "The rating of the cable changed while it was plugged in.", "Unplug; try another cable.", _OTHER),
    Fault(_C.CABLE_CUT, _OPEN, _GONE, "CX026", 1, "CableBreakawaySensor", "Tripped",
          "The cable is cut.", "Do not touch it; call service."),
    Fault(_C.LOCK_FAILURE, _STOP, _GONE, "CX001", 8, "ConnectorPlugRetentionLock", "Problem",
          "The lock of the plug did not go where it was told to.", "Push the plug in or pull at it, then try again."),
    Fault(_C.LATCH_BROKEN, _WARN, _GONE, "CX025", 8, "ConnectorPlugRetentionLock", "Tripped",
          "The lock did not hold any of the last three plugs.", "Call service: it is probably broken."),
    Fault(_C.EMERGENCY_STOP, _OPEN, _GONE, "CX008", 1, "EmergencyStopSensor", "Tripped",
          "The emergency stop is pressed.", "Release it when the danger is over.", _STOPPED),
    Fault(_C.ENCLOSURE_OPEN, _OPEN, _GONE, "", 1, "CaseAccessSensor", "Tripped",
          "The enclosure of the station is open.", "Close it."),
    Fault(_C.METER_SILENT, _STOP, _GONE, "", 7, "FiscalMetering", "Problem",
          "The energy meter gives no valid values.", "Look at its wiring and address; call service."),
    Fault(_C.METER_FROZEN, _STOP, _GONE, "", 7, "FiscalMetering", "Problem",
          "The energy meter shows current and nothing in it moves.", "Switch the meter off and on; call service."),
    Fault(_C.METER_IMPLAUSIBLE, _STOP, _GONE, "", 7, "FiscalMetering", "Problem",
          "The values of the energy meter contradict each other.", "Look at its wiring; unplug if it was restarted."),
    Fault(_C.METER_SWAPPED, _STOP, _GONE, "", 7, "FiscalMetering", "Problem",
          "Another energy meter answers in place of the first.", "Restart the station if that is as it should be."),
    Fault(_C.DEVICE_SILENT, _STOP, _GONE, "", 9, "EVSE", "Problem",
          "A device of the station does not answer.", "Call service if it lasts."),
    Fault(_C.CONTROLLER_FAULT, _OPEN, _GONE, "", 9, "Controller", "Problem",
          "The controller behind the pilot reports a fault of its own.", "Switch it off and on; call service."),
    Fault(_C.HEARTBEAT_MISSED, _WARN, _GONE, "", 9, "Controller", "Active",
          "The controller behind the pilot missed our heartbeat and lowers the current.", "Call service if it recurs."),
    Fault(_C.WEAK_SIGNAL, _WARN, _GONE, "CX007", 0, "DataLink", "SignalStrength",
          "The radio signal is weak.", "Move or change the antenna.", origin=_STATION),
    Fault(_C.AUTHORIZATION_TIMEOUT, _WARN, _GONE, "CX009", 0, "TokenReader", "Operated",
          "Nobody was authorised in the time there is after plugging in.", "Unplug, plug in again, show a card.",
          origin=_STATION),
    Fault(_C.NO_CSMS, _WARN, _GONE, "CX013", 0, "DataLink", "Problem",
          "The management system cannot be reached.", "Look at the network.", origin=_STATION),
)
# fmt: on

ALARMS: dict[Alarm, FaultCode] = {
    Alarm.NO_GROUND: _C.NO_GROUND,
    Alarm.RESIDUAL_AC: _C.RESIDUAL_AC,
    Alarm.RESIDUAL_DC: _C.RESIDUAL_DC,
    Alarm.RESIDUAL_TEST: _C.RESIDUAL_TEST,
    Alarm.CONTACTOR_WELDED: _C.CONTACTOR_WELDED,
    Alarm.CONTACTOR_NO_CLOSE: _C.CONTACTOR_NO_CLOSE,
    Alarm.OVER_TEMPERATURE: _C.OVER_TEMPERATURE,
    Alarm.OVER_CURRENT: _C.EV_OVERDRAW,
    Alarm.OVER_VOLTAGE: _C.OVER_VOLTAGE,
    Alarm.UNDER_VOLTAGE: _C.UNDER_VOLTAGE,
    Alarm.PROXIMITY: _C.CABLE_INVALID,
    Alarm.LOCK: _C.LOCK_FAILURE,
    Alarm.EMERGENCY_STOP: _C.EMERGENCY_STOP,
    Alarm.ENCLOSURE: _C.ENCLOSURE_OPEN,
    Alarm.HEARTBEAT_MISSED: _C.HEARTBEAT_MISSED,
    Alarm.INTERNAL: _C.CONTROLLER_FAULT,
}
"""What the controller behind a pilot found by itself, as the fault it is here."""

_BY_CODE = {fault.code.value: fault for fault in TABLE}


def fault(code: str) -> Fault:
    """The row of `code`. KeyError: there is no such fault."""
    return _BY_CODE[code]


def raised(
    standing: tuple[ActiveFault, ...], code: FaultCode, since_mono: float, detail: str = ""
) -> tuple[ActiveFault, ...]:
    """`standing` with the fault `code`. One that stands already keeps its time and detail: they tell how it began."""
    if any(active.code == code for active in standing):
        return standing
    warning = fault(code).severity is Severity.WARNING
    return (*standing, ActiveFault(code.value, since_mono, detail, warning))


def cleared(standing: tuple[ActiveFault, ...], present: Collection[str], unplugged: bool) -> tuple[ActiveFault, ...]:
    """`standing` without those that end now. `present`: codes whose cause is seen at this moment; they all stay."""
    return tuple(
        active for active in standing if active.code in present or (fault(active.code).latched and not unplugged)
    )


def blink_code(standing: tuple[ActiveFault, ...]) -> int:
    """The number of flashes for what stands: that of the oldest fault that keeps energy off; 0: none does."""
    return next((fault(active.code).blink_code for active in standing if not active.warning), 0)
