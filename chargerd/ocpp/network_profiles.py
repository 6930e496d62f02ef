"""Network connection profiles: what is in the slots, which of them may be used, and what the CSMS may change.

The profile of the last connection is kept apart from the slots: whatever the CSMS puts into them, there is a way back
(B10.FR.07). Its security profile is the one that holds (SecurityProfile), and nothing below it is used again unless the
site allows it (A05).
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from chargerd.ocpp.block import StationContext
from chargerd.ocpp.messages.enums import OCPPTransport
from chargerd.ocpp.messages.provisioning import NetworkConnectionProfile
from chargerd.ocpp.network_variables import (
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    NETWORK_CONFIGURATION_PRIORITY,
    SLOTS,
)
from chargerd.ocpp.settings import PROFILE_CLIENT_CERTIFICATE, PROFILE_PLAIN, PROFILE_TLS, NetworkSlot

NAMESPACE = "network"
STATE_NAMESPACE, STATE_KEY = "network_state", "past"

SITE_SLOT = int(SLOTS[0])
"""Where the profile of the site settings stands."""

_SCHEMES = {PROFILE_PLAIN: "ws://", PROFILE_TLS: "wss://", PROFILE_CLIENT_CERTIFICATE: "wss://"}
"""How URLs of a security profile begin (A00)."""

_NOT_IN_URL = frozenset("@?#\\\x7f") | {chr(code) for code in range(33)}
"""No password, query, fragment or white space: the station adds its identity at the end and nothing else."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is durable beside the slots. `site`: the site settings at the last start. `slot`, `profile`: the last
    connection; None: there was none since the site settings changed.
    """

    site: NetworkSlot
    slot: int | None = None
    profile: NetworkSlot | None = None


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What the station has for a security profile: a root to verify a CSMS by (asked only when it matters: to read
    certificates loads 8 MB), a valid client certificate, a password.
    """

    root: Callable[[], bool]
    client: bool
    password: bool


