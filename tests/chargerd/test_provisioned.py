"""What the maker gave the device: whole or not there, and never lost by mistake."""

import logging
from pathlib import Path

import pytest

from chargerd.identity import IdentityError
from chargerd.ocpp.effects import ClientCertificate
from chargerd.provisioned import OpenRequest, Provisioned, ProvisionedRecord

RECORD = ProvisionedRecord(
    client=ClientCertificate("file-1", "chain"),
    request=OpenRequest(key_id="tpm-2", common_name="SN-1", organization="Example", csr_pem="csr"),
    csms_roots_pem=("one", "two"),
)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    provisioned = Provisioned(tmp_path / "provisioned")
    assert provisioned.read() == ProvisionedRecord()
    provisioned.write(RECORD)
    assert Provisioned(tmp_path / "provisioned").read() == RECORD
    assert provisioned.key_ids() == ("file-1", "tpm-2")


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    provisioned = Provisioned(tmp_path / "provisioned")
    provisioned.write(RECORD)
    assert provisioned.path.stat().st_mode & 0o777 == 0o600
    assert provisioned.path.parent.stat().st_mode & 0o777 == 0o700


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    provisioned = Provisioned(tmp_path / "provisioned")
    provisioned.write(RECORD)
    provisioned.path.with_suffix(".new").write_text("half of it")
    assert provisioned.read() == RECORD
    provisioned.write(ProvisionedRecord())
    assert provisioned.read() == ProvisionedRecord()


def test_a_damaged_file_is_told_and_does_not_stop_the_station(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    provisioned = Provisioned(tmp_path / "provisioned")
    provisioned.write(RECORD)
    provisioned.path.write_bytes(b"{")
    with pytest.raises(IdentityError, match=r"damaged.*provision the device again"):
        provisioned.read()
    with caplog.at_level(logging.ERROR):
        assert provisioned.at_start() == ProvisionedRecord()
    assert "identity.json: damaged" in caplog.text


def test_as_long_as_it_is_damaged_nobody_knows_which_keys_may_be_destroyed(tmp_path: Path) -> None:
    provisioned = Provisioned(tmp_path / "provisioned")
    provisioned.write(RECORD)
    provisioned.path.write_bytes(b"{")
    with pytest.raises(IdentityError):
        provisioned.key_ids()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "provisioned").write_text("a file")
    with pytest.raises(IdentityError, match="cannot be written"):
        Provisioned(tmp_path / "provisioned").write(RECORD)
