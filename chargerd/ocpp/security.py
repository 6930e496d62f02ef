"""Block A: security events. Every one is logged, a critical one also reaches the CSMS for certain (A04)."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.boot import boot_reason
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import BootReason
from chargerd.ocpp.messages.security import SecurityEventNotification
from chargerd.ocpp.news import ClockSet, News, Registration, RegistrationChanged, SecurityEvent
from chargerd.ocpp.time_source import TIME_ADJUSTMENT_REPORTING_THRESHOLD
from chargerd.ocpp.variables import AnyVariable, string

CRITICAL = frozenset(
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCsmsCertificate",
        "InvalidChargingStationCertificate",
        "InvalidTLSVersion",
        "InvalidTLSCipherSuite",
        "MaintenanceLoginAccepted",
        "MaintenanceLoginFailed",
        "DiscardedRenewedClientCertificate",
    }
)
"""Events that must be pushed (part 2, appendix 1)."""

LOG = "security_log"
LOG_ROWS = 1000
"""The log rolls (A04.FR.04): the oldest row goes when a new one comes."""

SUBJECT = "security"

_POWER_UP_REASONS = frozenset({BootReason.POWER_UP, BootReason.UNKNOWN})

ORGANIZATION_NAME = string(
    "SecurityCtrlr",
    "OrganizationName",
    "chargerd",
    max_length=64,
    writable=True,
    doc="Organisation named in certificate requests of the station.",
)


class LoggedEvent(msgspec.Struct, frozen=True):
    """A row of the security log."""

    kind: str
    at_utc: datetime
    tech_info: str = ""


class Security(Block):
    """Keeps the security log and tells the CSMS what is critical."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._started_at_mono: float | None = None
        self._boot_reason = BootReason.UNKNOWN

    def variables(self) -> Iterable[AnyVariable]:
        """Who is named in requests for certificates."""
        return (ORGANIZATION_NAME,)

    def on_start(self, now: Now) -> None:
        """The start itself is an event; it waits for a clock that is right."""
        self._started_at_mono = now.mono
        self._boot_reason = boot_reason(self.ctx)
        if now.synced:
            self._record_start(now)

    def on_news(self, news: News, now: Now) -> None:
        """Events of other blocks, and a clock that was set."""
        match news:
            case SecurityEvent(kind, tech_info):
                self._record(kind, tech_info, now.utc, now)
            case RegistrationChanged(Registration.ACCEPTED):
                self._record_start(now)
            case ClockSet(by_s):
                if abs(by_s) > self.ctx.variables[TIME_ADJUSTMENT_REPORTING_THRESHOLD]:
                    self._record("SettingSystemTime", f"by {by_s:.3f} s", now.utc, now)

    def _record_start(self, now: Now) -> None:
        if self._started_at_mono is None:
            return
        kind = "StartupOfTheDevice" if self._boot_reason in _POWER_UP_REASONS else "ResetOrReboot"
        at_utc = now.utc_at(self._started_at_mono)
        self._started_at_mono = None
        self._record(kind, f"boot reason {self._boot_reason}", at_utc, now)

    def _record(self, kind: str, tech_info: str, at_utc: datetime, now: Now) -> None:
        newest = self.ctx.store.append(LOG, LoggedEvent(kind, at_utc, tech_info))
        self.ctx.store.trim(LOG, LOG_ROWS)
        self.ctx.note(Severity.INFO, f"security: {kind} {tech_info} (log row {newest})")
        if kind in CRITICAL:
            request = SecurityEventNotification(type=kind, timestamp=at_utc, tech_info=tech_info[:255] or None)
            self.ctx.queue(request, now, subject=SUBJECT)
