"""Block A: the station's own certificates are renewed, asked by the CSMS (A02) or before they expire (A03).

A new key each time; the shell makes it and keeps it (effects.MakeKey). The CSMS has the request signed, and what comes
back is believed only if it is about such a key, names this station, is valid now and ends in an installed root. What
is accepted is tried at once beside what worked before (credentials.py).
"""

from collections.abc import Callable, Iterable

import msgspec

from chargerd import certificates
from chargerd.certificates import Certificate
from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers, StationContext, Triggers
from chargerd.ocpp.certificate_book import CertificateBook, v2g_row
from chargerd.ocpp.credentials import Credentials
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey, Severity
from chargerd.ocpp.events import KeyMade
from chargerd.ocpp.iso15118_variables import (
    COUNTRY_NAME,
    PNC_ENABLED,
    SECC_ID,
    V2G_CERTIFICATE_INSTALLATION_ENABLED,
)
from chargerd.ocpp.iso15118_variables import ORGANIZATION_NAME as V2G_ORGANIZATION_NAME
from chargerd.ocpp.messages.enums import CertificateSignedStatus, GenericStatus, MessageTrigger
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.messages.security import (
    CertificateSigned,
    CertificateSignedResponse,
    SignCertificate,
    SignCertificateResponse,
)
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.news import ClockSet, KeysReleased, News, Registration, RegistrationChanged, SecurityEvent
from chargerd.ocpp.own_renewals import Lifetime, OwnRenewals
from chargerd.ocpp.rpc import CallFailure, FailureKind
from chargerd.ocpp.security import ORGANIZATION_NAME
from chargerd.ocpp.signed_chains import ChainRefused, checked_path, read_chain
from chargerd.ocpp.signing_requests import RenewalStatus, SigningRequest, SigningRequests, Subject, status_of
from chargerd.ocpp.variables import AnyVariable, integer

MAX_CERTIFICATE_CHAIN_SIZE = integer(
    "SecurityCtrlr",
    "MaxCertificateChainSize",
    10_000,
    required=False,
    minimum=5600,  # below that usual chains do not fit (part 2, 2.2.7)
    maximum=10_000,
    doc="Longest certificate chain that CertificateSigned may bring, in characters.",
)
CERT_SIGNING_WAIT_MINIMUM = integer(
    "SecurityCtrlr",
    "CertSigningWaitMinimum",
    60,
    unit="s",
    writable=True,
    required=False,
    minimum=1,
    maximum=86_400,
    doc="Wait for a signed certificate before the CSMS is asked again; it doubles each time (A02.FR.17).",
)
CERT_SIGNING_REPEAT_TIMES = integer(
    "SecurityCtrlr",
    "CertSigningRepeatTimes",
    5,
    writable=True,
    required=False,
    minimum=0,
    maximum=20,
    doc="How often that wait doubles before the station asks no more (A02.FR.19).",
)

KEY_TIME_LIMIT_S = 60.0
"""For making a key; a TPM that is busy with something else needs some seconds."""

LOOK_EVERY_S = 3600.0
"""How often the station looks whether a certificate expires soon."""

LONGEST_WAIT_S = 7 * 86_400.0
"""No wait is longer, whatever the variables multiply to."""

MAX_COMMON_NAME = 64  # RFC 5280, A.1: ub-common-name

V2G_DOMAIN = "CPO"  # ISO 15118-2, annex F: domain component of the station's certificate

_KEY_USES = {Use.CHARGING_STATION_CERTIFICATE: KeyUse.STATION, Use.V2G_CERTIFICATE: KeyUse.V2G}


