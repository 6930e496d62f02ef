"""The values that cross the hardware border, and the ways a device can fail. No policy, no I/O.

Every reading carries `at_mono`, the monotonic second at which it was taken, so that its age can be judged by whoever
uses it.
"""

from enum import StrEnum

import msgspec


class PilotMode(StrEnum):
    """What the EVSE puts on the control pilot (IEC 61851-1 annex A)."""

    STEADY_HIGH = "x1"  # +12 V through 1 kOhm, no oscillator: not ready to deliver energy
    PWM = "pwm"  # 1 kHz square wave, the duty cycle says the current
    STEADY_LOW = "F"  # -12 V: EVSE not available
    DISCONNECTED = "open"  # the wire is cut off: to the vehicle it looks like an unplugged cable


class Alarm(StrEnum):
    """What the controller behind a pilot (a microcontroller with safety functions of its own) found by itself."""

    NO_GROUND = "no_ground"
    RESIDUAL_AC = "residual_ac"
    RESIDUAL_DC = "residual_dc"
    RESIDUAL_TEST = "residual_test"
    CONTACTOR_WELDED = "contactor_welded"
    CONTACTOR_NO_CLOSE = "contactor_no_close"
    OVER_TEMPERATURE = "over_temperature"
    OVER_CURRENT = "over_current"
    OVER_VOLTAGE = "over_voltage"
    UNDER_VOLTAGE = "under_voltage"
    PROXIMITY = "proximity"
    LOCK = "lock"
    EMERGENCY_STOP = "emergency_stop"
    ENCLOSURE = "enclosure"
    HEARTBEAT_MISSED = "heartbeat_missed"
    INTERNAL = "internal"


class PilotReading(msgspec.Struct, frozen=True):
    """Positive and negative peak of the control pilot in volts, as seen at the EVSE (about +12/+9/+6/+3/0/-12).

    A controller that reports letters gives their nominal volts. `alarms`: what it found by itself.
    """

    high_volts: float
    low_volts: float
    at_mono: float
    alarms: tuple[Alarm, ...] = ()


class RelayReading(msgspec.Struct, frozen=True):
    """Contactor feedback. `closed` None: the board has no feedback contact."""

    closed: bool | None
    at_mono: float


class MeterSample(msgspec.Struct, frozen=True):
    """One consistent reading of the energy meter; positive means towards the vehicle.

    `energy_wh`: import register, never rebased. `amps`, `volts`: one value per phase (1 to 3). `power_w`: total,
    `watts`: of each phase, empty where the meter does not tell. `frequency_hz` None: not offered by this meter, or
    measured on a lost phase. `signed`: the meter's own signed
    document (OCMF), byte for byte, in the first sample after it was made; the contactor is open then, so both have the
    same register.
    """

    at_mono: float
    energy_wh: float
    power_w: float
    amps: tuple[float, ...]
    volts: tuple[float, ...]
    frequency_hz: float | None = None
    signed: bytes | None = None
    watts: tuple[float, ...] = ()


class SignedKind(StrEnum):
    """Which of a session's signed documents: that of its begin, or that of its end (some meters put both into it)."""

    BEGIN = "begin"
    END = "end"


class SigningPhase(StrEnum):
    """How far a signing meter is with a session."""

    IDLE = "idle"  # none is open
    BEGINNING = "beginning"  # asked for; no energy yet
    ACTIVE = "active"  # open: energy counts for it
    ENDING = "ending"  # its end is asked for and the document is being made
    FAILED = "failed"  # could not be opened, or not be closed


class Signing(msgspec.Struct, frozen=True):
    """State of a signing meter. `why`: what went wrong, in phase FAILED; else empty."""

    phase: SigningPhase = SigningPhase.IDLE
    why: str = ""


class LineQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How a shared line has fared since start: counts of requests and of what came of them.

    `refusals`: the device answered that it will not. `timeouts`: nothing came. `garbled`: noise, a wrong checksum, a
    wrong length. `strays`: answers of another unit, or to an earlier question. `resyncs`: pauses after a question
    without an answer. `reconnects`: connections opened anew. `missing`: the port or address could not be used.
    """

    requests: int = 0
    answers: int = 0
    refusals: int = 0
    timeouts: int = 0
    garbled: int = 0
    strays: int = 0
    resyncs: int = 0
    reconnects: int = 0
    missing: int = 0


class CableRating(msgspec.Struct, frozen=True):
    """Proximity reading. `amps`: what the cable carries; None: no cable, or a resistor outside every class."""

    ohms: float
    amps: float | None
    at_mono: float


class LockReading(msgspec.Struct, frozen=True):
    """Socket lock. `locked` None: the lock has no feedback."""

    locked: bool | None
    at_mono: float


class ResidualReading(msgspec.Struct, frozen=True):
    """Residual current monitor: tripped on AC (30 mA) or on smooth DC (6 mA)."""

    tripped_ac: bool
    tripped_dc: bool
    at_mono: float


class Temperature(msgspec.Struct, frozen=True):
    """One thermometer, degrees Celsius."""

    celsius: float
    at_mono: float


class PhasesReading(msgspec.Struct, frozen=True):
    """How many phases the phase contactor connects. `phases` None: it has no feedback contact."""

    phases: int | None
    at_mono: float


class InputName(StrEnum):
    """What a plain input line can tell. Asserted means the named thing is so, whatever level the wire has then."""

    EMERGENCY_STOP = "emergency_stop"  # the button is pressed (a broken wire reads as pressed)
    ENCLOSURE = "enclosure"  # the enclosure is open
    POWER_FAIL = "power_fail"  # the mains failed
    OUTPUT_VOLTAGE = "output_voltage"  # there is voltage on the vehicle's side of the contactor
    CABLE_CUT = "cable_cut"  # the loop through a fixed cable is broken
    BUTTON = "button"  # a user's push button


class InputsReading(msgspec.Struct, frozen=True):
    """The input lines of one EVSE. `asserted`: those that are so now, in the order of InputName."""

    asserted: tuple[InputName, ...]
    at_mono: float


class ExternalLimit(msgspec.Struct, frozen=True):
    """What a grid operator's signal or an energy manager allows per phase. `amps` None: it asks for nothing now."""

    amps: float | None
    at_mono: float


class TokenKind(StrEnum):
    """How a token was read; the values are OCPP's IdTokenEnumType."""

    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


class Token(msgspec.Struct, frozen=True):
    """An identification shown to a reader. `uid`: upper-case hex, byte 0 first (at most 36 characters)."""

    uid: str
    kind: TokenKind
    at_mono: float

    def __repr__(self) -> str:
        """Half of the uid at most: a code of four digits shows none."""
        shown = f"{self.uid[:2]}…{self.uid[-2:]}" if len(self.uid) >= 8 else "…"
        return f"Token({shown}, {self.kind})"


class Indication(StrEnum):
    """What the user is to be told by light or sound; the board maps it to its own patterns."""

    AVAILABLE = "available"
    CONNECTED = "connected"
    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CHARGING = "charging"
    SUSPENDED = "suspended"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"
    LOCATE = "locate"
    UPDATING = "updating"
    OFF = "off"


class DeratePoint(msgspec.Struct, frozen=True, array_like=True):
    """One corner of a derating curve: from `celsius` on `amps` per phase, straight lines between; 0 A: none."""

    celsius: float
    amps: float


DERATING = (DeratePoint(55.0, 80.0), DeratePoint(65.0, 0.0))
"""Enclosure: full current up to 55 C, none from 65 C on (stop and resume temperatures used in the field)."""

PLUG_DERATING = (DeratePoint(60.0, 80.0), DeratePoint(80.0, 0.0))
"""Plug and cable: a worn contact is warmed by the current, so less of it is the cure."""


class RelayDeadman(StrEnum):
    """What opens the contactor when nobody renews `Relays.hold`."""

    MCU = "mcu"
    HARDWARE = "hardware"
    NONE = "none"
    SIMULATED = "simulated"


class WakeUp(StrEnum):
    """How far the EVSE may go to wake a sleeping vehicle (each step includes the ones before it)."""

    OFF = "off"
    INTERRUPT = "interrupt"  # take the offer away for some seconds: pilot disconnected where the board can, else x1
    STATE_F = "state_f"  # then once -12 V: some vehicles take that for an error that lasts


