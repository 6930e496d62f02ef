"""Who the station is and whom it trusts, told from what is stored, whether it runs or not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chargerd.certificates import read_chain, read_one
from chargerd.clock import SystemClock
from chargerd.identity import IdentityError, KeyFacts
from chargerd.identity_report import IdentityReport, StoredValues, identity_answer, identity_report
from chargerd.ocpp import certificate_book, credentials, signing_requests
from chargerd.ocpp.certificate_book import root_row
from chargerd.ocpp.effects import ClientCertificate
from chargerd.ocpp.messages.enums import CertificateSigningUse
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.signing_requests import SigningRequest, Subject
from chargerd.provisioned import OpenRequest, Provisioned, ProvisionedRecord
from chargerd.store import Store
from tests.chargerd.key_stands import ClientAuthority, request, store

NOW = datetime.now(UTC)


class Station:
    """What a station has stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = store("file", folder)
        self.authority = ClientAuthority(folder)
        self.values = Store(str(folder / "station.sqlite"))
        self.provisioned = ProvisionedRecord()

    def client(self, days: float = 90.5) -> ClientCertificate:
        new = self.keys.make(request())
        return ClientCertificate(new.key_id, self.authority.sign(new.csr_pem, days=days))

    def remember(self, *passwords: str, **held: ClientCertificate) -> None:
        """As the core does."""
        clients = {
            name: credentials.Held(client, read_chain(client.chain_pem)[0].not_after_utc)
            for name, client in held.items()
        }
        record = credentials.Record(passwords=passwords, **clients)  # type: ignore[arg-type]
        self.values.put(credentials.NAMESPACE, credentials.KEY, record)

    def trust(self, kind: Kind, pem: str) -> None:
        row = root_row(kind, read_one(pem))
        self.values.put(certificate_book.NAMESPACE, row.key, row)

    def report(self) -> IdentityReport:
        return identity_report(self.values, self.provisioned, self.keys.describe(), NOW)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


def test_a_certificate_is_told_with_its_key_and_where_that_lives(station: Station) -> None:
    client = station.client()
    station.remember(client=client)
    told = station.report()
    assert told.client is not None
    assert told.client.subject == "O=Example,CN=SN-1"
    assert told.client.issuer == "CN=Client root"
    assert (told.client.days_left, told.client.key_id, told.client.place) == (90, client.key_id, "file")
    assert told.warnings == ()


def test_a_candidate_stands_beside_the_one_in_use(station: Station) -> None:
    one, other = station.client(), station.client(200.5)
    station.remember(client=one, candidate=other)
    told = station.report()
    assert told.candidate is not None
    assert told.candidate.days_left == 200


def test_what_waits_for_the_csms_is_told(station: Station) -> None:
    subject = Subject(common_name="SN-1", organization="Example")
    waiting = SigningRequest(
        request_id="1",
        use=CertificateSigningUse.CHARGING_STATION_CERTIFICATE,
        subject=subject,
        triggered=True,
        begun_utc=NOW,
        key_id="file-9",
        tries=2,
        due_utc=NOW,
    )
    station.values.put(signing_requests.NAMESPACE, signing_requests.KEY, (waiting,))
    (renewal,) = station.report().renewals
    assert (renewal.use, renewal.state, renewal.key_id) == (
        "ChargingStationCertificate",
        "the CSMS was asked 2 times",
        "file-9",
    )


def test_a_password_is_set_or_not_and_never_told(station: Station) -> None:
    assert not station.report().password_set
    station.remember("secret of this station")
    told = station.report()
    assert told.password_set
    assert "secret of this station" not in repr(told)


def test_what_expires_soon_and_what_has_expired_are_said_in_words(station: Station) -> None:
    station.remember(client=station.client(12.5), candidate=station.client(-3.5))
    assert station.report().warnings == (
        "the client certificate expired 4 days ago",
        "the client certificate expires in 12 days",
    )


def test_a_certificate_of_the_future_hints_at_the_clock(station: Station) -> None:
    station.remember(client=station.client())
    told = identity_report(station.values, station.provisioned, station.keys.describe(), NOW - timedelta(days=10))
    assert "is the clock right?" in told.warnings[0]


def test_keys_that_are_gone_or_readable_by_others_are_said(station: Station) -> None:
    client = station.client()
    station.remember(client=client)
    path = station.folder / "keys" / f"{client.key_id}.pem"
    path.chmod(0o644)
    assert "others can read it" in station.report().warnings[0]
    path.unlink()
    assert "is gone; the station needs a new key" in station.report().warnings[0]


def test_roots_are_those_of_the_book_and_before_the_first_start_those_of_the_maker(station: Station) -> None:
    other = ClientAuthority(station.folder, "Other root")
    station.provisioned = ProvisionedRecord(
        csms_roots_pem=(station.authority.root,), manufacturer_roots_pem=(other.root,)
    )
    told = station.report()
    assert [root.subject for root in told.csms_roots] == ["CN=Client root"]
    assert [root.subject for root in told.manufacturer_roots] == ["CN=Other root"]
    station.remember()
    station.trust(Kind.CSMS_ROOT_CERTIFICATE, other.root)
    told = station.report()
    assert [root.subject for root in told.csms_roots] == ["CN=Other root"]
    assert told.manufacturer_roots == ()


def test_before_the_first_start_the_provisioned_identity_is_told(station: Station) -> None:
    client = station.client()
    open_one = OpenRequest(key_id="file-gone", common_name="SN-1", organization="Example", csr_pem="csr")
    station.provisioned = ProvisionedRecord(client=client, request=open_one)
    told = station.report()
    assert told.client is not None
    assert told.client.key_id == client.key_id
    assert told.request_key_id == "file-gone"
    assert told.warnings == ("the key of the open request (file-gone) is gone; make a new request",)


def test_what_cannot_be_read_is_a_warning_and_not_the_end(station: Station) -> None:
    key = station.keys.make(request())
    station.provisioned = ProvisionedRecord(client=ClientCertificate(key.key_id, "junk"), csms_roots_pem=("junk",))
    told = station.report()
    assert told.client is None
    assert len(told.warnings) == 2
    assert all("cannot be read" in warning for warning in told.warnings)


def test_a_station_that_does_not_run_is_read_without_a_trace(station: Station) -> None:
    station.remember("password", client=station.client())
    station.trust(Kind.CSMS_ROOT_CERTIFICATE, station.authority.root)
    running = station.report()
    station.values.close()
    path = station.folder / "station.sqlite"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert identity_report(StoredValues(path), station.provisioned, station.keys.describe(), NOW) == running
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [each.name for each in station.folder.glob("station.sqlite*")] == ["station.sqlite"]


def test_a_store_that_is_not_there_yet_holds_nothing_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "station.sqlite"
    assert StoredValues(path).get("credentials", "record", str) is None
    assert not path.exists()
    path.write_bytes(b"no database at all")
    with pytest.raises(IdentityError, match="cannot be read"):
        StoredValues(path).items("certificates", str)


def test_the_running_station_answers_its_console_with_plain_values(station: Station) -> None:
    provisioned = Provisioned(station.folder / "provisioned")
    station.remember(client=station.client())
    answer = identity_answer(station.values, provisioned, station.keys, SystemClock())
    assert answer["client"]["days_left"] == 90
    assert answer["keys"][0]["place"] == "file"


def test_facts_of_keys_pass_as_they_are(station: Station) -> None:
    fact = KeyFacts("tpm-1", "TPM", NOW)
    assert identity_report(station.values, station.provisioned, (fact,), NOW).keys == (fact,)
