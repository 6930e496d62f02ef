"""X.509 certificates as facts and reasons: what one says, whether a path of them holds, and why one is not accepted.

Everything is a pure function of text and an instant; nothing is asked of any server. The checks and the library under
them are loaded at first use: 8 MB that a station without certificates never spends.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

MAX_CERTIFICATES = 16
"""In one text. The longest path that makes sense has a leaf, four sub-CAs and a root."""

MAX_TEXT_BYTES = 65_536

HASH_ALGORITHMS = ("SHA256", "SHA384", "SHA512")
"""OCPP HashAlgorithmEnumType."""

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


class CertificateError(Exception):
    """A certificate that cannot be read or is not accepted; the text is the reason, for people."""


class UnknownIssuerError(CertificateError):
    """Nothing is wrong with a certificate but that nobody here knows who signed it, or who signed the signer."""


class Certificate(msgspec.Struct, frozen=True):
    """One certificate and what it says.

    `pem` has been normalised. `sha256`: fingerprint, hexadecimal. Names are as in RFC 4514; `common_name` and
    `organization` are empty unless there is exactly one. `serial_number`: hexadecimal without leading zeros. `key`:
    kind and length, for people. `signs_itself`: it is its own issuer. `ocsp_url`: where its status is asked, empty
    when it does not say.
    """

    pem: str
    sha256: str
    subject: str
    issuer: str
    common_name: str
    organization: str
    serial_number: str
    not_before_utc: datetime
    not_after_utc: datetime
    key: str
    is_ca: bool
    signs_itself: bool
    ocsp_url: str = ""


class HashData(msgspec.Struct, frozen=True):
    """OCPP CertificateHashDataType."""

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


# ---- Reading -------------------------------------------------------------------------------------------------------


def split_pem(text: str) -> tuple[str, ...]:
    """The certificates of a PEM text as one PEM text each, unread, at least one. Raises CertificateError."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise CertificateError(f"more than {MAX_TEXT_BYTES} bytes of certificates")
    begun = text.count("-----BEGIN")
    if begun > MAX_CERTIFICATES:
        raise CertificateError(f"{begun} certificates, {MAX_CERTIFICATES} are allowed")
    blocks = list(_BLOCK.finditer(text))
    if not blocks or begun != len(blocks):
        raise CertificateError("not a certificate in PEM")
    for block in blocks:
        if block[1] != "CERTIFICATE":
            raise CertificateError(f"a {block[1].lower()} where a certificate is expected")
    return tuple(f"{block[0]}\n" for block in blocks)


def read_chain(pem: str) -> tuple[Certificate, ...]:
    """The certificates of a PEM text, in its order, at least one. Raises CertificateError."""
    from chargerd import certificate_checks

    return tuple(certificate_checks.read(each) for each in split_pem(pem))


def read_one(pem: str) -> Certificate:
    """The certificate of a PEM text that holds exactly one. Raises CertificateError."""
    chain = read_chain(pem)
    if len(chain) != 1:
        raise CertificateError(f"{len(chain)} certificates where one is expected")
    return chain[0]


def joined(chain: Iterable[Certificate]) -> str:
    """The PEM text of some certificates, in their order."""
    return "".join(certificate.pem for certificate in chain)


# ---- Identities ----------------------------------------------------------------------------------------------------


def hash_data(certificate: Certificate, issuer: Certificate, algorithm: str = "SHA256") -> HashData:
    """How OCPP names `certificate` (RFC 6960, 4.1.1): its issuer's name and key, hashed, and its serial number. A root
    is its own issuer. `algorithm`: one of HASH_ALGORITHMS. Raises CertificateError when `issuer` is not the issuer.
    """
    from chargerd import certificate_checks

    return certificate_checks.hash_data(certificate, issuer, algorithm)


def is_named(certificate: Certificate, named: HashData) -> bool:
    """Whether `named` may be `certificate`, as far as can be said without its issuer: name of the issuer and serial
    number.
    """
    from chargerd import certificate_checks

    return certificate_checks.is_named(certificate, named)


