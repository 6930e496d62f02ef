"""F05: a connector is asked to be released, and the answer waits until its lock has done so or not."""

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.edges import Change, ControlSilent, UnlockDone
from chargerd.ocpp.messages.enums import UnlockStatus
from chargerd.ocpp.messages.remote_control import UnlockConnectorResponse
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.rpc import Deferred

ANSWER_S = 6.0
"""A lock has 3 s (evse/lock.py), and orders and status each up to one second on their way; after that it failed."""


class _Pending(msgspec.Struct, frozen=True):
    unlock_seq: int
    answer: Deferred
    give_up_mono: float


class Unlocks:
    """One release at a time for each EVSE."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._pending: dict[int, _Pending] = {}

    def begin(self, evse_id: int, now: Now) -> UnlockConnectorResponse | Deferred:
        """Have the lock of this EVSE opened, whether a cable is seen in it or not (F05.FR.06)."""
        facts = self._ctx.config.board.evses[evse_id - 1]
        if facts.tethered:
            return failed("FixedCable")
        if not facts.has_lock:
            return failed("Unspecified", "the socket has no lock")
        if self._ctx.evse(evse_id) is None:
            return failed("Unspecified", "the charging side is silent")
        if evse_id in self._pending:
            return failed("Unspecified", "it is being unlocked already")
        answer = Deferred()
        self._pending[evse_id] = _Pending(self._ctx.orders.request_unlock(evse_id), answer, now.mono + ANSWER_S)
        return answer

    def on_change(self, change: Change) -> None:
        """The lock has been dealt with, or nobody is there any more who could."""
        if isinstance(change, ControlSilent):
            for evse_id in list(self._pending):
                self._settle(evse_id, failed("Unspecified", "the charging side is silent"))
        elif isinstance(change, UnlockDone):
            pending = self._pending.get(change.evse_id)
            if pending is not None and change.unlock_seq >= pending.unlock_seq:
                done = UnlockConnectorResponse(status=UnlockStatus.UNLOCKED)  # F05.FR.04
                self._settle(change.evse_id, done if change.unlocked else failed("Unspecified", "the lock still holds"))

    def next_deadline(self) -> float | None:
        """When the first of the locks has had its time."""
        return min((pending.give_up_mono for pending in self._pending.values()), default=None)

    def on_time(self, now: Now) -> None:
        """A lock that has not answered in its time has failed."""
        for evse_id, pending in list(self._pending.items()):
            if now.mono >= pending.give_up_mono:
                self._settle(evse_id, failed("Unspecified", f"no word of the lock in {ANSWER_S:g} s"))

    def _settle(self, evse_id: int, response: UnlockConnectorResponse) -> None:
        self._pending.pop(evse_id).answer.settle(response)


def failed(reason_code: str, info: str | None = None) -> UnlockConnectorResponse:
    """F05.FR.05."""
    status_info = StatusInfo(reason_code=reason_code, additional_info=info)
    return UnlockConnectorResponse(status=UnlockStatus.UNLOCK_FAILED, status_info=status_info)
