"""Block A: security events. Every one is logged, a critical one also reaches the CSMS for certain (A04).

Here too are the causes that no other block has: the start, the clock, the enclosure, frames that are no OCPP, memory
that runs out, and a security log that is not as it was left.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chargerd.clock import Now
from chargerd.evse.faults import FaultCode
from chargerd.ocpp.block import Answers, Block, StationContext
from chargerd.ocpp.boot import boot_reason
from chargerd.ocpp.edges import Change, FaultCleared, FaultRaised
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.event_series import EventSeries
from chargerd.ocpp.events import MemoryMeasured
from chargerd.ocpp.messages.enums import BootReason
from chargerd.ocpp.messages.security import SecurityEventNotification
from chargerd.ocpp.network_variables import NETWORK_CONFIGURATION_PRIORITY, SECURITY_PROFILE
from chargerd.ocpp.news import ClockSet, News, Registration, RegistrationChanged, SecurityEvent, VariableChanged
from chargerd.ocpp.outbox import SECURITY_EVENTS
from chargerd.ocpp.security_events import CRITICAL
from chargerd.ocpp.security_log import MAX_INFO_CHARACTERS, SecurityLog, one_line
from chargerd.ocpp.time_source import TIME_ADJUSTMENT_REPORTING_THRESHOLD
from chargerd.ocpp.variables import AnyVariable, string

NAMESPACE, HELD_BACK_KEY, PROFILE_KEY = "security", "held_back", "profile"

MAX_UNDELIVERED = 100
"""With so many on their way to the CSMS, a further event of a kind that is among them is counted instead."""

RAM_USED, RAM_FREE_AGAIN = 0.9, 0.8
"""Shares of the memory the process may have: MemoryExhaustion, and when it is over."""

DISK_FREE_BYTES, DISK_FREE_AGAIN_BYTES = 32 * 1024 * 1024, 64 * 1024 * 1024
"""The first is some hours of charging offline."""

QUEUE_ROOM_AGAIN = 0.9
"""Share of the rows that the queue of messages may have; it is full with all of them."""

_POWER_UP_REASONS = frozenset({BootReason.POWER_UP, BootReason.UNKNOWN})

ORGANIZATION_NAME = string(
    "SecurityCtrlr",
    "OrganizationName",
    "chargerd",
    max_length=64,
    writable=True,
    doc="Organisation named in certificate requests of the station.",
)


class Security(Block):
    """Keeps the security log and tells the CSMS what is critical."""

    def __init__(self, ctx: StationContext, log: SecurityLog) -> None:
        super().__init__(ctx)
        self._log = log
        self._series = EventSeries()
        self._started_at_mono: float | None = None
        self._boot_reason = BootReason.UNKNOWN
        self._open_enclosures: set[int] = set()
        self._exhausted: set[str] = set()
        self._held_back: dict[str, int] = {}

    def variables(self) -> Iterable[AnyVariable]:
        """Who is named in requests for certificates."""
        return (ORGANIZATION_NAME,)

    def answers(self) -> Answers:
        """An event has arrived: there is room for the next."""
        return {SecurityEventNotification: self._delivered}

    def on_start(self, now: Now) -> None:
        """The start itself is an event; it waits for a clock that is right."""
        self._held_back = self.ctx.store.find(NAMESPACE, HELD_BACK_KEY, dict[str, int]) or {}
        self.ctx.rpc.on_invalid = self._invalid_message
        if problem := self._log.open():
            self._record("SecurityLogWasCleared", problem, now.utc, now)
        self._started_at_mono = now.mono
        self._boot_reason = boot_reason(self.ctx)
        if now.synced:
            self._record_start(now)

    def on_link_up(self, now: Now) -> None:
        """A connection on another security profile than the last is a change of security, whoever made it."""
        profile = self.ctx.variables[SECURITY_PROFILE]
        before = self.ctx.store.find(NAMESPACE, PROFILE_KEY, int)
        if profile != before:
            self.ctx.store.put(NAMESPACE, PROFILE_KEY, profile)
            if before is not None:
                self._event("ReconfigurationOfSecurityParameters", f"SecurityProfile from {before} to {profile}", now)

    def on_change(self, change: Change, now: Now) -> None:
        """The enclosure is the station's, whichever EVSE tells of it."""
        match change:
            case FaultRaised(evse_id, fault) if fault.code == FaultCode.ENCLOSURE_OPEN:
                if not self._open_enclosures:
                    self._event("TamperDetectionActivated", "the enclosure is open", now)
                self._open_enclosures.add(evse_id)
            case FaultCleared(evse_id, code) if code == FaultCode.ENCLOSURE_OPEN:
                self._open_enclosures.discard(evse_id)

    def on_news(self, news: News, now: Now) -> None:
        """Events of other blocks, a clock that was set, a variable that matters here."""
        match news:
            case SecurityEvent(kind, tech_info):
                self._event(kind, tech_info, now)
            case RegistrationChanged(Registration.ACCEPTED):
                self._record_start(now)
            case ClockSet(by_s):
                if abs(by_s) > self.ctx.variables[TIME_ADJUSTMENT_REPORTING_THRESHOLD]:
                    self._event("SettingSystemTime", f"by {by_s:.3f} s", now)
            case VariableChanged(variable) if _is_of_security(variable):
                self._event("ReconfigurationOfSecurityParameters", variable.name, now)

    def next_deadline(self) -> float | None:
        """When the repetitions of an event are to be told."""
        return self._series.next_deadline()

    def on_time(self, now: Now) -> None:
        """Tell how often what was told once came again."""
        for kind, tech_info in self._series.ended(now):
            self._record(kind, tech_info, now.utc, now)

    def memory_measured(self, measured: MemoryMeasured, now: Now) -> None:
        """The shell has looked how much room is left; the queue is looked at on the same occasion."""
        ram, disk, queue = measured.ram_used, measured.disk_free_bytes, self.ctx.outbox.used
        if ram is not None:
            self._exhaustion("memory", ram >= RAM_USED, ram < RAM_FREE_AGAIN, f"{ram:.0%} used", now)
        if disk is not None:
            text = f"{disk // 1024} KiB free"
            self._exhaustion("disk", disk < DISK_FREE_BYTES, disk >= DISK_FREE_AGAIN_BYTES, text, now)
        self._exhaustion("message queue", queue >= 1.0, queue < QUEUE_ROOM_AGAIN, "full", now)

    # ------------------------------------------------------------------ what becomes of an event

    def _event(self, kind: str, tech_info: str, now: Now) -> None:
        """Something happened now: told, or counted as one more of a series."""
        if self._series.is_to_be_told(kind, tech_info, now):
            self._record(kind, tech_info, now.utc, now)

    def _record_start(self, now: Now) -> None:
        if self._started_at_mono is None:
            return
        kind = "StartupOfTheDevice" if self._boot_reason in _POWER_UP_REASONS else "ResetOrReboot"
        at_utc = now.utc_at(self._started_at_mono)
        self._started_at_mono = None
        self._record(kind, f"boot reason {self._boot_reason}", at_utc, now)

    def _record(self, kind: str, tech_info: str, at_utc: datetime, now: Now) -> None:
        row = self._log.append(kind, tech_info, at_utc, synced=now.synced)
        self.ctx.note(Severity.INFO, f"security: {kind} {one_line(tech_info)} (log row {row})")
        if kind in CRITICAL and self._may_be_queued(kind):
            info = one_line(tech_info)[:MAX_INFO_CHARACTERS]
            request = SecurityEventNotification(type=kind, timestamp=at_utc, tech_info=info or None)
            self.ctx.queue(request, now, subject=SECURITY_EVENTS)

    def _may_be_queued(self, kind: str) -> bool:
        """The first of a kind always; a further one that finds the queue long is counted, over a restart too."""
        if not self._held_back and self.ctx.outbox.pending(SECURITY_EVENTS) < MAX_UNDELIVERED:
            return True
        first = kind not in self._held_back
        self._held_back[kind] = 0 if first else self._held_back[kind] + 1
        self.ctx.store.put(NAMESPACE, HELD_BACK_KEY, self._held_back)
        return first

    def _delivered(self, _request: SecurityEventNotification, _response: Any, now: Now) -> None:
        if not self._held_back or self.ctx.outbox.pending(SECURITY_EVENTS) > 0:
            return
        counts, self._held_back = self._held_back, {}
        self.ctx.store.delete(NAMESPACE, HELD_BACK_KEY)
        for kind, more in counts.items():
            if more:
                info = f"{more} more of these; the security log has them"
                request = SecurityEventNotification(type=kind, timestamp=now.utc, tech_info=info)
                self.ctx.queue(request, now, subject=SECURITY_EVENTS)

    # ------------------------------------------------------------------ causes

    def _invalid_message(self, what: str, now: Now) -> None:
        self._event("InvalidMessages", what, now)

    def _exhaustion(self, of: str, is_full: bool, has_room: bool, text: str, now: Now) -> None:
        if is_full and of not in self._exhausted:
            self._exhausted.add(of)
            self._event("MemoryExhaustion", f"{of}: {text}", now)
        elif has_room:
            self._exhausted.discard(of)


def _is_of_security(variable: AnyVariable) -> bool:
    """Passwords apart: whoever changes one says so when it is in use."""
    return variable == NETWORK_CONFIGURATION_PRIORITY or (
        variable.component == "SecurityCtrlr" and not variable.write_only
    )
