"""How each fault of the table is raised and cleared by what people and bad luck can do to the plant, as data.

A step is a verb of the plant with its arguments, as the bench knows it too; ("wait", seconds) lets time pass. What a
charge needs besides (somebody permitted, 16 A allowed, 10 A of unbalance) is up to who takes the steps.
"""

import msgspec

from chargerd.evse.faults import FaultCode
from hal.sim.plant import PlantEvse

Step = tuple[str | float, ...]

PLUGGED: tuple[Step, ...] = (("plug_in", 32.0, 3), ("wait", 3.0))
CHARGING: tuple[Step, ...] = (("plug_in", 32.0, 3), ("ev_ready",), ("wait", 12.0))
GONE: tuple[Step, ...] = (("plug_out",),)
LOCK_JAMS: tuple[Step, ...] = (*PLUGGED, ("wait", 4.0), ("plug_out",), ("wait", 1.0))
DC_TRIPS: tuple[Step, ...] = (("fault", "trip_rcd_dc"), ("wait", 0.5), ("clear_fault", "trip_rcd_dc"), ("wait", 301.0))


class Provocation(msgspec.Struct, frozen=True, kw_only=True):
    """`before`: the setup; `steps`: after these the fault stands within `within_s`; `mend`: after these it has gone
    within `gone_within_s`.
    """

    code: FaultCode
    before: tuple[Step, ...] = ()
    steps: tuple[Step, ...]
    within_s: float
    mend: tuple[Step, ...]
    gone_within_s: float = 1.0


def broken(
    code: FaultCode,
    fault: str,
    value: float | None = None,
    *,
    before: tuple[Step, ...] = CHARGING,
    within_s: float = 0.2,
    unplug: bool = False,
    gone_within_s: float = 1.0,
) -> Provocation:
    """One that a single fault of the plant raises. `unplug`: mending alone does not clear it."""
    raising: Step = ("fault", fault) if value is None else ("fault", fault, value)
    return Provocation(
        code=code,
        before=before,
        steps=(raising,),
        within_s=within_s,
        mend=(("clear_fault", fault), *(GONE if unplug else ())),
        gone_within_s=gone_within_s,
    )