class PartFacts(msgspec.Struct, frozen=True, array_like=True):
    """A device that is fitted: its role in the board file, and whose product it is where that is known."""

    role: str
    vendor: str = ""
    model: str = ""


class EvseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the hardware of one EVSE is and can do; never changes while the process lives.

    `max_amps`: rating per phase. `contactor_amps`: rating of the contactor (None: no less than max_amps). `phases`: 1
    or 3. `nominal_volts`: phase to neutral. `connector_type`: OCPP ConnectorType name (sType2, cType2, ...).
    `tethered`: cable permanently attached. `ventilated`: state D may be served. `has_*`: fitted, so a missing reading
    means trouble. `inputs`: the input lines that are fitted.

    `autonomous`: the controller behind the pilot closes the contactor by itself while current is offered and the
    vehicle asks, and opens it by itself within 100 ms when the vehicle leaves C. `interlocked`: whatever it is told,
    the board closes only for a vehicle in C (or D) while current is offered. `pilot_stale_s`: a pilot reading older
    than this is none; more than 0.1 only where the board itself opens in time. `can_disconnect`: the pilot has the
    mode DISCONNECTED. `has_state_f`: it has STEADY_LOW. `derating`: amps over enclosure temperature, `plug_derating`:
    over that of plug or cable; the last corner of each has 0 A and ends the charge. `external_fallback_amps`: what
    holds while the external limit is silent. `unbalance_amps`: how much more one phase may carry than another, and so
    what a vehicle may take that loads fewer than three (None: no such rule). `wake_up`: how far to go for a sleeping
    vehicle. `relay_deadman`: what opens the contactor when the software dies. `parts`: the devices that are fitted.
    `alarms`: what the controller behind the pilot can find by itself. `signs`: the meter signs sessions.
    """

    max_amps: float
    phases: int
    contactor_amps: float | None = None
    nominal_volts: float = 230.0
    connector_type: str = "sType2"
    tethered: bool = False
    ventilated: bool = False
    has_feedback: bool = True
    has_meter: bool = True
    has_proximity: bool = False
    has_lock: bool = False
    has_residual: bool = False
    has_thermometer: bool = False
    has_plug_thermometer: bool = False
    has_phase_switch: bool = False
    has_external_limit: bool = False
    inputs: tuple[InputName, ...] = ()
    autonomous: bool = False
    interlocked: bool = False
    pilot_stale_s: float = 0.1
    can_disconnect: bool = False
    has_state_f: bool = True
    derating: tuple[DeratePoint, ...] = DERATING
    plug_derating: tuple[DeratePoint, ...] = PLUG_DERATING
    external_fallback_amps: float = 0.0
    unbalance_amps: float | None = None
    wake_up: WakeUp = WakeUp.INTERRUPT
    relay_deadman: RelayDeadman = RelayDeadman.SIMULATED
    parts: tuple[PartFacts, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    signs: bool = False

    def part(self, role: str) -> PartFacts | None:
        """The device of that role; None: none is fitted."""
        return next((part for part in self.parts if part.role == role), None)


class BoardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the board file says the product is. `evses[i]` is EVSE i + 1. `simulated`: no real power anywhere."""

    vendor: str
    model: str
    serial: str
    evses: tuple[EvseFacts, ...]
    simulated: bool = False


class HalError(Exception):
    """A device did not do what was asked. `device`: which one, in the board file's words; `why`: what happened."""

    def __init__(self, device: str, why: str) -> None:
        super().__init__(f"{device}: {why}")
        self.device = device
        self.why = why


class DeviceMissing(HalError):
    """The device is not there (no such file, port or line, or access refused)."""


class DeviceSilent(HalError):
    """The device did not answer in time."""


class DeviceGarbled(HalError):
    """The device answered something that cannot be right."""


class DeviceSwapped(DeviceGarbled):
    """Another device answers in place of the one that was there first, and is refused."""


class BoardError(Exception):
    """A board file is wrong. Says where (`place`: file and key or line), what was found and what was expected."""

    def __init__(self, place: str, problem: str, remedy: str) -> None:
        super().__init__(f"{place}: {problem}; {remedy}")
        self.place = place
        self.problem = problem
        self.remedy = remedy
