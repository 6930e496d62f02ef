"""Throw-away certificates for real TLS in tests: good ones by `Authority`, and every bad one by `sign`."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.chargerd.pki import USAGES

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

CLIENT_AUTH, SERVER_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
CA_USAGE, LEAF_USAGE = "key_cert_sign crl_sign", "digital_signature"


class Issued:
    """A certificate with its private key, and those between it and the root: what a server shows."""

    def __init__(self, certificate: x509.Certificate, key: Key, above: Sequence[x509.Certificate] = ()) -> None:
        self.certificate = certificate
        self.key = key
        self.above = tuple(above)

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return _pem(self.certificate)

    @property
    def chain_pem(self) -> str:
        """The certificate and those above it, without the root."""
        return "".join(map(_pem, (self.certificate, *self.above)))

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def write(self, directory: Path, name: str = "server") -> Path:
        """Key and chain in one PEM file, as `load_cert_chain` reads it."""
        path = directory / f"{name}.pem"
        path.write_text(self.key_pem + self.chain_pem)
        return path


def sign(
    by: Issued | None = None,
    name: str = "Test root",
    *,
    ca: bool | None = None,
    kind: str = "P-256",
    names: Sequence[str] | None = (),
    organization: str = "Test CSO",
    days: tuple[float, float] = (-1, 30),
    usage: str | None = "",
    purposes: Sequence[x509.ObjectIdentifier] = (),
    path_length: int | None = None,
    without: str = "",
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    signed_with: Key | None = None,
) -> Issued:
    """A certificate; by default what it should be: a root without `by`, else a server's.

    `names`: alternative names; None: just `name`. `days`: from now until it begins and ends. `usage`: words of
    KeyUsage; "" the usual ones, None no such extension. `without`: words out of "constraints", "subject-key" and
    "authority-key" for extensions to leave out. `signed_with`: another key than that of `by`.
    """
    key = new_key(kind)
    is_ca = by is None if ca is None else ca
    public, issuer_key = key.public_key(), signed_with or (by.key if by is not None else key)
    subject = _named(name, organization)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
    )
    wanted: list[tuple[x509.ExtensionType, bool]] = []
    if "constraints" not in without:
        wanted.append((x509.BasicConstraints(ca=is_ca, path_length=path_length), True))
    if "subject-key" not in without:
        wanted.append((x509.SubjectKeyIdentifier.from_public_key(public), False))
    if "authority-key" not in without:
        named = public if by is None else by.key.public_key()
        wanted.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(named), False))
    if usage is not None:
        words = (usage or (CA_USAGE if is_ca else LEAF_USAGE)).split()
        wanted.append((x509.KeyUsage(*(word in words for word in USAGES)), True))
    if purposes:
        wanted.append((x509.ExtendedKeyUsage(purposes), False))
    if alternatives := ([name] if names is None else list(names)):
        wanted.append((x509.SubjectAlternativeName([_general_name(each) for each in alternatives]), False))
    for extension, critical in (*wanted, *extensions):
        builder = builder.add_extension(extension, critical)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(issuer_key, algorithm)
    above = () if by is None or by.certificate.issuer == by.certificate.subject else (by.certificate, *by.above)
    return Issued(certificate, key, above)


def sign_request(by: Issued, csr_pem: str, *, days: tuple[float, float] = (-1, 30)) -> str:
    """The chain for a station's request, in PEM."""
    request = x509.load_pem_x509_csr(csr_pem.encode())
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(by.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
    )
    return _pem(builder.sign(by.key, hashes.SHA256()))


def new_key(kind: str) -> Key:
    """A private key of a kind: a curve, "Ed25519" or "RSA-" and its bits. Big ones are made once for a run."""
    if kind.startswith("RSA-"):
        return _rsa_key(int(kind.removeprefix("RSA-")))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, type[ec.EllipticCurve]] = {
        "P-192": ec.SECP192R1,
        "P-224": ec.SECP224R1,
        "P-256": ec.SECP256R1,
        "P-384": ec.SECP384R1,
    }
    return ec.generate_private_key(curves[kind]())


def revocation_list(
    by: Issued, revoked: Sequence[Issued] = (), days: tuple[float, float] = (-1, 7), signed_with: Key | None = None
) -> str:
    """A CRL in PEM. `days`: from now until it is issued, and until the next."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(now + dt.timedelta(days=days[0]))
        .next_update(now + dt.timedelta(days=days[1]))
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    key: Any = signed_with or by.key
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """A root in a directory: `ca_file` and `root_pem` are its certificate, `issue` makes server certificates."""

    def __init__(self, directory: Path, name: str = "Test root") -> None:
        self._directory = directory
        self.root = sign(name=name)
        self.certificate = self.root.certificate
        self.root_pem = self.root.pem
        self.ca_file = directory / f"{name.replace(' ', '-')}.pem"
        self.ca_file.write_text(self.root_pem)

    def issue(self, host: str, *, days: int = 30) -> Path:
        """A PEM file with key and certificate for `host`; with negative `days` it expired that long ago."""
        leaf = sign(self.root, host, names=None, days=(min(0, days) - 1, days))
        return leaf.write(self._directory, f"{host}-{days}")


@cache
def _rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _named(common_name: str, organization: str) -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
