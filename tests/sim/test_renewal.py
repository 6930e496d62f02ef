"""Renewal of the station's certificate, told by chance and cut short everywhere: in the end the station connects with
something that works, and nobody else's certificate was ever believed.
"""

import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chargerd.certificates import read_chain
from chargerd.conformance.authority import CSMS_ROOT, authority
from chargerd.conformance.door import door
from chargerd.conformance.peer import Asked, Peer
from chargerd.conformance.schemas import check
from chargerd.ocpp.messages.enums import CertificateSignedStatus
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.settings import NetworkSlot
from chargerd.ocpp.signing_requests import MAX_OPEN
from tests.chargerd.ocpp.renewing import DAYS, SECC_ID, STRANGER, Stand
from tests.chargerd.pki import NOON, ec_key
from tests.conformance.world import PeersOnWire
from tests.sim.cut import QUICK, TICK_S, CutWorld
from tests.sim.world import PASSWORD, Given

ACCEPTED = CertificateSignedStatus.ACCEPTED
HOSTILE: tuple[dict[str, Any], ...] = (
    {"name": "SN-2"},
    {"organization": "Thief"},
    {"issuer": STRANGER},
    {"until": NOON - 1 * DAYS},
    {"since": NOON + 9 * DAYS},
    {"ca": True},
    {"key": ec_key(5)},
)


