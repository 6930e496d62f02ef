"""Everything that can be made to go wrong in the plant: the name, what it does in words, and the value it takes.

A fault is a state of the plant that stands until it is cleared (a glitch and a reset end by themselves). What it does
physically is in plant.py, meter_server.py and serial_peer.py, where the part that fails lives.
"""

from enum import StrEnum

import msgspec

from hal.types import Alarm, InputName


class Fault(StrEnum):
    """Names of the faults, as typed by people."""

    WELD_RELAY = "weld_relay"
    RELAY_STUCK_OPEN = "relay_stuck_open"
    STALL_METER = "stall_meter"
    FREEZE_METER = "freeze_meter"
    GARBLE_METER = "garble_meter"
    UNPLUG_METER = "unplug_meter"
    MISADDRESS_METER = "misaddress_meter"
    DELAY_METER = "delay_meter"
    NAN_METER = "nan_meter"
    REFUSE_METER = "refuse_meter"
    RESTART_METER = "restart_meter"
    SWAP_METER = "swap_meter"
    DISTORT_METER = "distort_meter"
    STRAY_CURRENT = "stray_current"
    TRIP_RCD = "trip_rcd"
    TRIP_RCD_DC = "trip_rcd_dc"
    RCD_TEST_FAILS = "rcd_test_fails"
    STALL_RCD = "stall_rcd"
    CUT_PILOT = "cut_pilot"
    SHORT_PILOT = "short_pilot"
    PILOT_VOLTS = "pilot_volts"
    STALL_PILOT = "stall_pilot"
    NO_DIODE = "no_diode"
    GLITCH = "glitch"
    FREEZE_READER = "freeze_reader"
    OVER_TEMPERATURE = "over_temperature"
    GRID_LOSS = "grid_loss"
    CABLE_RESISTOR = "cable_resistor"
    LOCK_JAM = "lock_jam"
    EMERGENCY_STOP = "emergency_stop"
    OPEN_ENCLOSURE = "open_enclosure"
    POWER_FAIL = "power_fail"
    OUTPUT_VOLTAGE = "output_voltage"
    CUT_CABLE = "cut_cable"
    PRESS_BUTTON = "press_button"
    HOT_PLUG = "hot_plug"
    GRID_VOLTS = "grid_volts"
    PHASES_STUCK = "phases_stuck"
    PHASES_DROP = "phases_drop"
    EXTERNAL_LIMIT = "external_limit"
    STALL_EXTERNAL = "stall_external"
    NO_GROUND = "no_ground"
    CONTROLLER_FAULT = "controller_fault"
    MISS_HEARTBEAT = "miss_heartbeat"
    CONTROLLER_RESET = "controller_reset"
    CONTROLLER_STOPS = "controller_stops"
    CONTROLLER_HALF_LINES = "controller_half_lines"
    CONTROLLER_BAD_CRC = "controller_bad_crc"
    CONTROLLER_UNPLUGGED = "controller_unplugged"


class FaultVerb(msgspec.Struct, frozen=True):
    """One line for people; what its value means (`value` None: it takes none), its default and bounds."""

    text: str
    value: str | None = None
    default: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def told(self) -> str:
        """The text, and what its value may be."""
        if self.value is None:
            return self.text
        return f"{self.text} ({self.value} from {self.low:g} to {self.high:g}, {self.default:g} unless given)"


