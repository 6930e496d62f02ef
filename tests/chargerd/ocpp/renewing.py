"""A station that renews its certificates, the CSMS that has them signed, and everything that may be wrong with them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509

from chargerd.clock import ManualClock
from chargerd.ocpp import iso15118_variables
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.certificate_book import CertificateBook, root_row
from chargerd.ocpp.credentials import Credentials
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, KeyUse, MakeKey
from chargerd.ocpp.events import KeyMade
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.messages.security import CertificateSigned, CertificateSignedResponse
from chargerd.ocpp.network import Network
from chargerd.ocpp.news import Registration, RegistrationChanged, SecurityEvent
from chargerd.ocpp.renewal import Renewal
from chargerd.ocpp.security import Security
from chargerd.ocpp.security_log import SecurityLog
from chargerd.ocpp.settings import NetworkSlot
from chargerd.ocpp.variables import AnyVariable
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer, config
from tests.chargerd.pki import NOON, Pair, csr, ec_key, made, root, sub

CSO = root("CSO root", organization="CSO")
CSO_SUB = sub("CSO sub-CA", CSO, organization="CSO")
V2G = root("V2G root", organization="V2G")
STRANGER = root("Stranger", organization="CSO")
SERIAL, ORGANIZATION, SECC_ID = "SN-1", "chargerd", "DE*ICE*S1"
DAYS = timedelta(days=1)


def station_certificate(since: datetime, until: datetime, key_number: int = 1) -> Pair:
    """One that was provisioned."""
    key = ec_key(key_number)
    return made(SERIAL, CSO_SUB, key=key, organization=ORGANIZATION, since=since, until=until)


class Keys:
    """Private keys in memory, as the shell keeps them."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.kept: tuple[str, ...] | None = None

    def make(self, order: MakeKey) -> KeyMade:
        key = ec_key(1000 + len(self.made))
        key_id = f"key-{len(self.made)}"
        self.made[key_id] = key
        return KeyMade(order.request_id, key_id=key_id, csr_pem=csr(Pair(CSO.x509, key), order.common_name))

    def of(self, csr_pem: str) -> Any:
        wanted = x509.load_pem_x509_csr(csr_pem.encode()).public_key()
        return next(key for key in self.made.values() if key.public_key() == wanted)


class _VehicleVariables(Block):
    """Stands for the block that a vehicle stack talks to."""

    def variables(self) -> Iterable[AnyVariable]:
        return iso15118_variables.ALL if self.ctx.config.vehicle_stack else ()