class Renewals(RuleBasedStateMachine):
    """Certificates come in any order, twice, late, wrong, or not at all; the network and the process fail."""

    def __init__(self) -> None:
        super().__init__()
        self.stand = Stand(v2g=SECC_ID)
        self.chains: list[tuple[str, Use]] = []
        self.good: set[str] = {client.chain_pem for client in self.stand.credentials.clients}
        self.online = False

    @initialize()
    def begin(self) -> None:
        self.connect()

    @rule()
    def connect(self) -> None:
        if not self.online:
            self.stand.online()
            self.online = True
            self.sign()

    @rule()
    def disconnect(self) -> None:
        if self.online:
            self.stand.offline()
            self.online = False

    @rule(use=st.sampled_from(Use))
    def trigger(self, use: Use) -> None:
        if self.online:
            assert self.stand.trigger(use)
            self.sign()

    @rule(seconds=st.sampled_from([1.0, 61.0, 3700.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.stand.wait(seconds)
        self.sign()

    @rule()
    def restart(self) -> None:
        self.stand = self.stand.restarted()
        self.online = False

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """A certificate that was signed for this station, now or long ago, for the first or the tenth time."""
        if self.online and self.chains:
            chain, use = data.draw(st.sampled_from(self.chains))
            if self.stand.sent(chain, data.draw(st.sampled_from([use, None]))).status is ACCEPTED:
                self.good.add(chain)

    @rule(data=st.data())
    def deceive(self, data: st.DataObject) -> None:
        """A certificate that is wrong in one way."""
        if self.online and self.stand.asked:
            before = (self.stand.credentials.clients, self.stand.book.count(), len(self.stand.invalid))
            number = data.draw(st.integers(0, len(self.stand.asked) - 1))
            chain = self.stand.signed(number, **data.draw(st.sampled_from(HOSTILE)))
            assert self.stand.sent(chain).status is not ACCEPTED
            after = (self.stand.credentials.clients, self.stand.book.count(), len(self.stand.invalid) - 1)
            assert after == before

    def sign(self) -> None:
        """Whatever was asked for is signed; when it is sent is another matter."""
        for number, request in enumerate(self.stand.asked):
            use = Use(request["certificateType"])
            sign = self.stand.v2g_signed if use is Use.V2G_CERTIFICATE else self.stand.signed
            chain = sign(number, serial=1000 + number, until=NOON + 500 * DAYS)
            if (chain, use) not in self.chains:
                self.chains.append((chain, use))
        del self.chains[:-12]

    @invariant()
    def there_is_always_something_to_connect_with(self) -> None:
        clients = self.stand.credentials.clients
        assert clients
        assert all(client.chain_pem in self.good for client in clients)

    @invariant()
    def no_key_in_use_is_given_up(self) -> None:
        kept = self.stand.keys.kept or ()
        assert {client.key_id for client in self.stand.credentials.clients} <= {*kept}
        assert set(self.stand.book.key_ids()) <= {*kept}

    @invariant()
    def there_are_never_many_keys(self) -> None:
        for use in Use:
            assert sum(status.use == use for status in self.stand.renewal.status()) <= MAX_OPEN


Renewals.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRenewals = Renewals.TestCase


# ---- Power cuts ----------------------------------------------------------------------------------------------------

SIGNING_S = 1.5
"""The authority's time; the station goes on with other things meanwhile."""
SOON = {**QUICK, "SecurityCtrlr.CertSigningWaitMinimum": "2"}


class SigningCsms:
    """Signs what the station asks for, and brings the certificate again until it has an answer."""

    def __init__(self) -> None:
        self.world: CutWorld
        self.peer = Peer(lambda: self.world.clock.now().utc, check)
        self.peer.door = door(3, PASSWORD)
        self.wire = PeersOnWire(self.peer, self._mono)
        root = authority(CSMS_ROOT)
        network = NetworkSlot(url="wss://csms.test/ocpp", security_profile=3)
        self.world = CutWorld(overrides=SOON, wire=self.wire, given=Given(network=network, csms=(root,), client=root))
        self._signed: dict[str, tuple[float, str]] = {}
        self._bringing: tuple[Asked, str, int] | None = None
        self.accepted: list[str] = []

    def run(self, seconds: float) -> None:
        self.world.run(seconds, self._look)

    def _mono(self) -> float:
        return self.world.clock.monotonic()

    def trigger(self) -> Asked:
        return self.peer.ask("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})

    def _look(self) -> None:
        if not self.world.station_alive and self.world.dead_for(0.5):
            self.world.revive()
        for heard in self.peer.heard:
            if heard.action == "SignCertificate" and heard.payload["csr"] not in self._signed:
                chain = authority(CSMS_ROOT).signed(heard.payload["csr"])
                self._signed[heard.payload["csr"]] = (self._mono() + SIGNING_S, chain)
        if self._bringing is not None:
            asked, chain, connection = self._bringing
            if asked.result is not None:
                assert asked.result["status"] == "Accepted"
                self.accepted.append(chain)
                self._bringing = None
            elif self.peer.connected and connection != self.peer.connections:
                self._bring(chain)
        elif self.peer.connected:
            for ready_mono, chain in self._signed.values():
                if chain not in self.accepted and self._mono() >= ready_mono:
                    self._bring(chain)
                    break

    def _bring(self, chain: str) -> None:
        payload = {"certificateChain": chain, "certificateType": "ChargingStationCertificate"}
        self._bringing = (self.peer.ask("CertificateSigned", payload), chain, self.peer.connections)


def renewed(cut_at: int | None) -> SigningCsms:
    """A renewal from the trigger to the connection with the new certificate, cut short before an effect."""
    csms = SigningCsms()
    csms.run(5.0)
    assert csms.peer.connected
    csms.world.cut_at = 10_000 if cut_at is None else cut_at
    csms.trigger()
    csms.run(20.0)
    return csms


@pytest.fixture(scope="module")
def effects() -> int:
    """How many effects a renewal has, at least; beyond them there is nothing left to cut."""
    csms = renewed(None)
    assert len(csms.accepted) == 1
    csms.world.close()
    return csms.world.performed


def test_whenever_the_power_goes_the_station_connects_with_something_that_works(effects: int) -> None:
    assert effects > 10
    for cut_at in range(effects):
        csms = renewed(cut_at)
        assert csms.peer.connected, cut_at
        shown = csms.peer.shown[-1].client_pem
        (client,) = csms.world.station.credentials.clients
        assert read_chain(client.chain_pem)[0].pem == shown, cut_at
        assert client.key_id in csms.world.keys.ids, cut_at
        if not csms.accepted:  # the trigger itself was lost
            csms.trigger()
            csms.run(20.0)
        assert csms.accepted[-1].startswith(csms.peer.shown[-1].client_pem.strip()), cut_at
        assert csms.world.station.renewal.status() == (), cut_at
        assert len(csms.world.keys.ids) == 1, cut_at
        csms.world.close()


def test_a_renewed_certificate_that_the_CSMS_does_not_let_in_gives_way_to_the_old_one(effects: int) -> None:
    csms = SigningCsms()
    csms.run(5.0)
    old = csms.peer.shown[-1].client_pem
    csms.trigger()
    for _ in itertools.count():
        csms.run(TICK_S)
        if csms.accepted:
            break
    csms.peer.door.refused = (read_chain(csms.accepted[0])[0].pem,)
    csms.world.link_lost()
    csms.run(60.0)
    assert csms.peer.connected
    assert csms.peer.shown[-1].client_pem == old
    told = [each.payload["type"] for each in csms.peer.heard if each.action == "SecurityEventNotification"]
    assert told.count("DiscardedRenewedClientCertificate") == 1
    assert len(csms.world.keys.ids) == 1
    assert effects
    csms.world.close()
