"""How the station proves who it is: its password and its client certificate, and what is to take their place.

A change takes nothing away. What is new is kept beside what worked, both are tried, and the first connection with one
of them decides: only then the other is dropped. Each step is one store transaction, so whatever a power cut leaves
behind, something of it works. Private keys never come here: a certificate names its key (effects.ClientCertificate).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.effects import ClientCertificate, KeepKeys, Severity
from chargerd.ocpp.network_variables import BASIC_AUTH_PASSWORD
from chargerd.ocpp.news import CredentialsOffered, KeysReleased, News, SecurityEvent, VariableChanged
from chargerd.ocpp.stored import readable
from chargerd.ocpp.variables import AnyVariable

NAMESPACE, KEY = "credentials", "record"

MAX_PASSWORDS = 4
"""The one that worked and three that were set since: a CSMS whose answers get lost may hold any of them."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is durable. `passwords`: all that may be right, newest first; the last is the one that worked, or was
    provisioned. `client`: the certificate that worked, or was provisioned; `candidate`: the one to take its place.

    `seen_password`, `seen_client`: digests of what was provisioned when the station looked last.
    """

    passwords: tuple[str, ...] = ()
    client: ClientCertificate | None = None
    candidate: ClientCertificate | None = None
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
        """Client certificates that may be accepted, the newest first."""
        return tuple(each for each in (self._record.candidate, self._record.client) if each is not None)

    def worked(self, password: str | None, client: ClientCertificate | None) -> None:
        """The link is open, with these: what they replace is dropped, and so is a candidate that lost."""
        record = self._record
        if password in record.passwords:
            # Those before it are newer; the CSMS may hold one of them by the time of the next connection.
            newer = record.passwords[: record.passwords.index(password)]
            record = msgspec.structs.replace(record, passwords=(*newer, password))
        if client is not None and record.candidate is not None:
            if client != record.candidate:
                self.ctx.publish(SecurityEvent("DiscardedRenewedClientCertificate"))  # A02.FR.29
            record = msgspec.structs.replace(record, client=client, candidate=None)  # A02.FR.10
        self._keep(record)

    # ------------------------------------------------------------------ for who renews certificates

    @property
    def client(self) -> ClientCertificate | None:
        """The client certificate in use: the one that worked, or was provisioned."""
        return self._record.client

    @property
    def candidate(self) -> ClientCertificate | None:
        """The renewed one that has not connected yet."""
        return self._record.candidate

    @property
    def client_expires_utc(self) -> datetime | None:
        """When the newest client certificate expires; None: there is none."""
        raise NotImplementedError

    def offer_client(self, candidate: ClientCertificate, _now: Now) -> None:
        """A renewed certificate, found valid: it is tried at once (A02.FR.08). It takes the place of one that was
        offered before and has not connected.
        """
        raise NotImplementedError

    def also_keep(self, key_ids: Callable[[], Iterable[str]]) -> None:
        """Have these keys kept as well (of open requests, of other certificates); asked whenever KeepKeys goes out.
        Who no longer needs one publishes KeysReleased.
        """
        self._others_keys.append(key_ids)

    # ------------------------------------------------------------------ inside

    def _keep(self, record: Record) -> None:
        if record != self._record:
            self._record = record
            self.ctx.store.put(NAMESPACE, KEY, record)
            self.ctx.publish(KeysReleased())
