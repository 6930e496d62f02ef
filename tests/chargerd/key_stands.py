"""What the tests of keys share: stores of both kinds, requests, and certificates for the keys they make."""

import gc
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.config import IdentitySettings
from chargerd.keys import Keys
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey
from tests.chargerd.certificates import Authority
from tests.swtpm import shared_tpm, until_empty

KINDS = ("file", "tpm")


def settings(kind: str) -> IdentitySettings:
    """`kind`: one of KINDS. A TPM is started only for who wants one."""
    return IdentitySettings(keys="tpm", tpm=shared_tpm()) if kind == "tpm" else IdentitySettings(keys="file")


def store(kind: str, tmp_path: Path) -> Keys:
    """A store of its own; one TPM serves all, so those before must have given it back."""
    if kind == "tpm":
        gc.collect()
        until_empty(shared_tpm())
    return Keys(settings(kind), tmp_path / "keys")


def request(**changed: str) -> MakeKey:
    use = KeyUse(changed.pop("use", "station"))
    return MakeKey(**{"request_id": "r1", "use": use, "common_name": "SN-1", "organization": "Example"} | changed)  # type: ignore[arg-type]


class ClientAuthority:
    """A CA that signs what stations ask for. `ca_file`: its root."""

    def __init__(self, folder: Path, name: str = "Client root") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.root = self._signed(self._name, self._key.public_key(), is_ca=True)
        self.ca_file = folder / f"{name.replace(' ', '-')}.pem"
        self.ca_file.write_text(self.root)

    def sign(self, csr_pem: str, *, days: float = 30.0, common_name: str = "", organization: bool = True) -> str:
        """The certificate for a request; with negative `days` it expired that long ago. `common_name`: to somebody
        else; `organization` False: it is left out.
        """
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        assert csr.is_signature_valid
        common = x509.NameOID.COMMON_NAME
        names = [x509.NameAttribute(common, common_name) if common_name and n.oid == common else n for n in csr.subject]
        subject = x509.Name(n for n in names if organization or n.oid != x509.NameOID.ORGANIZATION_NAME)
        return self._signed(subject, csr.public_key(), is_ca=False, days=days)

    def client(self, keys: Keys) -> ClientCertificate:
        """A new key and the certificate for it."""
        new = keys.make(request())
        return ClientCertificate(new.key_id, self.sign(new.csr_pem))

    def _signed(self, subject: x509.Name, public_key: object, *, is_ca: bool, days: float = 30.0) -> str:
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=1))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


def handshake(
    client: ssl.SSLContext, authority: Authority, clients: ClientAuthority, version: ssl.TLSVersion
) -> dict[str, object]:
    """A whole handshake in memory with a server that wants a certificate; what it saw of the client."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.issue("localhost"))
    server.load_verify_locations(clients.ca_file)
    server.verify_mode = ssl.CERT_REQUIRED
    server.minimum_version = server.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        done = [_advanced(end) for end in ends]
        if all(done):
            return dict(ends[1].getpeercert() or {})
    raise AssertionError("the handshake does not end")


def _advanced(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
