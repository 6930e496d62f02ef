"""Updater and launcher ask RAUC's service through the walls of their units, under a real systemd."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.kit import HARDWARE, OLD, PRODUCT, key_list, signed_list
from tests.firmware.rauc_machine import RaucMachine
from tests.firmware.rauc_machine import why_not_here as why_no_rauc_here
from tests.systemd.machine import ROOT, Machine, why_not_here
from tests.systemd.test_firmware import LAUNCHER, SOCKET, STATION, UPDATER, ask, updater_tree

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
    pytest.mark.skipif(why_no_rauc_here() is not None, reason=str(why_no_rauc_here())),
]

SETTINGS = f"""product = "{PRODUCT}"
hardware = "{HARDWARE}"
installer = "rauc"
slots_dir = "/var/lib/chargerd-updater/rauc"
rauc_plain = true
"""

BOOTED = "[Service]\nExecStart=\nExecStart=/usr/bin/rauc --mount=/run/rauc service --override-boot-slot=A\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A device that has version 1.0.0 in the slot that is booted, as RAUC's configuration of the tests has it."""
    before = os.umask(0o022)
    folder = tmp_path_factory.mktemp("rauc")
    folder.chmod(0o755)
    (folder / "maker").mkdir()
    with RaucMachine(folder / "maker") as maker:
        payload = maker.rauc_bundle()
        (folder / "new").write_bytes(maker.bundle(payload))
        old = maker.bundle(payload, **OLD)
    (folder / "head").write_bytes(old[: -len(payload)])
    for name in ("etc", "rauc", "device", "booted", "drop-in"):
        (folder / name).mkdir()
    (folder / "etc/firmware.toml").write_text(SETTINGS)
    (folder / "etc/firmware-keys").write_bytes(signed_list(key_list(), "root-1").encode())
    for name in ("system.conf", "boot-loader"):
        text = (folder / "maker" / name).read_text().replace(str(folder / "maker"), "/var/lib/device")
        (folder / "maker" / name).write_text(text)
    (folder / "booted/booted.conf").write_text(BOOTED)
    shutil.copy(ROOT / "systemd/rauc.conf", folder / "drop-in")
    (folder / "station.py").write_text(STATION)
    units = "/etc/systemd/system"
    binds = {
        updater_tree(folder): "/opt/chargerd-updater",
        folder: "/factory",
        folder / "etc": "/etc/chargerd",
        folder / "maker/system.conf": "/etc/rauc/system.conf",
        folder / "booted": f"{units}/rauc.service.d",
        folder / "drop-in": f"{units}/{UPDATER}.d",
        ROOT / "systemd/rauc.conf": f"{units}/{LAUNCHER}.d/rauc.conf",
        **{ROOT / "systemd" / name: f"{units}/{name}" for name in (UPDATER, SOCKET, LAUNCHER)},
        ROOT / "systemd/rauc-root-only.conf": "/etc/dbus-1/system.d/chargerd-rauc.conf",
        ROOT / "systemd/chargerd.sysusers": "/usr/lib/sysusers.d/chargerd.conf",
        **{path: str(path) for path in (Path("/dev/loop-control"), *Path("/dev").glob("loop[0-9]*"))},
    }
    os.umask(before)
    with Machine(f"rauc-{os.getpid()}", binds, folder / "console.log") as machine:
        machine.run("systemd-sysusers")
        machine.run("cp", "-r", "/factory/maker", "/var/lib/device")
        machine.run("mkdir", "-p", "/var/lib/chargerd-updater/rauc/a")
        machine.run("cp", "/factory/head", "/var/lib/chargerd-updater/rauc/a/head")
        machine.run("systemctl", "start", LAUNCHER, SOCKET)
        yield machine


def test_the_launcher_says_which_slot_is_booted(machine: Machine) -> None:
    started = json.loads(machine.run("cat", "/run/chargerd-firmware/started.json"))
    assert (started["slot"], started["version"]) == ("a", "1.0.0")


def test_a_bundle_is_staged_and_activated_by_rauc(machine: Machine) -> None:
    staged = ask(machine, {"verb": "stage"}, "/factory/new")
    assert staged.get("version") == "2.0.0", machine.journal("-u", "rauc.service")[-5:]
    assert machine.run("cat", "/var/lib/device/boot/primary") == "A\n"
    machine.run("cmp", "/var/lib/device/B.img", "/factory/maker/source/system.img")
    activated = ask(machine, {"verb": "activate", "manifest_sha256": staged["manifest_sha256"]})
    assert activated == staged
    assert machine.run("cat", "/var/lib/device/boot/primary") == "B\n"
    assert machine.run("ls", "/var/lib/chargerd-updater/rauc").split() == ["a", "b"]


def test_what_runs_is_marked_good(machine: Machine) -> None:
    assert ask(machine, {"verb": "mark-good"})["version"] == "1.0.0"


def test_the_station_cannot_ask_rauc_itself(machine: Machine) -> None:
    said = machine.run("setpriv", "--reuid=chargerd", "--clear-groups", "rauc", "status", "mark-good", check=False)
    assert said == ""
    assert machine.run("rauc", "status", "mark-good") == "rauc status: marked slot rootfs.0 as good\n"
