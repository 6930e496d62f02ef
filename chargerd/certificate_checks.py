"""What stands behind certificates.py: RFC 5280 in a few strict rules of our own, on a library's parser and signatures.

The library's own path validation is for servers on the web: it wants names and purposes that the certificates of a
charging station, a contract or a piece of firmware do not have.
"""

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from chargerd.certificates import Certificate, CertificateError, HashData, UnknownIssuerError

MAX_PATH = 6
"""Leaf and root included: GetInstalledCertificateIds can name four sub-CAs and no more."""

MAX_SIGNATURES = 48
"""Checked in one search for a path: a bundle made to mislead must not keep the processor busy."""

MIN_RSA_BITS = 2048  # A00.FR.501: 112 bits of security
MAX_RSA_BITS = 8192  # longer ones only cost time
CURVES = frozenset(
    {"secp224r1", "secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"}
)
"""A00.FR.502: at least 224 bits. A00.FR.504: those that the BSI recommends."""

SIGNER_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
SIGNER_MIN_DIGEST_BYTES = 32
"""Firmware is signed by nothing less (L01.FR.12)."""

MIN_DIGEST_BYTES = 28  # SHA-224: 112 bits against collisions, so neither MD5 nor SHA-1
MAX_SERIAL_NUMBER = 2**160 - 1  # RFC 5280, 4.1.2.2, and as long as OCPP can say it
V2G_MIN_BITS = 256  # A00.FR.503: ISO 15118 knows ECDSA only, of 256 bits and more

UNDERSTOOD = frozenset({"2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.32", "2.5.29.35", "2.5.29.37"})
"""Critical extensions that are heeded or change nothing here: subject key identifier, key usage, alternative name,
basic constraints, policies, authority key identifier, extended key usage. Any other is refused (RFC 5280, 4.2).
"""

_UNREADABLE = (
    ValueError,
    TypeError,
    exceptions.UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}

ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)


# ---- Reading -------------------------------------------------------------------------------------------------------


def read(pem: str) -> Certificate:
    """What one certificate says; see certificates.read_one."""
    loaded = _load(pem)
    return Certificate(
        pem=loaded.public_bytes(Encoding.PEM).decode(),
        sha256=loaded.fingerprint(hashes.SHA256()).hex(),
        subject=loaded.subject.rfc4514_string(),
        issuer=loaded.issuer.rfc4514_string(),
        common_name=_only(loaded.subject, NameOID.COMMON_NAME),
        organization=_only(loaded.subject, NameOID.ORGANIZATION_NAME),
        serial_number=f"{loaded.serial_number:x}",
        not_before_utc=loaded.not_valid_before_utc,
        not_after_utc=loaded.not_valid_after_utc,
        key=_kind(loaded.public_key()),
        is_ca=_is_ca(loaded),
        signs_itself=_why_not_issued_by(loaded, loaded) is None,
        ocsp_url=_ocsp_url(loaded),
    )


def _load(pem: str) -> x509.Certificate:
    try:
        # What the library only warns of will be an error in one of its next versions.
        with warnings.catch_warnings(action="error"):
            loaded = x509.load_pem_x509_certificate(pem.encode())
            # Read whatever may be looked at later: what cannot be read is refused here and nowhere else.
            _ = (loaded.extensions, loaded.public_key(), loaded.signature_hash_algorithm)
            _ = (loaded.subject.rfc4514_string(), loaded.issuer.rfc4514_string())
            _ = (loaded.not_valid_before_utc, loaded.not_valid_after_utc)
    except (*_UNREADABLE, Warning) as error:
        raise CertificateError(f"not a certificate ({error})") from error
    if loaded.serial_number > MAX_SERIAL_NUMBER:
        raise CertificateError("not a certificate (its serial number is too long)")
    return loaded


