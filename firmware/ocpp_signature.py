"""The signature that OCPP adds to an update: over the whole file, by a certificate under the manufacturer's root.

Pure functions of certificates, revocation lists and an instant; and a hash that grows with the file. It proves that the
CSMS relays what the manufacturer approved. Which version that is, and whether it may follow the one that runs, only the
bundle's own signature says (bundle.py): both must hold.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.errors import FirmwareError, Refusal

MAX_CERTIFICATE_CHARS = 5500
MAX_SIGNATURE_CHARS = 800
"""FirmwareType of OCPP 2.0.1: signingCertificate, signature."""

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Verdict(StrEnum):
    """What OCPP calls it: the first two answer the request, the last is a status after the download."""

    INVALID_CERTIFICATE = "InvalidCertificate"
    REVOKED_CERTIFICATE = "RevokedCertificate"
    INVALID_SIGNATURE = "InvalidSignature"


def verdict(refused: FirmwareError) -> Verdict:
    """OCPP's word for a refusal by check_certificate or FileSignature."""
    match refused.refusal:
        case Refusal.REVOKED_CERTIFICATE:
            return Verdict.REVOKED_CERTIFICATE
        case Refusal.BAD_FILE_SIGNATURE:
            return Verdict.INVALID_SIGNATURE
        case _:
            return Verdict.INVALID_CERTIFICATE


def check_certificate(
    pem: str, roots: Sequence[bytes], at_utc: datetime, *, floor_utc: datetime, revocations: Sequence[bytes] = ()
) -> PublicKey:
    """The key that may sign firmware now. `roots` and `revocations` (CRLs): PEM, one each, of the manufacturer.

    The manufacturer puts no CA between (L01.FR.12), so the root itself must have issued it. `floor_utc`: it is known to
    be that late at least, whatever the clock says. Raises FirmwareError.
    """
    leaf = _leaf(pem)
    trusted = [certificate for text in roots for certificate in x509.load_pem_x509_certificates(text)]
    at_utc = max(at_utc, floor_utc)
    _check_usage(leaf)
    key = _strong_key("signing certificate", leaf)
    _check_time("signing certificate", leaf, at_utc)
    root = _issuer(leaf, trusted)
    _strong_key("manufacturer's root", root)
    _check_time("manufacturer's root", root, at_utc)
    if _is_revoked(leaf, root, revocations):
        raise FirmwareError(Refusal.REVOKED_CERTIFICATE, f"the manufacturer has revoked {leaf.serial_number:x}")
    return key


class FileSignature:
    """RSA-PSS or ECDSA, with SHA-256, over all bytes that are fed."""

    def __init__(self, key: PublicKey, signature: str) -> None:
        """`signature`: as OCPP carries it, base64. Raises FirmwareError(BAD_FILE_SIGNATURE)."""
        self._key = key
        self._hash = hashlib.sha256()
        if len(signature) > MAX_SIGNATURE_CHARS:
            raise _bad_signature("is too long")
        try:
            self._signature = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            raise _bad_signature("is no base64") from None

    def feed(self, data: bytes) -> None:
        """The next bytes of the file."""
        self._hash.update(data)

    def finish(self) -> None:
        """There are no more bytes. Raises FirmwareError(BAD_FILE_SIGNATURE)."""
        whole = Prehashed(hashes.SHA256())
        try:
            if isinstance(self._key, rsa.RSAPublicKey):
                # Any salt: OpenSSL's own choice is the longest that fits, and its length adds nothing.
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
                self._key.verify(self._signature, self._hash.digest(), pss, whole)
            else:
                self._key.verify(self._signature, self._hash.digest(), ec.ECDSA(whole))
        except InvalidSignature:
            raise _bad_signature("is not of this file and this certificate") from None


# ---- one certificate ----


def _leaf(pem: str) -> x509.Certificate:
    if len(pem) > MAX_CERTIFICATE_CHARS:
        raise _bad_certificate("is too long")
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        if len(found) != 1:
            raise _bad_certificate(f"{len(found)} certificates, expected one")
        _ = found[0].extensions  # parsed here, so that nothing later meets a wrong one
    except (ValueError, x509.DuplicateExtension, UnsupportedAlgorithm) as error:
        raise _bad_certificate(f"cannot be read ({error})") from None
    return found[0]


