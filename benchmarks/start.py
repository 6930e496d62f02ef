"""From exec to the safe state and to the BootNotification at the CSMS's socket, and what both processes cost after."""

import statistics
import time
from collections.abc import Callable

import msgspec

from benchmarks.charger import Charger, Memory
from benchmarks.csms import Csms
from benchmarks.table import Row

STARTS = 10
IDLE_S = 20.0
CHARGING_S = 10.0
SETTLE_S = 3.0
"""After the boot: the first notifications are through, the first minute's work is not waited for."""

BOOT_AIM_S = 1.0
MEMORY_AIM_MB = 80.0
STATION_AIM_MB = 60.0
IDLE_AIM_PERCENT = 2.0

PROCESSES = ("control", "station")


class Starts(msgspec.Struct, frozen=True):
    """Seconds from exec, one of each start. `safe`: the control process says so; `booted`: BootNotification came."""

    safe: list[float]
    booted: list[float]


class Cost(msgspec.Struct, frozen=True):
    """Of each process, on a board with `evses` EVSEs: per cent of one core, and memory."""

    evses: int
    idle_percent: dict[str, float]
    idle_memory: dict[str, Memory]
    charging_percent: dict[str, float]
    charging_memory: dict[str, Memory]


def measure_starts(progress: Callable[[str], None]) -> Starts:
    """Both processes started at once, again and again, each time with an empty state directory."""
    csms = Csms()
    url = csms.start()
    safe, booted = [], []
    for number in range(1, STARTS + 1):
        progress(f"start {number} of {STARTS}")
        csms.booted.clear()
        with Charger("bench.toml", url) as charger:
            charger.wait_for(csms.booted.is_set, "the BootNotification")
            booted.append(csms.booted_mono - charger.started_mono)
            safe.append(charger.line("control", "safe state asserted").at_mono - charger.started_mono)
    csms.stop()
    return Starts(safe, booted)


def measure_cost(board: str, evses: int, progress: Callable[[str], None]) -> Cost:
    """At idle, then with every EVSE charging."""
    csms = Csms()
    with Charger(board, csms.start()) as charger:
        charger.line("station", "accepted by the CSMS")
        time.sleep(SETTLE_S)
        progress(f"{evses} EVSE idle, {IDLE_S:.0f} s")
        idle_percent = charger.cpu_percent(IDLE_S)
        idle_memory = {name: charger.memory(name) for name in PROCESSES}
        charger.charge(evses)
        progress(f"{evses} EVSE charging, {CHARGING_S:.0f} s")
        charging_percent = charger.cpu_percent(CHARGING_S)
        charging_memory = {name: charger.memory(name) for name in PROCESSES}
    csms.stop()
    return Cost(evses, idle_percent, idle_memory, charging_percent, charging_memory)


def rows_of_starts(starts: Starts) -> list[Row]:
    booted = statistics.median(starts.booted)
    return [
        Row("exec to safe state asserted", _seconds(starts.safe)),
        Row(
            "exec of both to BootNotification at the CSMS",
            _seconds(starts.booted),
            aim=f"within {BOOT_AIM_S:.0f} s",
            met=booted < BOOT_AIM_S,
        ),
    ]


def rows_of_cost(cost: Cost) -> list[Row]:
    evses = f"{cost.evses} EVSE" + "s" * (cost.evses > 1)
    idle = sum(cost.idle_percent.values())
    station_rss = cost.charging_memory["station"].rss
    return [
        _memory_row(f"Resident memory, {evses}, idle", cost.idle_memory),
        _memory_row(f"Resident memory, {evses}, charging", cost.charging_memory),
        Row(
            "– of which the station process",
            f"RSS {station_rss:.1f} MB",
            aim=f"at most {STATION_AIM_MB:.0f} MB",
            met=station_rss <= STATION_AIM_MB,
        ),
        Row(
            f"CPU, {evses}, idle",
            _percent(cost.idle_percent),
            aim=f"under {IDLE_AIM_PERCENT:.0f} % of a core",
            met=idle < IDLE_AIM_PERCENT,
        ),
        Row(f"CPU, {evses}, charging", _percent(cost.charging_percent)),
    ]


def _memory_row(what: str, memory: dict[str, Memory]) -> Row:
    pss, rss = (sum(getattr(each, kind) for each in memory.values()) for kind in ("pss", "rss"))
    parts = ", ".join(f"{name} {each.pss:.1f} / {each.rss:.1f}" for name, each in memory.items())
    return Row(
        what,
        f"PSS {pss:.1f} MB, RSS {rss:.1f} MB ({parts})",
        aim=f"under {MEMORY_AIM_MB:.0f} MB",
        met=rss < MEMORY_AIM_MB,
    )


def _percent(each: dict[str, float]) -> str:
    parts = ", ".join(f"{name} {percent:.2f}" for name, percent in each.items())
    return f"{sum(each.values()):.2f} % of a core ({parts})"


def _seconds(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f}, {len(values)} starts)"
