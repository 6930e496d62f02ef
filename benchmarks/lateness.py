"""How late the control loop wakes at 20 ms while the station process is saturated, beside cyclictest.

Both run for the same time, one after the other, under the same load: the station answering a flood of requests, and
as many busy processes as there are cores. Both are SCHED_FIFO of the same priority, set from outside.
"""

import shutil
import subprocess
import sys
import time

import msgspec

from benchmarks.charger import FIFO_PRIORITY, Charger
from benchmarks.csms import Csms
from benchmarks.load import busy, real_time_missing
from benchmarks.machine import this_machine
from benchmarks.table import Row
from chargerd.control import PERIOD_S
from chargerd.evse.types import LoopHealth

LOAD_S = 60.0
"""3000 wakings each: three of them are beyond the 99.9th percentile."""

LONGEST_US = 100_000


class Lateness(msgspec.Struct, frozen=True):
    """Milliseconds after the deadline."""

    p50: float
    p999: float
    max: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.2f}, p99.9 {self.p999:.2f}, max {self.max:.2f} ms"


class Load(msgspec.Struct, frozen=True):
    """What the station did meanwhile: answers a second, per cent of one core."""

    answers_per_s: float
    station_percent: float


class Measured(msgspec.Struct, frozen=True):
    """Under the same load: the control loop of a charging charger, then cyclictest."""

    loop: Lateness
    health: LoopHealth
    cyclictest: Lateness
    load: Load
    load_of_cyclictest: Load


def measure() -> Measured | str:
    """The figures, or why there are none."""
    if why := real_time_missing():
        return why
    if shutil.which("cyclictest") is None:
        return "not measured: cyclictest is missing, install rt-tests"
    with busy():
        loop, health, load = _loop()
        cyclictest, load_of_cyclictest = _cyclictest()
    return Measured(loop, health, cyclictest, load, load_of_cyclictest)


def rows(found: Measured | str) -> list[Row]:
    what = "Control loop, 20 ms, station saturated: lateness"
    if isinstance(found, str):
        return [Row(what, found)]
    health, load = found.health, found.load
    return [
        Row(
            what,
            str(found.loop),
            f"cyclictest: {found.cyclictest}",
            "p99.9 and max beside cyclictest",
        ),
        Row(
            "– its ticks meanwhile",
            f"{health.ticks} ticks, {health.missed} periods missed, longest work {health.work_max_ms:.2f} ms",
        ),
        Row(
            "– the load meanwhile",
            f"station: {load.answers_per_s:.0f} answers/s, {load.station_percent:.0f} % of a core; "
            f"{this_machine().cores} busy processes",
            f"station: {found.load_of_cyclictest.answers_per_s:.0f} answers/s, "
            f"{found.load_of_cyclictest.station_percent:.0f} % of a core",
        ),
    ]


def _loop() -> tuple[Lateness, LoopHealth, Load]:
    """All wakings of the process from its start on: the load is there before it."""
    csms = Csms(flood=True)
    with Charger("bench.toml", csms.start(), realtime=True) as charger:
        charger.line("station", "accepted by the CSMS")
        charger.charge(1)
        load = _load_for(LOAD_S, charger, csms)
        health = msgspec.convert(charger.report()["loop"], LoopHealth)
    csms.stop()
    return Lateness(health.late_p50_ms, health.late_p999_ms, health.late_max_ms), health, load


def _cyclictest() -> tuple[Lateness, Load]:
    """The same load again, with the control process as it is and cyclictest beside it."""
    csms = Csms(flood=True)
    command = ["cyclictest", "--quiet", "--mlockall", "--threads=1", f"--priority={FIFO_PRIORITY}", "--policy=fifo"]
    command += [f"--interval={PERIOD_S * 1e6:.0f}", f"--duration={LOAD_S:.0f}", f"--histogram={LONGEST_US}"]
    with Charger("bench.toml", csms.start()) as charger:
        charger.line("station", "accepted by the CSMS")
        charger.charge(1)
        tool = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        load = _load_for(LOAD_S, charger, csms)
        text, _ = tool.communicate(timeout=LOAD_S)
    csms.stop()
    return _from_histogram(text), load


def _load_for(seconds: float, charger: Charger, csms: Csms) -> Load:
    answers, began_mono = csms.answers, time.monotonic()
    percent = charger.cpu_percent(seconds)["station"]
    return Load((csms.answers - answers) / (time.monotonic() - began_mono), percent)


def _from_histogram(text: str) -> Lateness:
    """cyclictest prints how many wakings were late by each number of microseconds."""
    counts = {}
    for line in text.splitlines():
        if line and line[0].isdigit():
            late_us, count = line.split()
            counts[int(late_us)] = int(count)
        elif line.startswith("# Histogram Overflows:") and int(line.split()[-1]):
            counts[LONGEST_US] = int(line.split()[-1])
    if not sum(counts.values()):
        sys.exit(f"cyclictest said nothing that can be read:\n{text}")

    def percentile_ms(percent: float) -> float:
        wanted, seen = sum(counts.values()) * percent / 100, 0
        for late_us, count in counts.items():
            seen += count
            if seen >= wanted:
                return late_us / 1e3
        return LONGEST_US / 1e3

    longest_ms = max(late_us for late_us, count in counts.items() if count) / 1e3
    return Lateness(percentile_ms(50), percentile_ms(99.9), longest_ms)
