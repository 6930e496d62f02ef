"""The load beside which real time is measured, and whether it can be measured here at all."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.charger import FIFO_PRIORITY
from benchmarks.machine import this_machine


def real_time_missing() -> str | None:
    """Why nothing can be scheduled in real time here; None: it can."""
    if shutil.which("chrt") is None:
        return "not measured: chrt is missing, install util-linux"
    if subprocess.run(["chrt", "--fifo", str(FIFO_PRIORITY), "true"], capture_output=True, check=False).returncode:
        return "not measured: real-time scheduling needs root (CAP_SYS_NICE)"
    return None


@contextmanager
def busy() -> Iterator[None]:
    """One process that never rests for each core."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(this_machine().cores)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