def has_key_of(certificate: Certificate, csr_pem: str) -> bool:
    """Whether `certificate` is about the same public key as the certificate request (RFC 2986) `csr_pem`. Raises
    CertificateError when that is none.
    """
    from chargerd import certificate_checks

    return certificate_checks.has_key_of(certificate, csr_pem)


# ---- Paths ---------------------------------------------------------------------------------------------------------


def path(
    leaf: Certificate, intermediates: Iterable[Certificate], roots: Iterable[Certificate], at_utc: datetime
) -> tuple[Certificate, ...]:
    """The way from `leaf` to one of `roots`, both included, on which everything holds at `at_utc` (RFC 5280, 6). The
    order of `intermediates` says nothing, and not all of them need be used. Raises CertificateError, UnknownIssuerError
    where all that can be checked holds.
    """
    from chargerd import certificate_checks

    return certificate_checks.path(leaf, intermediates, roots, at_utc)


def why_no_path(
    leaf: Certificate, intermediates: Iterable[Certificate], roots: Iterable[Certificate], at_utc: datetime
) -> str | None:
    """The reason for which `path` finds none, None when it finds one."""
    try:
        path(leaf, intermediates, roots, at_utc)
    except CertificateError as error:
        return str(error)
    return None


# ---- Reasons for not accepting one ---------------------------------------------------------------------------------


def why_not_root(certificate: Certificate, at_utc: datetime, signed_by: Certificate | None = None) -> str | None:
    """The reason for which `certificate` may not become a root that is trusted, None when it may (M05.FR.07).
    `signed_by`: the root that it replaces and that has to have signed it (M05.FR.10); None: it signs itself.
    """
    from chargerd import certificate_checks

    return certificate_checks.why_not_root(certificate, at_utc, signed_by)


def why_not_station_certificate(
    chain: Sequence[Certificate], roots: Iterable[Certificate], at_utc: datetime, *, common_name: str = ""
) -> str | None:
    """The reason for which `chain`, the station's own certificate first, may not be shown to the CSMS (A00.FR.501 to
    FR.512, A02.FR.06), None when it may. `common_name`: whom it must name, empty when that does not matter.
    """
    from chargerd import certificate_checks

    leaf, *others = chain
    if common_name and leaf.common_name != common_name:
        return f"issued to {leaf.common_name or 'nobody'} rather than {common_name}"  # A00.FR.511
    return why_no_path(leaf, others, roots, at_utc) or certificate_checks.why_not_client(leaf)


def why_not_v2g_certificate(chain: Sequence[Certificate], roots: Iterable[Certificate], at_utc: datetime) -> str | None:
    """The reason for which `chain`, the station's own certificate first, may not be shown to vehicles (ISO 15118),
    None when it may.
    """
    from chargerd import certificate_checks

    leaf, *others = chain
    return why_no_path(leaf, others, roots, at_utc) or certificate_checks.why_not_v2g_server(leaf)


def why_not_contract(leaf: Certificate) -> str | None:
    """The reason for which `leaf` is no contract certificate of a vehicle (ISO 15118), its path aside; None: it is."""
    from chargerd import certificate_checks

    return certificate_checks.why_not_contract(leaf)


def why_not_firmware_signer(
    leaf: Certificate, roots: Iterable[Certificate], at_utc: datetime, intermediates: Iterable[Certificate] = ()
) -> str | None:
    """The reason for which firmware signed by `leaf` is not to be trusted, None when it is (L01). `roots`: those of the
    manufacturer.
    """
    from chargerd import certificate_checks

    return why_no_path(leaf, intermediates, roots, at_utc) or certificate_checks.why_not_signer(leaf)


def why_revoked(certificate: Certificate, issuer: Certificate, crl_pem: str, at_utc: datetime) -> str | None:
    """The reason for which the revocation list `crl_pem` of `issuer` speaks against `certificate`, None when it does
    not. A list that is not by `issuer`, or too old, speaks against everything.
    """
    from chargerd import certificate_checks

    return certificate_checks.why_revoked(certificate, issuer, crl_pem, at_utc)
