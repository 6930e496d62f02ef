"""The one place that makes TLS contexts. Verification is never off: certificate path, host name, TLS 1.2 or newer
(A00.FR.308-320).
"""

import ssl
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from chargerd.ocpp.effects import ClientCertificate, MakeKey

STATION_CIPHERS = ":".join(  # noqa: FLY002  one suite a line
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
    )
)
"""TLS 1.2 suites with forward secrecy (A00.FR.319/320); TLS 1.3 brings its own."""


class IdentityError(Exception):
    """Certificates cannot be used: which file, what is wrong with it."""


def csms_context(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the CSMS roots in `ca_file` (PEM), or the system's roots. Raises IdentityError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(STATION_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except FileNotFoundError as error:
        raise IdentityError(
            f"{ca_file}: no such file; csms.ca_file must name the CSMS's root certificates (PEM)"
        ) from error
    except (ssl.SSLError, OSError) as error:
        raise IdentityError(f"{ca_file}: holds no usable PEM certificate ({error})") from error
    if not context.cert_store_stats()["x509_ca"]:
        raise IdentityError(f"{Path(ca_file)}: holds no CA certificate; the server's own certificate is not enough")
    return context


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
