"""The link to the CSMS: when it is opened, with what, and what its opening and its end mean.

The link is opened and closed only by effects made here. Whatever fails is tried again for ever (B10.FR.09): which slot
comes next, with which credentials and after which wait, is said in connection_attempts.py; what is in the slots, in
network_profiles.py.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from chargerd import certificates
from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.clock_floor import ClockFloor
from chargerd.ocpp.connection_attempts import Attempt, ConnectionAttempts
from chargerd.ocpp.credentials import Credentials
from chargerd.ocpp.effects import CloseLink, OpenLink, SetPing, Severity
from chargerd.ocpp.events import LinkDown, LinkFailure, LinkUp
from chargerd.ocpp.messages.enums import SetNetworkProfileStatus
from chargerd.ocpp.messages.provisioning import SetNetworkProfile, SetNetworkProfileResponse
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.network_profiles import Means, NetworkProfiles
from chargerd.ocpp.network_variables import (
    ACTIVE_NETWORK_PROFILE,
    ALL,
    ALLOW_CSMS_TLS_WILDCARDS,
    IDENTITY,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    SECURITY_PROFILE,
    SLOTS,
    WEB_SOCKET_PING_INTERVAL,
)
from chargerd.ocpp.news import CredentialsOffered, News, SecurityEvent, VariableChanged
from chargerd.ocpp.settings import PROFILE_PLAIN, NetworkSlot
from chargerd.ocpp.variables import AnyVariable, Check, Reader

CONNECT_TIMEOUT_S = 30.0
"""Name, route, TLS and handshake together; a slow mobile link needs half of it."""

_SECURITY_EVENTS = {
    LinkFailure.REFUSED_CREDENTIALS: "FailedToAuthenticateAtCsms",
    LinkFailure.BAD_CERTIFICATE: "InvalidCsmsCertificate",  # A00.FR.310
    LinkFailure.OLD_TLS: "InvalidTLSVersion",
    LinkFailure.NO_COMMON_CIPHERS: "InvalidTLSCipherSuite",
    LinkFailure.CLIENT_CERTIFICATE_REFUSED: "FailedToAuthenticateAtCsms",
    LinkFailure.BAD_FRAME: "InvalidMessages",
}


class Network(Block):
    """Opens the link, and opens it again whenever it ends."""

    def __init__(self, ctx: StationContext, credentials: Credentials, book: CertificateBook) -> None:
        super().__init__(ctx)
        self._credentials = credentials
        self._book = book
        self._profiles = NetworkProfiles(ctx)
        self._attempts = ConnectionAttempts(ctx, self._profiles, credentials)
        self._floor = ClockFloor(ctx)
        self._attempt = Attempt(slot=int(SLOTS[0]), profile=ctx.config.network)
        self._connected = False
        self._opening = False
        self._reopen_at_mono: float | None = None
        self._reopen_at_once = False
        self._reported: set[LinkFailure | str] = set()
        self._seen: Now | None = None

    @property
    def active_slot(self) -> int:
        """The slot that is connected, or was tried last."""
        return self._attempt.slot

    @property
    def clock_floor(self) -> datetime | None:
        """It is certainly later than this; None: nobody knows."""
        return self._floor.utc

    @property
    def missing(self) -> str:
        """Why no slot can even be tried (a password that nobody has provisioned); empty: one can."""
        return self._attempts.missing()

    def variables(self) -> Iterable[AnyVariable]:
        """How to reach the CSMS."""
        return ALL

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """What follows from the connection."""
        return {
            ACTIVE_NETWORK_PROFILE: lambda _evse_id, _connector_id: self._attempt.slot,
            MESSAGE_TIMEOUT: lambda _evse_id, _connector_id: self._attempt.profile.message_timeout_s,
            SECURITY_PROFILE: lambda _evse_id, _connector_id: self._profiles.security_profile,
            IDENTITY: lambda _evse_id, _connector_id: self.ctx.config.identity,
        }

    def checks(self) -> Mapping[AnyVariable, Callable[[Any], str | None]]:
        """A priority list may name only slots that can be used."""
        check: Check = self._why_not_priority
        return {NETWORK_CONFIGURATION_PRIORITY: check}

    def handlers(self) -> Handlers:
        """Block B's network profiles."""
        return {SetNetworkProfile: self._set_network_profile}

    def on_start(self, now: Now) -> None:
        """Connect at once, to the first slot of the list (A05.FR.05, B10.FR.04)."""
        self._seen = now
        self._profiles.load()
        self._floor.load()
        self._open(now)

    def on_news(self, news: News, now: Now) -> None:
        """New credentials are used at once (A01, A02.FR.08); a new ping interval as well."""
        match news:
            case CredentialsOffered():
                self._attempts.start_over()
                if self._attempts.next() != self._attempt:
                    self._reconnect("new credentials", now)
            case VariableChanged(variable) if variable == WEB_SOCKET_PING_INTERVAL and self._connected:
                self.ctx.do(SetPing(float(self.ctx.variables[WEB_SOCKET_PING_INTERVAL])))

    def link_opened(self, event: LinkUp, now: Now) -> None:
        """The link is up: what it was made with is what works, and the back-off begins anew next time (part 4, 5.3 as
        corrected).
        """
        self._seen = now
        self._connected, self._opening = True, False
        attempt = self._attempt
        self._credentials.worked(attempt.password, attempt.client)
        self._profiles.connected(attempt.slot, attempt.profile)
        self._attempts.connected()
        if event.root_sha256:
            self._book.csms_root_worked(event.root_sha256)
            self._floor.verified(now)
        self._reported.clear()
        self.ctx.note(Severity.INFO, f"network: connected to {attempt.profile.url} (slot {attempt.slot})")

    def link_closed(self, event: LinkDown, now: Now) -> None:
        """The link ended or could not be made: try again after a while."""
        was_connected, self._connected, self._opening = self._connected, False, False
        self._tell_about(event)
        if self._reopen_at_once:
            self._reopen_at_once = False
            self._open(now)
            return
        if not was_connected:
            self._attempts.failed(self._attempt, event.failure)
        self._reopen_at_mono = now.mono + self._attempts.wait_s()

    def next_deadline(self) -> float | None:
        """When to connect again."""
        return self._reopen_at_mono

    def on_time(self, now: Now) -> None:
        """Connect again if it is time."""
        self._seen = now
        if self._reopen_at_mono is not None and now.mono >= self._reopen_at_mono:
            self._open(now)

    # ------------------------------------------------------------------ opening

    def _open(self, now: Now) -> None:
        self._reopen_at_mono = None
        self._attempt = attempt = self._attempts.next()
        profile, config = attempt.profile, self.ctx.config
        self.ctx.rpc.message_timeout_s = float(profile.message_timeout_s)
        if attempt.missing:
            self._report(attempt.missing, f"network: slot {attempt.slot} cannot be tried, {attempt.missing}")
            self._attempts.failed(attempt, None)
            self._reopen_at_mono = now.mono + self._attempts.wait_s()
            return
        self._opening = True
        self.ctx.do(
            OpenLink(
                slot=attempt.slot,
                url=profile.full_url(config.identity),
                identity=config.identity,
                password=attempt.password,
                security_profile=profile.security_profile,
                ping_interval_s=float(self.ctx.variables[WEB_SOCKET_PING_INTERVAL]),
                connect_timeout_s=CONNECT_TIMEOUT_S,
                client=attempt.client,
                roots_pem=self._roots_for(profile),
                wildcards=self.ctx.variables[ALLOW_CSMS_TLS_WILDCARDS],
                clock_floor=self._floor.utc,
            )
        )

    def _roots_for(self, profile: NetworkSlot) -> tuple[str, ...]:
        if profile.security_profile == PROFILE_PLAIN:
            return ()
        way_back = self._profiles.way_back
        return self._book.csms_roots(migrating=way_back is not None and way_back[1].url != profile.url)  # M05.FR.15

    def _reconnect(self, why: str, now: Now) -> None:
        """With what has changed; a link being made with what was there before ends first."""
        if self._connected or self._opening:
            self._reopen_at_once = True
            self.ctx.do(CloseLink(why))
        else:
            self._open(now)

    def _tell_about(self, event: LinkDown) -> None:
        self.ctx.note(Severity.WARNING, f"network: link of slot {event.slot} is down: {event.failure}, {event.why}")
        kind = _SECURITY_EVENTS.get(event.failure)
        if kind is not None and event.failure not in self._reported:
            self._reported.add(event.failure)  # once for a series of failures (A00)
            self.ctx.publish(SecurityEvent(kind, event.why[:255]))
        if event.failure is LinkFailure.KEY_UNUSABLE:
            self._report(event.failure, f"network: the station's private key cannot be used: {event.why}")

    def _report(self, what: str, text: str) -> None:
        """Loudly, once for a series of failures."""
        if what not in self._reported:
            self._reported.add(what)
            self.ctx.note(Severity.ERROR, text)

    # ------------------------------------------------------------------ what the CSMS may change

    def _why_not_priority(self, slots: tuple[str, ...]) -> str | None:
        assert self._seen is not None, "can't be None: on_start comes first"
        at_utc = self._seen.utc
        means = Means(
            root=lambda: any(certificates.read_one(pem).not_after_utc > at_utc for pem in self._book.csms_roots()),
            client=self._credentials.has_valid_client(at_utc),
            password=bool(self._credentials.passwords),
        )
        return self._profiles.why_not_order([int(slot) for slot in slots], means)

    def _set_network_profile(self, request: SetNetworkProfile, _now: Now) -> SetNetworkProfileResponse:
        """B09: keep a profile for the next start; the running connection does not change."""
        profile = request.connection_data
        if str(request.configuration_slot) not in SLOTS:
            return _rejected("InvalidConfSlot", f"slots are {', '.join(SLOTS)}")  # B09.FR.05
        problem = self._profiles.why_not_profile(profile)
        if problem is not None:
            return _rejected("InvalidNetworkConf", problem)  # B09.FR.02
        lower = self._profiles.why_not_lower(profile.security_profile)
        if lower is not None:
            return _rejected("NoSecurityDowngrade", lower)  # B09.FR.04, B09.FR.31
        slot = NetworkSlot(
            url=profile.ocpp_csms_url,
            security_profile=profile.security_profile,
            message_timeout_s=profile.message_timeout,
        )
        self._profiles.put(request.configuration_slot, slot, self.active_slot)
        return SetNetworkProfileResponse(status=SetNetworkProfileStatus.ACCEPTED)


def _rejected(reason_code: str, info: str) -> SetNetworkProfileResponse:
    status_info = StatusInfo(reason_code=reason_code, additional_info=info)
    return SetNetworkProfileResponse(status=SetNetworkProfileStatus.REJECTED, status_info=status_info)
