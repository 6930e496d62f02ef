"""The updater and the launcher under a real systemd: from one version to the next and back, asked as by the station."""

import json
import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from firmware.disk import Folder
from firmware.place import Place
from firmware.slots import Name
from tests.firmware.kit import HARDWARE, OLD, PRODUCT, good, install, key_list, settings_in, signed_list
from tests.systemd.machine import ROOT, Machine, wait_until, why_not_here

UPDATER, SOCKET, LAUNCHER = "chargerd-updater.service", "chargerd-updater.socket", "chargerd-launcher.service"

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
]

PROGRAM = """#!/usr/bin/python3 -I
import sys
sys.path[:0] = ["{root}/lib"]
from firmware.__main__ import main
sys.exit(main(["{name}"]))
"""

STATION = """
import json, os, socket, sys
verb = json.loads(sys.argv[1])
files = [os.open(sys.argv[2], os.O_RDONLY)] if len(sys.argv) > 2 else []
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
    client.connect("/run/chargerd-updater.sock")
    socket.send_fds(client, [json.dumps(verb).encode()], files)
    print(client.recv(4096).decode())
"""


def tree(said: str) -> dict[str, bytes | None]:
    return {"bin": None, "bin/chargerd": f"#!/usr/bin/python3 -I\nprint({said!r})\n".encode()}


