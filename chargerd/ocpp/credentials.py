"""How the station proves who it is: its password and its client certificate, and what is to take their place.

A change takes nothing away. What is new is kept beside what worked, both are tried, and the first connection with one
of them decides: only then the other is dropped. Each step is one store transaction, so whatever a power cut leaves
behind, something of it works. Private keys never come here: a certificate names its key (effects.ClientCertificate).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256

import msgspec

from chargerd import certificates
from chargerd.clock import Now
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, Severity
from chargerd.ocpp.network_variables import BASIC_AUTH_PASSWORD
from chargerd.ocpp.news import CredentialsOffered, KeysReleased, News, SecurityEvent, VariableChanged
from chargerd.ocpp.variables import AnyVariable

NAMESPACE, KEY = "credentials", "record"

MAX_PASSWORDS = 4
"""The one that worked and three that were set since: a CSMS whose answers get lost may hold any of them."""


class Held(msgspec.Struct, frozen=True):
    """A client certificate and when it expires."""

    certificate: ClientCertificate
    expires_utc: datetime


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is durable. `passwords`: all that may be right, newest first; the last is the one that worked, or was
    provisioned. `client`: the certificate that worked, or was provisioned; `candidate`: the one to take its place.

    `seen_password`, `seen_client`: digests of what was provisioned when the station looked last.
    """

    passwords: tuple[str, ...] = ()
    client: Held | None = None
    candidate: Held | None = None
    seen_password: str = ""
    seen_client: str = ""

    def __repr__(self) -> str:
        return f"Record({len(self.passwords)} passwords, {self.client}, {self.candidate})"


