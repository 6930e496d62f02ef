"""The TLS context: strict, and clear about files it cannot use."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from chargerd.ocpp.effects import OpenLink
from chargerd.tls import TrustError, context_for, read_roots
from tests.chargerd.certificates import Authority


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


def context(tmp_path: Path, **changes: Any) -> ssl.SSLContext:
    return context_for(order(roots_pem=(Authority(tmp_path).root_pem,), **changes), None)


def test_A00_FR_308_the_context_verifies_path_and_host_name_and_speaks_tls_1_2_or_newer(tmp_path: Path) -> None:
    made = context(tmp_path)
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    assert made.options & ssl.OP_NO_COMPRESSION


def test_A00_FR_319_only_suites_with_forward_secrecy_and_gcm_are_offered(tmp_path: Path) -> None:
    names = {suite["name"] for suite in context(tmp_path).get_ciphers()}
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"} <= names
    assert all(name.startswith(("ECDHE-", "TLS_")) for name in names)


def test_without_roots_those_of_the_system_are_trusted() -> None:
    assert context_for(order(), None).verify_mode is ssl.CERT_REQUIRED


def test_a_root_that_cannot_be_read_is_an_error_and_not_a_smaller_trust() -> None:
    with pytest.raises(TrustError, match="root"):
        context_for(order(roots_pem=("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",)), None)


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
