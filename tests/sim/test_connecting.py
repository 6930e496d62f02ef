"""Whatever a CSMS sets, in any order, and whatever becomes of the servers: as long as something of what the station has
stored would connect, it connects; and it never goes down to where it must not be.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chargerd.certificates import read_chain
from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, authority
from chargerd.conformance.door import Door, door
from chargerd.ocpp import credentials, network_profiles, variables
from chargerd.ocpp.credentials import MAX_PASSWORDS, Credentials, Held, Record
from chargerd.ocpp.effects import ClientCertificate, CloseLink, KeepKeys, KeyUse, MakeKey, OpenLink
from chargerd.ocpp.events import LinkDown, LinkFailure, LinkUp
from chargerd.ocpp.network import Network
from chargerd.ocpp.network_profiles import Past
from chargerd.ocpp.network_variables import (
    BASIC_AUTH_PASSWORD,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
)
from chargerd.ocpp.news import VariableChanged
from chargerd.ocpp.settings import NetworkSlot
from chargerd.store import Store
from tests.chargerd.ocpp.networking import make_peer, set_priority, set_slot
from tests.chargerd.ocpp.peer import Peer
from tests.sim.cut import address
from tests.sim.tls import Keys, outcome

HOSTS = ("one.test", "two.test", "three.test")
PASSWORDS = tuple(f"password-number-{number}-of-some" for number in range(5))
MANY = 150
"""Attempts after which everything has been tried with everything: rounds through three slots and the way back, twice
each, with two certificates and four passwords.
"""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SITE = NetworkSlot(url=address("site.test", 1), security_profile=1)

slots = st.sampled_from((1, 2, 3))
hosts = st.sampled_from(HOSTS)
profiles = st.sampled_from((1, 2, 3))


class Connecting(RuleBasedStateMachine):
    """One station, three CSMSs."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = Keys()
        self.store = Store(":memory:")
        self.doors: dict[str, Door | None] = {}
        self.given: dict[str, Any] = {}
        self.lowest = 1
        self.connected_to: OpenLink | None = None
        self.peer: Peer

    @initialize(begins_on=profiles, may_go_down=st.booleans())
    def begin(self, begins_on: int, may_go_down: bool) -> None:
        allowed = {"SecurityCtrlr.AllowSecurityProfileDowngrade": "true"} if may_go_down else {}
        self.may_go_down = may_go_down
        self.lowest = begins_on
        self.doors = {host: door(begins_on, PASSWORDS[0]) for host in HOSTS}
        self.given = {
            "network": NetworkSlot(url=address(HOSTS[0], begins_on), security_profile=begins_on),
            "password": PASSWORDS[0],
            "client": self.certificate(CSMS_ROOT),
            "csms_roots_pem": (authority(CSMS_ROOT).root_pem,),
            "overrides": allowed,
        }
        self.restart()

    # ------------------------------------------------------------------ what the station does

    @rule()
    def restart(self) -> None:
        """The process ends, however, and is started again."""
        self.connected_to = None
        self.peer = make_peer(self.store, **self.given)
        self.perform()

    @rule()
    def attempt(self) -> None:
        """The next attempt comes to its end."""
        if self.connected_to is None:
            self.attempt_once()

    @rule()
    def lose(self) -> None:
        """The connection ends."""
        if self.connected_to is not None:
            slot = self.connected_to.slot
            self.connected_to = None
            self.peer.link_down(LinkFailure.UNREACHABLE, slot=slot)
            self.perform()

    # ------------------------------------------------------------------ what a CSMS sets

    @rule(slot=slots, host=hosts, profile=profiles)
    def fill_slot(self, slot: int, host: str, profile: int) -> None:
        if self.connected_to is not None:
            set_slot(self.peer, slot, ocpp_csms_url=address(host, profile), security_profile=profile)
            self.perform()

    @rule(order=st.permutations((1, 2, 3)), length=st.integers(1, 3))
    def order_slots(self, order: list[int], length: int) -> None:
        if self.connected_to is not None:
            set_priority(self.peer, ",".join(map(str, order[:length])))
            self.perform()

    @rule(password=st.sampled_from(PASSWORDS), answered=st.booleans())
    def set_password(self, password: str, answered: bool) -> None:
        """A CSMS that gets no answer keeps the old one (A01.FR.04)."""
        if self.connected_to is None:
            return
        here = self.door_of(self.connected_to)
        self.peer.ctx.variables.store_value(BASIC_AUTH_PASSWORD, password)
        self.peer.within(lambda _now: self.peer.ctx.publish(VariableChanged(BASIC_AUTH_PASSWORD)))
        if answered and here is not None:
            here.passwords = (password,)
        self.perform()

    @rule(signer=st.sampled_from((CSMS_ROOT, OTHER_ROOT)))
    def renew(self, signer: str) -> None:
        if self.connected_to is not None:
            client = self.certificate(signer)
            self.peer.within(lambda now: self.credentials.offer_client(client, now))
            self.perform()

    # ------------------------------------------------------------------ what becomes of the servers

    @rule(host=hosts, profile=profiles, password=st.sampled_from(PASSWORDS))
    def another_door(self, host: str, profile: int, password: str) -> None:
        self.doors[host] = door(profile, password)

    @rule(host=hosts)
    def close_door(self, host: str) -> None:
        self.doors[host] = None

    @rule(host=hosts, signers=st.lists(st.sampled_from((CSMS_ROOT, OTHER_ROOT)), max_size=2))
    def accept_clients(self, host: str, signers: list[str]) -> None:
        here = self.doors[host]
        if here is not None:
            here.clients = tuple(authority(signer) for signer in signers)

    @rule(number=st.integers(0, 3))
    def break_key(self, number: int) -> None:
        """A key is gone for a while: a TPM that does not answer."""
        ids = sorted(self.keys.ids)
        self.keys.broken = {ids[number % len(ids)]}

    @rule()
    def mend_keys(self) -> None:
        self.keys.broken.clear()

    # ------------------------------------------------------------------ what has to hold

    @rule()
    def connects_if_anything_works(self) -> None:
        """With what is stored now, and the servers as they are now."""
        if self.connected_to is None and self.something_works():
            assert any(self.attempt_once() for _ in range(MANY)), f"stuck: {self.combinations()}, {self.doors}"

    @invariant()
    def keys_in_use_are_there(self) -> None:
        assert {client.key_id for client in self.credentials.clients} <= self.keys.ids

    # ------------------------------------------------------------------ inside

    @property
    def credentials(self) -> Credentials:
        block = self.peer.blocks[0]
        assert isinstance(block, Credentials)
        return block

    def certificate(self, signer: str) -> ClientCertificate:
        order = MakeKey(request_id="1", use=KeyUse.STATION, common_name="SN-1", organization="O")
        made = self.keys.make(order)
        return ClientCertificate(made.key_id, authority(signer).signed(made.csr_pem))

    def door_of(self, order: OpenLink) -> Door | None:
        return self.doors.get(host(order))

    def perform(self) -> None:
        """Keys and closing, as the shell does them; an attempt waits for `attempt`."""
        for kept in self.peer.took(KeepKeys):
            self.keys.keep(kept)
        while self.peer.took(CloseLink):
            slot = self.opening[-1].slot if self.opening else self.connected_to.slot if self.connected_to else 1
            self.connected_to = None
            self.peer.took(OpenLink)
            self.peer.link_down(LinkFailure.CLOSED, slot=slot)
            for kept in self.peer.took(KeepKeys):
                self.keys.keep(kept)

    @property
    def opening(self) -> list[OpenLink]:
        return [effect for effect in self.peer.effects if isinstance(effect, OpenLink)]

    def attempt_once(self) -> bool:
        """Whether there is a connection after it."""
        if not self.opening:
            self.peer.pass_time(200.0)
        for order in self.peer.took(OpenLink):
            self.check(order)
            came = outcome(order, self.door_of(order), self.peer.now.utc, self.keys)
            if isinstance(came, LinkUp):
                self.connected_to = order
                self.lowest = order.security_profile
                self.peer.link_up(slot=order.slot)
            else:
                self.peer.link_down(came.failure, slot=order.slot)
            self.perform()
        return self.connected_to is not None

    def check(self, order: OpenLink) -> None:
        """An attempt that must not be made."""
        allowed = 2 if self.may_go_down and self.lowest == 3 else self.lowest
        assert order.security_profile >= allowed, f"{order} after {self.lowest}"
        assert order.password is None or order.url.startswith("wss://") or order.security_profile == 1
        assert order.url.startswith("ws://") == (order.security_profile == 1)
        assert (order.client is not None) == (order.security_profile == 3)

    def combinations(self) -> list[OpenLink]:
        """Everything that the station could try."""
        network = self.peer.blocks[1]
        assert isinstance(network, Network)
        places = network._profiles.order()
        if network._profiles.way_back is not None:
            places.append(network._profiles.way_back)
        return [
            order_of(slot, profile, password, client)
            for slot, profile in places
            for password in self.credentials.passwords
            for client in self.credentials.clients
        ]

    def something_works(self) -> bool:
        came = [outcome(each, self.door_of(each), self.peer.now.utc, self.keys) for each in self.combinations()]
        return any(not isinstance(each, LinkDown) for each in came)