class Stand:
    """A station with the blocks that matter here, its keys and its CSMS. `asked`: the SignCertificate requests so far;
    `answers`: what the CSMS says to the next ones (None: nothing), then Accepted.
    """

    def __init__(
        self,
        *,
        until: datetime | None = NOON + 200 * DAYS,
        since: datetime = NOON - 165 * DAYS,
        v2g: str | None = None,
        store: Store | None = None,
        clock: ManualClock | None = None,
        keys: Keys | None = None,
        random: float = 0.0,
        roots: bool = True,
        overrides: dict[str, str] | None = None,
        profile: int = 3,
    ) -> None:
        """`until`: the end of the provisioned certificate, None: there is none. `v2g`: the SeccId, None: no V2G."""
        self.keys = keys or Keys()
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any] | str | None] = []
        self.makes_keys = True
        self._v2g = v2g
        secc = {} if not v2g else {"ISO15118Ctrlr.SeccId": v2g, "ISO15118Ctrlr.OrganizationName": "Operator"}
        self.book: CertificateBook
        self.credentials: Credentials
        self.renewal: Renewal
        client = None
        if until is not None:
            client = ClientCertificate("key-provisioned", station_certificate(since, until).pem + CSO_SUB.pem)
        self.peer = Peer(
            self._build,
            settings=config(
                network=NetworkSlot(url="wss://csms.example/ocpp", security_profile=profile),
                csms_roots_pem=(CSO.pem,) if roots else (),
                client=client,
                overrides=secc | (overrides or {}),
                vehicle_stack=v2g is not None,
            ),
            store=store,
            clock=clock or ManualClock(utc=NOON),
            random=random,
        )
        if v2g is not None and roots:
            self.peer.within(lambda _now: self.book.put(root_row(Kind.V2G_ROOT_CERTIFICATE, V2G.read)))
        self._settle()

    def _build(self, ctx: StationContext) -> Sequence[Block]:
        self.book = CertificateBook(ctx)
        self.credentials = Credentials(ctx)
        network = Network(ctx, self.credentials, self.book)
        self.renewal = Renewal(ctx, self.credentials, self.book)
        return self.credentials, network, Security(ctx, SecurityLog(ctx.store)), self.renewal, _VehicleVariables(ctx)

    # ------------------------------------------------------------------ what happens

    def online(self) -> "Stand":
        self.peer.link_up()
        self.peer.accept()
        self._settle()
        return self

    def pending(self) -> "Stand":
        """Connected, and the CSMS says Pending to the boot."""
        self.peer.link_up()
        self.peer.ctx.registration = Registration.PENDING
        self.peer.ctx.publish(RegistrationChanged(Registration.PENDING))
        self.peer.within(lambda _now: None)
        self._settle()
        return self

    def offline(self) -> None:
        self.peer.link_down()

    def trigger(self, use: Use = Use.CHARGING_STATION_CERTIFICATE) -> bool:
        """As TriggerMessage does; whether it is accepted."""
        taken: list[bool] = []
        wanted = f"Sign{use}"
        begin = next(begin for message, begin in self.renewal.triggers().items() if message == wanted)
        self.peer.within(lambda now: taken.append(begin(None, now)))
        self._settle()
        return taken[0]

    def key_made(self, event: KeyMade) -> None:
        self._tell(event)
        self._settle()

    def _tell(self, event: KeyMade) -> None:
        self.peer.within(lambda now: self.renewal.key_made(event, now))

    def wait(self, seconds: float) -> None:
        """Let time pass; whatever is asked on the way is answered at once."""
        end = self.peer.clock.monotonic() + seconds
        while (due := min(self.peer.deadlines(), default=end)) < end:
            self.peer.pass_time(max(0.0, due - self.peer.clock.monotonic()))
            self._settle()
        self.peer.pass_time(end - self.peer.clock.monotonic())
        self._settle()

    def sent(self, chain: str, use: Use | None = Use.CHARGING_STATION_CERTIFICATE) -> CertificateSignedResponse:
        """CertificateSigned, and what the station says."""
        response = self.peer.asked(CertificateSigned(certificate_chain=chain, certificate_type=use))
        assert isinstance(response, CertificateSignedResponse)
        self._settle()
        return response

    def restarted(self, **changes: Any) -> "Stand":
        """The process was killed and starts again, with what is on disk and the keys that were made."""
        clock = ManualClock(mono=5.0, utc=self.peer.now.utc, synced=self.peer.now.synced)
        kept: dict[str, Any] = {"store": self.peer.store, "clock": clock, "keys": self.keys, "v2g": self._v2g}
        return Stand(**(kept | {"until": None, "overrides": dict(self.peer.config.overrides)} | changes))

    def _settle(self) -> None:
        """What can be done at once is done: time for what is due, keys, answers."""
        for _ in range(100):
            self.peer.pass_time(0.0)
            keep = self.peer.took(KeepKeys)
            if keep:
                self.keys.kept = keep[-1].key_ids
            orders = self.peer.took(MakeKey) if self.makes_keys else []
            for order in orders:
                event = self.keys.make(order)
                self._tell(event)
            frames, self.peer.frames = self.peer.frames, []
            for frame in frames:
                self._answer(frame)
            if not orders and not frames:
                return
        raise AssertionError("the station does not come to rest")

    def _answer(self, frame: list[Any]) -> None:
        if frame[2] != "SignCertificate":
            self.peer.receive([3, frame[1], {}])
            return
        self.asked.append(frame[3])
        answer = self.answers.pop(0) if self.answers else {"status": "Accepted"}
        if isinstance(answer, str):
            self.peer.receive([4, frame[1], answer, "", {}])
        elif answer is not None:
            self.peer.receive([3, frame[1], answer])

    # ------------------------------------------------------------------ what comes back

    def signed(self, number: int = -1, *, issuer: Pair = CSO_SUB, name: str = SERIAL, **changes: Any) -> str:
        """The chain for one of the requests in `asked`; `changes`: as in pki.made, `others`: what follows the leaf."""
        others = changes.pop("others", (CSO_SUB,) if issuer is CSO_SUB else ())
        how = {"key": self.keys.of(self.asked[number]["csr"]), "organization": ORGANIZATION} | changes
        return "".join(pair.pem for pair in (made(name, issuer, **how), *others))

    def v2g_signed(self, number: int = -1, **changes: Any) -> str:
        """Likewise for a V2G certificate."""
        how: dict[str, Any] = {"issuer": V2G, "name": SECC_ID, "organization": "Operator"} | changes
        return self.signed(number, **how)

    @property
    def events(self) -> list[tuple[str, str]]:
        """Security events so far."""
        return [(each.kind, each.tech_info) for each in self.peer.news if isinstance(each, SecurityEvent)]

    @property
    def invalid(self) -> list[str]:
        """What was said of certificates that were refused."""
        return [info for kind, info in self.events if kind == "InvalidChargingStationCertificate"]

    @property
    def key_in_use(self) -> str | None:
        """The key of the newest station certificate."""
        clients = self.credentials.clients
        return clients[0].key_id if clients else None


def order_of(key_use: KeyUse = KeyUse.STATION, **changes: str) -> MakeKey:
    """What the station asks of the shell, apart from the id."""
    order = MakeKey(request_id="", use=key_use, common_name=SERIAL, organization=ORGANIZATION)
    return msgspec.structs.replace(order, **changes)