def _only(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = [attribute.value for attribute in name.get_attributes_for_oid(oid)]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def _kind(key: PublicKeyTypes) -> str:
    match key:
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case _:
            return type(key).__name__.removesuffix("PublicKey")


def _is_ca(loaded: x509.Certificate) -> bool:
    constraints = _extension(loaded, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _ocsp_url(loaded: x509.Certificate) -> str:
    for access in _extension(loaded, x509.AuthorityInformationAccess) or ():
        where = access.access_location
        if access.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            where, x509.UniformResourceIdentifier
        ):
            return where.value
    return ""


def _extension(loaded: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    try:
        return loaded.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


# ---- Identities ----------------------------------------------------------------------------------------------------


def hash_data(certificate: Certificate, issuer: Certificate, algorithm: str) -> HashData:
    """See certificates.hash_data."""
    loaded, above = _load(certificate.pem), _load(issuer.pem)
    if loaded.issuer != above.subject:
        raise CertificateError(f"{certificate.subject} is not issued by {issuer.subject}")
    asked = ocsp.OCSPRequestBuilder().add_certificate(loaded, above, _HASHES[algorithm]).build()
    return HashData(algorithm, asked.issuer_name_hash.hex(), asked.issuer_key_hash.hex(), certificate.serial_number)


def is_named(certificate: Certificate, named: HashData) -> bool:
    """See certificates.is_named."""
    digest = hashes.Hash(_HASHES[named.algorithm])
    digest.update(_load(certificate.pem).issuer.public_bytes())
    return named.serial_number == certificate.serial_number and named.issuer_name_hash == digest.finalize().hex()


def has_key_of(certificate: Certificate, csr_pem: str) -> bool:
    """See certificates.has_key_of."""
    try:
        wanted = x509.load_pem_x509_csr(csr_pem.encode()).public_key()
    except _UNREADABLE as error:
        raise CertificateError(f"not a certificate request ({error})") from error
    as_spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _load(certificate.pem).public_key().public_bytes(*as_spki) == wanted.public_bytes(*as_spki)


# ---- Paths ---------------------------------------------------------------------------------------------------------


def path(
    leaf: Certificate, intermediates: Iterable[Certificate], roots: Iterable[Certificate], at_utc: datetime
) -> tuple[Certificate, ...]:
    """See certificates.path."""
    loaded = _load(leaf.pem)
    if reason := _why_not_sound(loaded, at_utc):
        raise CertificateError(f"{leaf.subject}: {reason}")
    search = _Search([_load(each.pem) for each in intermediates], [_load(each.pem) for each in roots], at_utc)
    found = search.from_leaf(loaded)
    if found is None:
        raise search.failure or UnknownIssuerError(f"no certificate of {leaf.issuer} is known")
    return tuple(read(each.public_bytes(Encoding.PEM).decode()) for each in found)


class _Search:
    """Goes from issuer to issuer, depth first, within MAX_PATH and MAX_SIGNATURES; remembers the first obstacle."""

    def __init__(self, intermediates: list[x509.Certificate], roots: list[x509.Certificate], at_utc: datetime) -> None:
        self._intermediates = intermediates
        self._roots = roots
        self._at_utc = at_utc
        self._signatures = 0
        self.failure: CertificateError | None = None

    def from_leaf(self, leaf: x509.Certificate) -> list[x509.Certificate] | None:
        """The path of `leaf`; what is trusted itself is its own path."""
        return [leaf] if leaf in self._roots else self._above([leaf])

    def _above(self, so_far: list[x509.Certificate]) -> list[x509.Certificate] | None:
        if len(so_far) == MAX_PATH:
            self._note(CertificateError(f"more than {MAX_PATH} certificates from the leaf to a root"))
            return None
        for issuer in (*self._roots, *self._intermediates):
            if issuer.subject != so_far[-1].issuer or issuer in so_far:
                continue
            if reason := self._why_not_next(issuer, so_far):
                self._note(CertificateError(f"{issuer.subject.rfc4514_string()}: {reason}"))
            elif issuer in self._roots:
                return [*so_far, issuer]
            elif found := self._above([*so_far, issuer]):
                return found
        self._note(UnknownIssuerError(f"no certificate of {so_far[-1].issuer.rfc4514_string()} is known"))
        return None

    def _why_not_next(self, issuer: x509.Certificate, below: list[x509.Certificate]) -> str | None:
        self._signatures += 1
        if self._signatures > MAX_SIGNATURES:
            return f"more than {MAX_SIGNATURES} signatures would have to be checked"
        # What is trusted by itself proves nothing with its own signature, so that may be an old one.
        trusted = issuer in self._roots
        return (
            _why_not_issued_by(below[-1], issuer)
            or _why_not_sound(issuer, self._at_utc, signature_counts=not trusted)
            or _why_may_not_sign(issuer, below)
        )

    def _note(self, failure: CertificateError) -> None:
        self.failure = self.failure or failure


def _why_not_issued_by(loaded: x509.Certificate, issuer: x509.Certificate) -> str | None:
    named = _extension(loaded, x509.AuthorityKeyIdentifier)
    key = _extension(issuer, x509.SubjectKeyIdentifier)
    if named is not None and key is not None and named.key_identifier not in {None, key.digest}:
        return "its key is not the one that is named as the issuer's"
    if named is not None and named.authority_cert_serial_number not in {None, issuer.serial_number}:
        return "its serial number is not the one that is named as the issuer's"
    try:
        loaded.verify_directly_issued_by(issuer)
    except exceptions.InvalidSignature:
        return "the signature is not by its key"
    except _UNREADABLE as error:
        return f"the signature cannot be checked ({error})"
    return None


def _why_not_sound(loaded: x509.Certificate, at_utc: datetime, *, signature_counts: bool = True) -> str | None:
    """What must hold for any certificate by itself."""
    if at_utc < loaded.not_valid_before_utc:
        return f"not valid before {loaded.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    # OpenSSL, which judges in TLS, takes the last second for too late already.
    if at_utc >= loaded.not_valid_after_utc:
        return f"expired on {loaded.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    for extension in loaded.extensions:
        if extension.critical and extension.oid.dotted_string not in UNDERSTOOD:
            return f"it has a critical extension that is not understood ({extension.oid.dotted_string})"
    digest = loaded.signature_hash_algorithm
    if signature_counts and digest is not None and digest.digest_size < MIN_DIGEST_BYTES:
        return f"its signature uses {digest.name}, which is too weak"
    return _why_weak(loaded.public_key())


def _why_weak(key: PublicKeyTypes) -> str | None:
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVES:
            return None
        case rsa.RSAPublicKey() if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return None
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return None
        case _:
            return f"a key of this kind or length is not accepted ({_kind(key)})"


def _why_may_not_sign(issuer: x509.Certificate, below: Sequence[x509.Certificate]) -> str | None:
    """RFC 5280, 6.1.4 k to n: may `issuer` sign the last of `below`, and have so many sub-CAs under it?"""
    constraints = _extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return "it is not a certificate authority"
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return "its key is not for signing certificates"
    # The leaf does not count, nor does a sub-CA that carries on its own name.
    sub_cas = [each for each in below[1:] if each.subject != each.issuer]
    if constraints.path_length is not None and len(sub_cas) > constraints.path_length:
        return f"it allows {constraints.path_length} sub-CAs under it"
    return None


# ---- Reasons for not accepting one ---------------------------------------------------------------------------------


def why_not_root(certificate: Certificate, at_utc: datetime, signed_by: Certificate | None) -> str | None:
    """See certificates.why_not_root."""
    loaded = _load(certificate.pem)
    if reason := _why_not_sound(loaded, at_utc) or _why_may_not_sign(loaded, ()):
        return reason
    if signed_by is not None and (reason := _why_not_issued_by(loaded, _load(signed_by.pem))):
        return f"not signed by the root it replaces: {reason}"
    return "not a root: it is not signed by itself" if signed_by is None and not certificate.signs_itself else None


def why_not_client(leaf: Certificate) -> str | None:
    """The reason for which the key of `leaf` is not for TLS clients."""
    return _why_not_for(leaf, ExtendedKeyUsageOID.CLIENT_AUTH)


def why_not_v2g_server(leaf: Certificate) -> str | None:
    """The reason for which the key of `leaf` is not for TLS towards vehicles."""
    key = _load(leaf.pem).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size < V2G_MIN_BITS:
        return f"vehicles know elliptic keys of {V2G_MIN_BITS} bits and more only ({leaf.key})"
    return _why_not_for(leaf, ExtendedKeyUsageOID.SERVER_AUTH)


def why_not_contract(leaf: Certificate) -> str | None:
    """See certificates.why_not_contract."""
    return _why_not_for(leaf, None)


def why_not_signer(leaf: Certificate) -> str | None:
    """The reason for which the key of `leaf` is not for signing firmware.

    As strict as the updater (firmware/ocpp_signature.py), which would refuse after the download what passed here.
    """
    if reason := _why_not_for(leaf, ExtendedKeyUsageOID.CODE_SIGNING):
        return reason
    loaded = _load(leaf.pem)
    key, digest = loaded.public_key(), loaded.signature_hash_algorithm
    purposes = _extension(loaded, x509.ExtendedKeyUsage)
    if _extension(loaded, x509.KeyUsage) is None:
        return f"{leaf.subject}: it does not say that its key is for signatures"
    if purposes is not None and ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        return f"{leaf.subject}: it does not say that its key is for code"
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None
    if not isinstance(key, rsa.RSAPublicKey) and curve not in SIGNER_CURVES:
        return f"{leaf.subject}: its key is neither RSA nor on a curve of NIST from 256 bits on ({_kind(key)})"
    if digest is None or digest.digest_size < SIGNER_MIN_DIGEST_BYTES:
        return f"{leaf.subject}: it is signed with less than SHA-256"
    return None


def _why_not_for(leaf: Certificate, purpose: x509.ObjectIdentifier | None) -> str | None:
    """Where a leaf says what it is for, this has to be among it; it need not say so (A00.FR.512, FR.514). None: for
    signatures of no special kind.
    """
    loaded = _load(leaf.pem)
    if leaf.is_ca:
        return f"{leaf.subject}: it is a certificate authority"
    usage = _extension(loaded, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        return f"{leaf.subject}: its key is not for signatures"
    purposes = _extension(loaded, x509.ExtendedKeyUsage)
    allowed = {purpose, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purpose is not None and purposes is not None and not allowed & set(purposes):
        return f"{leaf.subject}: its key is for other purposes"
    return None


def why_revoked(certificate: Certificate, issuer: Certificate, crl_pem: str, at_utc: datetime) -> str | None:
    """See certificates.why_revoked."""
    authority = _load(issuer.pem)
    try:
        crl = x509.load_pem_x509_crl(crl_pem.encode())
        # A key of another kind than RSA, EC or EdDSA ends in a TypeError.
        signed = crl.issuer == authority.subject and crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        critical = [each.oid.dotted_string for each in crl.extensions if each.critical]
        next_utc = crl.next_update_utc
        entry = crl.get_revoked_certificate_by_serial_number(int(certificate.serial_number, 16))
    except _UNREADABLE as error:
        return f"not a revocation list ({error})"
    if not signed or _load(certificate.pem).issuer != authority.subject:
        return f"not a revocation list of {issuer.subject}"
    if critical:
        return f"a revocation list with extensions that are not understood ({', '.join(critical)})"
    if at_utc < crl.last_update_utc or next_utc is None or at_utc > next_utc:
        return "the revocation list is out of date"
    return None if entry is None else f"revoked on {entry.revocation_date_utc:%Y-%m-%d}"