# ---- Never stuck ---------------------------------------------------------------------------------------------------

KEYS = Keys()
CLIENTS = tuple(
    ClientCertificate(made.key_id, authority(signer).signed(made.csr_pem))
    for signer in (CSMS_ROOT, OTHER_ROOT, CSMS_ROOT)
    for made in (KEYS.make(MakeKey(request_id="1", use=KeyUse.STATION, common_name="SN-1", organization="O")),)
)
FOREVER = datetime(2049, 1, 1, tzinfo=UTC)

stored_profiles = st.builds(
    lambda host, profile: NetworkSlot(url=address(host, profile), security_profile=profile),
    st.sampled_from(HOSTS[:2]),
    st.sampled_from((1, 2, 3)),
)


second_doors = st.builds(door, profiles, st.sampled_from(PASSWORDS), st.sampled_from((CSMS_ROOT, OTHER_ROOT)))


class Stored(NamedTuple):
    """What a station may have in its store, of all that it connects with."""

    slots: dict[int, NetworkSlot]
    order: list[int]
    way_back: NetworkSlot
    passwords: list[str]
    clients: list[ClientCertificate]
    attempts: int

    def combinations(self) -> list[OpenLink]:
        """Everything that may be tried."""
        floor = self.way_back.security_profile
        listed = [(slot, self.slots[slot]) for slot in self.order if slot in self.slots]
        places = [(slot, profile) for slot, profile in listed if profile.security_profile >= floor]
        return [
            order_of(slot, profile, password, client)
            for slot, profile in [*places, (1, self.way_back)]
            for password in self.passwords
            for client in self.clients
        ]

    def peer(self) -> Peer:
        """A station that starts with it."""
        store = Store(":memory:")
        past = Past(site=SITE, slot=1, profile=self.way_back)
        store.put(network_profiles.STATE_NAMESPACE, network_profiles.STATE_KEY, past)
        for slot, profile in self.slots.items():
            store.put(network_profiles.NAMESPACE, str(slot), profile)
        held = [Held(client, FOREVER) for client in self.clients]
        record = Record(passwords=tuple(self.passwords), client=held[0], candidate=held[1] if held[1:] else None)
        store.put(credentials.NAMESPACE, credentials.KEY, record)
        store.put(variables.NAMESPACE, str(NETWORK_CONFIGURATION_PRIORITY), ",".join(map(str, self.order)))
        roots = (authority(CSMS_ROOT).root_pem,)
        peer = make_peer(store, network=SITE, password=None, csms_roots_pem=roots)
        peer.ctx.variables.store_value(NETWORK_PROFILE_CONNECTION_ATTEMPTS, self.attempts)
        return peer


