"""How fast the charging side reacts while the station process is saturated and the meters answer late.

Two EVSEs behind the direct pilot driver (kernel PWM and ADC, as the simulated sysfs shows them) charge in turns: each
car opens S2 (state C to B), the plant notes that instant and the one at which the coil was let go. The outside limit is
raised and the plant notes when the duty fell. All instants are the plant's own, on the monotonic clock.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.charger import Charger
from benchmarks.csms import Csms
from benchmarks.load import busy, real_time_missing
from benchmarks.table import Row
from chargerd.evse.types import LoopHealth

BOARD = str(Path(__file__).with_name("direct-dual.toml"))
EVSES = (1, 2)
ROUNDS = 12
LIMITS = 10
RECLOSE_S = 5.5
LEAST_AMPS = 6.0
"""Below what the flood of profiles allows."""

METER_DELAY_MS = 200.0
"""Late, and still within the 300 ms that an answer may take: beyond that a meter is silent and no energy flows."""

REACTION_AIM_MS = 60.0
LIMIT_AIM_S = 1.0
WORK_AIM_MS = 2.0
MEMORY_AIM_MB = 40.0


class Measured(msgspec.Struct, frozen=True):
    """`openings_ms`: from S2 open to the coil's release; `limits_s`: from the outside limit to the duty."""

    openings_ms: list[float]
    limits_s: list[float]
    health: LoopHealth
    control_rss_mb: float
    answers_per_s: float


def measure(progress: Callable[[str], None]) -> Measured | str:
    """The figures, or why there are none."""
    if why := real_time_missing():
        return why
    csms = Csms(flood=True)
    with busy(), Charger(BOARD, csms.start(), realtime=True) as charger:
        charger.line("station", "accepted by the CSMS")
        charger.charge(len(EVSES))
        for evse in EVSES:
            charger.ask("fault", evse=evse, name="delay_meter", value=METER_DELAY_MS)
        answers, began_mono = csms.answers, time.monotonic()
        openings_ms: list[float] = []
        for number in range(ROUNDS):
            progress(f"cars that pause, {number + 1} of {ROUNDS}")
            openings_ms += _pause_and_resume(charger)
        progress("limits from outside")
        limits_s = [_limit(charger) for _ in range(LIMITS)]
        answers_per_s = (csms.answers - answers) / (time.monotonic() - began_mono)
        health = msgspec.convert(charger.report()["loop"], LoopHealth)
        rss_mb = charger.memory("control").rss
    csms.stop()
    return Measured(openings_ms, limits_s, health, rss_mb, answers_per_s)


def rows(found: Measured | str) -> list[Row]:
    what = "Pilot C to B, to the contactor's release command"
    if isinstance(found, str):
        return [Row(what, found)]
    openings, health = sorted(found.openings_ms), found.health
    worst_limit_s = max(found.limits_s)
    return [
        Row(
            what,
            f"p50 {statistics.median(openings):.1f}, p99.9 and max {openings[-1]:.1f} ms ({len(openings)} openings)",
            f"station: {found.answers_per_s:.0f} answers/s; meters answer late",
            aim=f"max {REACTION_AIM_MS:.0f} ms",
            met=openings[-1] <= REACTION_AIM_MS,
        ),
        Row(
            "Outside limit to the duty on the pilot",
            f"p50 {statistics.median(found.limits_s):.2f}, max {worst_limit_s:.2f} s ({len(found.limits_s)} limits)",
            aim=f"within {LIMIT_AIM_S:.0f} s",
            met=worst_limit_s <= LIMIT_AIM_S,
        ),
        Row(
            "Work of a control tick, two EVSEs",
            f"p99 {health.work_p99_ms:.2f}, max {health.work_max_ms:.2f} ms ({health.ticks} ticks)",
            aim=f"p99 under {WORK_AIM_MS:.0f} ms",
            met=health.work_p99_ms < WORK_AIM_MS,
        ),
        Row(
            "Resident memory of the control process, direct driver",
            f"RSS {found.control_rss_mb:.1f} MB",
            aim=f"at most {MEMORY_AIM_MB:.0f} MB",
            met=found.control_rss_mb <= MEMORY_AIM_MB,
        ),
    ]


def _pause_and_resume(charger: Charger) -> list[float]:
    """Every car pauses, a little apart; milliseconds from S2 to the coil for each."""
    for evse in EVSES:
        charger.ask("ev_pause", evse=evse)
        time.sleep(0.013)
    for evse in EVSES:
        charger.wait_for(lambda evse=evse: not _plant(charger, evse)["contacts_closed"], f"EVSE {evse} to open")  # type: ignore[misc]
    seen = [_plant(charger, evse) for evse in EVSES]
    time.sleep(RECLOSE_S)
    for evse in EVSES:
        charger.ask("ev_resume", evse=evse)
    for evse in EVSES:
        charger.wait_for(lambda evse=evse: _plant(charger, evse)["vehicle_amps"] > 6.0, f"EVSE {evse} to charge")  # type: ignore[misc]
    return [(each["coil_since_mono"] - each["s2_since_mono"]) * 1e3 for each in seen]


def _limit(charger: Charger) -> float:
    """Seconds from the outside limit to the duty that obeys it; between two the offer has to rise, which takes 5 s."""
    charger.ask("clear_fault", evse=1, name="external_limit")
    charger.wait_for(lambda: _plant(charger, 1)["offered_amps"] > LEAST_AMPS + 0.5, "the limit to be lifted")
    asked_mono = time.monotonic()
    charger.ask("fault", evse=1, name="external_limit", value=LEAST_AMPS)
    charger.wait_for(lambda: _plant(charger, 1)["offered_amps"] <= LEAST_AMPS + 0.01, "the limit to be obeyed")
    since_mono: float = _plant(charger, 1)["pilot_since_mono"]
    return since_mono - asked_mono


def _plant(charger: Charger, evse: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = charger.ask("plant")["plant"]["evses"][evse - 1]
    return found
