"""Keys in files, and in a real token: SoftHSM, by way of OpenSC."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from firmware import signatures
from firmware.maker import Signer
from firmware.maker_keys import KeyUnusableError, generate, open_key, point_of, public_of

DIGEST = signatures.digest(signatures.MANIFEST, b"text")
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def holds(signer: Signer) -> bool:
    r, s = signatures.canonical(*signer.sign(DIGEST))
    signature = signatures.Signature(signatures.key_id(signer.public), r, s)
    role = signatures.Role(1, (signer.public,))
    signatures.check(signatures.MANIFEST, b"text", (signature,), role, frozenset())
    return True


# ---- files ----


def test_a_new_key_lies_in_a_file_of_its_own_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "release.pem"
    made = generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_key(str(path)).public == made.public
    assert holds(open_key(str(path)))
    with pytest.raises(KeyUnusableError, match="never overwritten"):
        generate(path)
    with pytest.raises(KeyUnusableError, match="No such file"):
        generate(tmp_path / "missing/key.pem")


def test_a_passphrase_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "release.pem"
    monkeypatch.setenv("CHARGERD_PASSPHRASE", "secret words")
    made = generate(path)
    assert b"ENCRYPTED" in path.read_bytes()
    assert open_key(str(path)).public == made.public
    monkeypatch.setenv("CHARGERD_PASSPHRASE", "other words")
    with pytest.raises(KeyUnusableError, match="passphrase"):
        open_key(str(path))
    monkeypatch.delenv("CHARGERD_PASSPHRASE")
    with pytest.raises(KeyUnusableError, match="passphrase"):
        open_key(str(path))


def test_other_keys_are_refused(tmp_path: Path) -> None:
    others: tuple[ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, ...] = (
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    )
    for number, key in enumerate(others):
        path = tmp_path / f"{number}.pem"
        form = serialization.PrivateFormat.PKCS8
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        with pytest.raises(KeyUnusableError, match="no key on P-256"):
            open_key(str(path))
    (tmp_path / "text").write_text("no key")
    with pytest.raises(KeyUnusableError):
        open_key(str(tmp_path / "text"))
    with pytest.raises(KeyUnusableError, match="No such file"):
        open_key(str(tmp_path / "missing"))


def test_the_public_half_is_told_from_either_half(tmp_path: Path) -> None:
    made = generate(tmp_path / "key.pem")
    key = signatures.load(made.public)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key.pub").write_bytes(key.public_bytes(serialization.Encoding.PEM, form))
    for where in (str(tmp_path / "key.pem"), str(tmp_path / "key.pub"), made.public):
        assert public_of(where) == made.public
    with pytest.raises(KeyUnusableError, match="No such file"):
        public_of(str(tmp_path / "missing"))
    (tmp_path / "bad.pub").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(KeyUnusableError):
        public_of(str(tmp_path / "bad.pub"))
    assert point_of(key) == made.public


# ---- a token ----


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a SoftHSM with one token, "maker", that holds two keys; only the first is on P-256."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    environment = {**os.environ, "SOFTHSM2_CONF": str(settings)}
    for command in (
        ["softhsm2-util", "--init-token", "--free", "--label", "maker", "--so-pin", "12345678", "--pin", "4321"],
        [
            "pkcs11-tool", "--module", MODULE, "--token-label", "maker", "--login", "--pin", "4321",
            "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--usage-sign",
        ],
        [
            "pkcs11-tool", "--module", MODULE, "--token-label", "maker", "--login", "--pin", "4321",
            "--keypairgen", "--key-type", "EC:secp384r1", "--id", "02", "--usage-sign",
        ],
    ):  # fmt: skip
        subprocess.run(command, env=environment, check=True, capture_output=True)
    return settings


@pytest.fixture
def in_reach(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(token))
    monkeypatch.setenv("CHARGERD_PIN", "4321")


WHERE = f"pkcs11:module={MODULE};token=maker;id=01"


@pytest.mark.usefixtures("in_reach")
def test_a_key_in_a_token_signs_what_a_device_believes() -> None:
    signer = open_key(WHERE)
    assert holds(signer)
    assert public_of(WHERE) == signer.public


@pytest.mark.usefixtures("in_reach")
@pytest.mark.parametrize(
    "where, said",
    [
        (f"pkcs11:module={MODULE};token=maker;id=03", "maker/03: object not found"),
        (f"pkcs11:module={MODULE};token=nobody;id=01", "nobody/01"),
        ("pkcs11:module=/no/module.so;token=maker;id=01", "maker/01"),
        (f"pkcs11:module={MODULE};token=maker;id=02", "maker/02"),
        (f"pkcs11:module={MODULE};token=maker", "expected pkcs11:module=FILE;token=NAME;id=HEX"),
        ("pkcs11:", "expected pkcs11:module=FILE;token=NAME;id=HEX"),
    ],
)
def test_a_key_that_is_not_there_is_named(where: str, said: str) -> None:
    with pytest.raises(KeyUnusableError, match=said):
        open_key(where)


def test_the_pin_comes_from_the_environment(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(token))
    monkeypatch.delenv("CHARGERD_PIN", raising=False)
    with pytest.raises(KeyUnusableError, match="set CHARGERD_PIN"):
        open_key(WHERE)
    monkeypatch.setenv("CHARGERD_PIN", "0000")
    with pytest.raises(KeyUnusableError, match=r"maker/01: .*PIN_INCORRECT"):
        open_key(WHERE)