class Servers(NamedTuple):
    """Who is there: one lets in a single one of the combinations, the other is `second`. `broken`: a key that cannot be
    used, unless it is needed. `says_401` False: a wrong password makes them hang up.
    """

    wanted: int
    second: Door | None
    broken: ClientCertificate
    says_401: bool

    def answer(self, order: OpenLink, combinations: list[OpenLink]) -> LinkUp | LinkDown:
        wanted = combinations[self.wanted % len(combinations)]
        KEYS.broken = set() if self.broken == wanted.client else {self.broken.key_id}
        came = outcome(order, only_for(wanted) if host(order) == host(wanted) else self.second, NOW, KEYS)
        if isinstance(came, LinkDown) and came.failure is LinkFailure.REFUSED_CREDENTIALS and not self.says_401:
            return LinkDown(came.slot, LinkFailure.UNREACHABLE, "hung up")
        return came


def only_for(order: OpenLink) -> Door:
    """A door that opens for what this attempt shows, and for nothing else."""
    made = door(order.security_profile, order.password or "")
    if order.client is not None:
        made.clients = (authority(CSMS_ROOT), authority(OTHER_ROOT))
        made.refused = tuple(read_chain(each.chain_pem)[0].pem for each in CLIENTS if each != order.client)
    return made


def host(order: OpenLink) -> str:
    return order.url.partition("//")[2].partition("/")[0]


@settings(max_examples=150, deadline=None)
@given(
    stored=st.builds(
        Stored,
        slots=st.dictionaries(slots, stored_profiles, min_size=1),
        order=st.lists(slots, min_size=1, unique=True),
        way_back=stored_profiles,
        passwords=st.lists(st.sampled_from(PASSWORDS), min_size=1, max_size=MAX_PASSWORDS, unique=True),
        clients=st.lists(st.sampled_from(CLIENTS), min_size=1, max_size=2, unique_by=lambda client: client.key_id),
        attempts=st.integers(1, 3),
    ),
    servers=st.builds(
        Servers,
        wanted=st.integers(0, 1000),
        second=st.one_of(st.none(), second_doors),
        broken=st.sampled_from(CLIENTS),
        says_401=st.booleans(),
    ),
)
def test_of_all_that_is_stored_what_works_is_found(stored: Stored, servers: Servers) -> None:
    """A server lets in one combination and no other, or hangs up where it should say 401."""
    combinations, peer = stored.combinations(), stored.peer()
    for _ in range(MANY):
        for order in peer.took(OpenLink):
            assert order.security_profile >= stored.way_back.security_profile
            came = servers.answer(order, combinations)
            if isinstance(came, LinkUp):
                return
            peer.link_down(came.failure, slot=order.slot)
        peer.pass_time(200.0)
    raise AssertionError("stuck")


def order_of(slot: int, profile: NetworkSlot, password: str, client: ClientCertificate) -> OpenLink:
    return OpenLink(
        slot=slot,
        url=profile.full_url("CS 1"),
        identity="CS 1",
        password=None if profile.security_profile == 3 else password,
        security_profile=profile.security_profile,
        ping_interval_s=0.0,
        connect_timeout_s=1.0,
        client=client if profile.security_profile == 3 else None,
        roots_pem=() if profile.security_profile == 1 else (authority(CSMS_ROOT).root_pem,),
    )


Connecting.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestConnecting = Connecting.TestCase
