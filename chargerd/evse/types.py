"""What flows through the charging core: Readings from the devices, Orders from the station, Outputs to the devices,
Status to all.

Orders and Status are the only things that cross between the two processes. Each is a complete snapshot: the latest
wins, so a lost, doubled or late one does no harm. Counters (`plug_count`, `energy_on_count`, token and unlock
sequence numbers) make an edge visible even when the snapshots on both sides of it were lost.
"""

from enum import StrEnum

import msgspec

from chargerd.limits import NO_LIMITS, Limit
from hal.types import (
    BoardFacts,
    CableRating,
    ExternalLimit,
    Indication,
    InputName,
    InputsReading,
    LockReading,
    MeterSample,
    PhasesReading,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    SigningPhase,
    Temperature,
    Token,
)

ORDERS_LEASE_S = 30.0
"""How long Orders hold without renewal (they are renewed each second); after that: no energy."""

RELAY_LEASE_S = 1.0
"""How long the board keeps the contactor closed without being told again."""


class PilotState(StrEnum):
    """State of the vehicle as the pilot shows it (IEC 61851-1 table A.4); UNKNOWN before the first valid reading."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"
    UNKNOWN = "unknown"


class TokenSeen(msgspec.Struct, frozen=True):
    """The last token of a reader; `seq` grows by one with each presentation, so a repeat is seen as new."""

    token: Token
    seq: int


class SelfTest(msgspec.Struct, frozen=True):
    """How the residual monitor's own test went. `seq`: which request it answers; `passed` False: it did not trip."""

    seq: int
    passed: bool
    at_mono: float


class SignFor(msgspec.Struct, frozen=True):
    """For whom a meter is to sign. `key`: tells this session from every other; `text`: identification of the user,
    which the meter puts into its document.
    """

    key: str
    text: str


class MeterSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session of a signing meter. `sign_for` None: none since start. `why`: what went wrong, in phase FAILED.

    `begin`, `end`: its signed documents, byte for byte, until the next session begins (None: not made, or not yet;
    some meters make one at the end only). `public_key`: in DER, empty while it is not known.
    """

    sign_for: SignFor | None = None
    phase: SigningPhase = SigningPhase.IDLE
    why: str = ""
    begin: bytes | None = None
    end: bytes | None = None
    public_key: bytes = b""


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the devices of one EVSE said last. None: not fitted, or nothing (valid) was read; EvseFacts tells
    which. `meter_swapped`: what tells that another meter answers in place of the first, "": none does.
    """

    pilot: PilotReading | None = None
    relay: RelayReading | None = None
    meter: MeterSample | None = None
    meter_swapped: str = ""
    cable: CableRating | None = None
    lock: LockReading | None = None
    residual: ResidualReading | None = None
    temperature: Temperature | None = None
    plug_temperature: Temperature | None = None
    phases: PhasesReading | None = None
    inputs: InputsReading | None = None
    external_limit: ExternalLimit | None = None
    self_test: SelfTest | None = None
    token: TokenSeen | None = None
    session: MeterSession | None = None


class EvseOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What the station wants of one EVSE.

    `permit`: somebody is authorised to take energy. `limits`: the station's rows of the limit table (site, csms, ...).
    `available`: the EVSE is in service. `unlock_seq`: grows by one for each request to release the connector.
    `phases`: how many to connect where the board can switch them (None: all). `wake_up`: a sleeping vehicle may be
    woken as far as the board allows. `message`: lines for the display. `hold_plug`: a plug in the socket stays locked
    although no energy is permitted. `sign_for`: no energy without a session of the meter for this one (None: it need
    not sign).
    """

    permit: bool = False
    limits: tuple[Limit, ...] = ()
    available: bool = True
    unlock_seq: int = 0
    indication: Indication = Indication.AVAILABLE
    phases: int | None = None
    wake_up: bool = True
    message: tuple[str, ...] = ()
    hold_plug: bool = False
    sign_for: SignFor | None = None


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Complete wish of the station for all EVSEs (`evses[i]` is EVSE i + 1); nothing holds after `valid_until_mono`."""

    seq: int
    valid_until_mono: float
    evses: tuple[EvseOrders, ...]


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """What to write to the devices of one EVSE in this tick; all of it, every tick.

    `phases`: what the phase contactor is to connect. `self_test_seq`: grows by one for each test of the residual
    monitor that is wanted; the answer comes as Readings.self_test. `message`: lines for the display. `blink_code`: the
    number of flashes that names the fault while `indication` is FAULTED, 0: none. `sign_for`: the session that the
    meter is to have open, None: none.
    """

    pilot_mode: PilotMode
    duty_percent: float
    relay_closed: bool
    relay_hold_s: float
    locked: bool
    indication: Indication
    phases: int = 3
    self_test_seq: int = 0
    message: tuple[str, ...] = ()
    blink_code: int = 0
    sign_for: SignFor | None = None


