"""Which CSMS, and when: network slots in order of priority, attempts for each, and the back-off between attempts.

The link is opened and closed only by effects made here. Whatever fails is tried again for ever (B10.FR.09); only the
wait between attempts changes (part 4, 5.3).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.effects import CloseLink, OpenLink, SetPing, Severity
from chargerd.ocpp.events import LinkDown, LinkFailure, LinkUp
from chargerd.ocpp.messages.enums import OCPPTransport, SetNetworkProfileStatus
from chargerd.ocpp.messages.provisioning import NetworkConnectionProfile, SetNetworkProfile, SetNetworkProfileResponse
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.network_variables import (
    ACTIVE_NETWORK_PROFILE,
    ALL,
    BASIC_AUTH_PASSWORD,
    IDENTITY,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    RETRY_BACK_OFF_RANDOM_RANGE,
    RETRY_BACK_OFF_REPEAT_TIMES,
    RETRY_BACK_OFF_WAIT_MINIMUM,
    SECURITY_PROFILE,
    SLOTS,
    WEB_SOCKET_PING_INTERVAL,
)
from chargerd.ocpp.news import News, SecurityEvent, VariableChanged
from chargerd.ocpp.settings import NetworkSlot
from chargerd.ocpp.variables import AnyVariable, Check, Reader

NAMESPACE = "network"
LAST_GOOD_NAMESPACE, LAST_GOOD_KEY = "network_state", "last_good_slot"
"""The slot that was connected last is known over a restart: a reset is how the CSMS moves a station to another."""

CONNECT_TIMEOUT_S = 30.0
"""Name, route, TLS and handshake together; a slow mobile link needs half of it."""

_SCHEMES = {1: "ws://", 2: "wss://"}
"""Security profiles this station can serve and how their URLs begin (A00)."""

_SECURITY_EVENTS = {
    LinkFailure.REFUSED_CREDENTIALS: "FailedToAuthenticateAtCsms",
    LinkFailure.TLS_FAILED: "InvalidCsmsCertificate",  # A00.FR.310
}


class Network(Block):
    """Opens the link, and opens it again whenever it ends."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._slot = int(SLOTS[0])
        self._slots = {int(SLOTS[0]): ctx.config.network}
        self._connected = False
        self._opening = False
        self._reopen_at_mono: float | None = None
        self._reopen_at_once = False
        self._failed_attempts = 0
        self._attempts_on_slot = 0
        self._last_good_slot: int | None = None
        self._fell_back = False
        self._reported: set[LinkFailure] = set()

    @property
    def active_slot(self) -> int:
        """The slot that is connected, or was tried last."""
        return self._slot

    def variables(self) -> Iterable[AnyVariable]:
        """How to reach the CSMS."""
        return ALL

    def readers(self) -> Mapping[AnyVariable, Reader]:
        """What follows from the active slot."""
        return {
            ACTIVE_NETWORK_PROFILE: lambda _evse_id, _connector_id: self._slot,
            MESSAGE_TIMEOUT: lambda _evse_id, _connector_id: self._slots[self._slot].message_timeout_s,
            SECURITY_PROFILE: lambda _evse_id, _connector_id: self._slots[self._slot].security_profile,
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
        """Connect at once, to the first slot of the list (B10.FR.04)."""
        for key, settings in self.ctx.store.items(NAMESPACE, NetworkSlot):
            self._slots[int(key)] = settings
        self._last_good_slot = self.ctx.store.find(LAST_GOOD_NAMESPACE, LAST_GOOD_KEY, int)
        self._slot = self._priority()[0]
        self._open(now)

    def on_news(self, news: News, now: Now) -> None:
        """A new password is used at once (A01); a new ping interval as well."""
        if not isinstance(news, VariableChanged):
            return
        if news.variable == BASIC_AUTH_PASSWORD:
            self.ctx.publish(SecurityEvent("ReconfigurationOfSecurityParameters", "BasicAuthPassword"))  # A01.FR.11
            self._reconnect("new Basic authentication password", now)
        elif news.variable == WEB_SOCKET_PING_INTERVAL and self._connected:
            self.ctx.do(SetPing(float(self.ctx.variables[WEB_SOCKET_PING_INTERVAL])))

    def link_opened(self, event: LinkUp, _now: Now) -> None:
        """The link is up: the back-off begins anew next time (part 4, 5.3 as corrected)."""
        self._connected, self._opening = True, False
        self._failed_attempts = self._attempts_on_slot = 0
        self._fell_back = False
        if self._last_good_slot != event.slot:
            self._last_good_slot = event.slot
            self.ctx.store.put(LAST_GOOD_NAMESPACE, LAST_GOOD_KEY, event.slot)
        self._reported.clear()
        self.ctx.note(Severity.INFO, f"network: connected to {self._slots[event.slot].url} (slot {event.slot})")

    def link_closed(self, event: LinkDown, now: Now) -> None:
        """The link ended or could not be made: try again after a while."""
        was_connected, self._connected, self._opening = self._connected, False, False
        self._tell_about(event)
        if self._reopen_at_once:
            self._reopen_at_once = False
            self._open(now)
            return
        if not was_connected:
            self._attempts_on_slot += 1
            self._move_on()
        self._reopen_at_mono = now.mono + self._next_wait_s()
        self._failed_attempts += 1

    def next_deadline(self) -> float | None:
        """When to connect again."""
        return self._reopen_at_mono

    def on_time(self, now: Now) -> None:
        """Connect again if it is time."""
        if self._reopen_at_mono is not None and now.mono >= self._reopen_at_mono:
            self._open(now)

    # ------------------------------------------------------------------ opening

    def _open(self, _now: Now) -> None:
        self._reopen_at_mono = None
        self._opening = True
        settings = self._slots[self._slot]
        self.ctx.rpc.message_timeout_s = float(settings.message_timeout_s)
        config, variables = self.ctx.config, self.ctx.variables
        password = variables[BASIC_AUTH_PASSWORD] or config.password
        self.ctx.do(
            OpenLink(
                slot=self._slot,
                url=settings.full_url(config.identity),
                identity=config.identity,
                password=password if settings.security_profile in _SCHEMES else None,
                security_profile=settings.security_profile,
                ping_interval_s=float(variables[WEB_SOCKET_PING_INTERVAL]),
                connect_timeout_s=CONNECT_TIMEOUT_S,
            )
        )

    def _reconnect(self, why: str, now: Now) -> None:
        """With settings that have changed; a link being made with the old ones ends first."""
        if self._connected or self._opening:
            self._reopen_at_once = True
            self.ctx.do(CloseLink(why))
        else:
            self._open(now)

    def _next_wait_s(self) -> float:
        """Base wait doubled for each failure so far, up to RepeatTimes, and a fresh random part (part 4, 5.3)."""
        variables = self.ctx.variables
        doublings = min(self._failed_attempts, variables[RETRY_BACK_OFF_REPEAT_TIMES])
        base_s = float(variables[RETRY_BACK_OFF_WAIT_MINIMUM] * 2**doublings)
        return base_s + self.ctx.random() * variables[RETRY_BACK_OFF_RANDOM_RANGE]

    def _move_on(self) -> None:
        """B10.FR.03: so many attempts a slot; after the list the last that worked, or the list again (FR.07, FR.08)."""
        if self._attempts_on_slot < self.ctx.variables[NETWORK_PROFILE_CONNECTION_ATTEMPTS]:
            return
        self._attempts_on_slot = 0
        slots = self._priority()
        following = slots.index(self._slot) + 1 if self._slot in slots else 0
        if following < len(slots):
            self._slot = slots[following]
        else:
            last = self._last_good_slot
            self._fell_back = last is not None and last in slots and not self._fell_back
            self._slot = last if last is not None and self._fell_back else slots[0]

    def _tell_about(self, event: LinkDown) -> None:
        self.ctx.note(Severity.WARNING, f"network: link of slot {event.slot} is down: {event.failure}, {event.why}")
        kind = _SECURITY_EVENTS.get(event.failure)
        if kind is not None and event.failure not in self._reported:
            self._reported.add(event.failure)  # once for a series of failures (A00)
            self.ctx.publish(SecurityEvent(kind, event.why[:255]))

    # ------------------------------------------------------------------ slots

    def _priority(self) -> list[int]:
        chosen = [int(text) for text in self.ctx.variables[NETWORK_CONFIGURATION_PRIORITY]]
        return [slot for slot in chosen if slot in self._slots] or [int(SLOTS[0])]

    def _why_not_priority(self, slots: tuple[str, ...]) -> str | None:
        if not slots:
            return "at least one slot is needed"
        for slot in map(int, slots):
            if slot not in self._slots:
                return f"slot {slot} holds no connection profile"  # B10.FR.02
            if self._slots[slot].security_profile < self._slots[self._slot].security_profile:
                return f"slot {slot} has a lower security profile than the active one"  # A05.FR.09, FR.10
        return None

    def _set_network_profile(self, request: SetNetworkProfile, _now: Now) -> SetNetworkProfileResponse:
        """B09: keep a profile for the next start; the running connection does not change."""
        profile = request.connection_data
        if str(request.configuration_slot) not in SLOTS:
            return _rejected("InvalidConfSlot", f"slots are {', '.join(SLOTS)}")
        problem = _why_not_profile(profile)
        if problem is not None:
            return _rejected("InvalidNetworkConf", problem)
        if profile.security_profile < self._slots[self._slot].security_profile:
            return _rejected("NoSecurityDowngrade", "the active connection has a higher security profile")
        slot = NetworkSlot(
            url=profile.ocpp_csms_url,
            security_profile=profile.security_profile,
            message_timeout_s=profile.message_timeout,
        )
        self.ctx.store.put(NAMESPACE, str(request.configuration_slot), slot)
        if request.configuration_slot != self._slot:
            self._slots[request.configuration_slot] = slot
        return SetNetworkProfileResponse(status=SetNetworkProfileStatus.ACCEPTED)


def _why_not_profile(profile: NetworkConnectionProfile) -> str | None:
    """B09.FR.02: what makes a profile unusable here."""
    scheme = _SCHEMES.get(profile.security_profile)
    if scheme is None:
        return f"security profile {profile.security_profile} is not supported"
    if not profile.ocpp_csms_url.lower().startswith(scheme) or len(profile.ocpp_csms_url) <= len(scheme):
        return f"the URL of security profile {profile.security_profile} begins with {scheme}"
    if profile.ocpp_transport is not OCPPTransport.JSON:
        return "the transport must be JSON"
    if profile.message_timeout <= 0:
        return "messageTimeout must be above 0"
    if profile.apn is not None or profile.vpn is not None:
        return "there is no modem and no VPN client here"
    return None


def _rejected(reason_code: str, info: str) -> SetNetworkProfileResponse:
    status_info = StatusInfo(reason_code=reason_code, additional_info=info)
    return SetNetworkProfileResponse(status=SetNetworkProfileStatus.REJECTED, status_info=status_info)
