"""Throw-away certificates of every kind and fault, in memory."""

import datetime as dt
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from chargerd.certificates import Certificate, read_one

Builder = x509.CertificateBuilder
Digest = hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512

NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
"""The instant at which certificates are judged unless a test says otherwise; they hold a year around it."""

USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)

YEAR = dt.timedelta(days=183)


@cache
def ec_key(number: int, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """One key of its own for each number; making them takes most of the time."""
    return ec.generate_private_key(curve())


@cache
def rsa_key(bits: int, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


class Pair:
    """A certificate with its private key, which can sign others."""

    def __init__(self, certificate: x509.Certificate, key: CertificateIssuerPrivateKeyTypes) -> None:
        self.x509 = certificate
        self.key = key

    @property
    def pem(self) -> str:
        return self.x509.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def read(self) -> Certificate:
        return read_one(self.pem)


def made(
    name: str,
    issuer: Pair | None = None,
    *,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    ca: bool | None = False,
    path_length: int | None = None,
    usage: Sequence[str] | None = None,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    since: dt.datetime = NOON - YEAR,
    until: dt.datetime = NOON + YEAR,
    digest: Digest | None = None,
    serial: int | None = None,
    organization: str = "",
    ocsp_url: str = "",
    change: Callable[[Builder], Builder] = lambda builder: builder,
) -> Pair:
    """A certificate for `name`, signed by `issuer` (None: by itself). `ca` None: no basic constraints at all.
    `usage`: names of key usages, None: the usual ones. `change` has the last word on what is signed.
    """
    own_key = key or ec_key(zlib.crc32(name.encode()))
    signer_key = own_key if issuer is None else issuer.key
    subject = _name(name, organization)
    builder = (
        Builder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.x509.subject)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    usages = usage if usage is not None else (["key_cert_sign", "crl_sign"] if ca else ["digital_signature"])
    if usages:
        builder = builder.add_extension(_usage(usages), critical=True)
    if issuer is not None:
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(key_id, critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if ocsp_url:
        where = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url))
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
    return Pair(change(builder).sign(signer_key, digest or hashes.SHA256()), own_key)


def root(name: str = "Root", **more: Any) -> Pair:
    return made(name, ca=True, **more)


def sub(name: str, issuer: Pair, **more: Any) -> Pair:
    return made(name, issuer, ca=True, **more)


def csr(pair: Pair, name: str = "CS-1") -> str:
    """A certificate request for the key of `pair`."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(name, "")).sign(pair.key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def crl(
    issuer: Pair,
    revoked: Sequence[Pair] = (),
    *,
    since: dt.datetime = NOON - dt.timedelta(days=1),
    until: dt.datetime = NOON + dt.timedelta(days=1),
    change: Callable[[Any], Any] = lambda builder: builder,
) -> str:
    """The revocation list of `issuer`."""
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(issuer.x509.subject).last_update(since).next_update(until)
    )
    for pair in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(pair.x509.serial_number).revocation_date(since).build()
        builder = builder.add_revoked_certificate(entry)
    return str(change(builder).sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode())


def _name(name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(names: Sequence[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in names for each in USAGES})