class NetworkProfiles:
    """The slots, their order, and the way back."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._past = Past(site=ctx.config.network)
        self._slots: dict[int, NetworkSlot] = {}
        self._until_restart: dict[int, NetworkSlot] = {}

    def load(self) -> None:
        """At the start: what the store holds, and what the site settings say now. Who changes those is on the spot and
        means it: that is where the station connects first, be it with a lower security profile (A00.FR.005).
        """
        site = self._ctx.config.network
        past = self._ctx.store.find(STATE_NAMESPACE, STATE_KEY, Past)
        self._slots = {int(key): slot for key, slot in self._ctx.store.items(NAMESPACE, NetworkSlot)}
        if past is None:
            past = self._begun(site)
        elif _moves(past.site, site):
            self._put(SITE_SLOT, site)
            others = [slot for slot in self._listed() if slot != SITE_SLOT]
            self._list([SITE_SLOT, *others])
            past = Past(site=site)
        elif self._slots.get(SITE_SLOT) == past.site:
            self._put(SITE_SLOT, site)
        self._remember(msgspec.structs.replace(past, site=site))

    # ------------------------------------------------------------------ for who connects

    @property
    def security_profile(self) -> int:
        """SecurityProfile: that of the last connection; before there was one, that of the site settings."""
        return (self._past.profile or self._past.site).security_profile

    @property
    def way_back(self) -> tuple[int, NetworkSlot] | None:
        """Slot and profile of the last connection, as they were then."""
        slot, profile = self._past.slot, self._past.profile
        return None if slot is None or profile is None else (slot, profile)

    def order(self) -> list[tuple[int, NetworkSlot]]:
        """Slots to be tried, the first first, with their profiles; never empty."""
        listed = [slot for slot in self._listed() if slot in self._slots]
        usable = [(slot, profile) for slot in listed if self._is_usable(profile := self._profile(slot))]
        return usable or ([self.way_back] if self.way_back is not None else [(SITE_SLOT, self._past.site)])

    def connected(self, slot: int, profile: NetworkSlot) -> None:
        """There is a connection: that is the way back from now on, and what is less secure goes (A05.FR.06)."""
        has_risen = profile.security_profile > self.security_profile
        self._remember(Past(site=self._past.site, slot=slot, profile=profile))
        for number, other in list(self._slots.items()):
            if other.security_profile < profile.security_profile and (has_risen or not self._is_usable(other)):
                del self._slots[number]
                self._ctx.store.delete(NAMESPACE, str(number))
        left = [number for number in self._listed() if number in self._slots]
        if not left:
            self._put(slot, profile)
        self._list(left or [slot])

    # ------------------------------------------------------------------ what the CSMS may change

    def put(self, slot: int, profile: NetworkSlot, active_slot: int) -> None:
        """B09: keep a profile. The one in use goes on until the next start."""
        if slot == active_slot:
            self._until_restart.setdefault(slot, self._slots.get(slot, profile))
        self._put(slot, profile)

    def why_not_profile(self, profile: NetworkConnectionProfile) -> str | None:
        """B09.FR.02: what makes a profile unusable here."""
        scheme = _SCHEMES.get(profile.security_profile)
        if scheme is None:
            return f"security profile {profile.security_profile} is not supported"
        host = profile.ocpp_csms_url[len(scheme) :].partition("/")[0]
        if not profile.ocpp_csms_url.lower().startswith(scheme) or not host:
            return f"the URL of security profile {profile.security_profile} begins with {scheme}"
        if _NOT_IN_URL.intersection(profile.ocpp_csms_url):
            return "the URL has no place for a password, a query or a fragment"
        if profile.ocpp_transport is not OCPPTransport.JSON:
            return "the transport must be JSON"
        if profile.message_timeout <= 0:
            return "messageTimeout must be above 0"
        if profile.apn is not None or profile.vpn is not None:
            return "there is no modem and no VPN client here"
        return None

    def why_not_lower(self, security_profile: int) -> str | None:
        """Whether a security profile is below the one that holds, and the site does not allow that."""
        if security_profile < self.security_profile and not self._may_go_down_to(security_profile):
            return f"security profile {security_profile} is below {self.security_profile}, the one in use"
        return None

    def why_not_order(self, slots: Sequence[int], means: Means) -> str | None:
        """What is against trying these slots in this order: the CSMS asks for it by NetworkConfigurationPriority."""
        if not slots:
            return "at least one slot is needed"
        reasons = (self._why_not_slot(slot, means) for slot in slots)
        return next((reason for reason in reasons if reason is not None), None)

    def _why_not_slot(self, slot: int, means: Means) -> str | None:
        profile = self._slots.get(slot)
        if profile is None:
            return f"slot {slot} holds no connection profile"  # B10.FR.02
        wanted = profile.security_profile
        if (lower := self.why_not_lower(wanted)) is not None:
            return f"slot {slot}: {lower}"  # A05.FR.09, A05.FR.10
        if wanted > self.security_profile and not means.root():
            return f"slot {slot}: there is no valid CSMSRootCertificate for security profile {wanted}"  # A05.FR.02
        if wanted > self.security_profile and wanted == PROFILE_CLIENT_CERTIFICATE and not means.client:
            return f"slot {slot}: there is no valid ChargingStationCertificate"  # A05.FR.03
        if wanted != PROFILE_CLIENT_CERTIFICATE and not means.password:
            return f"slot {slot}: there is no BasicAuthPassword for security profile {wanted}"
        return None

    # ------------------------------------------------------------------ inside

    def _begun(self, site: NetworkSlot) -> Past:
        """At the first start; or what is remembered beside the slots is of another version: then the lowest security
        profile on the list was in use, and not one below that of the site settings.
        """
        if SITE_SLOT in self._listed():
            self._put(SITE_SLOT, self._slots.get(SITE_SLOT, site))
        listed = [(slot, self._slots[slot]) for slot in self._listed() if slot in self._slots]
        possible = [(slot, each) for slot, each in listed if each.security_profile >= site.security_profile]
        if [slot for slot, _profile in possible] in ([], [SITE_SLOT]):
            return Past(site=site)
        slot, profile = min(possible, key=lambda place: place[1].security_profile)
        return Past(site=site, slot=slot, profile=profile)

    def _is_usable(self, profile: NetworkSlot) -> bool:
        return self.why_not_lower(profile.security_profile) is None

    def _may_go_down_to(self, security_profile: int) -> bool:
        """A00.FR.005, A05.FR.08: from 3 to 2 where the site allows it, and never to 1."""
        return security_profile == PROFILE_TLS and bool(self._ctx.variables[ALLOW_SECURITY_PROFILE_DOWNGRADE])

    def _profile(self, slot: int) -> NetworkSlot:
        return self._until_restart.get(slot, self._slots[slot])

    def _listed(self) -> list[int]:
        return [int(text) for text in self._ctx.variables[NETWORK_CONFIGURATION_PRIORITY]]

    def _list(self, slots: Iterable[int]) -> None:
        texts = tuple(str(slot) for slot in slots)
        if texts != self._ctx.variables[NETWORK_CONFIGURATION_PRIORITY]:
            self._ctx.variables.store_value(NETWORK_CONFIGURATION_PRIORITY, texts)

    def _put(self, slot: int, profile: NetworkSlot) -> None:
        if self._slots.get(slot) != profile:
            self._slots[slot] = profile
            self._ctx.store.put(NAMESPACE, str(slot), profile)

    def _remember(self, past: Past) -> None:
        if past != self._past or not self._ctx.store.has(STATE_NAMESPACE, STATE_KEY):
            self._ctx.store.put(STATE_NAMESPACE, STATE_KEY, past)
        self._past = past


def _moves(before: NetworkSlot, now: NetworkSlot) -> bool:
    """Whether the site settings name another CSMS or another security profile than before."""
    return (before.url, before.security_profile) != (now.url, now.security_profile)
