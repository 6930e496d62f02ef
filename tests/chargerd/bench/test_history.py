"""History: what was seen, sample by sample and frame by frame, through restarts and silence."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from chargerd.bench.history import FRAMES_KEPT, History, Sample
from chargerd.bench.verbs import BenchError

CHARGING = {
    "limit": {"source": "board", "amps": 32.0},
    "offered_amps": 16.0,
    "pilot_mode": "pwm",
    "duty_percent": 26.7,
    "meter": {"amps": [15.0, 15.001, 14.999]},
}


class Station:
    """Answers as the rig does, from fields that a test sets."""

    def __init__(self) -> None:
        self.silent = ""
        self.run_id: str | None = "run-1"
        self.charging: dict[str, Any] | None = CHARGING
        self.texts: list[str] = []

    async def do(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if self.silent:
            raise BenchError(self.silent)
        if name == "status":
            return {"control_run_id": self.run_id, "evses": [{"evse_id": 1, "charging": self.charging}]}
        return {
            "frames": [
                {"seq": seq, "direction": "out", "at_utc": "2026-01-01T00:00:00+00:00", "text": text}
                for seq, text in enumerate(self.texts)
                if seq > given["after"]
            ]
        }


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def history(station: Station) -> History:
    return History(station)


def look(history: History, times: int = 1) -> None:
    async def looks() -> None:
        for _ in range(times):
            await history.look()

    asyncio.run(looks())


def test_a_look_keeps_a_sample_of_each_evse(history: History) -> None:
    look(history)
    [sample] = history.samples[1]
    assert sample == Sample(sample.at_ms, 32.0, 16.0, 26.7, (15.0, 15.0, 15.0))
    assert history.problem == ""


def test_a_pilot_without_oscillation_is_a_duty_of_100_percent(history: History, station: Station) -> None:
    station.charging = CHARGING | {"pilot_mode": "steady_high", "duty_percent": 0.0, "meter": None}
    look(history)
    assert history.samples[1][0].duty_percent == 100.0
    assert history.samples[1][0].amps is None


def test_a_silent_station_leaves_a_gap_and_is_named(history: History, station: Station) -> None:
    look(history)
    station.silent = "the station process does not answer"
    look(history)
    assert history.status is None
    assert history.problem == "the station process does not answer"
    assert history.samples[1][1] == Sample(history.samples[1][1].at_ms)


def test_a_silent_control_process_leaves_a_gap_and_is_named(history: History, station: Station) -> None:
    look(history)
    station.run_id, station.charging = None, None
    look(history)
    assert history.problem == "the control process is silent"
    assert history.samples[1][1].limit_amps is None
    station.run_id, station.charging = "run-2", CHARGING
    look(history)
    assert history.problem == ""
    assert history.samples[1][2].limit_amps == 32.0


def test_frames_come_once(history: History, station: Station) -> None:
    station.texts = ['[2,"1","Heartbeat",{}]']
    look(history, 2)
    station.texts.append('[3,"1",{}]')
    look(history)
    assert [frame.kind for frame in history.frames] == ["call", "result"]
    assert [frame.kind for frame in history.frames_after(1)] == ["result"]
    assert history.frames_after(2) == []


def test_a_new_station_process_counts_its_frames_anew(history: History, station: Station) -> None:
    station.texts = ['[2,"1","Heartbeat",{}]'] * 3
    look(history)
    station.silent = "gone"
    look(history)
    station.silent, station.texts = "", ['[2,"2","BootNotification",{}]']
    look(history)
    assert [frame.action for frame in history.frames_after(3)] == ["BootNotification"]


def test_a_page_that_looked_away_for_long_gets_what_is_kept(history: History, station: Station) -> None:
    station.texts = ['[2,"1","Heartbeat",{}]'] * (FRAMES_KEPT + 50)
    look(history)
    assert len(history.frames_after(0)) == FRAMES_KEPT
    assert len(history.frames_after(FRAMES_KEPT + 49)) == 1


def test_watching_goes_on_until_it_is_cancelled(history: History) -> None:
    async def watch() -> None:
        async with asyncio.timeout(0.6):
            await history.keep_watching()

    with pytest.raises(TimeoutError):
        asyncio.run(watch())
    assert len(history.samples[1]) >= 2
