"""Keys in a TPM under a real systemd: provisioned by root, used by the service within its walls.

The TPM is swtpm in the network of the machine; the libraries to reach it are bound to where their packages have them.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chargerd.tpm import OWN_PROVIDERS
from tests.chargerd.charger import BENCH
from tests.chargerd.key_stands import ClientAuthority
from tests.swtpm import command
from tests.systemd.machine import ROOT, Machine, installed, wait_until, why_not_here

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
]

STATION = "chargerd.service"
PORT = 2321

SITE = f"""
[csms]
url = "wss://csms.invalid/ocpp"
security_profile = 3
[identity]
keys = "tpm"
tpm = "swtpm:host=127.0.0.1,port={PORT}"
"""


def libraries() -> dict[Path, str]:
    """OpenSSL's provider and what it needs, from this machine, each at its place."""
    (libcrypto,) = Path("/usr/lib").glob("*/libcrypto.so.3")
    needed = {path.resolve(): str(path) for path in libcrypto.parent.glob("libtss2-*.so.[0-9]")}
    own, systems = OWN_PROVIDERS / "tpm2.so", libcrypto.parent / "ossl-modules" / "tpm2.so"
    return needed | {own if own.exists() else systems: str(systems)}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Both services installed, with the drop-in for a TPM, and a TPM that answers."""
    tmp_path.chmod(0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "board.toml").write_text(BENCH.read_text())
    (tmp_path / "etc" / "chargerd.toml").write_text(SITE)
    (tmp_path / "maker").mkdir()
    binds = installed(tmp_path) | libraries()
    binds[tmp_path / "etc"] = "/etc/chargerd"
    binds[tmp_path / "maker"] = "/opt/maker"
    binds[ROOT / "systemd" / "chargerd-tpm.conf"] = f"/etc/systemd/system/{STATION}.d/tpm.conf"
    (tmp_path / "tpm").mkdir()
    with Machine(f"chargerd-tpm-{os.getpid()}", binds, tmp_path / "console.log") as machine:
        # The group comes with the package of the libraries.
        machine.run("systemd-sysusers", "--inline", "g tss -")
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "chargerd.conf")
        inside = ["nsenter", "-t", str(machine.leader), "-n"]
        tpm = subprocess.Popen([*inside, *command(tmp_path / "tpm", PORT)], stderr=subprocess.DEVNULL)
        try:
            yield machine
        finally:
            tpm.kill()
            tpm.wait()


def provision(machine: Machine, *arguments: str) -> str:
    return machine.run("/opt/chargerd/bin/chargerctl", "provision", *arguments)


def uses_of_the_tpm(machine: Machine) -> dict[str, object]:
    """What the station has noted of them; empty: nothing yet."""
    with suppress(FileNotFoundError):
        record: dict[str, object] = json.loads((machine.root / "var/lib/chargerd/keys/tpm.trial").read_text())
        return record
    return {}


def test_the_service_uses_within_its_walls_the_key_that_root_has_provisioned(machine: Machine, tmp_path: Path) -> None:
    clients = ClientAuthority(tmp_path)
    provision(machine, "--csr-out", "/tmp/device.csr", "--serial", "SN-1", "--organization", "Example")
    csr = (machine.root / "tmp" / "device.csr").read_text()
    (tmp_path / "maker" / "chain.pem").write_text(clients.sign(csr) + clients.root)
    assert "ready for security profile 3" in provision(machine, "--chain", "/opt/maker/chain.pem")
    owners = machine.run("find", "/var/lib/chargerd", "-printf", "%u %m %f\n").split("\n")
    assert all(owner.startswith("chargerd ") for owner in filter(None, owners)), owners

    machine.run("systemctl", "start", STATION)
    wait_until(lambda: uses_of_the_tpm(machine).get("trying") is False, 30.0, lambda: str(machine.journal()[-20:]))
    said = [entry["MESSAGE"] for entry in machine.journal("--unit", STATION)]
    assert not [line for line in said if "TPM" in line]
    assert [line for line in said if "csms.invalid" in line], "the key was ready, so it came to the name of the CSMS"
    told = machine.run("/opt/chargerd/bin/chargerctl", "identity")
    assert ", in the TPM" in told
    assert machine.show(STATION, "NRestarts") == "0"