class ActiveFault(msgspec.Struct, frozen=True):
    """A fault that stands. `code`: key of the fault table (chargerd/evse/faults.py); `detail`: the values behind it.

    `warning`: it only tells, and holds no energy back.
    """

    code: str
    since_mono: float
    detail: str = ""
    warning: bool = False


class EvseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know about one EVSE at one instant.

    `offered_amps`: the current the pilot signals now, 0 when it offers none. `limits`: the whole table, `limit` its
    winner. `why_not`: every reason why no energy may flow, empty when it may. `relay_closed` None: no feedback fitted.
    `plug_count`, `energy_on_count`: how often a vehicle was plugged in and energy switched on since the process began;
    `plugged_wh`, `energy_on_wh`, `energy_off_wh`: the meter's register at the last such edge (None: no meter reading
    then). `unlock_seq`: the last request dealt with (below 0: no orders were seen yet), `unlocked` its result (None:
    none yet).

    `opened_by`: the reasons the contactor opened for when it did last. `inputs`: the input lines that are asserted.
    `contactor_cycles`, `lock_cycles`: how often each was closed since the process began. `self_tested_mono`: when the
    residual monitor last passed its own test (None: not yet). `plugged`: a plug is in the socket, with or without a
    vehicle at its other end (None: nobody can tell). `session`: that of a meter that signs.

    `phases`: how many are connected. `phases_pending`: another number that is wanted (None: none), `phases_wait` what
    it waits for (see phases.PhaseKeeper). `vehicle_phases`: how many the vehicle uses, None: not known yet. `waking`:
    the offer is taken away for some seconds to wake it. `wake_ups`: how often a vehicle was woken, `toggles`: how
    often one asked to wake (BCB toggles), since the process began.
    """

    evse_id: int
    pilot_state: PilotState = PilotState.UNKNOWN
    pilot_since_mono: float = 0.0
    ev_connected: bool = False
    pilot_mode: PilotMode = PilotMode.STEADY_HIGH
    duty_percent: float = 100.0
    offered_amps: float = 0.0
    limit: Limit = NO_LIMITS
    limits: tuple[Limit, ...] = ()
    why_not: tuple[str, ...] = ()
    faults: tuple[ActiveFault, ...] = ()
    relay_commanded: bool = False
    relay_closed: bool | None = None
    meter: MeterSample | None = None
    session: MeterSession | None = None
    token: TokenSeen | None = None
    cable_amps: float | None = None
    locked: bool | None = None
    celsius: float | None = None
    plug_celsius: float | None = None
    inputs: tuple[InputName, ...] = ()
    self_tested_mono: float | None = None
    plug_count: int = 0
    energy_on_count: int = 0
    plugged_wh: float | None = None
    energy_on_wh: float | None = None
    energy_off_wh: float | None = None
    contactor_cycles: int = 0
    lock_cycles: int = 0
    opened_by: tuple[str, ...] = ()
    unlock_seq: int = 0
    unlocked: bool | None = None
    plugged: bool | None = None
    phases: int = 3
    phases_pending: int | None = None
    phases_wait: str = ""
    vehicle_phases: int | None = None
    waking: bool = False
    wake_ups: int = 0
    toggles: int = 0


class LoopHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the control loop keeps time since start: ticks done, periods missed, lateness and work per tick in
    milliseconds (`work_p99_ms`: 99 of 100 ticks took no longer).
    """

    ticks: int = 0
    missed: int = 0
    late_p50_ms: float = 0.0
    late_p999_ms: float = 0.0
    late_max_ms: float = 0.0
    work_p99_ms: float = 0.0
    work_max_ms: float = 0.0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Complete state of the charging side. `run_id`: new with each start of the control process (its counters
    restart then).
    """

    run_id: str
    seq: int
    at_mono: float
    board: BoardFacts
    evses: tuple[EvseStatus, ...]
    loop: LoopHealth = LoopHealth()
