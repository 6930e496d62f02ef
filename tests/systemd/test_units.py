"""The unit files as systemd itself reads them: no unknown key, no wrong value, and exposed no more than this."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chargerd.access import GROUPS, STACK_GROUP

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "systemd"
SERVICES = ("chargerd-control.service", "chargerd.service")
FIRMWARE = ("chargerd-updater.service", "chargerd-launcher.service")
RESTART = ("chargerd-restart-machine.path", "chargerd-restart-machine.service")
"""Root's, for the slots are root's; without any capability."""

LEAST_EXPOSED = {
    "chargerd-control.service": 0.6,
    "chargerd.service": 1.2,
    "chargerd-updater.service": 0.7,
    "chargerd-launcher.service": 0.7,
}
"""The scores reached with systemd 252 and 257; 0 is best, a service without any sandbox has 9.2."""


def systemd_version() -> int:
    told = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split()[1])


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with their command put where this machine has one: verify looks whether it can be executed."""
    for path in (path for kind in ("service", "socket", "path") for path in UNITS.glob(f"*.{kind}")):
        (tmp_path / path.name).write_text(re.sub(r"/opt/\S+/bin/\S+", shutil.which("true") or "", path.read_text()))
    return tmp_path


@pytest.mark.parametrize("service", [*SERVICES, *FIRMWARE, *RESTART, "chargerd-updater.socket"])
def test_systemd_finds_nothing_to_say_about_a_unit(units: Path, service: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(units / service)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_itself_notices_a_mistyped_key(units: Path) -> None:
    """verify exits 0 for unknown keys: only its stderr tells."""
    path = units / SERVICES[0]
    path.write_text(path.read_text().replace("WatchdogSec=", "WatchdgSec="))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert "Unknown key 'WatchdgSec'" in done.stderr


@pytest.mark.parametrize("service", [*SERVICES, *FIRMWARE])
def test_a_unit_is_exposed_no_more_than_it_has_to_be(service: str) -> None:
    allowed = round(LEAST_EXPOSED[service] * 10)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={allowed}",
         str(UNITS / service)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def findings(service: str, folder: Path = UNITS) -> dict[str, bool]:
    """systemd's own list: what -> whether it is set as it should be."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", "--threshold=100", str(folder / service)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {row["json_field"]: bool(row["set"]) for row in json.loads(done.stdout)}


def test_the_control_process_has_no_network_and_no_capability() -> None:
    found = findings("chargerd-control.service")
    assert found["PrivateNetwork"]
    assert found["RestrictAddressFamilies_AF_INET_INET6"]
    assert found["IPAddressDeny"]
    assert all(isset for name, isset in found.items() if name.startswith("CapabilityBoundingSet"))


def test_the_station_process_has_no_devices_and_no_capability() -> None:
    found = findings("chargerd.service")
    assert found["PrivateDevices"]
    assert all(isset for name, isset in found.items() if name.startswith("CapabilityBoundingSet"))


@pytest.mark.parametrize("service", FIRMWARE)
def test_what_installs_and_starts_firmware_has_no_network_no_device_and_no_capability(service: str) -> None:
    found = findings(service)
    assert found["PrivateNetwork"]
    assert found["PrivateDevices"]
    assert found["RestrictAddressFamilies_AF_INET_INET6"]
    assert all(isset for name, isset in found.items() if name.startswith("CapabilityBoundingSet"))


@pytest.mark.parametrize("service, dropin", [(SERVICES[0], "slots-control.conf"), (SERVICES[1], "slots-station.conf")])
def test_with_slots_a_unit_runs_what_the_launcher_has_proved_and_nothing_else(
    units: Path, service: str, dropin: str
) -> None:
    (units / f"{service}.d").mkdir()
    text = (UNITS / dropin).read_text()
    commands = re.findall(r"^Exec\w+=(.+)$", text, re.MULTILINE)
    told = re.findall(r"^Exec\w+=(.+)$", (UNITS / service).read_text(), re.MULTILINE)
    assert [command.replace("/run/chargerd-firmware/current/bin", "/opt/chargerd/bin") for command in commands] == told
    (units / f"{service}.d" / dropin).write_text(re.sub(r"/run/\S+/bin/\S+", shutil.which("true") or "", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(units / service)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", FIRMWARE)
def test_a_floor_in_a_tpm_opens_that_one_device(units: Path, service: str) -> None:
    (units / f"{service}.d").mkdir()
    shutil.copy(UNITS / "floor-in-tpm.conf", units / f"{service}.d")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(units / service)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^DeviceAllow=(.*)$", (UNITS / "floor-in-tpm.conf").read_text(), re.MULTILINE) == [
        "/dev/tpmrm0 rw"
    ]


def test_restart_steps_are_a_dropin_that_new_versions_accept(units: Path) -> None:
    """Debian 12 has 252, which would complain about them in the unit itself."""
    for service in SERVICES:
        assert "RestartSteps" not in (UNITS / service).read_text()
        dropins = units / f"{service}.d"
        dropins.mkdir()
        shutil.copy(UNITS / "restart-steps.conf", dropins)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(units / service)], capture_output=True, text=True, check=False
        )
        assert (done.stderr == "") is (systemd_version() >= 254)


def test_a_tpm_is_a_dropin_that_opens_this_one_device_and_weakens_nothing_else(units: Path) -> None:
    service = "chargerd.service"
    before = findings(service, units)
    dropins = units / f"{service}.d"
    dropins.mkdir()
    shutil.copy(UNITS / "chargerd-tpm.conf", dropins)
    after = findings(service, units)
    assert not after["PrivateDevices"]
    assert {name for name in before if before[name] and not after[name]} <= {
        "PrivateDevices", "DeviceAllow", "SupplementaryGroups",
    }  # fmt: skip
    assert after["MemoryDenyWriteExecute"]
    given = [line for line in (UNITS / "chargerd-tpm.conf").read_text().splitlines() if line.startswith("DeviceAllow")]
    assert given == ["DeviceAllow=/dev/tpmrm0 rw"]


@pytest.mark.parametrize("dropin", ["egress.conf", "encrypted-credentials.conf", "chargerd-tpm.conf"])
def test_the_dropins_of_the_station_are_accepted(units: Path, dropin: str) -> None:
    folder = units / "chargerd.service.d"
    folder.mkdir()
    shutil.copy(UNITS / dropin, folder)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(units / "chargerd.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", [*SERVICES, *FIRMWARE])
def test_code_comes_from_where_it_was_installed_and_from_no_folder_that_can_be_written(
    tmp_path: Path, service: str
) -> None:
    (line,) = [line for line in (UNITS / service).read_text().splitlines() if line.startswith("Environment=")]
    given = dict(word.split("=") for word in line.removeprefix("Environment=").split())
    home, working = tmp_path / "home", tmp_path / "working"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (home / ".local/lib" / version / "site-packages", working):
        folder.mkdir(parents=True)
        (folder / "planted.py").write_text("print('taken over')")
    python = Path(
        sys.base_prefix, "bin", version
    )  # without our virtual environment, which has no user's packages anyway
    told = {
        bool(environment): subprocess.run(
            [python, "-c", "import planted"], cwd=working, env={"HOME": str(home)} | environment,
            capture_output=True, text=True, check=False,
        ).stdout
        for environment in ({}, given)
    }  # fmt: skip
    assert told == {False: "taken over\n", True: ""}


def test_the_accounts_are_made_as_the_units_want_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "chargerd.sysusers")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = [line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    assert {"chargerd", "chargerd-control"} <= set(names)
    groups = (tmp_path / "etc/group").read_text().splitlines()
    assert {f"{name}:" for name in (*GROUPS.values(), STACK_GROUP)} <= {line[: line.index(":") + 1] for line in groups}
    assert not [line for line in groups if line.startswith(tuple(GROUPS.values())) and not line.endswith(":")]
    assert next(line for line in groups if line.startswith("chargerd:")).endswith(":chargerd-control")
