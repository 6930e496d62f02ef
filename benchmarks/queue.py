"""What a long time offline and a day of charging cost in memory and on the disk, and what a full report costs.

Days pass in virtual time, in a process of its own (`benchmarks/alone.py`); what then has to leave leaves through the
real processes. `python -m benchmarks.queue` measures this part only.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.alone import Alone
from benchmarks.charger import Charger
from benchmarks.csms import Csms
from benchmarks.table import Row, as_text

OFFLINE_EVENTS = 10_000
HOURS = 3
SESSIONS = 10
REPORTS = 5

GROWTH_AIM_MB = 10.0
COMMITS_AIM = 1
DAY_AIM_MB = 20.0
REPORT_AIM_MS = 300.0

DRAIN_WITHIN_S = 300.0


class Offline(msgspec.Struct, frozen=True):
    """Events that came about without a link. `commits`: those that putting them on disk took."""

    events: int
    growth_mb: float
    commits: int
    file_mb: float


class Wear(msgspec.Struct, frozen=True):
    """`bytes_per_hour` of charging with a sample a minute; `commits_per_event` of them, its answer's included;
    `commits_per_session` beyond its samples: plug, card, start, end and their answers.
    """

    bytes_per_hour: float
    commits_per_event: float
    commits_per_session: float


class Drained(msgspec.Struct, frozen=True):
    """After the link is back. `growth_mb`: the station process from its start to its most."""

    events: int
    in_order: bool
    seconds: float
    growth_mb: float


class Report(msgspec.Struct, frozen=True):
    """One FullInventory: processor time of the station process, and how large it is."""

    cpu_ms: list[float]
    rows: int
    messages: int


class Measured(msgspec.Struct, frozen=True):
    """All of it. `disk`: what the store lay on. `syncs_per_commit` None: strace is missing or may not look."""

    disk: str
    offline: Offline
    drained: Drained
    wear: Wear
    syncs_per_commit: float | None
    report: Report


def measure(progress: Callable[[str], None]) -> Measured:
    """Minutes; most of it is writing."""
    state = Path(tempfile.mkdtemp(prefix="chargerd-benchmark-"))
    try:
        progress(f"{OFFLINE_EVENTS} events while offline")
        offline = msgspec.json.decode(_run("offline", str(state / "station.sqlite")), type=Offline)
        progress("the link comes back")
        drained = _drain(state, offline.events)
        progress(f"{HOURS} h of charging, {SESSIONS} sessions")
        wear, syncs_per_commit = _wear(state)
        progress("FullInventory")
        return Measured(_file_system(state), offline, drained, wear, syncs_per_commit, _report())
    finally:
        shutil.rmtree(state, ignore_errors=True)


def rows(found: Measured) -> list[Row]:
    offline, drained, wear, report = found.offline, found.drained, found.wear, found.report
    day_mb = wear.bytes_per_hour * 24 / 1e6
    syncs = "not counted: no strace" if found.syncs_per_commit is None else f"{found.syncs_per_commit:.2f} per commit"
    cpu_ms = sorted(report.cpu_ms)
    return [
        Row(
            f"{offline.events} events queued offline: growth of memory",
            f"{offline.growth_mb:.1f} MB while queueing, {drained.growth_mb:.1f} MB while sending",
            f"database {offline.file_mb:.1f} MB on {found.disk}",
            f"under {GROWTH_AIM_MB:.0f} MB each",
            max(offline.growth_mb, drained.growth_mb) < GROWTH_AIM_MB,
        ),
        Row(
            "– sent after the link is back",
            f"{drained.events / drained.seconds:.0f} messages/s ({drained.seconds:.1f} s)",
            "in order, none missing, none twice" if drained.in_order else "**out of order**",
            "in order",
            drained.in_order,
        ),
        Row(
            "Commits to queue one TransactionEvent",
            f"{offline.commits / offline.events:.3f}",
            f"{wear.commits_per_event:.2f} with its answer; {wear.commits_per_session:.1f} a session beside samples",
            f"{COMMITS_AIM}",
            round(offline.commits / offline.events, 2) <= COMMITS_AIM,
        ),
        Row(
            "Written to disk while charging, a sample a minute",
            f"{wear.bytes_per_hour / 1e3:.0f} kB an hour, {day_mb:.1f} MB a day",
            f"{found.disk}; fdatasync: {syncs}",
            f"under {DAY_AIM_MB:.0f} MB a day",
            day_mb < DAY_AIM_MB,
        ),
        Row(
            f"GetBaseReport FullInventory ({report.rows} variables, {report.messages} messages), CPU of the station",
            f"{cpu_ms[len(cpu_ms) // 2]:.0f} ms ({cpu_ms[0]:.0f} to {cpu_ms[-1]:.0f}, {len(cpu_ms)} reports)",
            aim=f"under {REPORT_AIM_MS:.0f} ms",
            met=cpu_ms[len(cpu_ms) // 2] < REPORT_AIM_MS,
        ),
    ]


# ---- through the real processes ----


def _drain(state: Path, queued: int) -> Drained:
    """A station that starts on the file of the one that was offline; what was running there ended by power loss."""
    csms = Csms()
    with Charger("bench.toml", csms.start(), state=state) as charger:
        charger.wait_for(csms.booted.is_set, "the BootNotification")
        least_mb = most_mb = charger.memory("station").rss
        give_up_mono = time.monotonic() + DRAIN_WITHIN_S
        while len(csms.events) < queued:
            if time.monotonic() > give_up_mono:
                raise SystemExit(f"{len(csms.events)} of {queued} events came in {DRAIN_WITHIN_S:.0f} s")
            time.sleep(0.05)
            most_mb = max(most_mb, charger.memory("station").rss)
        seconds = csms.event_mono - csms.booted_mono
    csms.stop()
    first = csms.events[0]
    in_order = csms.events[:queued] == list(range(first, first + queued))
    return Drained(queued, in_order, seconds, most_mb - least_mb)


def _report() -> Report:
    csms = Csms()
    cpu_ms = []
    with Charger("bench-dual.toml", csms.start()) as charger:
        charger.line("station", "accepted by the CSMS")
        charger.charge(2)
        for number in range(1, REPORTS + 1):
            time.sleep(1.0)
            csms.reports.clear()
            before_s = charger.cpu_s("station")
            csms.ask("GetBaseReport", {"requestId": number, "reportBase": "FullInventory"})
            charger.wait_for(lambda: csms.reports and not csms.reports[-1].get("tbc"), "the report")
            cpu_ms.append((charger.cpu_s("station") - before_s) * 1000)
    csms.stop()
    return Report(cpu_ms, sum(len(part["reportData"]) for part in csms.reports), len(csms.reports))


# ---- in a process of its own ----


def _run(what: str, file: str, *before: str) -> bytes:
    command = [*before, sys.executable, "-m", "benchmarks.queue", what, file]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def _offline(file: str) -> Offline:
    """One event a second, for that is quicker than days."""
    alone = Alone(file, SampledDataCtrlr__TxUpdatedInterval="1")
    alone.link_up()
    alone.begin_charging()
    alone.charge(60)
    _answered(alone)
    alone.link_down()
    alone.charge(10)  # what is needed for the first is needed once
    commits, rss_mb, waiting = alone.store.commits, _rss_mb(), alone.waiting
    alone.charge(OFFLINE_EVENTS - waiting)
    growth_mb = _rss_mb() - rss_mb
    queued = alone.waiting
    commits = alone.store.commits - commits
    alone.store.close()
    return Offline(queued, growth_mb, round(commits * queued / (queued - waiting)), Path(file).stat().st_size / 1e6)


def _charging(file: str) -> Wear:
    alone = Alone(file)
    alone.link_up()
    commits, events = alone.store.commits, len(alone.events)
    for _ in range(SESSIONS):
        alone.begin_charging()
        alone.charge(30)
        alone.end_charging()
    commits_per_session = (alone.store.commits - commits) / SESSIONS
    alone.begin_charging()
    alone.charge(600)
    commits, events, written = alone.store.commits, len(alone.events), _written_bytes()
    alone.charge(HOURS * 3600)
    return Wear(
        (_written_bytes() - written) / HOURS,
        (alone.store.commits - commits) / (len(alone.events) - events),
        commits_per_session,
    )


def _wear(state: Path) -> tuple[Wear, float | None]:
    wear = msgspec.json.decode(_run("charging", str(state / "charging.sqlite")), type=Wear)
    counted = state / "syncs"
    tracer = ("strace", "-f", "-c", "-o", str(counted), "-e", "trace=fdatasync,fsync")
    try:
        commits = int(_run("commits", str(state / "traced.sqlite"), *tracer))
    except (OSError, subprocess.CalledProcessError):
        return wear, None
    lines = [line.split() for line in counted.read_text().splitlines()]
    calls = [int(line[3]) for line in lines if line and line[-1] in {"fdatasync", "fsync"}]
    return wear, sum(calls) / commits


def _commits(file: str) -> int:
    """All commits of an hour of charging, under the eyes of a tracer."""
    alone = Alone(file)
    alone.link_up()
    alone.begin_charging()
    alone.charge(3600)
    return alone.store.commits


def _answered(alone: Alone) -> None:
    assert alone.waiting == 0, "the link is up and the CSMS answers at once"


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _written_bytes() -> int:
    """What this process has sent towards the disk, in whole pages of the kernel (proc(5), write_bytes)."""
    found = re.search(r"^write_bytes: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)
    assert found is not None, "every kernel with task accounting has the line"
    return int(found[1])


def _file_system(path: Path) -> str:
    """The kind of file system and the device below `path`; a tmpfs is no disk, and the figures then say nothing."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    _, kind = max((len(mount[1]), mount[2]) for mount in mounts if path.resolve().is_relative_to(mount[1]))
    return "tmpfs, **which is no disk**" if kind == "tmpfs" else kind


def main() -> None:
    match sys.argv[1:]:
        case ["offline", file]:
            sys.stdout.buffer.write(msgspec.json.encode(_offline(file)))
        case ["charging", file]:
            sys.stdout.buffer.write(msgspec.json.encode(_charging(file)))
        case ["commits", file]:
            sys.stdout.write(str(_commits(file)))
        case _:
            found = measure(lambda text: print(text, file=sys.stderr))
            sys.stdout.write(as_text(rows(found)) + "\n")


if __name__ == "__main__":
    main()