_UNDERSTOOD = (
    x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName, x509.SubjectKeyIdentifier,
    x509.AuthorityKeyIdentifier, x509.CRLDistributionPoints, x509.AuthorityInformationAccess, x509.CertificatePolicies,
)  # fmt: skip


def _check_usage(leaf: x509.Certificate) -> None:
    """It may sign, it may sign code if it says what for, it is no CA; nothing critical in it is unknown to us."""
    found = {type(extension.value): extension for extension in leaf.extensions}
    unknown = [
        each.oid.dotted_string for each in leaf.extensions if each.critical and type(each.value) not in _UNDERSTOOD
    ]
    if unknown:
        raise _wrong_usage(f"says something critical that is not understood here ({unknown[0]})")
    basic, usage, extended = (found.get(kind) for kind in _UNDERSTOOD[:3])
    if basic is not None and basic.value.ca:
        raise _wrong_usage("is that of a CA")
    if usage is None or not usage.value.digital_signature:
        raise _wrong_usage("is not for digital signatures")
    if extended is not None and ExtendedKeyUsageOID.CODE_SIGNING not in extended.value:
        raise _wrong_usage("is not for signing code")


def _strong_key(what: str, certificate: x509.Certificate) -> PublicKey:
    """Its key, if that and the hash it is signed with are strong enough. Raises FirmwareError(WEAK)."""
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        name = getattr(certificate.signature_hash_algorithm, "name", "no known hash")
        raise _weak(f"the {what} is signed with {name}")
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _weak(f"the key cannot be used ({error})") from None
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise _weak(f"an RSA key of {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    raise _weak("the key is neither RSA nor on one of the curves of NIST from 256 bits on")


def _check_time(what: str, certificate: x509.Certificate, at_utc: datetime) -> None:
    if at_utc < certificate.not_valid_before_utc:
        raise FirmwareError(
            Refusal.NOT_YET_VALID, f"the {what} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )
    if at_utc > certificate.not_valid_after_utc:
        raise FirmwareError(
            Refusal.EXPIRED, f"the {what} was valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )


# ---- who issued it ----


def _issuer(leaf: x509.Certificate, roots: Sequence[x509.Certificate]) -> x509.Certificate:
    """The root that has signed it; of two with one name and key, the one that is valid longest."""
    for root in sorted(roots, key=lambda each: each.not_valid_after_utc, reverse=True):
        try:
            leaf.verify_directly_issued_by(root)
            if _may_issue(root):
                return root
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
    raise FirmwareError(Refusal.NOT_OF_THE_MANUFACTURER, "no root of the manufacturer has issued it")


def _may_issue(root: x509.Certificate) -> bool:
    found = {type(extension.value): extension.value for extension in root.extensions}
    basic, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    is_ca = isinstance(basic, x509.BasicConstraints) and basic.ca
    return is_ca and (not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign)


def _is_revoked(leaf: x509.Certificate, root: x509.Certificate, revocations: Sequence[bytes]) -> bool:
    """Named by a list that the root has signed. An old list still tells the truth about what it names."""
    for text in revocations:
        try:
            revoked = x509.load_pem_x509_crl(text)
        except ValueError:
            raise _bad_certificate("cannot be held against a revocation list that cannot be read") from None
        key = root.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or revoked.issuer != root.subject:
            continue
        if not revoked.is_signature_valid(key):
            continue
        if revoked.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None:
            return True
    return False


def _bad_certificate(why: str) -> FirmwareError:
    return FirmwareError(Refusal.BAD_CERTIFICATE, f"the signing certificate {why}")


def _wrong_usage(why: str) -> FirmwareError:
    return FirmwareError(Refusal.WRONG_USAGE, f"the signing certificate {why}")


def _weak(why: str) -> FirmwareError:
    return FirmwareError(Refusal.WEAK, why)


def _bad_signature(why: str) -> FirmwareError:
    return FirmwareError(Refusal.BAD_FILE_SIGNATURE, f"the signature of the file {why}")
