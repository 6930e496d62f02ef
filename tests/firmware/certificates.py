"""A manufacturer's certificates, right and wrong in every way that matters."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware.errors import Refusal

NOW = datetime(2026, 11, 26, tzinfo=UTC)
DAY = timedelta(days=1)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]


@cache
def ec_key(name: str = "", curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    curves = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp224r1": ec.SECP224R1()}
    return ec.generate_private_key(curves[curve])


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


SIGNING: tuple[Extension, ...] = (
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (usage(digital_signature=True), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
)
ROOT: tuple[Extension, ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (usage(key_cert_sign=True, crl_sign=True), True),
)


def _purpose(oid: x509.ObjectIdentifier, *, critical: bool) -> Extension:
    return x509.ExtendedKeyUsage([oid]), critical


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(
    subject: str,
    key: PrivateKey,
    issuer: str,
    issuer_key: PrivateKey,
    extensions: Sequence[Extension] = SIGNING,
    *,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + DAY,
    serial: int = 7,
    digest: hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | None = None,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), serial, begins, ends)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return builder.sign(issuer_key, algorithm)


@cache
def root() -> x509.Certificate:
    return certificate("Acme Root", ec_key("root"), "Acme Root", ec_key("root"), ROOT, ends=NOW + 10 * DAY, serial=1)


def leaf(key: PrivateKey | None = None, extensions: Sequence[Extension] = SIGNING, **how: object) -> x509.Certificate:
    return certificate("Acme Signing", key or ec_key("leaf"), "Acme Root", ec_key("root"), extensions, **how)  # type: ignore[arg-type]


def with_sha1(found: x509.Certificate, issuer_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The same, signed with SHA-1, which no library does any more: the algorithm's name is put in by hand."""
    text = found.tbs_certificate_bytes.replace(bytes.fromhex("300a06082a8648ce3d040302"), _ECDSA_SHA1, 1)
    text = _sequence(text[2 + (text[1] & 0x7F) :])  # both are longer than 127 bytes
    signed = issuer_key.sign(text, ec.ECDSA(hashes.SHA1()))
    bits = b"\x03" + bytes([len(signed) + 1]) + b"\0" + signed
    return x509.load_der_x509_certificate(_sequence(text + _ECDSA_SHA1 + bits))


_ECDSA_SHA1 = bytes.fromhex("300906072a8648ce3d0401")


def _sequence(content: bytes) -> bytes:
    length = len(content).to_bytes(2, "big").lstrip(b"\0")
    return b"\x30" + bytes([0x80 | len(length)]) + length + content


def pem(*found: x509.Certificate) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in found)


def revocation_list(
    serial: int, issuer: str = "Acme Root", key: PrivateKey | None = None, ends: datetime = NOW + DAY
) -> bytes:
    revoked = x509.RevokedCertificateBuilder(serial, NOW - DAY).build()
    builder = x509.CertificateRevocationListBuilder(name(issuer), NOW - 2 * DAY, ends).add_revoked_certificate(revoked)
    return builder.sign(key or ec_key("root"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signature(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, content: bytes, salt_bytes: int | None = None
) -> str:
    """As OCPP carries it. `salt_bytes`: for RSA, None the longest."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
    salt = padding.PSS.MAX_LENGTH if salt_bytes is None else salt_bytes
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return base64.b64encode(key.sign(content, pss, hashes.SHA256())).decode()


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
RIGHT_LEAVES = {
    "P-256": leaf(),
    "RSA": leaf(rsa_key()),
    "P-384": leaf(ec_key("384", "secp384r1")),
    "SHA-384": leaf(digest=hashes.SHA384()),
    "no basic constraints": leaf(extensions=SIGNING[1:]),
    "no extended usage": leaf(extensions=SIGNING[:2]),
    "usage only": leaf(extensions=[(usage(digital_signature=True, content_commitment=True), True)]),
}
WRONG_LEAVES = {
    "the root": (root(), Refusal.WRONG_USAGE),
    "a CA": (leaf(extensions=ROOT), Refusal.WRONG_USAGE),
    "no usage": (leaf(extensions=[]), Refusal.WRONG_USAGE),
    "for keys": (leaf(extensions=[(usage(key_encipherment=True), True)]), Refusal.WRONG_USAGE),
    "for contracts": (leaf(extensions=[(usage(content_commitment=True), True)]), Refusal.WRONG_USAGE),
    "for servers": (
        leaf(extensions=[SIGNING[1], _purpose(ExtendedKeyUsageOID.SERVER_AUTH, critical=False)]),
        Refusal.WRONG_USAGE,
    ),
    "for clients": (
        leaf(extensions=[SIGNING[1], _purpose(ExtendedKeyUsageOID.CLIENT_AUTH, critical=True)]),
        Refusal.WRONG_USAGE,
    ),
    "for anything": (
        leaf(extensions=[SIGNING[1], _purpose(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, critical=True)]),
        Refusal.WRONG_USAGE,
    ),
    "critical and unknown": (leaf(extensions=[*SIGNING, (UNKNOWN, True)]), Refusal.WRONG_USAGE),
    "expired": (leaf(begins=NOW - 3 * DAY, ends=NOW - DAY), Refusal.EXPIRED),
    "not yet valid": (leaf(begins=NOW + DAY, ends=NOW + 2 * DAY), Refusal.NOT_YET_VALID),
    "SHA-1": (with_sha1(leaf(), ec_key("root")), Refusal.WEAK),
    "SHA-224": (leaf(digest=hashes.SHA224()), Refusal.WEAK),
    "RSA 1024": (leaf(rsa_key(1024)), Refusal.WEAK),
    "P-224": (leaf(ec_key("224", "secp224r1")), Refusal.WEAK),
    "brainpool": (leaf(ec.generate_private_key(ec.BrainpoolP256R1())), Refusal.WEAK),
    "Ed25519": (leaf(ed25519.Ed25519PrivateKey.generate()), Refusal.WEAK),
}
"""Certificates of the manufacturer's root() that may not sign firmware, and why."""