FAULTS: dict[Fault, FaultVerb] = {
    Fault.WELD_RELAY: FaultVerb("the contacts of the contactor are welded: closed whatever the coil does"),
    Fault.RELAY_STUCK_OPEN: FaultVerb("the contactor does not close"),
    Fault.STALL_METER: FaultVerb("the meter does not answer"),
    Fault.FREEZE_METER: FaultVerb("the meter answers the values of the moment it froze"),
    Fault.GARBLE_METER: FaultVerb("the meter's answers are damaged on the wire"),
    Fault.UNPLUG_METER: FaultVerb("the meter's adapter is pulled out: its port is gone"),
    Fault.MISADDRESS_METER: FaultVerb("the meter answers with the address of another"),
    Fault.DELAY_METER: FaultVerb("the meter's answers come late by so many milliseconds", "ms", 400.0, 0.0, 60_000.0),
    Fault.NAN_METER: FaultVerb("the meter marks every value as missing"),
    Fault.REFUSE_METER: FaultVerb("the meter refuses with the Modbus exception of the value", "code", 11.0, 1.0, 255.0),
    Fault.RESTART_METER: FaultVerb("the meter forgot its register: it counts from 0 again"),
    Fault.SWAP_METER: FaultVerb("another meter, with another serial number, is in its place"),
    Fault.DISTORT_METER: FaultVerb("the meter shows the power times the value", "factor", 0.3, -10.0, 10.0),
    Fault.STRAY_CURRENT: FaultVerb(
        "so much current flows on L1 past vehicle and contactor, to a load that has no business there",
        "amps",
        5.0,
        0.1,
        80.0,
    ),
    Fault.TRIP_RCD: FaultVerb("the residual current monitor sees more than 30 mA AC"),
    Fault.TRIP_RCD_DC: FaultVerb("the residual current monitor sees more than 6 mA smooth DC"),
    Fault.RCD_TEST_FAILS: FaultVerb("the residual current monitor does not trip at its own test"),
    Fault.STALL_RCD: FaultVerb("the residual current monitor cannot be read"),
    Fault.CUT_PILOT: FaultVerb("the pilot wire is cut: the EVSE sees no vehicle, the vehicle sees no pilot"),
    Fault.SHORT_PILOT: FaultVerb("the pilot wire touches protective earth: 0 V"),
    Fault.PILOT_VOLTS: FaultVerb("the positive peak of the pilot reads as the value", "volts", 15.0, -15.0, 15.0),
    Fault.STALL_PILOT: FaultVerb("the pilot cannot be read"),
    Fault.NO_DIODE: FaultVerb("the vehicle's pilot diode is shorted: the negative half follows the positive one"),
    Fault.GLITCH: FaultVerb(
        "interference makes the pilot read at random for some milliseconds", "ms", 100.0, 1.0, 60_000.0
    ),
    Fault.FREEZE_READER: FaultVerb("the token reader does not answer"),
    Fault.OVER_TEMPERATURE: FaultVerb("the enclosure is as hot as the value", "celsius", 95.0, -40.0, 200.0),
    Fault.GRID_LOSS: FaultVerb("a phase of the grid is lost (0: all of them)", "phase", 1.0, 0.0, 3.0),
    Fault.CABLE_RESISTOR: FaultVerb("the proximity resistor reads as the value", "ohms", 10.0, 0.0, 1_000_000.0),
    Fault.LOCK_JAM: FaultVerb("the lock does not move"),
    Fault.EMERGENCY_STOP: FaultVerb("the emergency stop is pressed"),
    Fault.OPEN_ENCLOSURE: FaultVerb("the enclosure is open"),
    Fault.POWER_FAIL: FaultVerb("the power-fail input says that the mains failed"),
    Fault.OUTPUT_VOLTAGE: FaultVerb("there is voltage behind the open contactor"),
    Fault.CUT_CABLE: FaultVerb("the fixed cable is cut: its loop is broken"),
    Fault.PRESS_BUTTON: FaultVerb("the user's button is held down"),
    Fault.HOT_PLUG: FaultVerb("the plug is as hot as the value", "celsius", 95.0, -40.0, 200.0),
    Fault.GRID_VOLTS: FaultVerb("every phase of the grid has this voltage", "volts", 270.0, 0.0, 400.0),
    Fault.PHASES_STUCK: FaultVerb("the contactor of L2 and L3 does not move"),
    Fault.PHASES_DROP: FaultVerb("the contactor of L2 and L3 is open whatever it is told"),
    Fault.EXTERNAL_LIMIT: FaultVerb("the grid operator limits the current to the value", "amps", 6.0, 0.0, 80.0),
    Fault.STALL_EXTERNAL: FaultVerb("the grid operator's signal is silent"),
    Fault.NO_GROUND: FaultVerb("the controller behind the pilot misses the protective earth"),
    Fault.CONTROLLER_FAULT: FaultVerb("the controller behind the pilot reports a fault of its own"),
    Fault.MISS_HEARTBEAT: FaultVerb("the controller behind the pilot missed its heartbeat"),
    Fault.CONTROLLER_RESET: FaultVerb("the controller behind the pilot starts anew, once"),
    Fault.CONTROLLER_STOPS: FaultVerb("the controller behind the pilot stops; its watchdog opens the contactor"),
    Fault.CONTROLLER_HALF_LINES: FaultVerb("the controller sends half of each message"),
    Fault.CONTROLLER_BAD_CRC: FaultVerb("the controller's messages are damaged on the wire"),
    Fault.CONTROLLER_UNPLUGGED: FaultVerb("the controller's adapter is pulled out: its port is gone"),
}


INPUT_FAULTS = {
    InputName.EMERGENCY_STOP: Fault.EMERGENCY_STOP,
    InputName.ENCLOSURE: Fault.OPEN_ENCLOSURE,
    InputName.POWER_FAIL: Fault.POWER_FAIL,
    InputName.OUTPUT_VOLTAGE: Fault.OUTPUT_VOLTAGE,
    InputName.CABLE_CUT: Fault.CUT_CABLE,
    InputName.BUTTON: Fault.PRESS_BUTTON,
}
"""The fault that asserts each input line."""

ALARMS = {
    Fault.NO_GROUND: Alarm.NO_GROUND,
    Fault.CONTROLLER_FAULT: Alarm.INTERNAL,
    Fault.MISS_HEARTBEAT: Alarm.HEARTBEAT_MISSED,
}
"""What the controller behind the pilot says of each fault it would notice."""


class PlantRefusal(ValueError):
    """The plant cannot do what was asked; the text names the choices or the obstacle."""


def fault_named(name: str) -> Fault:
    """The fault of that name, else PlantRefusal naming them all."""
    try:
        return Fault(name)
    except ValueError:
        raise PlantRefusal(f"unknown fault '{name}'; known faults: {', '.join(FAULTS)}") from None


def value_for(fault: Fault, value: float | None) -> float:
    """The value the fault is raised with, its default for None; PlantRefusal outside its bounds."""
    verb = FAULTS[fault]
    if value is None:
        return verb.default
    if verb.value is None:
        raise PlantRefusal(f"{fault} takes no value, {value:g} was given")
    if not verb.low <= value <= verb.high:
        raise PlantRefusal(f"{fault}: {verb.value} must lie from {verb.low:g} to {verb.high:g}, {value:g} was given")
    return value
