"""The one place that makes TLS contexts, and judges whom they let in (ADR 90). Verification is never off: the path, the
name, the times, the strength and, with a list, revocation are checked, and before all is checked nothing is sent.
"""

import ssl
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from chargerd.clock import Now
from chargerd.identity import KeyStore
from chargerd.ocpp.effects import OpenLink
from chargerd.tls_talk import Talk

STATION_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""TLS 1.2 suites with forward secrecy (A00.FR.319, A00.FR.320, A00.FR.422); TLS 1.3 brings its own."""

SECURITY_LEVEL = 2
"""OpenSSL's level of 112 bits (A00.FR.501): RSA from 2048 bits, curves from 224, no SHA-1, anywhere in the path."""

MAX_CHAIN = 6
"""The CSMS's certificate, four sub-CAs and the root: who shows more is no CSMS of an operator."""

NO_WILDCARDS = 0x2
"""X509_CHECK_FLAG_NO_WILDCARDS (openssl/x509v3.h)."""

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME (openssl/x509_vfy.h); used only where `CsmsContext.verified` checks the times itself."""

MAX_CRL_BYTES = 1024 * 1024


class TrustError(Exception):
    """What the CSMS is to be verified with cannot be used: which file, what is wrong with it."""


class UntrustedError(Exception):
    """The CSMS's certificate was verified by OpenSSL and is refused all the same: why."""


class CsmsContext(ssl.SSLContext):
    """For one connection. `talk`: what was said. `since_utc`: it is this late at least, and nobody knows how late;
    None: the machine's clock is right.
    """

    since_utc: datetime | None = None

    def __init__(self, _protocol: int) -> None:
        super().__init__()
        self.talk = Talk()
        # For debugging, says CPython; nothing else tells what an alert was about (ADR 90).
        self._msg_callback: Any = self.talk.note

    def settled(self) -> None:
        """The connection is made, or has failed: what comes now is not about TLS."""
        self._msg_callback = None

    def verified(self, connection: Any) -> str:
        """The end of verification, between the handshake and the first byte of HTTP: the fingerprint (SHA-256) of the
        root in which the path ended. `connection`: the ssl.SSLObject. Raises UntrustedError.
        """
        chain = connection._sslobj.get_verified_chain()  # public since Python 3.13, with less in it
        if len(chain) > MAX_CHAIN:
            raise UntrustedError(f"its certification path has {len(chain)} certificates, {MAX_CHAIN} at most are taken")
        if self.since_utc is not None:
            _check_times([each.get_info() for each in chain], self.since_utc)
        return sha256(ssl.PEM_cert_to_DER_cert(chain[-1].public_bytes())).hexdigest()


def context_for(order: OpenLink, keys: KeyStore, now: Now | None = None, crl_file: str | None = None) -> CsmsContext:
    """The context for one connection. It may block: call it from a worker thread.

    `now`: the station's time, None: the machine's clock is right. `crl_file`: revocation lists of the CSMS's
    authorities (PEM). Raises TrustError for roots and lists that cannot be used, UntrustedError for lists that have
    expired, IdentityError for a client certificate or a key that cannot be used.
    """
    context = CsmsContext(ssl.PROTOCOL_TLS_CLIENT)
    _be_strict(context)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a root that the one before it has signed is a root (M05)
    if not order.wildcards:
        context._host_flags |= NO_WILDCARDS  # type: ignore[attr-defined]
    context.since_utc = _since(order, now)
    if context.since_utc is not None:
        context.verify_flags |= NO_CHECK_TIME
    _trust_roots(context, order.roots_pem)
    if crl_file is not None:
        _trust_revocations(context, crl_file)
    if order.client is not None:
        keys.load_into(context, order.client)
        context.talk.has_client = True
    return context