def updater_tree(folder: Path) -> Path:
    """What a maker puts beside the slots: the two programs and what they import, all of it root's."""
    root = folder / "chargerd-updater"
    (root / "bin").mkdir(parents=True)
    for name in ("updater", "launcher"):
        program = root / "bin" / f"chargerd-{name}"
        program.write_text(PROGRAM.format(root="/opt/chargerd-updater", name=name))
        program.chmod(0o755)
    site = Path(sysconfig.get_path("platlib"))
    shutil.copytree(ROOT / "firmware", root / "lib/firmware", copy_function=shutil.copyfile)
    for name in ("cryptography", "msgspec", "cffi"):
        shutil.copytree(site / name, root / "lib" / name, copy_function=shutil.copyfile)
    for path in site.glob("_cffi_backend*"):
        shutil.copyfile(path, root / "lib" / path.name)
    return root


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A device as it leaves the maker: version 1.0.0 in slot a."""
    before = os.umask(0o022)
    folder = tmp_path_factory.mktemp("firmware")
    folder.chmod(0o755)
    (folder / "etc").mkdir()
    (folder / "etc/firmware.toml").write_text(f'product = "{PRODUCT}"\nhardware = "{HARDWARE}"\n')
    (folder / "etc/firmware-keys").write_bytes(signed_list(key_list(), "root-1").encode())
    (folder / "station.py").write_text(STATION)
    (folder / "new").write_bytes(good(tree("new")))
    (folder / "wrong").write_bytes(good(tree("wrong"), product="other"))
    for name in ("slots", "state"):
        (folder / name).mkdir()
    first = Place(settings_in(folder), Folder(folder / "slots"), Folder(folder / "state"), key_list())
    install(first, good(tree("old"), **OLD), Name.B)
    binds = {
        updater_tree(folder): "/opt/chargerd-updater",
        folder: "/factory",
        folder / "etc": "/etc/chargerd",
        **{ROOT / "systemd" / name: f"/etc/systemd/system/{name}" for name in (UPDATER, SOCKET, LAUNCHER)},
        ROOT / "systemd/chargerd.sysusers": "/usr/lib/sysusers.d/chargerd.conf",
        ROOT / "systemd/chargerd-updater.tmpfiles": "/usr/lib/tmpfiles.d/chargerd-updater.conf",
    }
    os.umask(before)
    with Machine(f"firmware-{os.getpid()}", binds, folder / "console.log") as machine:
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "chargerd-updater.conf")
        machine.run("cp", "-r", "/factory/slots/a", "/opt/chargerd/slots/a")
        machine.run("systemctl", "start", LAUNCHER, SOCKET)
        yield machine


def ask(machine: Machine, request: dict[str, str], file: str = "", user: str = "chargerd") -> dict[str, str]:
    """As the station asks: its account, its groups."""
    ids = [machine.run("id", kind, user).strip() for kind in ("-u", "-g")]
    who = ["setpriv", "--reuid", ids[0], "--regid", ids[1], "--clear-groups"]
    said = machine.run(
        *who, "python3", "-I", "/factory/station.py", json.dumps(request), *filter(None, [file]), check=False
    )
    return dict(json.loads(said)) if said else {}


def running(machine: Machine) -> str:
    """What the program of the slot says."""
    return machine.run("/run/chargerd-firmware/current/bin/chargerd").strip()


def test_from_one_version_to_the_next_and_back_by_its_tries(machine: Machine) -> None:
    assert running(machine) == "old"
    staged = ask(machine, {"verb": "stage"}, "/factory/new")
    assert staged["version"] == "2.0.0"
    assert running(machine) == "old"
    activated = ask(machine, {"verb": "activate", "manifest_sha256": staged["manifest_sha256"]})
    assert activated == staged
    for _ in range(3):
        machine.run("systemctl", "restart", LAUNCHER)
        assert running(machine) == "new"
    machine.run("systemctl", "restart", LAUNCHER)
    assert running(machine) == "old"
    assert any("its tries ran out" in entry["MESSAGE"] for entry in machine.journal("-u", LAUNCHER))


def test_a_wrong_bundle_is_refused_by_name(machine: Machine) -> None:
    assert ask(machine, {"verb": "stage"}, "/factory/wrong")["refusal"] == "wrong-product"
    assert ask(machine, {"verb": "stage"}, "/etc/passwd")["refusal"] == "bad-magic"


def test_others_cannot_even_connect(machine: Machine) -> None:
    assert ask(machine, {"verb": "mark-good"}, user="nobody") == {}


def test_it_starts_when_asked_and_is_gone_soon_after(machine: Machine) -> None:
    assert ask(machine, {"verb": "mark-good", "x": "y"})["refusal"] == "bad-request"
    assert machine.show(UPDATER, "ActiveState") == "active"
    wait_until(
        lambda: machine.show(UPDATER, "ActiveState") == "inactive", 20, lambda: machine.run("journalctl", "-u", UPDATER)
    )
    assert machine.show(UPDATER, "Result") == "success"
    assert ask(machine, {"verb": "mark-good", "x": "y"})["refusal"] == "bad-request"


def test_it_has_no_network_and_no_capability(machine: Machine) -> None:
    ask(machine, {"verb": "nothing"})
    pid = machine.main_pid(UPDATER)
    status = machine.run("cat", f"/proc/{pid}/status")
    assert all(f"{name}:\t{0:016x}" in status for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    interfaces = machine.run("nsenter", "-t", str(pid), "-n", "ip", "-o", "link")
    assert [line.split(":")[1].strip() for line in interfaces.splitlines()] == ["lo"]


def test_once_it_is_marked_good_it_stays_and_nothing_older_is_taken(machine: Machine) -> None:
    staged = ask(machine, {"verb": "stage"}, "/factory/new")
    ask(machine, {"verb": "activate", "manifest_sha256": staged["manifest_sha256"]})
    machine.run("systemctl", "restart", LAUNCHER)
    assert ask(machine, {"verb": "mark-good"})["version"] == "2.0.0"
    for _ in range(4):
        machine.run("systemctl", "restart", LAUNCHER)
    assert running(machine) == "new"
    started = msgspec.json.decode(machine.run("cat", "/run/chargerd-firmware/started.json"))
    assert (started["slot"], started["security_version"]) == ("b", 2)
    machine.run("sh", "-c", "echo '#' >> /opt/chargerd/slots/b/tree/bin/chargerd")
    machine.run("systemctl", "restart", LAUNCHER, check=False)
    assert machine.show(LAUNCHER, "Result") == "exit-code"
    assert machine.run("ls", "/run/chargerd-firmware") == ""
    said = [entry["MESSAGE"] for entry in machine.journal("-u", LAUNCHER)]
    assert any("slot b: " in line and "rolled-back: security version 1 is below 2" in line for line in said)
