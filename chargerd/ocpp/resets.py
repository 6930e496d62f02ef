"""Reset (B11, B12): of the whole station, or of one EVSE; at once, or when nobody uses it any more.

A reset of the station is a restart of this process; the charging side lives on and has nothing permitted meanwhile. A
reset of an EVSE takes it out of service for a moment: contactor open, nothing offered, plug released, whoever waited
there forgotten. Faults that only unplugging clears outlive both: whatever they were, somebody has to look.

What is still to be done is on disk, so that a crash in between costs no reset; a power cut has done it all.
"""

from collections.abc import Iterable

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.boot import forget_boot_reason, keep_boot_reason
from chargerd.ocpp.edges import Change
from chargerd.ocpp.effects import Reboot, Severity
from chargerd.ocpp.firmware_management import FirmwareManagement
from chargerd.ocpp.messages.enums import BootReason, ResetEnum, ResetStatus
from chargerd.ocpp.messages.provisioning import Reset, ResetResponse
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.news import News, TransactionEnded
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.variables import AnyVariable, Tier, boolean, integer

NAMESPACE = "resets"

EVSE_RESET_S = 3.0
"""How long an EVSE is out of service: a lock takes about a second, and people must be able to see it."""

LOOK_EVERY_S = 0.25
"""How often it is looked whether the last messages have been answered."""

RESTART_WITHIN_S = 60.0
"""A process that still lives so long after it should have ended will not end by that attempt."""

RESET_RETRIES = integer(
    "OCPPCommCtrlr", "ResetRetries", 1, writable=True, minimum=0, doc="How often a reset that failed is tried again."
)
ALLOW_RESET = boolean(
    "EVSE", "AllowReset", True, tier=Tier.EVSE, required=False, doc="Whether the EVSE can be reset by itself."
)  # B11.FR.10

_STATION = 0
"""Stands among the ids of EVSEs for the whole station."""


class _Pending(msgspec.Struct, frozen=True):
    """A reset that is still to be done. `scheduled`: the CSMS was told that it would take a while."""

    kind: ResetEnum
    scheduled: bool