def file_server_context(roots_pem: tuple[str, ...]) -> ssl.SSLContext:
    """A context for servers of files: one that the CSMS's roots vouch for (N01.FR.15), or one of another operator,
    whom those of the system do (N01.FR.16). It may block. Raises TrustError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _be_strict(context)
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if roots_pem:
        _trust_roots(context, roots_pem)
    return context


def _be_strict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # A00.FR.313, A00.FR.416
    context.set_ciphers(":".join((*STATION_SUITES, f"@SECLEVEL={SECURITY_LEVEL}")))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION  # A00.FR.321, A00.FR.424


def read_roots(ca_file: str) -> tuple[str, ...]:
    """The CSMS roots in a file, each in PEM. Raises TrustError."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusted.load_verify_locations(cafile=ca_file)
    except FileNotFoundError as error:
        raise TrustError(
            f"{ca_file}: no such file; csms.ca_file must name the CSMS's root certificates (PEM)"
        ) from error
    except (ssl.SSLError, OSError) as error:
        raise TrustError(f"{ca_file}: holds no usable PEM certificate ({error})") from error
    roots = trusted.get_ca_certs(binary_form=True)
    if not roots:
        raise TrustError(f"{ca_file}: holds no CA certificate; the server's own certificate is not enough")
    return tuple(ssl.DER_cert_to_PEM_cert(root) for root in roots)


def _since(order: OpenLink, now: Now | None) -> datetime | None:
    """None where the machine's clock is right; else the latest instant that has certainly passed, or may have."""
    floor = order.clock_floor
    if now is None or (now.synced and (floor is None or now.utc >= floor)):
        return None
    return now.utc if floor is None else max(now.utc, floor)


def _check_times(chain: list[dict[str, Any]], since_utc: datetime) -> None:
    """RFC 5280, 6.1.3 (a) (2), for a station that knows only that it is not earlier than `since_utc`: there must be an
    instant from then on at which all of the path is valid. Raises UntrustedError.
    """
    ends = min(ssl.cert_time_to_seconds(each["notAfter"]) for each in chain)
    begins = max(ssl.cert_time_to_seconds(each["notBefore"]) for each in chain)
    if ends < since_utc.timestamp():
        raise UntrustedError(
            f"its certificate, or one above it, expired on {_day(ends)}, and it is {since_utc:%Y-%m-%d}"
        )
    if begins > ends:
        raise UntrustedError(f"one certificate of its path expired on {_day(ends)}, before another began")


def _trust_roots(context: ssl.SSLContext, roots_pem: tuple[str, ...]) -> None:
    if not roots_pem:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cadata="\n".join(roots_pem))
    except ssl.SSLError as error:
        raise TrustError(f"a CSMS root that is installed cannot be read ({error.reason})") from error


def _trust_revocations(context: CsmsContext, crl_file: str) -> None:
    """Refuse what is on a list, and what is on none that is up to date (RFC 5280, 6.3)."""
    before = context.cert_store_stats()
    try:
        if Path(crl_file).stat().st_size > MAX_CRL_BYTES:
            raise ValueError(f"more than {MAX_CRL_BYTES} bytes")
        context.load_verify_locations(cafile=crl_file)
        if context.since_utc is not None:
            _check_lists(Path(crl_file).read_bytes(), context.since_utc)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise TrustError(f"{crl_file}: holds no usable revocation list ({error}); see csms.crl_file") from error
    after = context.cert_store_stats()
    if after["x509"] != before["x509"]:
        raise TrustError(f"{crl_file}: holds certificates; csms.crl_file is for revocation lists alone")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _check_lists(text: bytes, since_utc: datetime) -> None:
    """The times of lists are the station's to check where those of certificates are. Raises UntrustedError."""
    from cryptography import x509  # 8 MB that only a station without a right clock spends

    marker = b"-----BEGIN X509 CRL-----"
    for part in text.split(marker)[1:]:
        next_utc = x509.load_pem_x509_crl(marker + part).next_update_utc
        if next_utc is not None and next_utc < since_utc:
            raise UntrustedError(f"a revocation list of csms.crl_file expired on {next_utc:%Y-%m-%d}")


def _day(posix_s: float) -> str:
    return f"{datetime.fromtimestamp(posix_s, UTC):%Y-%m-%d}"