PROVOCATIONS: tuple[Provocation, ...] = (
    broken(FaultCode.PILOT_LEVEL, "pilot_volts", 15.0, within_s=0.3),
    broken(FaultCode.PILOT_SHORT, "short_pilot", within_s=0.3),
    broken(FaultCode.PILOT_SILENT, "stall_pilot", within_s=1.3),
    broken(FaultCode.DIODE, "no_diode", unplug=True),
    Provocation(
        code=FaultCode.VENTILATION,
        steps=(("plug_in", 32.0, 3, "ventilation"), ("ev_ready",)),
        within_s=4.0,
        mend=GONE,
    ),
    Provocation(
        code=FaultCode.EV_OVERDRAW_WARNING,
        steps=(("plug_in", 32.0, 3, "ignores_limit"), ("ev_ready",)),
        within_s=18.0,
        mend=(("ev_draw", 10.0),),
        gone_within_s=4.0,
    ),
    Provocation(
        code=FaultCode.EV_OVERDRAW,
        steps=(("plug_in", 32.0, 3, "ignores_limit"), ("ev_ready",)),
        within_s=22.0,
        mend=GONE,
    ),
    Provocation(
        code=FaultCode.EV_DOES_NOT_STOP,
        before=(("plug_in", 32.0, 3, "never_stops"), ("ev_ready",), ("wait", 12.0)),
        steps=(("fault", "cable_resistor", 10.0),),
        within_s=7.0,
        mend=(("clear_fault", "cable_resistor"), *GONE),
    ),
    Provocation(
        code=FaultCode.EV_NOT_CHARGING,
        steps=(("plug_in", 32.0, 3, "sleeps_deep"), ("ev_ready",)),
        within_s=240.0,
        mend=GONE,
    ),
    broken(FaultCode.CONTACTOR_NO_CLOSE, "relay_stuck_open", within_s=0.4, unplug=True),
    broken(FaultCode.CONTACTOR_WELDED, "weld_relay", before=(), within_s=0.4),
    broken(FaultCode.CURRENT_WHILE_OPEN, "stray_current", before=PLUGGED, within_s=6.0, unplug=True, gone_within_s=3.0),
    broken(FaultCode.PHASE_SWITCH, "phases_drop", within_s=1.2, unplug=True),
    broken(FaultCode.OUTPUT_VOLTAGE, "output_voltage", before=(), within_s=2.1),
    broken(FaultCode.RESIDUAL_AC, "trip_rcd", unplug=True),
    broken(FaultCode.RESIDUAL_DC, "trip_rcd_dc", gone_within_s=301.0),
    Provocation(
        code=FaultCode.RESIDUAL_DC_AGAIN,
        before=CHARGING,
        steps=(*DC_TRIPS, *DC_TRIPS, *DC_TRIPS, ("fault", "trip_rcd_dc")),
        within_s=0.2,
        mend=(("clear_fault", "trip_rcd_dc"), *GONE),
    ),
    Provocation(
        code=FaultCode.RESIDUAL_TEST,
        before=(("fault", "rcd_test_fails"),),
        steps=PLUGGED,
        within_s=3.0,
        mend=(("clear_fault", "rcd_test_fails"),),
        gone_within_s=61.0,
    ),
    broken(FaultCode.NO_GROUND, "no_ground"),
    broken(FaultCode.OVER_VOLTAGE, "grid_volts", 280.0, within_s=2.5, gone_within_s=2.0),
    broken(FaultCode.UNDER_VOLTAGE, "grid_volts", 170.0, within_s=4.5, gone_within_s=2.0),
    broken(FaultCode.PHASE_LOSS, "grid_loss", 2.0, within_s=2.5, gone_within_s=2.0),
    broken(FaultCode.POWER_LOSS, "grid_loss", 0.0, within_s=2.5, gone_within_s=2.0),
    Provocation(
        code=FaultCode.PHASE_UNBALANCE,
        before=(*CHARGING, ("ev_draw", 6.0), ("wait", 3.0)),
        steps=(("fault", "stray_current", 11.0),),
        within_s=62.0,
        mend=(("clear_fault", "stray_current"),),
        gone_within_s=2.0,
    ),
    broken(FaultCode.DERATING, "over_temperature", 62.0),
    broken(FaultCode.OVER_TEMPERATURE, "over_temperature", 70.0),
    broken(FaultCode.PLUG_DERATING, "hot_plug", 75.0),
    broken(FaultCode.PLUG_OVER_TEMPERATURE, "hot_plug", 85.0),
    broken(FaultCode.PARTIAL_INSERTION, "cable_resistor", 1_000_000.0, within_s=1.2),
    broken(FaultCode.CABLE_INVALID, "cable_resistor", 10.0, within_s=0.7),
    broken(FaultCode.CABLE_CHANGED, "cable_resistor", 680.0, within_s=0.7, unplug=True),
    broken(FaultCode.CABLE_CUT, "cut_cable"),
    Provocation(
        code=FaultCode.LOCK_FAILURE,
        before=(("fault", "lock_jam"),),
        steps=PLUGGED,
        within_s=3.0,
        mend=(("clear_fault", "lock_jam"),),
    ),
    Provocation(
        code=FaultCode.LATCH_BROKEN,
        before=(("fault", "lock_jam"),),
        steps=(*LOCK_JAMS, *LOCK_JAMS, *LOCK_JAMS),
        within_s=0.2,
        mend=(("clear_fault", "lock_jam"), *PLUGGED),
    ),
    broken(FaultCode.EMERGENCY_STOP, "emergency_stop"),
    broken(FaultCode.ENCLOSURE_OPEN, "open_enclosure"),
    broken(FaultCode.METER_SILENT, "stall_meter", within_s=3.1, gone_within_s=1.5),
    broken(FaultCode.METER_FROZEN, "freeze_meter", within_s=63.0, gone_within_s=1.5),
    broken(FaultCode.METER_IMPLAUSIBLE, "distort_meter", within_s=12.5, gone_within_s=1.5),
    broken(FaultCode.METER_SWAPPED, "swap_meter", within_s=1.1, gone_within_s=1.5),
    broken(FaultCode.DEVICE_SILENT, "stall_rcd", within_s=5.5),
    broken(FaultCode.CONTROLLER_FAULT, "controller_fault"),
    broken(FaultCode.HEARTBEAT_MISSED, "miss_heartbeat"),
)


def take(evse: PlantEvse, step: Step) -> None:
    """Do what a step says, other than to wait."""
    verb, *given = step
    match verb:
        case "plug_in":
            amps, phases, *quirks = given
            evse.plug_in(float(amps), int(phases), [str(quirk) for quirk in quirks])
        case "ev_ready":
            evse.ev_ready()
        case "ev_draw":
            evse.ev_draw(float(given[0]))
        case "plug_out":
            evse.plug_out(force=True)
        case "fault":
            evse.fault(str(given[0]), float(given[1]) if len(given) > 1 else None)
        case "clear_fault":
            evse.clear_fault(str(given[0]))
        case _:
            raise AssertionError(f"no such step: {step}")
