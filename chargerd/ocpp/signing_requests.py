"""Certificate requests that are under way, and when the next step of each is due: make a key, ask the CSMS to have it
signed, ask again (A02.FR.17 to FR.19).

Each is on disk before anything of it leaves, with how often it was tried and when it is due: a station that restarts
neither forgets a request nor floods the CSMS with it. One that asks no more stays open for a certificate that comes
late, until newer ones have taken its place.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from chargerd.certificates import Certificate, has_key_of
from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use

NAMESPACE, KEY = "renewal", "requests"

MAX_OPEN = 4
"""Open requests of one use: however often the CSMS triggers, no more private keys than this wait for it."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a certificate is to name; `country` and `domain_component` are left out where empty."""

    common_name: str
    organization: str
    country: str = ""
    domain_component: str = ""


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `triggered`: the CSMS wants it. `key_id` and `csr_pem` are empty until the key is made; `tries`
    counts attempts to make the key, then how often the CSMS was asked. `due_utc` None: it asks no more.
    """

    request_id: str
    use: Use
    subject: Subject
    triggered: bool
    begun_utc: datetime
    key_id: str = ""
    csr_pem: str = ""
    tries: int = 0
    due_utc: datetime | None = None

    @property
    def asks(self) -> bool:
        """Whether it still does something by itself."""
        return self.due_utc is not None

    @property
    def has_key(self) -> bool:
        """Whether its key is made."""
        return bool(self.key_id)

    @property
    def was_asked(self) -> bool:
        """Whether the CSMS has been asked for it."""
        return self.has_key and self.tries > 0


Requests = tuple[SigningRequest, ...]
"""What is stored."""


class RenewalStatus(msgspec.Struct, frozen=True):
    """An open request, for people. `state`: what it waits for; `key_id`: its private key, empty until that is made."""

    use: str
    since_utc: datetime
    state: str
    key_id: str


def status_of(request: SigningRequest) -> RenewalStatus:
    """What may be told of a request."""
    if not request.has_key:
        state = "the key is being made"
    elif not request.was_asked:
        state = "the CSMS is to be asked"
    else:
        state = f"the CSMS was asked {request.tries} times{'' if request.asks else ' and is not asked again'}"
    return RenewalStatus(request.use, request.begun_utc, state, request.key_id)


class SigningRequests:
    """The open requests, oldest first."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._open: tuple[SigningRequest, ...] = ()
        self._due_mono: dict[str, float] = {}

    def load(self, now: Now, longest_wait_s: float) -> None:
        """At the start. A wall clock that was set meanwhile makes nobody wait longer than `longest_wait_s`."""
        self._open = self._ctx.store.find(NAMESPACE, KEY, Requests) or ()
        for request in self._open:
            if request.due_utc is not None:
                left_s = now.mono_at(request.due_utc) - now.mono
                self._due_mono[request.request_id] = now.mono + min(max(left_s, 0.0), longest_wait_s)

    def all(self) -> tuple[SigningRequest, ...]:
        """Every open request, oldest first."""
        return self._open

    def key_ids(self) -> Iterable[str]:
        """The private keys that wait for a certificate."""
        return (request.key_id for request in self._open if request.has_key)

    def get(self, request_id: str) -> SigningRequest | None:
        """The open request of this id."""
        return next((request for request in self._open if request.request_id == request_id), None)

    def asking(self, use: Use) -> SigningRequest | None:
        """The request of this use that still does something by itself; only the newest can."""
        return next((request for request in self._open if request.use is use and request.asks), None)

    def of_key(self, certificate: Certificate) -> SigningRequest | None:
        """The request that `certificate` answers: the one of its public key."""
        made = (request for request in reversed(self._open) if request.has_key)
        return next((request for request in made if has_key_of(certificate, request.csr_pem)), None)

    def due_mono(self, request: SigningRequest) -> float | None:
        """When it goes on, in monotonic seconds; None: it asks no more."""
        return self._due_mono.get(request.request_id) if request.asks else None

    # ------------------------------------------------------------------ what changes

    def begin(self, request: SigningRequest, now: Now) -> bool:
        """A new one, due at once; those of its use ask no more. Whether the oldest had to make room for it."""
        self.stop(request.use, now)
        others = [each for each in self._open if each.use is request.use]
        too_many = others[: max(0, len(others) - MAX_OPEN + 1)]
        for oldest in too_many:
            self.drop(oldest)
        self._open = (*self._open, request)
        self.step(request, 0.0, now)
        return bool(too_many)

    def step(self, request: SigningRequest, wait_s: float | None, now: Now) -> None:
        """Keep what became of `request`; it goes on after `wait_s`, None: never by itself."""
        if wait_s is None:
            self._due_mono.pop(request.request_id, None)
            self._keep(msgspec.structs.replace(request, due_utc=None))
        else:
            self._due_mono[request.request_id] = now.mono + wait_s
            self._keep(msgspec.structs.replace(request, due_utc=now.utc + timedelta(seconds=wait_s)))

    def stop(self, use: Use, now: Now) -> None:
        """Those of this use that the CSMS was asked for ask no more."""
        for request in self._open:
            if request.use is use and request.was_asked:
                self.step(request, None, now)

    def answered(self, request: SigningRequest) -> None:
        """Its certificate is in use: it goes, and so do older ones, for nobody wants to go back to them."""
        place = self._open.index(request)
        for each in self._open[: place + 1]:
            if each.use is request.use:
                self.drop(each)

    def drop(self, request: SigningRequest) -> None:
        """Forget it; whoever calls this publishes KeysReleased."""
        self._due_mono.pop(request.request_id, None)
        self._store(tuple(each for each in self._open if each.request_id != request.request_id))

    def _keep(self, request: SigningRequest) -> None:
        same = request.request_id
        self._store(tuple(request if each.request_id == same else each for each in self._open))

    def _store(self, requests: tuple[SigningRequest, ...]) -> None:
        self._open = requests
        self._ctx.store.put(NAMESPACE, KEY, requests)
