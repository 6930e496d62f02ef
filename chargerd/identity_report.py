"""Who the station is and whom it trusts, as facts for people: certificates, roots, keys, and what is wrong with them.

It reads what is stored, so it says the same of a station that runs and of one that does not. It never has a secret.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from chargerd import certificates
from chargerd.clock import Clock
from chargerd.codec import CodecError, decode
from chargerd.identity import IdentityError, KeyFacts, KeyStore
from chargerd.ocpp import certificate_book, credentials, signing_requests
from chargerd.ocpp.effects import ClientCertificate
from chargerd.ocpp.messages.enums import GetCertificateIdUse
from chargerd.ocpp.signing_requests import RenewalStatus
from chargerd.provisioned import Provisioned, ProvisionedRecord
from chargerd.store import Store

WARN_BEFORE_DAYS = 30
"""As long before its end as the station itself begins to renew (CertSigning starts a month ahead)."""

MAX_ROW_BYTES = 1024 * 1024

T = TypeVar("T")


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate in words. `key_id`, `place`: of a certificate of our own, its key and where that lives."""

    subject: str
    issuer: str
    serial_number: str
    not_after_utc: datetime
    days_left: int
    key_id: str = ""
    place: str = ""


class IdentityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. `candidate`: a new client certificate that has not connected yet; `request_key_id`: a key that
    waits for the maker's signature; `renewals`: those that wait for the CSMS; `warnings`: sentences, worst first.
    """

    client: CertificateFacts | None
    candidate: CertificateFacts | None
    request_key_id: str | None
    password_set: bool
    csms_roots: tuple[CertificateFacts, ...]
    manufacturer_roots: tuple[CertificateFacts, ...]
    keys: tuple[KeyFacts, ...]
    renewals: tuple[RenewalStatus, ...]
    warnings: tuple[str, ...]


class Values(Protocol):
    """Where the station keeps what it knows; Store is one."""

    def get(self, namespace: str, key: str, kind: type[T]) -> T | None: ...

    def items(self, namespace: str, kind: type[T]) -> list[tuple[str, T]]: ...


class StoredValues:
    """The values of a store that nobody has open, read and nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, namespace: str, key: str, kind: type[T]) -> T | None:
        """See Store. Raises IdentityError."""
        return next((value for name, value in self.items(namespace, kind) if name == key), None)

    def items(self, namespace: str, kind: type[T]) -> list[tuple[str, T]]:
        """See Store. Raises IdentityError."""
        if not self._path.exists():
            return []
        try:
            # Without a journal beside it nothing is to be folded in, and the file can be read without making one.
            how = "mode=ro" if Path(f"{self._path}-wal").exists() else "immutable=1"
            with closing(sqlite3.connect(f"file:{self._path}?{how}", uri=True)) as db:
                found = db.execute("SELECT key, json FROM value WHERE namespace = ? ORDER BY key", (namespace,))
                return [(key, decode(kind, bytes(raw), max_bytes=MAX_ROW_BYTES)) for key, raw in found]
        except (sqlite3.Error, CodecError) as error:
            raise IdentityError(f"{self._path}: cannot be read ({error}); start the station and ask again") from error


def identity_answer(store: Store, provisioned: Provisioned, keys: KeyStore, clock: Clock) -> dict[str, Any]:
    """What the running station says, for its console."""
    report = identity_report(store, provisioned.at_start(), keys.describe(), clock.now().utc)
    answer = msgspec.to_builtins(report)
    assert isinstance(answer, dict)
    return answer


