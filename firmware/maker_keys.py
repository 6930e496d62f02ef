"""Where a maker's private keys live: in a file, or in a token that never gives them away (PKCS#11).

A token is spoken to through OpenSC's `pkcs11-tool`, which whoever has a token has too. A key in one is written
`pkcs11:module=/usr/lib/softhsm/libsofthsm2.so;token=maker;id=01`; its PIN comes from a variable of the
environment, which no other user can read, unlike an argument.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from firmware.maker import Signer
from firmware.signatures import PublicKey

PIN_VARIABLE = "CHARGERD_PIN"
VARIABLE = "CHARGERD_PASSPHRASE"
_TOOL_WITHIN_S = 60.0
_PARTS = ("module", "token", "id")


class KeyUnusableError(Exception):
    """A key cannot be used: which one, and what to do."""


class FileKey:
    """A key in a PEM file. Its signatures are the same for the same text (RFC 6979)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = point_of(key.public_key())

    def sign(self, digest: bytes) -> tuple[int, int]:
        """See Signer."""
        algorithm = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
        return decode_dss_signature(self._key.sign(digest, algorithm))


class TokenKey:
    """A key in a token, by the token's name and the key's id: told a label, the tool signs with any key."""

    def __init__(self, module: str, token: str, key_id: str) -> None:
        """Raises KeyUnusableError."""
        self._module, self._token, self._id = module, token, key_id
        der = self._tool("--read-object", "--type", "pubkey", given=b"")
        try:
            key = serialization.load_der_public_key(der)
        except ValueError:
            key = None
        self.public = _point_on_p256(key, f"{token}/{key_id}")

    def sign(self, digest: bytes) -> tuple[int, int]:
        """See Signer. Raises KeyUnusableError."""
        signature = self._tool("--sign", "--mechanism", "ECDSA", "--signature-format", "rs", given=digest)
        if len(signature) != 64:
            raise KeyUnusableError(f"{self._token}/{self._id}: {len(signature)} bytes of signature, expected 64")
        return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")

    def _tool(self, *arguments: str, given: bytes) -> bytes:
        """One run of the tool, which takes and gives files."""
        if PIN_VARIABLE not in os.environ:
            raise KeyUnusableError(f"{self._token}: set {PIN_VARIABLE} to the PIN of the token")
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder) / "in", Path(folder) / "out"
            source.write_bytes(given)
            command = [
                "pkcs11-tool", "--module", self._module, "--token-label", self._token, "--id", self._id,
                "--login", "--pin", f"env:{PIN_VARIABLE}", "--input-file", str(source), "--output-file", str(result),
                *arguments,
            ]  # fmt: skip
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TOOL_WITHIN_S)
            except FileNotFoundError:
                raise KeyUnusableError("pkcs11-tool is missing; install the package opensc") from None
            except subprocess.TimeoutExpired:
                raise KeyUnusableError(f"{self._token}: no answer within {_TOOL_WITHIN_S:.0f} s") from None
            if done.returncode != 0 or not result.exists():
                said = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
                raise KeyUnusableError(f"{self._token}/{self._id}: {said[0] if said else 'pkcs11-tool failed'}")
            return result.read_bytes()


def open_key(where: str) -> Signer:
    """A private key, by file or `pkcs11:`. Raises KeyUnusableError."""
    if not where.startswith("pkcs11:"):
        return _file_key(Path(where))
    parts = dict(part.partition("=")[::2] for part in where.removeprefix("pkcs11:").split(";"))
    if sorted(parts) != sorted(_PARTS) or not all(parts.values()):
        raise KeyUnusableError(f"{where}: expected pkcs11:module=FILE;token=NAME;id=HEX")
    return TokenKey(*(parts[name] for name in _PARTS))


def generate(path: Path) -> FileKey:
    """A new key in a new file that only its owner can read. Raises KeyUnusableError."""
    key = ec.generate_private_key(ec.SECP256R1())
    passphrase = os.environ.get(VARIABLE)
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except FileExistsError:
        raise KeyUnusableError(f"{path}: exists; a key is never overwritten") from None
    except OSError as error:
        raise KeyUnusableError(f"{path}: {error.strerror}") from None
    return FileKey(key)


def public_of(where: str) -> PublicKey:
    """The public half of `open_key`, of a PEM file with a public key, or the key itself in hexadecimal.

    Raises KeyUnusableError.
    """
    if len(where) == 66 and not Path(where).exists():
        return where
    if not where.startswith("pkcs11:"):
        try:
            text = Path(where).read_bytes()
        except OSError as error:
            raise KeyUnusableError(f"{where}: {error.strerror}") from None
        if b"PUBLIC KEY" in text:
            try:
                return _point_on_p256(serialization.load_pem_public_key(text), where)
            except ValueError as error:
                raise KeyUnusableError(f"{where}: {error}") from None
    return open_key(where).public


def point_of(key: ec.EllipticCurvePublicKey) -> PublicKey:
    """As lists of keys write it."""
    form = serialization.PublicFormat.CompressedPoint
    return key.public_bytes(serialization.Encoding.X962, form).hex()


def _file_key(path: Path) -> FileKey:
    passphrase = os.environ.get(VARIABLE)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase.encode() if passphrase else None)
    except OSError as error:
        raise KeyUnusableError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise KeyUnusableError(f"{path}: {error}; a passphrase is taken from {VARIABLE}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyUnusableError(f"{path}: is no key on P-256")
    _point_on_p256(key.public_key(), str(path))
    return FileKey(key)


def _point_on_p256(key: object, where: str) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return point_of(key)
    raise KeyUnusableError(f"{where}: is no key on P-256")
