"""The one table of faults: what each means, how grave it is, what clears it, and its names elsewhere (MREC, OCPP).

A fault that is not in this table can't be raised. What stands is a plain tuple of ActiveFault; raising and clearing
give a new one.
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from chargerd.evse.types import ActiveFault


class FaultCode(StrEnum):
    """The faults an EVSE can find in itself, its cable or its vehicle."""

    PILOT_LEVEL = "pilot_level"
    PILOT_SHORT = "pilot_short"
    PILOT_SILENT = "pilot_silent"
    DIODE = "diode"
    VENTILATION = "ventilation"
    CONTACTOR_NO_CLOSE = "contactor_no_close"
    CONTACTOR_WELDED = "contactor_welded"
    CURRENT_WHILE_OPEN = "current_while_open"
    EV_OVERDRAW = "ev_overdraw"
    RESIDUAL_AC = "residual_ac"
    RESIDUAL_DC = "residual_dc"
    OVER_TEMPERATURE = "over_temperature"
    CABLE_INVALID = "cable_invalid"
    CABLE_CHANGED = "cable_changed"
    LOCK_FAILURE = "lock_failure"
    METER_SILENT = "meter_silent"
    DEVICE_SILENT = "device_silent"


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


class Fault(msgspec.Struct, frozen=True):
    """One row of the table.

    `cleared_by` other than CAUSE_GONE means latched: the fault outlives its cause. `mrec`: code of the Minimum
    Required Error Codes list, "" where it has none. `component` and `variable`: of the OCPP 2.0.1 device model, for
    NotifyEvent.
    """

    code: FaultCode
    severity: Severity
    cleared_by: ClearedBy
    mrec: str
    component: str
    variable: str
    text: str

    @property
    def latched(self) -> bool:
        """Whether the fault stays after its cause has gone."""
        return self.cleared_by is not ClearedBy.CAUSE_GONE


_OPEN, _STOP = Severity.OPEN, Severity.STOP
_GONE, _UNPLUG = ClearedBy.CAUSE_GONE, ClearedBy.UNPLUG

TABLE: tuple[Fault, ...] = (
    Fault(
        FaultCode.PILOT_LEVEL,
        _OPEN,
        _GONE,
        "CX014",
        "ControlPilot",
        "Problem",
        "The pilot voltage fits no vehicle state.",
    ),
    Fault(FaultCode.PILOT_SHORT, _OPEN, _GONE, "CX014", "ControlPilot", "Problem", "The pilot is shorted to earth."),
    Fault(FaultCode.PILOT_SILENT, _OPEN, _GONE, "CX014", "ControlPilot", "Problem", "The pilot cannot be read."),
    Fault(
        FaultCode.DIODE,
        _OPEN,
        _UNPLUG,
        "CX014",
        "ControlPilot",
        "Problem",
        "The pilot circuit of the vehicle has no diode. Unplug and try another cable or vehicle.",
    ),
    Fault(
        FaultCode.VENTILATION,
        _OPEN,
        _UNPLUG,
        "CX010",
        "ConnectedEV",
        "Problem",
        "The vehicle asks for ventilation, which this place does not have.",
    ),
    Fault(
        FaultCode.CONTACTOR_NO_CLOSE,
        _OPEN,
        _UNPLUG,
        "CX017",
        "PowerContactor",
        "Problem",
        "The contactor was told to close and did not.",
    ),
    Fault(
        FaultCode.CONTACTOR_WELDED,
        _OPEN,
        _UNPLUG,
        "CX017",
        "PowerContactor",
        "Problem",
        "The contactor was told to open and did not. Do not touch; call service.",
    ),
    Fault(
        FaultCode.CURRENT_WHILE_OPEN,
        _OPEN,
        _UNPLUG,
        "CX017",
        "PowerContactor",
        "Problem",
        "Current flows although the contactor is open.",
    ),
    Fault(
        FaultCode.EV_OVERDRAW,
        _OPEN,
        _UNPLUG,
        "CX004",
        "OverCurrentProtection",
        "Problem",
        "The vehicle took more current than it was offered.",
    ),
    Fault(
        FaultCode.RESIDUAL_AC,
        _OPEN,
        _UNPLUG,
        "CX002",
        "RCD",
        "Tripped",
        "Residual current (AC) was found. Unplug to try again.",
    ),
    Fault(
        FaultCode.RESIDUAL_DC,
        _OPEN,
        _UNPLUG,
        "CX002",
        "RCD",
        "Tripped",
        "Residual current (DC) was found. Unplug to try again.",
    ),
    Fault(FaultCode.OVER_TEMPERATURE, _OPEN, _GONE, "CX003", "TemperatureSensor", "Problem", "The station is too hot."),
    Fault(
        FaultCode.CABLE_INVALID,
        _STOP,
        _GONE,
        "CX023",
        "Connector",
        "Problem",
        "The rating of the cable cannot be recognised.",
    ),
    Fault(
        FaultCode.CABLE_CHANGED,
        _OPEN,
        _UNPLUG,
        "CX023",
        "Connector",
        "Problem",
        "The rating of the cable changed while it was plugged in.",
    ),
    Fault(
        FaultCode.LOCK_FAILURE,
        _STOP,
        _GONE,
        "CX001",
        "ConnectorPlugRetentionLock",
        "Problem",
        "The lock of the plug did not go where it was told to.",
    ),
    Fault(
        FaultCode.METER_SILENT, _STOP, _GONE, "", "FiscalMetering", "Problem", "The energy meter gives no valid values."
    ),
    Fault(FaultCode.DEVICE_SILENT, _STOP, _GONE, "", "EVSE", "Problem", "A device of the station does not answer."),
)

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


def blocks_energy(active: ActiveFault) -> bool:
    """Whether no energy may flow while this fault stands."""
    return fault(active.code).severity is not Severity.WARNING
