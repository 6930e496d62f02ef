"""The station's private keys: what a store of them offers."""

import ssl
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

import msgspec

from chargerd.ocpp.effects import ClientCertificate, MakeKey


class IdentityError(Exception):
    """A key or a certificate of the station cannot be used: which one, what is wrong with it."""


class NewKey(msgspec.Struct, frozen=True):
    """A private key that was just made: the store's name for it, and the request to have it signed (RFC 2986)."""

    key_id: str
    csr_pem: str


class KeyFacts(msgspec.Struct, frozen=True):
    """What may be told of one private key. `place`: "file" or "TPM"; `problem`: why it cannot be used, for people."""

    key_id: str
    place: str
    made_utc: datetime
    problem: str | None = None


class KeyStore(Protocol):
    """The station's private keys. All methods block, for seconds at worst: call them from a worker thread."""

    def make(self, request: MakeKey) -> NewKey:
        """Make a P-256 key and its signing request. Raises IdentityError."""
        ...

    def load_into(self, context: ssl.SSLContext, client: ClientCertificate) -> None:
        """Let `context` show the client's chain and sign with its key. Raises IdentityError: the key is gone or cannot
        be used, or the certificate is of another key.
        """
        ...

    def keep(self, key_ids: Collection[str]) -> None:
        """Destroy every key but these. Raises IdentityError."""
        ...

    def describe(self) -> tuple[KeyFacts, ...]:
        """What keys there are, without touching them."""
        ...