class Credentials(Block):
    """Keeps the record. Network asks what may be tried and tells what worked."""

    def __init__(self, ctx: StationContext) -> None:
        super().__init__(ctx)
        self._record = Record()
        self._others_keys: list[Callable[[], Iterable[str]]] = []

    # ------------------------------------------------------------------ for who connects

    @property
    def passwords(self) -> tuple[str, ...]:
        """Passwords that may be right, the newest first; none: there is none."""
        return self._record.passwords

    @property
    def clients(self) -> tuple[ClientCertificate, ...]:
        """Client certificates that may be accepted, the newest first. One that has expired is among them: the CSMS may
        take it and renew it (A00.FR.430).
        """
        return tuple(held.certificate for held in (self._record.candidate, self._record.client) if held is not None)

    def worked(self, password: str | None, client: ClientCertificate | None) -> None:
        """The link is open, with these: what they replace is dropped, and so is a candidate that lost."""
        record = self._record
        if password in record.passwords:
            # Those before it are newer; the CSMS may hold one of them by the time of the next connection.
            newer = record.passwords[: record.passwords.index(password)]
            record = msgspec.structs.replace(record, passwords=(*newer, password))
        if client is not None and record.candidate is not None:
            record = self._decided(record, record.candidate, client)
        self._keep(record)

    # ------------------------------------------------------------------ for who renews certificates

    @property
    def client(self) -> ClientCertificate | None:
        """The client certificate in use: the one that worked, or was provisioned."""
        held = self._record.client
        return None if held is None else held.certificate

    @property
    def candidate(self) -> ClientCertificate | None:
        """The renewed one that has not connected yet."""
        held = self._record.candidate
        return None if held is None else held.certificate

    @property
    def client_expires_utc(self) -> datetime | None:
        """When the newest client certificate expires; None: there is none."""
        held = self._record.candidate or self._record.client
        return None if held is None else held.expires_utc

    def has_valid_client(self, at_utc: datetime) -> bool:
        """Whether there is a client certificate that has not expired."""
        expires_utc = self.client_expires_utc
        return expires_utc is not None and expires_utc > at_utc

    def offer_client(self, candidate: ClientCertificate, _now: Now) -> None:
        """A renewed certificate, found valid: it is tried at once (A02.FR.08). It takes the place of one that was
        offered before and has not connected. Raises CertificateError when it cannot be read.
        """
        self._keep(_with_client(self._record, _held(candidate)))
        self.ctx.publish(CredentialsOffered())

    def also_keep(self, key_ids: Callable[[], Iterable[str]]) -> None:
        """Have these keys kept as well (of open requests, of other certificates); asked whenever KeepKeys goes out.
        Who no longer needs one publishes KeysReleased.
        """
        self._others_keys.append(key_ids)

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        """The password, which can only be written."""
        return (BASIC_AUTH_PASSWORD,)

    def on_start(self, _now: Now) -> None:
        """Reload the record, and take what was provisioned since."""
        kept = self.ctx.store.find(NAMESPACE, KEY, Record) or Record()
        self._record = self._opened(kept)
        if self._record == kept != self._sealed(kept):  # an earlier version, or a station without a key, wrote it
            self.ctx.store.put(NAMESPACE, KEY, self._sealed(kept))
        record = self._with_provisioned(self._record)
        earlier = self.ctx.variables[BASIC_AUTH_PASSWORD]
        if earlier and not self._record.passwords:
            record = _with_password(record, earlier)  # set over OCPP, and kept there by versions before this one
        self._store(record)
        self.ctx.publish(KeysReleased())

    def on_news(self, news: News, _now: Now) -> None:
        """A password was set, or a key is not needed any more."""
        match news:
            case VariableChanged(variable) if variable == BASIC_AUTH_PASSWORD:
                self.ctx.publish(SecurityEvent("ReconfigurationOfSecurityParameters", "BasicAuthPassword"))  # A01.FR.11
                self._keep(_with_password(self._record, self.ctx.variables[BASIC_AUTH_PASSWORD]))
                self.ctx.publish(CredentialsOffered())
            case KeysReleased():
                mine = (client.key_id for client in self.clients)
                others = (key_id for key_ids in self._others_keys for key_id in key_ids())
                self.ctx.do(KeepKeys(tuple(dict.fromkeys([*mine, *others]))))

    # ------------------------------------------------------------------ inside

    def _decided(self, record: Record, candidate: Held, client: ClientCertificate) -> Record:
        """A connection was made with one of the two certificates; the other goes (A02.FR.10, A03.FR.10)."""
        if client == candidate.certificate:
            return msgspec.structs.replace(record, client=candidate, candidate=None)
        self.ctx.publish(SecurityEvent("DiscardedRenewedClientCertificate"))  # A02.FR.29
        return msgspec.structs.replace(record, candidate=None)

    def _with_provisioned(self, record: Record) -> Record:
        """What somebody on the spot provisioned after the last start counts as newer than what the CSMS set."""
        password, client = self.ctx.config.password, self.ctx.config.client
        if password is not None and _digest(password) != record.seen_password:
            record = msgspec.structs.replace(_with_password(record, password), seen_password=_digest(password))
        if client is not None and _digest(client.chain_pem) != record.seen_client:
            try:
                record = _with_client(record, _held(client))
            except certificates.CertificateError as error:
                self.ctx.note(Severity.ERROR, f"credentials: the provisioned client certificate is of no use: {error}")
            else:
                record = msgspec.structs.replace(record, seen_client=_digest(client.chain_pem))
        return record

    def _keep(self, record: Record) -> None:
        before = self.clients
        self._store(record)
        if self.clients != before:
            self.ctx.publish(KeysReleased())

    def _store(self, record: Record) -> None:
        if record != self._record:
            self._record = record
            self.ctx.store.put(NAMESPACE, KEY, self._sealed(record))

    def _sealed(self, record: Record) -> Record:
        """The record as it is kept. A digest gives a weak password away to who tries enough of them."""
        passwords = tuple(self.ctx.seal(password) for password in record.passwords)
        return msgspec.structs.replace(record, passwords=passwords, seen_password=self.ctx.seal(record.seen_password))

    def _opened(self, kept: Record) -> Record:
        """The record again. What does not open is as good as lost: what was provisioned then counts as new."""
        opened = tuple(self.ctx.unseal(password) for password in kept.passwords)
        passwords = tuple(password for password in opened if password is not None)
        if len(passwords) < len(opened):
            self.ctx.note(Severity.WARNING, "credentials: a password cannot be opened with this store key, ignoring")
        seen = self.ctx.unseal(kept.seen_password) if len(passwords) == len(opened) else None
        return msgspec.structs.replace(kept, passwords=passwords, seen_password=seen or "")


def _with_password(record: Record, password: str) -> Record:
    if record.passwords[:1] == (password,):
        return record
    *candidates, worked = record.passwords or (password,)
    newer = [password, *(each for each in candidates if each != password)][: MAX_PASSWORDS - 1]
    return msgspec.structs.replace(record, passwords=(*newer, worked) if record.passwords else (password,))


def _with_client(record: Record, held: Held) -> Record:
    if record.client is None or record.client.certificate == held.certificate:
        return msgspec.structs.replace(record, client=held, candidate=None)
    return msgspec.structs.replace(record, candidate=held)


def _held(client: ClientCertificate) -> Held:
    return Held(client, certificates.read_chain(client.chain_pem)[0].not_after_utc)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
