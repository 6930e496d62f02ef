"""The signing certificate and the signature over the file, right and wrong."""

import base64
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from firmware import ocpp_signature
from firmware.errors import FirmwareError, Refusal
from firmware.ocpp_signature import FileSignature, Verdict, check_certificate
from tests.firmware.certificates import (
    DAY,
    NOW,
    RIGHT_LEAVES,
    ROOT,
    SIGNING,
    UNKNOWN,
    WRONG_LEAVES,
    certificate,
    ec_key,
    leaf,
    pem,
    revocation_list,
    root,
    rsa_key,
    signature,
    usage,
    with_sha1,
)

ROOT_PEM = pem(root()).encode()
FILE = b"firmware" * 100_000
LONG_AGO = NOW - 1000 * DAY


def refusal(
    text: str, *roots: bytes, at: datetime = NOW, floor: datetime = LONG_AGO, crls: tuple[bytes, ...] = ()
) -> Refusal | None:
    try:
        check_certificate(text, roots or (ROOT_PEM,), at, floor_utc=floor, revocations=crls)
    except FirmwareError as refused:
        return refused.refusal
    return None


# ---- the certificate ----


@pytest.mark.parametrize("good", RIGHT_LEAVES.values(), ids=RIGHT_LEAVES)
def test_a_right_certificate_is_taken(good: x509.Certificate) -> None:
    assert refusal(pem(good)) is None


def test_L01_FR_12_nothing_stands_between_the_root_and_the_signing_certificate() -> None:
    between = certificate("Between", ec_key("between"), "Acme Root", ec_key("root"), ROOT)
    below = certificate("Acme Signing", ec_key("leaf"), "Between", ec_key("between"))
    assert refusal(pem(below)) is Refusal.NOT_OF_THE_MANUFACTURER
    assert refusal(pem(below, between)) is Refusal.BAD_CERTIFICATE


OTHER_ROOT = certificate("Acme Root", ec_key("other"), "Acme Root", ec_key("other"), ROOT)
NO_CA = certificate("Acme Root", ec_key("root"), "Acme Root", ec_key("root"), SIGNING)
MAY_NOT_SIGN = certificate(
    "Acme Root", ec_key("root"), "Acme Root", ec_key("root"), [ROOT[0], (usage(crl_sign=True), True)]
)
SHA1_ROOT = with_sha1(root(), ec_key("root"))
OLD_ROOT = certificate("Acme Root", ec_key("root"), "Acme Root", ec_key("root"), ROOT, ends=NOW - DAY / 2)


@pytest.mark.parametrize(
    "wrong, roots, expected",
    [
        (leaf(), (pem(OTHER_ROOT).encode(),), Refusal.NOT_OF_THE_MANUFACTURER),
        (leaf(), (pem(NO_CA).encode(),), Refusal.NOT_OF_THE_MANUFACTURER),
        (leaf(), (pem(MAY_NOT_SIGN).encode(),), Refusal.NOT_OF_THE_MANUFACTURER),
        (leaf(), (pem(SHA1_ROOT).encode(),), Refusal.WEAK),
        (leaf(), (pem(OLD_ROOT).encode(),), Refusal.EXPIRED),
        (certificate("A", ec_key("leaf"), "A", ec_key("leaf")), (), Refusal.NOT_OF_THE_MANUFACTURER),
        (certificate("A", ec_key("leaf"), "B", ec_key("root")), (), Refusal.NOT_OF_THE_MANUFACTURER),
        *((wrong, (), expected) for wrong, expected in WRONG_LEAVES.values()),
        (leaf(extensions=[*SIGNING, (UNKNOWN, False)]), (), None),
    ],
)
def test_a_wrong_certificate_is_refused_by_name(
    wrong: x509.Certificate, roots: tuple[bytes, ...], expected: Refusal | None
) -> None:
    assert refusal(pem(wrong), *roots) is expected


@pytest.mark.parametrize(
    "text",
    [
        "", "no PEM", pem(leaf(), root()), pem(leaf(), leaf()), pem(leaf())[:-40], pem(leaf()).replace("M", "N", 3),
        pem(leaf()) + "x" * 6000, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "ä" * 10,
        pem(leaf()).replace("CERTIFICATE", "PRIVATE KEY"),
    ],
    ids=["empty", "none", "with root", "two", "cut", "garbled", "long", "empty sequence", "unicode", "a key"],
)  # fmt: skip
def test_what_is_not_one_certificate_is_refused(text: str) -> None:
    assert refusal(text) is Refusal.BAD_CERTIFICATE


def test_without_any_root_nothing_is_believed() -> None:
    with pytest.raises(FirmwareError) as refused:
        check_certificate(pem(leaf()), (), NOW, floor_utc=LONG_AGO)
    assert refused.value.refusal is Refusal.NOT_OF_THE_MANUFACTURER


