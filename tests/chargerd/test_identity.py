"""The TLS context: strict, and clear about files it cannot use."""

import ssl
from pathlib import Path

import pytest

from chargerd.identity import IdentityError, csms_context
from tests.chargerd.certificates import Authority


def test_A00_FR_308_the_context_verifies_path_and_host_name_and_speaks_tls_1_2_or_newer(tmp_path: Path) -> None:
    context = csms_context(str(Authority(tmp_path).ca_file))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION


def test_A00_FR_319_only_suites_with_forward_secrecy_and_gcm_are_offered(tmp_path: Path) -> None:
    names = {suite["name"] for suite in csms_context(str(Authority(tmp_path).ca_file)).get_ciphers()}
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"} <= names
    assert all(name.startswith(("ECDHE-", "TLS_")) for name in names)


def test_without_a_file_the_roots_of_the_system_are_trusted() -> None:
    assert csms_context(None).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_usable_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "roots.pem"
    path.write_bytes(content)
    with pytest.raises(IdentityError, match=str(path)):
        csms_context(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(IdentityError, match="no such file"):
        csms_context("/nowhere/roots.pem")


def test_a_server_certificate_instead_of_its_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="CA certificate"):
        csms_context(str(Authority(tmp_path).issue("localhost")))
