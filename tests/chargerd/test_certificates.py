"""What a certificate says, how OCPP names it, and the reasons for not accepting one."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from chargerd import certificates
from chargerd.certificates import (
    HASH_ALGORITHMS,
    MAX_CERTIFICATES,
    MAX_TEXT_BYTES,
    CertificateError,
    has_key_of,
    hash_data,
    is_named,
    joined,
    read_chain,
    read_one,
    split_pem,
    why_not_firmware_signer,
    why_not_root,
    why_not_station_certificate,
    why_not_v2g_certificate,
    why_revoked,
)
from tests.chargerd.pki import NOON, YEAR, Pair, crl, csr, ec_key, made, root, rsa_key, sub
from tests.firmware.certificates import NOW, RIGHT_LEAVES, WRONG_LEAVES, pem
from tests.firmware.certificates import root as manufacturers_root

ROOT = root("CSO root", organization="CSO")
SUB = sub("CSO sub", ROOT)
LEAF = made("CS-1", SUB, organization="CSO", ocsp_url="http://ocsp.test")


# ---- Reading -------------------------------------------------------------------------------------------------------


def test_A00_FR_507_A00_FR_508_A00_FR_509_what_a_certificate_says() -> None:
    leaf = LEAF.read
    assert (leaf.subject, leaf.issuer) == ("CN=CS-1,O=CSO", "CN=CSO sub")
    assert (leaf.common_name, leaf.organization, leaf.key) == ("CS-1", "CSO", "EC secp256r1")
    assert leaf.serial_number == f"{LEAF.x509.serial_number:x}"
    assert leaf.sha256 == LEAF.x509.fingerprint(hashes.SHA256()).hex()
    assert (leaf.not_before_utc, leaf.not_after_utc) == (NOON - YEAR, NOON + YEAR)
    assert (leaf.is_ca, leaf.signs_itself, leaf.ocsp_url) == (False, False, "http://ocsp.test")
    assert (ROOT.read.is_ca, ROOT.read.signs_itself, ROOT.read.ocsp_url) == (True, True, "")


def test_a_chain_is_read_in_its_order_whatever_the_ends_of_its_lines() -> None:
    text = f"subject=CS-1\r\n{LEAF.pem}{SUB.pem}".replace("\n", "\r\n")
    assert [each.common_name for each in read_chain(text)] == ["CS-1", "CSO sub"]
    assert joined(read_chain(text)) == LEAF.pem + SUB.pem


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "not a certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----", "not a certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not a certificate"),
        ("-----BEGIN CERTIFICATE-----\nÄ\n-----END CERTIFICATE-----", "not a certificate"),
        (f"{LEAF.pem}-----BEGIN CERTIFICATE-----", "not a certificate in PEM"),
        (LEAF.key_pem, "a private key where a certificate is expected"),
        (LEAF.pem + LEAF.key_pem, "a private key where a certificate is expected"),
        (LEAF.pem * (MAX_CERTIFICATES + 1), "17 certificates, 16 are allowed"),
        ("x" * (MAX_TEXT_BYTES + 1), "more than 65536 bytes of certificates"),
        ("\ud800", "not a certificate in PEM"),
    ],
)
def test_what_is_no_certificate_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(CertificateError, match=reason):
        read_chain(text)


def test_as_many_certificates_as_are_allowed_are_read() -> None:
    assert len(read_chain(LEAF.pem * MAX_CERTIFICATES)) == MAX_CERTIFICATES
    assert len(split_pem(LEAF.pem * MAX_CERTIFICATES)) == MAX_CERTIFICATES
    with pytest.raises(CertificateError, match="2 certificates where one is expected"):
        read_one(LEAF.pem + SUB.pem)


def test_a_name_that_stands_there_twice_names_nobody() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each) for each in ("a", "b")])
    doubled = made("a", ROOT, change=lambda builder: _with_subject(builder, name))
    assert doubled.read.common_name == ""


def _with_subject(builder: x509.CertificateBuilder, name: x509.Name) -> x509.CertificateBuilder:
    builder._subject_name = name
    return builder


# ---- Identities ----------------------------------------------------------------------------------------------------


def test_hash_data_is_what_openssl_says(tmp_path: Path) -> None:
    """The request for the status of a certificate holds the same three values (RFC 6960)."""
    for name, pair in (("root", ROOT), ("sub", SUB), ("leaf", LEAF)):
        (tmp_path / f"{name}.pem").write_text(pair.pem)
    for certificate, issuer, leaf in (("leaf", "sub", LEAF), ("sub", "root", SUB), ("root", "root", ROOT)):
        for algorithm in HASH_ALGORITHMS:
            above = {"sub": SUB, "root": ROOT}[issuer]
            ours = hash_data(leaf.read, above.read, algorithm)
            files = [f"-{algorithm.lower()}", "-issuer", f"{issuer}.pem", "-cert", f"{certificate}.pem", "-req_text"]
            said = subprocess.run(
                ["openssl", "ocsp", *files], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout.lower()
            said = re.sub(r"[\\\s]", "", said)
            assert ours.issuer_name_hash in said
            assert ours.issuer_key_hash in said
            assert ours.serial_number in said


def test_hash_data_of_an_rsa_issuer_is_over_the_bits_of_its_key() -> None:
    strong = root("RSA root", key=rsa_key(2048))
    ours = hash_data(strong.read, strong.read)
    assert ours.issuer_key_hash == hash_data(made("x", strong).read, strong.read).issuer_key_hash
    assert ours.issuer_key_hash != hash_data(ROOT.read, ROOT.read).issuer_key_hash


def test_a_serial_number_has_no_leading_zeros() -> None:
    assert hash_data(made("x", ROOT, serial=10).read, ROOT.read).serial_number == "a"


def test_hash_data_wants_the_issuer() -> None:
    with pytest.raises(CertificateError, match="is not issued by"):
        hash_data(LEAF.read, ROOT.read)


def test_without_its_issuer_a_certificate_is_known_by_the_issuers_name_and_the_number() -> None:
    for algorithm in HASH_ALGORITHMS:
        named = hash_data(LEAF.read, SUB.read, algorithm)
        assert is_named(LEAF.read, named)
        assert not is_named(SUB.read, named)


def test_a_certificate_belongs_to_the_request_for_its_key() -> None:
    assert has_key_of(LEAF.read, csr(LEAF))
    assert not has_key_of(LEAF.read, csr(SUB))
    with pytest.raises(CertificateError, match="not a certificate request"):
        has_key_of(LEAF.read, LEAF.pem)


# ---- Reasons -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pair, reason",
    [
        (ROOT, None),
        (root("RSA", key=rsa_key(2048)), None),
        (SUB, "not a root: it is not signed by itself"),
        (made("Leaf", ca=False), "it is not a certificate authority"),
        (made("Old", ca=None), "it is not a certificate authority"),
        (root("Past", until=NOON - timedelta(seconds=1)), "expired on 2026-06-01 11:59:59 UTC"),
        (root("Future", since=NOON + timedelta(seconds=1)), "not valid before 2026-06-01 12:00:01 UTC"),
        (root("Now", since=NOON, until=NOON + timedelta(seconds=1)), None),
        (root("Last", until=NOON), "expired on 2026-06-01 12:00:00 UTC"),
        (root("Weak", key=rsa_key(1024)), "a key of this kind or length is not accepted"),
        (root("Short", key=ec_key(1, ec.SECP192R1)), "a key of this kind or length is not accepted"),
        (root("Usage", usage=["digital_signature"]), "its key is not for signing certificates"),
    ],
)
def test_M05_FR_07_a_root_is_one_that_may_sign_now_and_is_strong(pair: Pair, reason: str | None) -> None:
    found = why_not_root(pair.read, NOON)
    assert found is None if reason is None else reason in str(found)


def test_M05_FR_11_a_root_that_replaces_another_is_signed_by_it() -> None:
    new = sub("New root", ROOT)
    assert why_not_root(new.read, NOON, signed_by=ROOT.read) is None
    other = sub("New root", root("Other root"))
    assert "not signed by the root it replaces" in str(why_not_root(other.read, NOON, signed_by=ROOT.read))
    forged = made("New root", Pair(ROOT.x509, ec_key(77)), ca=True)
    assert "not signed by the root it replaces" in str(why_not_root(forged.read, NOON, signed_by=ROOT.read))


def test_A02_FR_06_a_station_certificate_is_of_the_hierarchy_of_the_operator_and_names_the_station() -> None:
    chain = (LEAF.read, SUB.read)
    assert why_not_station_certificate(chain, [ROOT.read], NOON, common_name="CS-1") is None
    assert why_not_station_certificate(chain, [ROOT.read], NOON) is None
    assert "issued to CS-1 rather than CS-2" in str(
        why_not_station_certificate(chain, [ROOT.read], NOON, common_name="CS-2")
    )
    assert "is known" in str(why_not_station_certificate(chain, [root("Other").read], NOON))
    assert "expired" in str(why_not_station_certificate(chain, [ROOT.read], NOON + 2 * YEAR))


def test_A00_FR_512_A00_FR_514_a_key_that_names_its_use_is_used_for_nothing_else() -> None:
    server = made("CS-1", ROOT, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
    client = made("CS-1", ROOT, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    anything = made("CS-1", ROOT, purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    mute = made("CS-1", ROOT, usage=["key_agreement"])
    roots = [ROOT.read]
    assert "for other purposes" in str(why_not_station_certificate([server.read], roots, NOON))
    assert why_not_station_certificate([client.read], roots, NOON) is None
    assert why_not_station_certificate([anything.read], roots, NOON) is None
    assert "not for signatures" in str(why_not_station_certificate([mute.read], roots, NOON))
    assert "certificate authority" in str(why_not_station_certificate([SUB.read], roots, NOON))


def test_A00_FR_503_vehicles_are_shown_elliptic_keys_only() -> None:
    assert why_not_v2g_certificate([LEAF.read, SUB.read], [ROOT.read], NOON) is None
    for key in (rsa_key(2048), ec_key(2, ec.SECP224R1)):
        assert "vehicles know" in str(why_not_v2g_certificate([made("x", ROOT, key=key).read], [ROOT.read], NOON))
    client = made("x", ROOT, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    assert "other purposes" in str(why_not_v2g_certificate([client.read], [ROOT.read], NOON))


def test_firmware_is_signed_by_who_may_sign_code() -> None:
    signer = made("Firmware", SUB, purposes=[ExtendedKeyUsageOID.CODE_SIGNING])
    assert why_not_firmware_signer(signer.read, [ROOT.read], NOON, [SUB.read]) is None
    assert "is known" in str(why_not_firmware_signer(signer.read, [ROOT.read], NOON))
    client = made("Firmware", ROOT, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    assert "other purposes" in str(why_not_firmware_signer(client.read, [ROOT.read], NOON))
    assert "certificate authority" in str(why_not_firmware_signer(ROOT.read, [ROOT.read], NOON))


@pytest.mark.parametrize("wrong", WRONG_LEAVES)
def test_what_the_updater_would_refuse_is_refused_before_the_download(wrong: str) -> None:
    leaf, _ = WRONG_LEAVES[wrong]
    manufacturer = read_one(pem(manufacturers_root()))
    try:
        reason = why_not_firmware_signer(read_one(pem(leaf)), [manufacturer], NOW)
    except CertificateError as error:
        reason = str(error)
    assert reason


@pytest.mark.parametrize("right", RIGHT_LEAVES)
def test_what_the_updater_takes_may_be_downloaded(right: str) -> None:
    manufacturer = read_one(pem(manufacturers_root()))
    assert why_not_firmware_signer(read_one(pem(RIGHT_LEAVES[right])), [manufacturer], NOW) is None


# ---- Revocation lists ----------------------------------------------------------------------------------------------


def test_a_revoked_certificate_is_told_from_others() -> None:
    listed = crl(SUB, [LEAF])
    assert why_revoked(LEAF.read, SUB.read, listed, NOON) == "revoked on 2026-05-31"
    assert why_revoked(made("CS-2", SUB).read, SUB.read, listed, NOON) is None


def test_a_list_that_is_not_to_be_believed_speaks_against_everything() -> None:
    day = timedelta(days=1)
    other = Pair(SUB.x509, ec_key(78))
    indirect = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
    for listed, at_utc, reason in (
        ("nothing", NOON, "not a revocation list"),
        (crl(ROOT), NOON, "not a revocation list of"),
        (crl(other), NOON, "not a revocation list of"),
        (crl(SUB), NOON + day + timedelta(seconds=1), "out of date"),
        (crl(SUB), NOON - day - timedelta(seconds=1), "out of date"),
        (crl(SUB, change=lambda builder: builder.add_extension(indirect, critical=True)), NOON, "not understood"),
    ):
        assert reason in str(why_revoked(LEAF.read, SUB.read, listed, at_utc))


def test_the_heavy_library_comes_at_first_use() -> None:
    program = "import sys, chargerd.certificates; print('cryptography' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"
    assert certificates.read_one(ROOT.pem).is_ca
