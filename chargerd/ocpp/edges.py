"""Previous Status and next Status in, what happened in between out. Pure; a lost snapshot loses no edge, for counters
tell."""

from collections.abc import Iterator

import msgspec

from chargerd.evse.types import ActiveFault, EvseStatus, MeterSession, PilotState, Status
from chargerd.limits import Limit, says_the_same
from hal.types import MeterSample, Token


class ControlRestarted(msgspec.Struct, frozen=True):
    """The control process is a new one (first Status ever, or another run_id): its counters started again, the
    contactor was open."""

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


class PlugChanged(msgspec.Struct, frozen=True):
    """A plug was put into the socket or pulled out of it, whatever is at its other end. `plugged` None: nobody can
    tell any more."""

    evse_id: int
    plugged: bool | None


class MeterSessionChanged(msgspec.Struct, frozen=True):
    """The session of a signing meter went on."""

    evse_id: int
    session: MeterSession


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
    | PlugChanged
    | MeterSessionChanged
    | UnlockDone
)


_NOTHING_SEEN = EvseStatus(evse_id=0)
"""What an EVSE is compared with when nothing comparable is known: no vehicle, no energy, no fault, all counters at
zero."""


def changes(previous: Status | None, current: Status) -> tuple[Change, ...]:
    """What happened between two snapshots, in the order in which it matters.

    `previous` None or of another run: ControlRestarted comes first and everything that stands now is told as if it
    had just begun. After None (we are the new ones, or were deaf) what is past counts as seen, tokens and unlock
    results too: nobody may be charged for a card that was shown before we listened.
    """
    assert previous is None or len(previous.evses) == len(current.evses), "can't change: the board's facts are fixed"
    found: list[Change] = []
    if previous is None or previous.run_id != current.run_id:
        found.append(ControlRestarted(first=previous is None))
    for index, after in enumerate(current.evses):
        found += _evse_changes(_before(previous, current, index), after, current.at_mono)
    return tuple(found)


def is_energy_on(evse: EvseStatus) -> bool:
    """Contactor confirmed closed (commanded, where no feedback is fitted) and the vehicle in C or D."""
    closed = evse.relay_commanded if evse.relay_closed is None else evse.relay_closed
    return closed and evse.pilot_state in (PilotState.C, PilotState.D)


def has_stopping_fault(evse: EvseStatus) -> bool:
    """Whether a fault stands that is more than a warning."""
    return any(not fault.warning for fault in evse.faults)


def is_held_by_evse(evse: EvseStatus) -> bool:
    """Our side offers no current now. False: only the vehicle holds energy back, be it that it has to be woken."""
    return evse.offered_amps <= 0.0 and not evse.waking


def _before(previous: Status | None, current: Status, index: int) -> EvseStatus:
    after = current.evses[index]
    if previous is None:
        return msgspec.structs.replace(
            _NOTHING_SEEN,
            plug_count=after.plug_count,
            energy_on_count=after.energy_on_count,
            token=after.token,
            unlock_seq=after.unlock_seq,
        )
    before = previous.evses[index]
    if previous.run_id == current.run_id:
        return before
    # What the old process knew and the new one does not confirm is told as over: faults, and the limit that then
    # applied.
    return msgspec.structs.replace(_NOTHING_SEEN, faults=before.faults, limit=before.limit)


def _evse_changes(before: EvseStatus, after: EvseStatus, at_mono: float) -> Iterator[Change]:
    # A fault explains the loss of energy, so it comes first; a token is meant for the vehicle that is there now, so
    # it comes last.
    evse_id = after.evse_id
    yield from _fault_changes(before, after)
    if not says_the_same(after.limit, before.limit):
        yield LimitChanged(evse_id, before.limit, after.limit)
    if after.meter is not None and after.meter != before.meter:
        yield MeterArrived(evse_id, after.meter)
    if after.session is not None and after.session != before.session:
        yield MeterSessionChanged(evse_id, after.session)
    if after.pilot_state is not before.pilot_state:
        yield PilotChanged(evse_id, before.pilot_state, after.pilot_state)
    yield from _presence_changes(before, after, at_mono)
    if after.plugged is not before.plugged:
        yield PlugChanged(evse_id, after.plugged)
    by_evse = is_held_by_evse(after)
    if not is_energy_on(after) and by_evse is not is_held_by_evse(before):
        yield SuspensionChanged(evse_id, by_evse)
    if after.unlock_seq != before.unlock_seq:
        yield UnlockDone(evse_id, after.unlock_seq, unlocked=after.unlocked is True)
    if after.token is not None and (before.token is None or after.token.seq != before.token.seq):
        yield TokenPresented(evse_id, after.token.token)


def _fault_changes(before: EvseStatus, after: EvseStatus) -> Iterator[Change]:
    stood = {fault.code for fault in before.faults}
    stands = {fault.code for fault in after.faults}
    for fault in after.faults:
        if fault.code not in stood:
            yield FaultRaised(after.evse_id, fault)
    for fault in before.faults:
        if fault.code not in stands:
            yield FaultCleared(after.evse_id, fault.code)


def _presence_changes(before: EvseStatus, after: EvseStatus, at_mono: float) -> Iterator[Change]:
    """Energy ends before the vehicle leaves and begins after it came; one missed plugging stands for any number of
    them."""
    evse_id = after.evse_id
    replugged = after.plug_count != before.plug_count
    left = before.ev_connected and (replugged or not after.ev_connected)
    came = replugged or (after.ev_connected and not before.ev_connected)
    on_before, on_after = is_energy_on(before), is_energy_on(after)
    switched_on = after.energy_on_count != before.energy_on_count or (on_after and not on_before)
    if on_before and (left or switched_on or not on_after):
        yield EnergyOff(evse_id, at_mono, _register_wh(after), by_ev=_is_ev_pause(after))
    if left:
        yield EvDisconnected(evse_id, at_mono)
    if came:
        yield EvConnected(evse_id, at_mono, after.plugged_wh)
    if switched_on:
        yield EnergyOn(evse_id, at_mono, after.energy_on_wh)
        if not on_after:
            yield EnergyOff(evse_id, at_mono, _register_wh(after), by_ev=_is_ev_pause(after))
    if came and not after.ev_connected:
        yield EvDisconnected(evse_id, at_mono)


def _is_ev_pause(after: EvseStatus) -> bool:
    return after.pilot_state is PilotState.B and not is_held_by_evse(after)


def _register_wh(after: EvseStatus) -> float | None:
    # The register of the last opening belongs to an earlier charge while the contactor still stands closed.
    if after.relay_commanded:
        return None if after.meter is None else after.meter.energy_wh
    return after.energy_off_wh