def identity_report(
    values: Values, provisioned: ProvisionedRecord, keys: tuple[KeyFacts, ...], now_utc: datetime
) -> IdentityReport:
    """What is installed. Before the first start the provisioned material is all there is."""
    record = values.get(credentials.NAMESPACE, credentials.KEY, credentials.Record)
    if record is None:
        client, candidate, password_set = provisioned.client, None, False
    else:
        client = None if record.client is None else record.client.certificate
        candidate = None if record.candidate is None else record.candidate.certificate
        password_set = bool(record.passwords)
    warnings: list[str] = []
    own = [None if each is None else _own(each, keys, now_utc, warnings) for each in (client, candidate)]
    csms, manufacturer = _roots(values, provisioned, started=record is not None)
    warnings += [f"key {fact.key_id}: {fact.problem}" for fact in keys if fact.problem is not None]
    request = provisioned.request
    if request is not None and request.key_id not in {fact.key_id for fact in keys}:
        warnings.append(f"the key of the open request ({request.key_id}) is gone; make a new request")
    return IdentityReport(
        client=own[0],
        candidate=own[1],
        request_key_id=None if request is None else request.key_id,
        password_set=password_set,
        csms_roots=_facts_of_roots(csms, "CSMS root", now_utc, warnings),
        manufacturer_roots=_facts_of_roots(manufacturer, "manufacturer root", now_utc, warnings),
        keys=keys,
        renewals=tuple(map(signing_requests.status_of, _requests(values))),
        warnings=tuple(warnings),
    )


def _requests(values: Values) -> signing_requests.Requests:
    return values.get(signing_requests.NAMESPACE, signing_requests.KEY, signing_requests.Requests) or ()


def _own(
    client: ClientCertificate, keys: tuple[KeyFacts, ...], now_utc: datetime, warnings: list[str]
) -> CertificateFacts | None:
    key = next((fact for fact in keys if fact.key_id == client.key_id), None)
    if key is None:
        warnings.append(f"the private key {client.key_id} is gone; the station needs a new key and certificate")
    place = "" if key is None else key.place
    try:
        leaf = certificates.read_chain(client.chain_pem)[0]
    except certificates.CertificateError as error:
        warnings.append(f"the client certificate cannot be read ({error}); provision a new one")
        return None
    facts = _facts(leaf, "the client certificate", now_utc, warnings)
    return msgspec.structs.replace(facts, key_id=client.key_id, place=place)


def _roots(values: Values, provisioned: ProvisionedRecord, *, started: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """CSMS and manufacturer roots: those of the book, which took the provisioned ones over when it first looked."""
    if not started:
        return provisioned.csms_roots_pem, provisioned.manufacturer_roots_pem
    rows = [row for _key, row in values.items(certificate_book.NAMESPACE, certificate_book.Installed)]
    kinds = (GetCertificateIdUse.CSMS_ROOT_CERTIFICATE, GetCertificateIdUse.MANUFACTURER_ROOT_CERTIFICATE)
    csms, manufacturer = (tuple(row.pem for row in rows if row.kind is kind) for kind in kinds)
    return csms, manufacturer


def _facts_of_roots(
    pems: Iterable[str], what: str, now_utc: datetime, warnings: list[str]
) -> tuple[CertificateFacts, ...]:
    facts = []
    for pem in pems:
        try:
            root = certificates.read_one(pem)
        except certificates.CertificateError as error:
            warnings.append(f"a {what} cannot be read ({error})")
            continue
        facts.append(_facts(root, f"the {what} {root.subject}", now_utc, warnings))
    return tuple(facts)


def _facts(
    certificate: certificates.Certificate, what: str, now_utc: datetime, warnings: list[str]
) -> CertificateFacts:
    days_left = (certificate.not_after_utc - now_utc).days
    if days_left < 0:
        warnings.insert(0, f"{what} expired {-days_left} days ago")
    elif days_left < WARN_BEFORE_DAYS:
        warnings.insert(0, f"{what} expires in {days_left} days")
    if now_utc < certificate.not_before_utc:
        warnings.append(f"{what} is not valid before {certificate.not_before_utc:%Y-%m-%d}; is the clock right?")
    return CertificateFacts(
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial_number=certificate.serial_number,
        not_after_utc=certificate.not_after_utc,
        days_left=days_left,
    )
