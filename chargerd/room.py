"""How much memory and disk are left for the station process. What is too little is the core's to say."""

import os
from pathlib import Path

from chargerd.ocpp.events import MemoryMeasured

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC_SELF = Path("/proc/self")


def measured(state_dir: Path) -> MemoryMeasured:
    """The room of this process, and of the disk that `state_dir` is on."""
    try:
        disk = os.statvfs(state_dir)
    except OSError:
        return MemoryMeasured(ram_used=ram_used(), disk_free_bytes=None)
    return MemoryMeasured(ram_used=ram_used(), disk_free_bytes=disk.f_bavail * disk.f_frsize)


def ram_used(cgroup_root: Path = CGROUP_ROOT, proc_self: Path = PROC_SELF) -> float | None:
    """The process's share of what its unit may have (MemoryMax=); None where nothing limits it.

    What the process holds is counted, and not what the control group is charged with, for that has the file cache in
    it, which the kernel takes back by itself.
    """
    try:
        group = next(line for line in (proc_self / "cgroup").read_text().splitlines() if line.startswith("0::"))
        limit_bytes = int((cgroup_root / group.removeprefix("0::").strip("/") / "memory.max").read_text())
        resident_pages = int((proc_self / "statm").read_text().split()[1])
    except (OSError, ValueError, StopIteration):  # no version 2 of control groups, or "max", which is no number
        return None
    return resident_pages * os.sysconf("SC_PAGE_SIZE") / limit_bytes
