"""What RAUC's program is asked and what is made of its answers; with RAUC itself: installers/test_rauc.py."""

import datetime as dt
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st

from firmware.errors import FirmwareError, Refusal
from firmware.rauc import MAX_SIGNATURE_BYTES, Rauc, Status, decode_status, is_plain, why_failed
from firmware.slots import Name


def slot(state: str, bootname: str | None, boot_status: str | None = "good") -> dict[str, object]:
    return {"class": "rootfs", "device": "/dev/x", "state": state, "bootname": bootname, "boot_status": boot_status}


def said(*slots: tuple[str, dict[str, object]], primary: str | None = "rootfs.0") -> bytes:
    told = {"compatible": "x", "booted": "A", "boot_primary": primary, "slots": [{name: each} for name, each in slots]}
    return json.dumps(told).encode()


A, B = ("rootfs.0", slot("booted", "system0")), ("rootfs.1", slot("inactive", "system1", "bad"))


def test_slots_are_a_and_b_in_the_order_of_raucs_names() -> None:
    assert decode_status(said(B, A)) == Status(Name.A, Name.A, frozenset({Name.A}))
    swapped = said(("rootfs.0", slot("inactive", "A", "bad")), ("rootfs.1", slot("booted", "B")), primary="rootfs.1")
    assert decode_status(swapped) == Status(Name.B, Name.B, frozenset({Name.B}))


def test_slots_without_a_boot_name_are_parts_of_others() -> None:
    data = ("data.0", slot("active", None, None))
    assert decode_status(said(A, B, data)).booted is Name.A


def test_a_boot_loader_without_a_choice_has_no_primary() -> None:
    assert decode_status(said(A, B, primary=None)).primary is None


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"{}", b"\xff", b"[" * 5000, said(A), said(A, B, ("rootfs.2", slot("inactive", "C"))),
        said(B, ("rootfs.0", slot("inactive", "A"))), said(A, ("rootfs.1", slot("booted", "B"))), b'{"slots": {}}',
    ],
    ids=range(9),
)  # fmt: skip
def test_what_is_no_pair_of_slots_is_refused(answer: bytes) -> None:
    with pytest.raises(FirmwareError, match="installer-failed"):
        decode_status(answer)


def test_raucs_last_error_is_the_reason() -> None:
    assert why_failed(b"  0% Installing\nLastError: no space\n", b"Installing failed\n") == "no space"
    assert why_failed(b"", b"Error connecting\n\n") == "Error connecting"
    assert why_failed(b"", b"") == "it said nothing"


# ---- the program ----


def program(folder: Path, text: str) -> str:
    path = folder / "rauc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_that_hangs_or_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError) as slow:
        Rauc(program=program(tmp_path, "exec /bin/sleep 60")).install("/x", 0.1)
    assert slow.value.refusal is Refusal.TOO_SLOW
    with pytest.raises(FirmwareError, match="No such file") as missing:
        Rauc(program="/missing/rauc").status()
    assert missing.value.refusal is Refusal.INSTALLER_FAILED


def test_it_is_given_fixed_words_and_no_environment_but_ours(tmp_path: Path) -> None:
    rauc = Rauc({"A": "b"}, program(tmp_path, f'echo "$@" >> {tmp_path}/words; /usr/bin/env >> {tmp_path}/env'))
    rauc.install("/var/lib/x", 10)
    rauc.mark("active", "other")
    assert (tmp_path / "words").read_text() == "install /var/lib/x\nstatus mark-active other\n"
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"A", "PWD", "_", "SHLVL", "OLDPWD"}


# ---- the format ----


def signature(*, detached: bool) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "maker")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))).sign(
        key, hashes.SHA256()
    )
    builder = pkcs7.PKCS7SignatureBuilder(b"manifest" * 40).add_signer(certificate, key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.Binary, *[pkcs7.PKCS7Options.DetachedSignature] * detached]
    return builder.sign(serialization.Encoding.DER, options)


def bundle(cms: bytes, length: int | None = None) -> bytes:
    return b"hsqs" * 100 + cms + (len(cms) if length is None else length).to_bytes(8, "big")


DETACHED, INLINE = signature(detached=True), signature(detached=False)


def test_a_signature_beside_what_it_signs_is_of_the_format_plain() -> None:
    assert is_plain(bundle(DETACHED))
    assert not is_plain(bundle(INLINE))


def test_what_is_encrypted_is_not_plain() -> None:
    assert not is_plain(bundle(bytes.fromhex("300d06092a864886f70d010703a000")))


@pytest.mark.parametrize(
    "length",
    [0, 1, len(INLINE) - 1, len(INLINE) + 401, MAX_SIGNATURE_BYTES + 1, 2**63],
    ids=["none", "a byte", "cut", "beyond the start", "above the most", "huge"],
)
def test_a_length_that_cannot_be_is_refused(length: int) -> None:
    with pytest.raises(FirmwareError, match="malformed"):
        is_plain(bundle(INLINE, length))


@given(st.binary(max_size=200), st.sampled_from((DETACHED, INLINE)), st.integers(0, 400), st.binary(max_size=3))
def test_whatever_stands_there_is_a_format_or_malformed(noise: bytes, cms: bytes, at: int, put: bytes) -> None:
    for tail in (noise, bundle(noise), bundle(cms[:at] + put + cms[at + len(put) :])):
        assert verdict(tail) in (True, False, Refusal.MALFORMED)


def verdict(tail: bytes) -> bool | Refusal:
    try:
        return is_plain(tail)
    except FirmwareError as refused:
        return refused.refusal
