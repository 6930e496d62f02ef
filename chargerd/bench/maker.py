"""A maker of chargers for tests and the bench: keys made on the spot, bundles, and what a CSMS sends with them."""

import base64
import datetime as dt
import hashlib
import tempfile
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware import maker
from firmware.keys import KeyList, SignedList
from firmware.maker_keys import FileKey

PRODUCT, HARDWARE, OTHER_HARDWARE = "bench-charger", "rev-a", "rev-z"
CREATED = "2026-11-26T00:00:00Z"
SINCE, UNTIL = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2049, 1, 1, tzinfo=dt.UTC)

_FILL_BYTES = 1024 * 1024


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle as a CSMS offers it: the file, and the certificate and signature of UpdateFirmware."""

    file: Path
    certificate_pem: str
    signature: str


class Maker:
    """Has root and release keys for bundles, and for OCPP a root with a signing certificate directly under it."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where bundles are put."""
        self._folder = folder
        self._root, self._release = _new_file_key(), _new_file_key()
        trusted = KeyList(1, PRODUCT, 1, maker.role(1, [self._root.public]), maker.role(1, [self._release.public]), ())
        self.key_list: SignedList = maker.sign_list(trusted, [self._root])
        root_key, self._signing_key = _new_key(), _new_key()
        self.root_pem = _certificate("Bench maker root", root_key, "Bench maker root", root_key, is_ca=True)
        self.certificate_pem = _certificate("Bench maker firmware", self._signing_key, "Bench maker root", root_key)
        self._made = 0

    def release(
        self,
        version: str,
        security_version: int = 1,
        *,
        hardware: str = HARDWARE,
        payload_bytes: int = 0,
    ) -> Release:
        """A bundle of a small tree that stands for a program, and `payload_bytes` of data."""
        self._made += 1
        file = self._folder / f"bundle-{self._made}"
        with tempfile.TemporaryDirectory() as tree:
            _write_tree(Path(tree), version, payload_bytes)
            told = maker.Build(PRODUCT, (hardware,), version, security_version, CREATED)
            maker.build(Path(tree), told, file)
        maker.sign(file, [self._release])
        return Release(file=file, certificate_pem=self.certificate_pem, signature=self.signature(file))

    def signature(self, file: Path) -> str:
        """OCPP's signature over a whole file."""
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").digest()
        return base64.b64encode(self._signing_key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))).decode()


def _write_tree(tree: Path, version: str, payload_bytes: int) -> None:
    (tree / "bin").mkdir()
    program = tree / "bin" / "chargerd"
    program.write_text(f"#!/usr/bin/python3 -I\nprint({version!r})\n")
    program.chmod(0o755)
    if payload_bytes:
        with (tree / "data").open("wb") as file:
            fill = hashlib.sha256(version.encode()).digest() * (_FILL_BYTES // 32)
            for start in range(0, payload_bytes, _FILL_BYTES):
                file.write(fill[: min(_FILL_BYTES, payload_bytes - start)])


def _new_file_key() -> FileKey:
    return FileKey(_new_key())


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False), critical=True)
    )
    if not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
