"""New firmware is started by a restart of the machine, which the station may only wish for."""

import os
from pathlib import Path

import pytest

from chargerd.updates import RESTART_WISH
from tests.systemd.machine import Machine, installed, wait_until, why_not_here

PATH, SERVICE = "chargerd-restart-machine.path", "chargerd-restart-machine.service"
WISH = f"/run/chargerd/{RESTART_WISH}"
AS_STATION = ("setpriv", "--reuid=chargerd", "--regid=chargerd", "--clear-groups", "--no-new-privs")

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
]


def test_the_station_wishes_and_the_machine_starts_anew(tmp_path: Path) -> None:
    with Machine(f"restart-{os.getpid()}", installed(tmp_path), tmp_path / "console.log") as machine:
        machine.run("systemctl", "start", PATH)
        machine.run("systemctl", "start", "systemd-sysusers.service")
        machine.run("systemd-tmpfiles", "--create", "chargerd.conf")
        assert machine.show(SERVICE, "ActiveState") == "inactive"
        machine.run(*AS_STATION, "touch", "/run/chargerd/something-else")
        assert machine.show(PATH, "SubState") == "waiting"
        machine.run(*AS_STATION, "touch", WISH)
        machine.until_restart(30.0)


def test_nobody_else_gets_the_machine_restarted(tmp_path: Path) -> None:
    with Machine(f"no-restart-{os.getpid()}", installed(tmp_path), tmp_path / "console.log") as machine:
        machine.run("systemctl", "start", PATH)
        wait_until(lambda: machine.show(PATH, "SubState") == "waiting", 10.0, lambda: machine.show(PATH, "SubState"))
        as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs")
        machine.run(*as_nobody, "touch", WISH, check=False)
        assert machine.run("ls", "-A", "/run/chargerd").split() == []
