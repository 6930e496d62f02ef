"""The certification authorities of the test system: who signs for its servers, and for the station.

Each is a root with one authority below it, so every chain has something between. They are made once for a whole run.
"""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from ipaddress import ip_address

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

SINCE, UNTIL = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2049, 1, 1, tzinfo=dt.UTC)
"""Whatever clock a test runs on, it is within."""

OCSP_URL = "http://ocsp.test"
"""Where each certificate below a root says its status is asked; nobody is there."""

CSMS_ROOT, OTHER_ROOT = "CSO", "Other CSO"
"""Names of the authorities that sign for a CSMS: a station knows the first from the beginning, if any."""

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey


class Identity(msgspec.Struct, frozen=True):
    """A server's certificate with what is between it and the root, and its key, in PEM."""

    chain_pem: str
    key_pem: str

    def __repr__(self) -> str:
        return "Identity(...)"


class Authority:
    """A root that signs by way of one authority below it. `root_pem`, `root_sha256`: what a station has of it."""

    def __init__(self, name: str, signed_by: "Authority | None" = None) -> None:
        """`signed_by`: the authority whose root has signed this root, as one that replaces it is; None: itself."""
        self.name = name
        self._root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self._root_name = _named(f"{name} root")
        signer_name, signer = self._root_name, self._root_key
        if signed_by is not None:
            signer_name, signer = signed_by._root_name, signed_by._root_key
        root = _signed(self._root_name, self._root_key.public_key(), signer_name, signer, is_ca=True)
        self._below_name = _named(f"{name} sub-CA")
        below = _signed(self._below_name, self._key.public_key(), self._root_name, self._root_key, is_ca=True)
        self.root_pem, self._below_pem = _pem(root), _pem(below)
        self.root_sha256 = root.fingerprint(hashes.SHA256()).hex()

    @cache  # noqa: B019 - authorities live as long as the run
    def server(self, host: str, since: dt.datetime = SINCE, until: dt.datetime = UNTIL) -> Identity:
        """What a CSMS at `host` shows (A00.FR.510)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(host, "CSO")
        leaf = _signed(subject, key.public_key(), self._below_name, self._key, host=host, since=since, until=until)
        return Identity(f"{_pem(leaf)}{self._below_pem}", key_pem(key))

    def signed(self, csr_pem: str, since: dt.datetime = SINCE, until: dt.datetime = UNTIL) -> str:
        """The chain for a station that asks by this request (RFC 2986), as CertificateSigned carries it."""
        request = x509.load_pem_x509_csr(csr_pem.encode())
        key = request.public_key()
        assert isinstance(key, PublicKey), "stations of these tests have keys on elliptic curves"
        leaf = _signed(request.subject, key, self._below_name, self._key, since=since, until=until)
        return f"{_pem(leaf)}{self._below_pem}"

    @cache  # noqa: B019 - as above
    def contract(self, emaid: str) -> str:
        """What a vehicle shows whose contract is with this mobility operator (ISO 15118), without the root."""
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        return f"{_pem(_signed(_named(emaid, self.name), key, self._below_name, self._key))}{self._below_pem}"

    def revoked(self, leaves_pem: Sequence[str]) -> str:
        """The list of certificates that were revoked, in PEM."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._below_name)
        builder = builder.last_update(SINCE).next_update(UNTIL)
        for pem in leaves_pem:
            number = x509.load_pem_x509_certificate(pem.encode()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(SINCE)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@cache
def authority(name: str) -> Authority:
    """The authority of this name; it is made when it is asked for first."""
    return Authority(name)


def why_not_request(csr_pem: str) -> str | None:
    """What is wrong with a station's request (RFC 2986, A00.FR.501 to FR.503); None: nothing."""
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"not a certificate request in PEM ({error})"
    if not request.is_signature_valid:
        return "not signed with its own key"
    least_bits = 224 if isinstance(key, PublicKey) else 2048
    bits = getattr(key, "key_size", least_bits)
    return None if bits >= least_bits else f"a key of {bits} bits"


def hash_data(certificate_pem: str, issuer_pem: str) -> dict[str, str]:
    """CertificateHashDataType of a certificate, by SHA-256."""
    certificate, issuer = (x509.load_pem_x509_certificate(pem.encode()) for pem in (certificate_pem, issuer_pem))
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def request_for(key: Key, common_name: str, organization: str) -> str:
    """A request to have a key signed, in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_named(common_name, organization))
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.PEM).decode()


def key_pem(key: Key) -> str:
    """A private key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _signed(
    subject: x509.Name,
    key: PublicKey,
    issuer: x509.Name,
    signer: Key,
    *,
    is_ca: bool = False,
    host: str = "",
    since: dt.datetime = SINCE,
    until: dt.datetime = UNTIL,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False), critical=True)
    )
    if issuer != subject:
        where = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(OCSP_URL))
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _named(common_name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