def test_of_two_roots_with_one_name_the_right_one_is_found() -> None:
    assert refusal(pem(leaf()), pem(OTHER_ROOT).encode(), pem(OLD_ROOT).encode(), ROOT_PEM) is None


def test_a_clock_that_was_set_back_does_not_make_an_expired_certificate_valid() -> None:
    text = pem(leaf())
    assert refusal(text, at=NOW - DAY / 2) is None
    assert refusal(text, at=NOW - DAY / 2, floor=NOW + 2 * DAY) is Refusal.EXPIRED
    assert refusal(text, at=NOW - 3 * DAY, floor=NOW) is None
    assert refusal(text, at=NOW - 3 * DAY) is Refusal.NOT_YET_VALID


@pytest.mark.parametrize("edge", [timedelta(0), timedelta(seconds=1)])
def test_a_certificate_is_valid_to_its_last_second(edge: timedelta) -> None:
    assert refusal(pem(leaf()), at=NOW + DAY + edge) is (Refusal.EXPIRED if edge else None)
    assert refusal(pem(leaf()), at=NOW - DAY - edge) is (Refusal.NOT_YET_VALID if edge else None)


def test_a_revoked_certificate_is_called_so() -> None:
    assert refusal(pem(leaf()), crls=(revocation_list(8), revocation_list(7))) is Refusal.REVOKED_CERTIFICATE
    assert refusal(pem(leaf()), crls=(revocation_list(8),)) is None


def test_an_old_revocation_list_still_tells_the_truth() -> None:
    assert refusal(pem(leaf()), crls=(revocation_list(7, ends=NOW - DAY),)) is Refusal.REVOKED_CERTIFICATE


def test_a_revocation_list_by_somebody_else_says_nothing() -> None:
    assert refusal(pem(leaf()), crls=(revocation_list(7, key=ec_key("other")),)) is None
    assert refusal(pem(leaf()), crls=(revocation_list(7, issuer="Other"),)) is None


def test_a_revocation_list_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    assert refusal(pem(leaf()), crls=(b"damaged",)) is Refusal.BAD_CERTIFICATE


# ---- the signature ----


def holds(key: ocpp_signature.PublicKey, text: str, content: bytes = FILE) -> bool:
    try:
        checked = FileSignature(key, text)
        for start in range(0, len(content), 70_001):
            checked.feed(content[start : start + 70_001])
        checked.finish()
    except FirmwareError as refused:
        if refused.refusal is Refusal.BAD_FILE_SIGNATURE:
            return False
        raise
    return True


@pytest.mark.parametrize("key", [ec_key("leaf"), ec_key("384", "secp384r1"), rsa_key()], ids=["P-256", "P-384", "RSA"])
def test_a_signature_over_the_whole_file_holds_and_over_any_other_does_not(key: ec.EllipticCurvePrivateKey) -> None:
    text = signature(key, FILE)
    assert holds(key.public_key(), text)
    assert not holds(key.public_key(), text, FILE[:-1])
    assert not holds(key.public_key(), text, FILE + b"\0")
    assert not holds(key.public_key(), text, b"")
    assert not holds(ec_key("other").public_key(), text)


@pytest.mark.parametrize("salt_bytes", [0, 20, 32, None])
def test_a_salt_of_any_length_is_taken(salt_bytes: int | None) -> None:
    assert holds(rsa_key().public_key(), signature(rsa_key(), FILE, salt_bytes))


def test_other_schemes_are_refused() -> None:
    key = rsa_key()
    old = key.sign(FILE, padding.PKCS1v15(), hashes.SHA256())
    other_hash = key.sign(FILE, padding.PSS(padding.MGF1(hashes.SHA512()), 32), hashes.SHA512())
    other_mask = key.sign(FILE, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())
    curve = ec_key("leaf").sign(FILE, ec.ECDSA(hashes.SHA1()))
    for found in (old, other_hash, other_mask):
        assert not holds(key.public_key(), base64.b64encode(found).decode())
    assert not holds(ec_key("leaf").public_key(), base64.b64encode(curve).decode())


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "A" * 801, "A", "ä", " " + "AAAA", "MAA="])
def test_what_is_no_signature_is_refused(text: str) -> None:
    assert not holds(ec_key("leaf").public_key(), text)
    assert not holds(rsa_key().public_key(), text)


def test_each_refusal_has_ocpps_word() -> None:
    assert ocpp_signature.verdict(FirmwareError(Refusal.EXPIRED, "")) is Verdict.INVALID_CERTIFICATE
    assert ocpp_signature.verdict(FirmwareError(Refusal.REVOKED_CERTIFICATE, "")) is Verdict.REVOKED_CERTIFICATE
    assert ocpp_signature.verdict(FirmwareError(Refusal.BAD_FILE_SIGNATURE, "")) is Verdict.INVALID_SIGNATURE