class Renewal(Block):
    """Requests, what comes back for them, and when the station begins by itself."""

    def __init__(self, ctx: StationContext, credentials: Credentials, book: CertificateBook) -> None:
        super().__init__(ctx)
        self._credentials = credentials
        self._book = book
        self._requests = SigningRequests(ctx)
        self._own = OwnRenewals(ctx)
        self._in_flight: set[str] = set()
        self._warned: set[Use] = set()
        self._look_mono: float | None = None
        credentials.also_keep(self._requests.key_ids)
        credentials.also_keep(book.key_ids)

    def variables(self) -> Iterable[AnyVariable]:
        """How certificates are asked for."""
        return (MAX_CERTIFICATE_CHAIN_SIZE, CERT_SIGNING_WAIT_MINIMUM, CERT_SIGNING_REPEAT_TIMES)

    def handlers(self) -> Handlers:
        """What comes back."""
        return {CertificateSigned: self._certificate_signed}

    def triggers(self) -> Triggers:
        """A02. One certificate for both uses is not offered."""
        station = {MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE: self._trigger(Use.CHARGING_STATION_CERTIFICATE)}
        if not self.ctx.config.vehicle_stack:
            return station
        return station | {MessageTrigger.SIGN_V2G_CERTIFICATE: self._trigger(Use.V2G_CERTIFICATE)}

    def on_start(self, now: Now) -> None:
        """Reload what is under way."""
        self._requests.load(now, LONGEST_WAIT_S)
        for request in self._requests.all():
            if request.use is Use.V2G_CERTIFICATE and not self.ctx.config.vehicle_stack:
                self._requests.drop(request)
        self._own.load()

    def on_link_up(self, now: Now) -> None:
        """Perhaps to a CSMS that has accepted us already."""
        self._look(now)

    def on_news(self, news: News, now: Now) -> None:
        """Now we may be heard, or know the time: what has expired is renewed at once (A00.FR.430)."""
        match news:
            case RegistrationChanged(Registration.ACCEPTED) | ClockSet():
                self._look(now)

    def next_deadline(self) -> float | None:
        """The next look at the certificates, or the next step of a request."""
        steps = (self._requests.due_mono(request) for request in self._requests.all() if self._may_go_on(request))
        looks = self._look_mono if self.ctx.online else None
        return min((mono for mono in (looks, *steps) if mono is not None), default=None)

    def on_time(self, now: Now) -> None:
        """What is due."""
        self._advance(now)
        if self._look_mono is not None and now.mono >= self._look_mono:
            self._look(now)

    def status(self) -> tuple[RenewalStatus, ...]:
        """The open requests, oldest first."""
        return tuple(map(status_of, self._requests.all()))

    # ------------------------------------------------------------------ beginning

    def _trigger(self, use: Use) -> Callable[[int | None, Now], bool]:
        def begin(_evse_id: int | None, now: Now) -> bool:
            subject = self._subject(use)
            if subject is None:
                return False  # OrganizationName, SeccId or the serial number is not set
            self._release(use)
            open_one = self._requests.asking(use)
            if open_one is not None and not open_one.was_asked:
                # Its SignCertificate is still to come, and answers this request as well (F06.FR.10).
                self._requests.step(msgspec.structs.replace(open_one, triggered=True), 0.0, now)
            else:
                self._begin(use, subject, now, triggered=True)
            self._advance(now)
            return True

        return begin

    def _look(self, now: Now) -> None:
        """A03.FR.02, as far as the CSMS hears us."""
        if not self.ctx.online:
            return
        self._look_mono = now.mono + LOOK_EVERY_S
        for use in _KEY_USES:
            lifetime = self._lifetime(use)
            if lifetime is None or self._requests.asking(use) is not None or not self._own.is_due(use, lifetime, now):
                continue
            if self._own.is_held(use):
                self._warn_held(use, lifetime)
                continue
            self._own.began(use, now)
            subject = self._subject(use)
            ends = f"{lifetime.ends_utc:%Y-%m-%d %H:%M} UTC"
            if subject is None:
                self.ctx.note(
                    Severity.ERROR,
                    f"renewal: {use} expires on {ends} and cannot be renewed; set SecurityCtrlr.OrganizationName and"
                    " the serial number in the board file, or for V2G ISO15118Ctrlr.SeccId and"
                    " V2GCertificateInstallationEnabled",
                )
            else:
                self.ctx.note(Severity.INFO, f"renewal: {use} expires on {ends} and is renewed")
                self._begin(use, subject, now, triggered=False)
        self._advance(now)

    def _warn_held(self, use: Use, lifetime: Lifetime) -> None:
        if use not in self._warned:
            self._warned.add(use)
            self.ctx.note(
                Severity.WARNING,
                f"renewal: {use} expires on {lifetime.ends_utc:%Y-%m-%d %H:%M} UTC; the CSMS answered the last request"
                " with a certificate that is not valid, so it has to trigger the next one",
            )

    def _lifetime(self, use: Use) -> Lifetime | None:
        """Of the newest certificate; None: there is none to renew."""
        if use is Use.V2G_CERTIFICATE:
            chain = self._book.v2g_chain() if self.ctx.config.vehicle_stack else None
            pem = None if chain is None else chain.pem
        else:
            client = self._credentials.candidate or self._credentials.client
            pem = None if client is None else client.chain_pem
        if pem is None:
            return None
        leaf = certificates.read_chain(pem)[0]
        return Lifetime(leaf.not_before_utc, leaf.not_after_utc)

    def _subject(self, use: Use) -> Subject | None:
        """Whom the certificate has to name (A00.FR.509, A00.FR.511); None: that is not known, or not wanted."""
        variables = self.ctx.variables
        organization = variables[ORGANIZATION_NAME]
        if use is Use.CHARGING_STATION_CERTIFICATE:
            subject = Subject(common_name=self.ctx.config.board.serial, organization=organization)
        elif variables[V2G_CERTIFICATE_INSTALLATION_ENABLED]:
            subject = Subject(
                common_name=variables[SECC_ID],
                organization=variables[V2G_ORGANIZATION_NAME] or organization,
                country=variables[COUNTRY_NAME],
                domain_component=V2G_DOMAIN,
            )
        else:
            return None
        named = 0 < len(subject.common_name) <= MAX_COMMON_NAME and subject.organization
        return subject if named else None

    def _release(self, use: Use) -> None:
        self._own.release(use)
        self._warned.discard(use)

    def _begin(self, use: Use, subject: Subject, now: Now, *, triggered: bool) -> None:
        request = SigningRequest(
            request_id=self.ctx.new_id(), use=use, subject=subject, triggered=triggered, begun_utc=now.utc
        )
        if self._requests.begin(request, now):
            self.ctx.publish(KeysReleased())

    # ------------------------------------------------------------------ step by step

    def _may_go_on(self, request: SigningRequest) -> bool:
        if not request.has_key:
            return True
        if request.request_id in self._in_flight:
            return False
        # What TriggerMessage asks for may be sent before the CSMS has accepted us (A00.FR.806, B02.FR.02).
        return self.ctx.online or (request.triggered and self.ctx.link_up and self.ctx.may_be_asked)

    def _advance(self, now: Now) -> None:
        """Every request whose time has come."""
        for request in self._requests.all():
            due_mono = self._requests.due_mono(request)
            if due_mono is not None and now.mono >= due_mono and self._may_go_on(request):
                self._go_on(request, now)

    def _go_on(self, request: SigningRequest, now: Now) -> None:
        if request.has_key:
            self._ask(request, now)
        elif request.tries < self._most_tries():
            self._make_key(request, now)
        else:
            self._requests.drop(request)
            self.ctx.note(
                Severity.ERROR,
                f"renewal: no key for {request.use} after {request.tries} attempts; see what chargerctl identity says"
                " of the place of keys, then have the CSMS trigger it again",
            )

    def _make_key(self, request: SigningRequest, now: Now) -> None:
        if request.tries:
            self.ctx.note(Severity.WARNING, f"renewal: a key for {request.use} is asked for again")
        request = msgspec.structs.replace(request, tries=request.tries + 1)
        self._requests.step(request, max(KEY_TIME_LIMIT_S, self._wait_s(request.tries)), now)
        subject = request.subject
        self.ctx.do(
            MakeKey(
                request_id=request.request_id,
                use=_KEY_USES[request.use],
                common_name=subject.common_name,
                organization=subject.organization,
                country=subject.country,
                domain_component=subject.domain_component,
            )
        )

    def key_made(self, event: KeyMade, now: Now) -> None:
        """A key is there, or could not be made."""
        request = self._requests.get(event.request_id)
        if event.problem is not None:
            self.ctx.note(Severity.ERROR, f"renewal: no key could be made: {event.problem}")
            if request is not None and not request.has_key:
                self._requests.step(request, self._wait_s(request.tries), now)
        elif request is None or request.has_key:
            self.ctx.publish(KeysReleased())  # it came too late, and the request has gone or has another
        else:
            made = msgspec.structs.replace(request, key_id=event.key_id, csr_pem=event.csr_pem, tries=0)
            self._requests.step(made, 0.0, now)
            self._advance(now)

    def _ask(self, request: SigningRequest, now: Now) -> None:
        """A02.FR.03. Each time the same request: a certificate for any of them will do (A02.FR.17)."""
        request = msgspec.structs.replace(request, tries=request.tries + 1)
        self._requests.step(request, self._next_wait_s(request), now)
        self._in_flight.add(request.request_id)
        self.ctx.rpc.call(
            SignCertificate(csr=request.csr_pem, certificate_type=request.use),  # A02.FR.13
            now,
            then=lambda response, at: self._asked(request.request_id, response, at),
            failed=lambda failure, at: self._not_asked(request.request_id, failure, at),
        )

    def _asked(self, request_id: str, response: SignCertificateResponse, now: Now) -> None:
        self._in_flight.discard(request_id)
        request = self._requests.get(request_id)
        if request is None:
            return  # its certificate came before this answer
        if response.status is GenericStatus.REJECTED:
            self._reject(request, "rejects")
        elif request.asks:
            self._requests.step(request, self._next_wait_s(request), now)
        elif request.tries >= self._most_tries():  # A02.FR.19
            self.ctx.note(
                Severity.WARNING,
                f"renewal: the CSMS was asked {request.tries} times for {request.use} and has sent none; it has to"
                " trigger the next request, a certificate for this one is still taken",
            )

    def _not_asked(self, request_id: str, failure: CallFailure, now: Now) -> None:
        self._in_flight.discard(request_id)
        request = self._requests.get(request_id)
        if request is None:
            return
        if failure.kind is FailureKind.ERROR and failure.code in {"NotImplemented", "NotSupported"}:
            self._reject(request, "does not know")
            return
        self.ctx.note(Severity.WARNING, f"renewal: SignCertificate for {request.use} failed ({failure})")
        if not request.asks:
            return
        if failure.kind is FailureKind.OFFLINE:
            # It may not even have been sent: this one does not count.
            request = msgspec.structs.replace(request, tries=request.tries - 1)
        self._requests.step(request, self._wait_s(request.tries), now)

    def _reject(self, request: SigningRequest, what: str) -> None:
        self.ctx.note(Severity.WARNING, f"renewal: the CSMS {what} SignCertificate for {request.use}, given up")
        self._requests.drop(request)
        self.ctx.publish(KeysReleased())
        if request.use is Use.V2G_CERTIFICATE:
            self.ctx.variables.set_until_restart(PNC_ENABLED, False)  # A02.FR.21

    def _most_tries(self) -> int:
        """The first, one after the first wait, and one after each wait that was doubled (A02.FR.18, A02.FR.19)."""
        return 2 + int(self.ctx.variables[CERT_SIGNING_REPEAT_TIMES])

    def _wait_s(self, tries: int) -> float:
        wait_s: float = self.ctx.variables[CERT_SIGNING_WAIT_MINIMUM] * 2.0 ** max(tries - 1, 0)
        return min(wait_s, LONGEST_WAIT_S)

    def _next_wait_s(self, request: SigningRequest) -> float | None:
        """Until the CSMS is asked again; None: it was the last time (A02.FR.19)."""
        return self._wait_s(request.tries) if request.tries < self._most_tries() else None

    # ------------------------------------------------------------------ what comes back

    def _certificate_signed(self, request: CertificateSigned, now: Now) -> CertificateSignedResponse:
        if not now.synced:
            # Nobody can say what is valid; the CSMS is asked again as if nothing had come.
            info = StatusInfo(reason_code="InvalidMessageSeq", additional_info="the station's clock is not set yet")
            return CertificateSignedResponse(status=CertificateSignedStatus.REJECTED, status_info=info)
        use = request.certificate_type or Use.CHARGING_STATION_CERTIFICATE
        try:
            chain = read_chain(request.certificate_chain, self.ctx.variables[MAX_CERTIFICATE_CHAIN_SIZE])
            if self._is_in_use(chain[0]):
                self.ctx.note(Severity.INFO, "renewal: the CSMS sends a certificate that is in use already")
                return CertificateSignedResponse(status=CertificateSignedStatus.ACCEPTED)
            answered = self._requests.of_key(chain[0])
            if answered is None:
                raise ChainRefused("InvalidCertificate", "its key belongs to no open request of this station")
            use = answered.use
            path = checked_path(chain, answered, request.certificate_type, self._book, now.utc)
        except ChainRefused as refused:
            return self._refuse(use, refused, now)
        self._adopt(answered, path, now)
        return CertificateSignedResponse(status=CertificateSignedStatus.ACCEPTED)

    def _adopt(self, request: SigningRequest, path: tuple[Certificate, ...], now: Now) -> None:
        """The certificate is used from now on. `path`: from it to its root."""
        self._requests.answered(request)
        self._release(request.use)
        if request.use is Use.V2G_CERTIFICATE:
            self._book.put(v2g_row(path, request.key_id))
        else:
            client = ClientCertificate(request.key_id, certificates.joined(path[:-1]))
            self._credentials.offer_client(client, now)  # A02.FR.08
        self.ctx.publish(KeysReleased())
        self.ctx.publish(SecurityEvent("ReconfigurationOfSecurityParameters", f"new {request.use}"))
        self.ctx.note(
            Severity.INFO,
            f"renewal: new {request.use} {path[0].serial_number}, valid until {path[0].not_after_utc:%Y-%m-%d}",
        )

    def _is_in_use(self, leaf: Certificate) -> bool:
        """It was accepted before, and the answer was lost."""
        if any(row.sha256 == leaf.sha256 for row in self._book.all([Kind.V2G_CERTIFICATE_CHAIN])):
            return True
        return any(certificates.read_chain(client.chain_pem)[0] == leaf for client in self._credentials.clients)

    def _refuse(self, use: Use, refused: ChainRefused, now: Now) -> CertificateSignedResponse:
        """A02.FR.07: discarded, and told. What is under way waits on, for the CSMS may put it right, but asks no more
        until it is triggered (A02.FR.20).
        """
        self._requests.stop(use, now)
        self._own.hold(use)
        self.ctx.publish(SecurityEvent("InvalidChargingStationCertificate", f"{use}: {refused}"))
        self.ctx.note(
            Severity.WARNING,
            f"renewal: a certificate from the CSMS is refused ({refused}); it has to trigger {use} anew",
        )
        info = StatusInfo(reason_code=refused.reason_code, additional_info=str(refused)[:512])
        return CertificateSignedResponse(status=CertificateSignedStatus.REJECTED, status_info=info)
