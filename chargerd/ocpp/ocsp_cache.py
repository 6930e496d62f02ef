"""M06: the OCSP status of the station's V2G certificates, kept ready for vehicles, which do not wait for a server.

The CSMS asks whoever has to be asked. What it gives is kept as it is: the vehicle judges it, by its signature.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from chargerd.certificates import HashData
from chargerd.clock import Now
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.certificate_book import CertificateBook, Installed
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.certificates import GetCertificateStatus, GetCertificateStatusResponse
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.messages.enums import GetCertificateStatusEnum, HashAlgorithm
from chargerd.ocpp.messages.types import OCSPRequestData
from chargerd.ocpp.news import CertificatesChanged, ClockSet, News, Registration, RegistrationChanged
from chargerd.ocpp.rpc import CallFailure

NAMESPACE = "ocsp"

REFRESH_AFTER = timedelta(days=6)
"""At least once a week (M06.FR.10); the day between leaves room for a CSMS that is away."""

RETRY_S = 3600.0
"""After a status that could not be had."""


class Status(msgspec.Struct, frozen=True):
    """`result`: the DER of an OCSPResponse (RFC 6960) in Base64."""

    result: str
    fetched_utc: datetime


class OcspCache(Block):
    """Asks for the status of each certificate of the V2G chains, one after the other."""

    def __init__(self, ctx: StationContext, book: CertificateBook) -> None:
        super().__init__(ctx)
        self._book = book
        self._statuses: dict[str, Status] = {}
        self._stale: set[str] = set()
        self._asking = False
        self._failed_mono: dict[str, float] = {}
        self._due_mono: float | None = None

    def results(self, row: Installed) -> tuple[str, ...]:
        """The status of each certificate of a chain, leaf first; empty where there is none."""
        statuses = [self._statuses.get(_key(names[0])) for names in (row.names, *row.children)]
        return tuple("" if status is None else status.result for status in statuses)

    def on_start(self, now: Now) -> None:
        """What was fetched before, as far as it is still of use."""
        self._statuses = dict(self.ctx.store.items(NAMESPACE, Status))
        self._forget_others()
        self._plan(now)

    def on_link_up(self, now: Now) -> None:
        """Perhaps to a CSMS that has accepted the station already."""
        self._plan(now)

    def on_link_down(self, _now: Now) -> None:
        """Nothing can be asked; a question on its way is answered as failed."""
        self._due_mono = None

    def on_news(self, news: News, now: Now) -> None:
        """New certificates, a CSMS to ask, or another time."""
        match news:
            case CertificatesChanged(Kind.V2G_CERTIFICATE_CHAIN):
                self._forget_others()
                # M06.FR.07: the sub-CAs of a new certificate are asked about as well, known or not.
                self._stale = set(self._wanted())
                self._failed_mono.clear()
                self._plan(now)
            case RegistrationChanged(Registration.ACCEPTED) | ClockSet():
                self._plan(now)

    def next_deadline(self) -> float | None:
        """When the next status is to be had."""
        return self._due_mono

    def on_time(self, now: Now) -> None:
        """Ask, if it is time."""
        if self._due_mono is None or now.mono < self._due_mono:
            return
        wanted = self._wanted()
        due = next((key for key in wanted if self._due_of(key, now) <= now.mono), None)
        if due is None:
            self._plan(now)
        else:
            self._ask(due, wanted[due], now)

    # ------------------------------------------------------------------ asking

    def _ask(self, key: str, request: OCSPRequestData, now: Now) -> None:
        def answered(response: GetCertificateStatusResponse, later: Now) -> None:
            result = response.ocsp_result or ""
            if response.status is GetCertificateStatusEnum.ACCEPTED and is_base64(result):
                self._keep(key, Status(result, later.utc), later)
            else:
                self._failed(key, f"the CSMS says {response.status}", later)

        def failed(failure: CallFailure, later: Now) -> None:
            self._failed(key, str(failure), later)

        self._asking, self._due_mono = True, None
        self.ctx.call(GetCertificateStatus(ocsp_request_data=request), now, then=answered, failed=failed)

    def _keep(self, key: str, status: Status, now: Now) -> None:
        self._asking = False
        if key in self._wanted():
            self._stale.discard(key)
            self._failed_mono.pop(key, None)
            self._statuses[key] = status
            self.ctx.store.put(NAMESPACE, key, status)
        self._plan(now)

    def _failed(self, key: str, why: str, now: Now) -> None:
        """M06.FR.04: what was known stays, and the question is asked again later."""
        self._asking = False
        self._failed_mono[key] = now.mono
        self.ctx.note(Severity.WARNING, f"certificates: no status of V2G certificate {key} ({why})")
        self._plan(now)

    # ------------------------------------------------------------------ what is due

    def _plan(self, now: Now) -> None:
        """Find out when to ask next; not before there is somebody to ask."""
        self._due_mono = None
        if self.ctx.online and not self._asking:
            self._due_mono = min((self._due_of(key, now) for key in self._wanted()), default=None)

    def _due_of(self, key: str, now: Now) -> float:
        status = self._statuses.get(key)
        due_mono = now.mono if status is None or key in self._stale else now.mono_at(status.fetched_utc + REFRESH_AFTER)
        return max(due_mono, self._failed_mono.get(key, float("-inf")) + RETRY_S)

    def _wanted(self) -> dict[str, OCSPRequestData]:
        """The certificates whose status can be asked: those that say where."""
        rows = self._book.all([Kind.V2G_CERTIFICATE_CHAIN])
        return {_key(named): _request(named, url) for row in rows for named, url in _certificates(row) if url}

    def _forget_others(self) -> None:
        wanted = self._wanted()
        for key in [each for each in self._statuses if each not in wanted]:
            del self._statuses[key]
            self.ctx.store.delete(NAMESPACE, key)


def is_base64(text: str) -> bool:
    """Whether `text` is Base64 of something."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _certificates(row: Installed) -> Iterator[tuple[HashData, str]]:
    for names, url in zip((row.names, *row.children), row.ocsp_urls, strict=True):
        yield names[0], url


def _key(named: HashData) -> str:
    return f"{named.issuer_key_hash[:16]}:{named.serial_number}"


def _request(named: HashData, url: str) -> OCSPRequestData:
    return OCSPRequestData(
        hash_algorithm=HashAlgorithm(named.algorithm),
        issuer_name_hash=named.issuer_name_hash,
        issuer_key_hash=named.issuer_key_hash,
        serial_number=named.serial_number,
        responder_url=url,
    )
