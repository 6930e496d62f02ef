"""Previous Status and next Status in, what happened in between out. Pure; a lost snapshot loses no edge, for counters tell."""

import msgspec

from chargerd.evse.types import ActiveFault, PilotState
from chargerd.limits import Limit
from hal.types import MeterSample, Token


class ControlRestarted(msgspec.Struct, frozen=True):
    """The control process is a new one (first Status ever, or another run_id): its counters started again, the contactor was open."""

    first: bool


class ControlSilent(msgspec.Struct, frozen=True):
    """The control process has stopped talking; nothing is known of the charging side until it speaks again."""


class EvConnected(msgspec.Struct, frozen=True):
    """A vehicle was plugged in. `register_wh`: meter register at that moment, None without a meter."""

    evse_id: int
    at_mono: float
    register_wh: float | None


class EvDisconnected(msgspec.Struct, frozen=True):
    """The vehicle was unplugged."""

    evse_id: int
    at_mono: float


class EnergyOn(msgspec.Struct, frozen=True):
    """Energy began to flow: contactor confirmed closed (or commanded, without feedback) and the vehicle in C or D."""

    evse_id: int
    at_mono: float
    register_wh: float | None


class EnergyOff(msgspec.Struct, frozen=True):
    """Energy stopped. `by_ev`: the vehicle went back to B by itself while we still offered current."""

    evse_id: int
    at_mono: float
    register_wh: float | None
    by_ev: bool


class PilotChanged(msgspec.Struct, frozen=True):
    """The vehicle's pilot state changed."""

    evse_id: int
    before: PilotState
    after: PilotState


class SuspensionChanged(msgspec.Struct, frozen=True):
    """With no energy flowing, the side that holds it back changed: `by_evse` our why_not (or limit) says no."""

    evse_id: int
    by_evse: bool


class TokenPresented(msgspec.Struct, frozen=True):
    """Somebody showed an identification at this EVSE's reader."""

    evse_id: int
    token: Token


class FaultRaised(msgspec.Struct, frozen=True):
    """A fault began to stand."""

    evse_id: int
    fault: ActiveFault


class FaultCleared(msgspec.Struct, frozen=True):
    """A fault no longer stands."""

    evse_id: int
    code: str


class LimitChanged(msgspec.Struct, frozen=True):
    """The effective limit (value or winner) changed."""

    evse_id: int
    before: Limit
    after: Limit


class MeterArrived(msgspec.Struct, frozen=True):
    """A new meter sample."""

    evse_id: int
    sample: MeterSample


class UnlockDone(msgspec.Struct, frozen=True):
    """The unlock request number `unlock_seq` has been dealt with."""

    evse_id: int
    unlock_seq: int
    unlocked: bool


Change = (
    ControlRestarted
    | ControlSilent
    | EvConnected
    | EvDisconnected
    | EnergyOn
    | EnergyOff
    | PilotChanged
    | SuspensionChanged
    | TokenPresented
    | FaultRaised
    | FaultCleared
    | LimitChanged
    | MeterArrived
    | UnlockDone
)
