"""`chargerctl identity`: from the running station, or from what it left."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chargerd.ctl.commands import main
from chargerd.ocpp.messages.enums import CertificateSigningUse
from chargerd.ocpp.signing_requests import KEY, NAMESPACE, SigningRequest, Subject
from chargerd.provisioned import OpenRequest, Provisioned, ProvisionedRecord
from chargerd.store import Store
from tests.chargerd.key_stands import ClientAuthority, store


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert main(["identity", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def nobody_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))


def test_what_the_maker_left_is_shown_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys, authority = store("file", tmp_path), ClientAuthority(tmp_path)
    client = authority.client(keys)
    waiting = OpenRequest(key_id="file-2", common_name="SN-1", organization="Example", csr_pem="csr")
    record = ProvisionedRecord(client=client, request=waiting, csms_roots_pem=(authority.root,))
    Provisioned(tmp_path / "provisioned").write(record)
    lines = told(capsys, "--state", tmp_path)
    assert lines[0] == "client certificate: O=Example,CN=SN-1"
    assert lines[1].startswith("  issued by CN=Client root, serial number ")
    assert "(29 days left)" in lines[2]
    assert lines[3] == f"  key {client.key_id}, in a file"
    assert "open request: key file-2 waits for its certificate (provision --chain)" in lines
    assert "password: not set" in lines
    assert "CSMS roots: 1" in lines
    assert "manufacturer roots: none" in lines
    assert "! the client certificate expires in 29 days" in lines


def test_what_waits_for_the_csms_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renewal = SigningRequest(
        request_id="1",
        use=CertificateSigningUse.CHARGING_STATION_CERTIFICATE,
        subject=Subject(common_name="SN-1", organization="Example"),
        triggered=True,
        begun_utc=datetime(2026, 6, 1, 12, tzinfo=UTC),
    )
    left = Store(str(tmp_path / "station.sqlite"))
    left.put(NAMESPACE, KEY, (renewal,))
    left.close()
    said = "renewal of ChargingStationCertificate since 2026-06-01T12:00: the key is being made"
    assert said in told(capsys, "--state", tmp_path)


def test_scripts_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads("\n".join(told(capsys, "--state", tmp_path, "--json")))
    assert report["client"] is None
    assert report["password_set"] is False


def test_a_blank_device_has_none_of_all_this(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--state", tmp_path) == [
        "client certificate: none",
        "password: not set",
        "CSMS roots: none",
        "manufacturer roots: none",
        "private keys: none",
    ]


def test_the_settings_say_where_the_state_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "chargerd.toml"
    config.write_text(f'[csms]\nurl = "wss://c/o"\n[station]\nstate_dir = "{tmp_path}"\n')
    assert told(capsys, "--config", config)[0] == "client certificate: none"
    config.write_text("[csms]\n")
    assert main(["identity", "--config", str(config)]) == 78
    assert "csms" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["identity", "--state", str(tmp_path / "none")]) == 1
    assert "is chargerd installed" in capsys.readouterr().err


def test_a_station_that_was_named_is_asked_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", str(tmp_path / "none"), "identity", "--state", str(tmp_path)]) == 1
    assert "nobody listens there" in capsys.readouterr().err
