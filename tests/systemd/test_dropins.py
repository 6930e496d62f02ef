"""What a board's drop-in opens of /sys under a real systemd, behind the unit's own walls: devices and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hal.drivers.kernel import pilot_settings
from tests.systemd.machine import ROOT, Machine, why_not_here

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
]

WALLS = ("ProtectSystem=", "ProtectKernelTunables=")
DEVICE = ("/sys/devices/platform/uevent", "change")  # every kernel has it, and the write does nothing
TUNABLE = ("/sys/kernel/mm/ksm/run", "0")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose /sys may be written, as on a real one."""
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")
        with Machine(f"chargerd-sys-{os.getpid()}", {}, folder / "console.log") as machine:
            yield machine


def is_written(machine: Machine, what: tuple[str, str], properties: list[str]) -> bool:
    """Whether root can write a file of sysfs behind these walls."""
    path, text = what
    walls = [part for wall in properties for part in ("-p", wall)]
    write = f"test -e {path} && (echo {text} > {path}) 2>/dev/null && echo written || true"
    return "written" in machine.run("systemd-run", "--wait", "--pipe", "--quiet", *walls, "sh", "-c", write)


def test_a_pwm_can_be_written_through_the_walls_of_the_unit_and_no_tunable(machine: Machine) -> None:
    opened = [f"ReadWritePaths={path}" for path in pilot_settings(Path("/sys")).writes()]
    unit = (ROOT / "systemd/chargerd-control.service").read_text().splitlines()
    walls = [line for line in unit if line.startswith(WALLS)]
    assert is_written(machine, DEVICE, [])
    assert not is_written(machine, DEVICE, walls)
    assert is_written(machine, DEVICE, walls + opened)
    assert is_written(machine, TUNABLE, [])
    assert not is_written(machine, TUNABLE, walls + opened)