class Resets(Block):
    """Does what Reset asks for, as soon as it may be done."""

    def __init__(
        self,
        ctx: StationContext,
        transactions: Transactions,
        availability: Availability,
        firmware: FirmwareManagement,
    ) -> None:
        super().__init__(ctx)
        self._firmware = firmware
        self._transactions = transactions
        self._availability = availability
        self._pending: dict[int, _Pending] = {}
        self._back_at_mono: dict[int, float] = {}
        self._deliver_by_mono: float | None = None
        self._look_at_mono: float | None = None
        self._restart_by_mono: float | None = None
        self._attempts = 0

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        """Whether, and how often."""
        return (RESET_RETRIES, ALLOW_RESET)

    def handlers(self) -> Handlers:
        """Reset."""
        return {Reset: self._reset}

    def on_start(self, now: Now) -> None:
        """Take up what was not done yet; a start after a power cut was a reset of everything."""
        for key, pending in self.ctx.store.items(NAMESPACE, _Pending):
            if self.ctx.config.boot_reason == BootReason.POWER_UP or int(key) not in {_STATION, *self.ctx.evse_ids}:
                self.ctx.store.delete(NAMESPACE, key)
            else:
                self._pending[int(key)] = pending
        self._close(now)

    def on_change(self, change: Change, now: Now) -> None:
        """An EVSE may be free now."""
        self._advance(now)

    def on_news(self, news: News, now: Now) -> None:
        """An EVSE may be free now."""
        if isinstance(news, TransactionEnded):
            self._advance(now)

    def next_deadline(self) -> float | None:
        """The next moment at which something is to be looked at."""
        deadlines = [*self._back_at_mono.values(), self._look_at_mono, self._restart_by_mono]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def on_time(self, now: Now) -> None:
        """Go on with what waits."""
        for evse_id, back_at_mono in list(self._back_at_mono.items()):
            if now.mono >= back_at_mono:
                del self._back_at_mono[evse_id]
                self._close(now)
                self.ctx.note(Severity.INFO, f"resets: EVSE {evse_id} is back")
        if self._restart_by_mono is not None and now.mono >= self._restart_by_mono:
            self._still_alive(now)
        self._advance(now)

    # ------------------------------------------------------------------ the request

    def _reset(self, request: Reset, now: Now) -> ResetResponse:
        target = _STATION if request.evse_id is None else request.evse_id
        if target not in {_STATION, *self.ctx.evse_ids}:
            return _rejected("UnknownEvse", f"there are EVSEs 1 to {len(self.ctx.evse_ids)}")
        if target != _STATION and self.ctx.status is None:
            return _rejected("NotEnabled", "the charging side is silent")  # B11.FR.06
        if target == _STATION and self._firmware.is_installing:
            return _rejected("FwUpdateInProgress", "the machine is about to start new firmware")
        if self._restart_by_mono is None and not self._is_under_way(target, request.type):
            waits = request.type is ResetEnum.ON_IDLE and self._is_in_use(target, request.type)
            self._pending[target] = _Pending(request.type, waits)
            self.ctx.store.put(NAMESPACE, str(target), self._pending[target])
            self._advance(now)
            if self._restart_by_mono is None:
                self._close(now)
            if waits:
                return ResetResponse(status=ResetStatus.SCHEDULED)  # B12.FR.01
        return ResetResponse(status=ResetStatus.ACCEPTED)  # B11.FR.01, B12.FR.02

    def _is_under_way(self, target: int, kind: ResetEnum) -> bool:
        """A reset at once is being done already, and waiting for idleness would take it back."""
        pending = self._pending.get(target)
        return kind is ResetEnum.ON_IDLE and pending is not None and pending.kind is ResetEnum.IMMEDIATE

    # ------------------------------------------------------------------ doing it

    def _advance(self, now: Now) -> None:
        for target, pending in list(self._pending.items()):
            if pending.kind is ResetEnum.IMMEDIATE:
                self._end_all(target, now)  # B12.FR.04, B12.FR.08
            if self._is_in_use(target, pending.kind):
                continue  # B12.FR.03, B12.FR.07
            if target == _STATION:
                self._restart_when_told(pending, now)
            else:
                self._reset_evse(target, now)

    def _end_all(self, target: int, now: Now) -> None:
        for evse_id in self._evse_ids(target):
            if self._transactions.is_busy(evse_id):
                self._transactions.end_by_reset(evse_id, now)

    def _reset_evse(self, evse_id: int, now: Now) -> None:
        """B11.FR.08."""
        self._done(evse_id)
        self._back_at_mono[evse_id] = now.mono + EVSE_RESET_S
        self.ctx.note(Severity.INFO, f"resets: EVSE {evse_id} is reset")
        self._close(now)

    def _restart_when_told(self, pending: _Pending, now: Now) -> None:
        """Restart as soon as the CSMS has all events of the ended transactions, or no answer comes (B12.FR.05)."""
        if self._deliver_by_mono is None:
            self._firmware.pause(now)
            self._deliver_by_mono = now.mono + self.ctx.rpc.message_timeout_s
        if self.ctx.online and now.mono < self._deliver_by_mono and self.ctx.outbox.pending():
            self._look_at_mono = now.mono + LOOK_EVERY_S
            return
        self._deliver_by_mono = self._look_at_mono = None
        for target in list(self._pending):
            self._done(target)
        reason = BootReason.SCHEDULED_RESET if pending.scheduled else BootReason.REMOTE_RESET  # B01.FR.09
        keep_boot_reason(self.ctx, reason)
        self._attempts = 0
        self._restart(f"Reset ({pending.kind}) by the CSMS", now)

    def _restart(self, why: str, now: Now) -> None:
        self._restart_by_mono = now.mono + RESTART_WITHIN_S
        self.ctx.do(Reboot(why))

    def _still_alive(self, now: Now) -> None:
        """The shell did not manage to end the process."""
        self._restart_by_mono = None
        if self._attempts < self.ctx.variables[RESET_RETRIES]:
            self._attempts += 1
            self._restart(f"Reset by the CSMS, attempt {self._attempts + 1}", now)
            return
        self.ctx.note(Severity.ERROR, f"resets: the station did not restart in {self._attempts + 1} attempts, going on")
        forget_boot_reason(self.ctx)
        self._firmware.resume(now)
        self._close(now)

    # ------------------------------------------------------------------ helpers

    def _close(self, now: Now) -> None:
        """Nobody may begin where a reset waits; where one is being done, nothing goes on either."""
        waiting: dict[ResetEnum, set[int]] = {kind: set() for kind in ResetEnum}
        for target, pending in self._pending.items():
            waiting[pending.kind].update(self._evse_ids(target))
        self._availability.close(waiting[ResetEnum.ON_IDLE])
        self._availability.reset(waiting[ResetEnum.IMMEDIATE] | self._back_at_mono.keys())
        self._availability.review(now)

    def _done(self, target: int) -> None:
        del self._pending[target]
        self.ctx.store.delete(NAMESPACE, str(target))

    def _is_in_use(self, target: int, kind: ResetEnum) -> bool:
        """Whether the reset has to wait: at once means after the transactions, else somebody on his way counts too."""
        if kind is ResetEnum.IMMEDIATE:
            return any(self._transactions.running(evse_id) is not None for evse_id in self._evse_ids(target))
        return any(self._transactions.is_busy(evse_id) for evse_id in self._evse_ids(target))

    def _evse_ids(self, target: int) -> Iterable[int]:
        return self.ctx.evse_ids if target == _STATION else (target,)


def _rejected(reason_code: str, info: str) -> ResetResponse:
    return ResetResponse(
        status=ResetStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code, additional_info=info)
    )
