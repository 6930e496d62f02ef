"""The TLS context: strict, and clear about files it cannot use. What it lets in and what not is shown in tests/tls."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chargerd.clock import Now
from chargerd.config import IdentitySettings
from chargerd.keys import Keys
from chargerd.ocpp.effects import OpenLink
from chargerd.tls import MAX_CRL_BYTES, NO_CHECK_TIME, CsmsContext, TrustError, context_for, read_roots
from tests.chargerd.certificates import Authority

EARLIER, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
NO_KEYS = Keys(IdentitySettings(), Path("no folder"))


def order(**changes: Any) -> OpenLink:
    fields: dict[str, Any] = {
        "slot": 1,
        "url": "wss://csms.example/CS-1",
        "identity": "CS-1",
        "password": "correct horse battery",
        "security_profile": 2,
        "ping_interval_s": 0.0,
        "connect_timeout_s": 5.0,
    }
    return OpenLink(**fields | changes)


def context(tmp_path: Path, **changes: Any) -> CsmsContext:
    return context_for(order(roots_pem=(Authority(tmp_path).root_pem,), **changes), NO_KEYS)


def test_A00_FR_308_the_context_verifies_path_and_host_name_and_speaks_tls_1_2_or_newer(tmp_path: Path) -> None:
    made = context(tmp_path)
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    assert made.options & ssl.OP_NO_COMPRESSION
    assert made.options & ssl.OP_NO_RENEGOTIATION
    assert not made.verify_flags & NO_CHECK_TIME


@pytest.mark.parametrize(
    "clock,synced,floor,checked_here",
    [
        (LATER, True, None, False),
        (LATER, True, EARLIER, False),
        (EARLIER, True, LATER, True),
        (LATER, False, None, True),
        (LATER, False, EARLIER, True),
        (EARLIER, False, LATER, True),
    ],
)
def test_the_times_are_openssls_to_check_where_the_clock_is_right_and_ours_where_it_may_not_be(
    clock: datetime, synced: bool, floor: datetime | None, checked_here: bool
) -> None:
    made = context_for(order(clock_floor=floor), NO_KEYS, Now(0.0, clock, synced))
    assert bool(made.verify_flags & NO_CHECK_TIME) is checked_here
    assert made.since_utc == (LATER if checked_here else None)


def test_a_list_of_revocations_has_a_bound(tmp_path: Path) -> None:
    crl = tmp_path / "crl.pem"
    crl.write_bytes(b"#" * (MAX_CRL_BYTES + 1))
    with pytest.raises(TrustError, match="more than"):
        context_for(order(), NO_KEYS, None, str(crl))


def test_a_list_of_revocations_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"gone\.pem"):
        context_for(order(), NO_KEYS, None, str(tmp_path / "gone.pem"))


def test_a_handshake_that_is_over_is_listened_to_no_more(tmp_path: Path) -> None:
    made = context(tmp_path)
    made.settled()
    assert made._msg_callback is None


def test_A00_FR_319_only_suites_with_forward_secrecy_and_gcm_are_offered(tmp_path: Path) -> None:
    names = {suite["name"] for suite in context(tmp_path).get_ciphers()}
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"} <= names
    assert all(name.startswith(("ECDHE-", "TLS_")) for name in names)


def test_without_roots_those_of_the_system_are_trusted() -> None:
    assert context_for(order(), NO_KEYS).verify_mode is ssl.CERT_REQUIRED


def test_a_root_that_cannot_be_read_is_an_error_and_not_a_smaller_trust() -> None:
    with pytest.raises(TrustError, match="root"):
        context_for(order(roots_pem=("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",)), NO_KEYS)


def test_a_file_of_roots_is_read_one_by_one(tmp_path: Path) -> None:
    first, second = Authority(tmp_path), Authority(tmp_path, "Other root")
    path = tmp_path / "both.pem"
    path.write_text(f"# ours\n{first.root_pem}\n{second.root_pem}")
    assert set(read_roots(str(path))) == {first.root_pem, second.root_pem}


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_usable_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "roots.pem"
    path.write_bytes(content)
    with pytest.raises(TrustError, match=str(path)):
        read_roots(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(TrustError, match="no such file"):
        read_roots("/nowhere/roots.pem")


def test_a_server_certificate_instead_of_its_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="CA certificate"):
        read_roots(str(Authority(tmp_path).issue("localhost")))
