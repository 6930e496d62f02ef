"""`chargerctl provision` as a maker's script calls it: from blank to ready, and every wrong way."""

import tomllib
from pathlib import Path

import pytest

from chargerd.config import IdentitySettings
from chargerd.ctl.commands import main
from chargerd.ctl.provision import what_is_missing
from chargerd.provisioned import Provisioned, ProvisionedRecord
from tests.chargerd.key_stands import KINDS, ClientAuthority, settings


class Desk:
    """The maker's desk: a device's state, a CA, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], kind: str = "file") -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.authority = ClientAuthority(folder)
        self.kind = kind
        self._capsys = capsys

    def path(self, name: str, text: str = "") -> Path:
        if text:
            (self.folder / name).write_text(text)
        return self.folder / name

    def provision(self, *arguments: object, code: int = 0) -> str:
        """What the command says, on both streams."""
        fixed = ["--state", self.state, "--config", self.path("none.toml"), "--credential", self.path("credential")]
        place = ["--keys", self.kind, "--tpm", settings(self.kind).tpm]
        assert main(["provision", *map(str, [*fixed, *place, *arguments])]) == code
        captured = self._capsys.readouterr()
        return captured.out + captured.err

    def request(self, *more: object) -> str:
        self.provision("--csr-out", self.path("device.csr"), "--serial", "SN-1", "--organization", "Example", *more)
        return self.path("device.csr").read_text()


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture(autouse=True)
def nobody_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("kind", KINDS)
def test_from_blank_to_ready_for_profile_3(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path, capsys, kind)
    assert "next: --csr-out" in desk.provision()
    chain = desk.path("device.pem", desk.authority.sign(desk.request()))
    assert "next: --chain" in desk.provision()
    roots = desk.path("roots.pem", desk.authority.root)
    told = desk.provision("--chain", chain, "--csms-roots", roots, "--manufacturer-roots", roots)
    assert "CSMS root CN=Client root is trusted" in told
    assert "manufacturer root CN=Client root is trusted" in told
    assert "client certificate O=Example,CN=SN-1 is in place" in told
    lines = told[told.index("  [csms]") :]
    written = tomllib.loads(lines)
    assert written["csms"]["security_profile"] == 3
    assert written.get("identity", {}).get("keys", "file") == kind
    client = Provisioned(desk.state / "provisioned").read().client
    assert client is not None
    assert client.key_id.startswith(kind)


def test_every_step_may_be_done_twice(desk: Desk) -> None:
    csr = desk.request()
    assert desk.request() == csr
    chain = desk.path("device.pem", desk.authority.sign(csr) + desk.authority.root)
    roots = desk.path("roots.pem", desk.authority.root)
    first = desk.provision("--chain", chain, "--csms-roots", roots)
    again = desk.provision("--chain", chain, "--csms-roots", roots)
    assert "nothing new" in again
    assert first.splitlines()[1:] == again.splitlines()[1:]


def test_a_password_for_profile_2(desk: Desk) -> None:
    told = desk.provision("--password-out", desk.path("copy"))
    assert "security_profile = 2" in told
    assert desk.path("copy").read_text() == desk.path("credential").read_text()
    assert desk.path("copy").read_text().strip() not in told


def test_what_does_not_fit_is_said_in_a_line_and_changes_nothing(desk: Desk) -> None:
    desk.request()
    (desk.folder / "other").mkdir()
    stranger = ClientAuthority(desk.folder / "other", "Other root")
    chain = desk.path("device.pem", stranger.sign(desk.path("device.csr").read_text()))
    before = Provisioned(desk.state / "provisioned").read()
    told = desk.provision("--chain", chain, code=1)
    assert told.startswith("chargerctl: ")
    assert "cannot be used" in told
    assert Provisioned(desk.state / "provisioned").read() == before


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--csr-out", "x", "--organization", "Example"], "--serial is missing"),
        (["--csr-out", "x", "--serial", "SN-1"], "--organization is missing"),
        (["--chain", "/no/such/file"], "cannot be read"),
        (["--csr-out", "/no/such/folder/x", "--serial", "SN-1", "--organization", "Example"], "cannot be written"),
        (["--keys", "smartcard"], "invalid choice"),
    ],
)
def test_what_is_missing_on_the_command_line_is_named(desk: Desk, arguments: list[str], said: str) -> None:
    assert said in desk.provision(*arguments, code=1)


def test_the_settings_of_the_device_are_used(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    config = desk.path(
        "chargerd.toml",
        f'[csms]\nurl = "wss://c/o"\n[station]\nstate_dir = "{desk.state}"\n'
        '[variables]\n"SecurityCtrlr.OrganizationName" = "Example"\n',
    )
    csr = desk.path("device.csr")
    arguments = ["--config", config, "--credential", desk.path("credential"), "--csr-out", csr, "--serial", "SN-1"]
    assert main(["provision", *map(str, arguments)]) == 0
    assert csr.read_text().startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert "next: --chain" in capsys.readouterr().out


def test_with_roots_of_the_system_it_says_so() -> None:
    lines = list(what_is_missing(ProvisionedRecord(), True, None, IdentitySettings()))
    assert "the roots of the system are trusted" in lines[0]
