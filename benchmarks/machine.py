"""Which machine the figures belong to, and how busy it was with other things."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """What a reader must know to compare. `load`: the load average of the last minute before the first measurement."""

    cpu: str
    cores: int
    memory_gib: float
    virtual: str
    system: str
    kernel: str
    python: str
    packages: str
    load: float
    date: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.1f} GiB{self.virtual}; {self.system}, "
            f"Linux {self.kernel}; Python {self.python}, {self.packages}; "
            f"load average before: {self.load:.2f}; {self.date}"
        )


def this_machine() -> Machine:
    return Machine(
        cpu=_field("/proc/cpuinfo", "model name", ":") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30,
        virtual=_virtual(),
        system=_field("/etc/os-release", "PRETTY_NAME", "=").strip('"') or "unknown system",
        kernel=platform.release(),
        python=platform.python_version(),
        packages=", ".join(f"{name} {version(name)}" for name in ("msgspec", "websockets", "ocpp")),
        load=os.getloadavg()[0],
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _field(path: str, name: str, sign: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(sign)
        if key.strip() == name:
            return value.strip()
    return ""


def _virtual() -> str:
    try:
        found = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
    return "" if found in {"", "none"} else f", virtual ({found})"
