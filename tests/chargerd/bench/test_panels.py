"""The page as a person uses it: a real bench, a real browser, from plugging in to unplugging."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd.bench.frames import FrameView
from chargerd.bench.panels import frame_html
from tests.chargerd.bench.browser import Browser, browsing
from tests.chargerd.bench.running import Bench, running_bench


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path / "profile") as browser:
        yield browser


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running_bench(tmp_path, page=True) as bench:
        yield bench


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_newcomer_charges_a_car_and_the_csms_limits_it(bench: Bench, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{bench.port}/")
    browser.until("link", "CSMS Accepted")
    browser.until("next-1", "Plug the car in")
    browser.click("plug_in-1")
    browser.until("connector-1", "Occupied")
    browser.until("reasons-1", "nobody is authorised")
    browser.click("tap-1")
    browser.until("state-1", "EVConnected")
    browser.click("ev_ready-1")
    browser.until("state-1", "Charging")
    browser.until("reasons-1", "energy may flow")
    browser.until("light-1", "light: charging")
    browser.wait(lambda: (browser.series("plot-1")["L3"] or [[0, 0]])[-1][1] > 12, "12 A on phase 3 of the plot")

    browser.type("limit-amps", "10")
    browser.click("set-limit")
    browser.until("facts-1", "offered 10.0 A", "10.0 / 10.0 / 10.0 A")
    winner = next(line for line in browser.text("limits-1").split("csms")[1:])
    assert "10.0 A" in winner
    assert "wins" in winner
    assert "SetChargingProfile" in browser.text("frames")
    assert browser.series("plot-1")["offered"][-1][1] == pytest.approx(10, abs=0.1)

    browser.click("ev_pause-1")
    browser.until("state-1", "SuspendedEV")
    browser.until("next-1", "The car waits")
    browser.click("ev_resume-1")
    browser.until("state-1", "Charging")

    browser.choose("fault-1", "over_temperature")
    browser.until("fault-help-1", "the enclosure is as hot as the value")
    browser.type("fault-value-1", "81.5")
    browser.click("raise-1")
    browser.until("standing-1", "over_temperature")
    browser.until("reasons-1", "FAULT over_temperature 81.5 C", "too hot")
    browser.until("connector-1", "Faulted")
    browser.until("light-1", "light: faulted, 6 flashes")
    browser.click("clear-1")
    browser.wait(lambda: browser.text("standing-1") == "", "the fault to be mended")
    browser.until("reasons-1", "opened only just now")
    browser.until("state-1", "Charging", within_s=60.0)  # 30 s after a fault

    browser.type("user-amps-1", "7")
    browser.click("user-limit-1")
    browser.until("facts-1", "offered 7.0 A")
    browser.click("no-user-limit-1")
    browser.until("facts-1", "offered 10.0 A")

    browser.click("tap-1")
    browser.until("facts-1", "contactor open")
    browser.until("next-1", "Tap a card")
    browser.wait(lambda: "locked" not in browser.text("facts-1"), "the lock to let go")
    browser.click("plug_out-1")
    browser.until("connector-1", "Available")
    browser.until("state-1", "no transaction")


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_the_page_tells_who_is_silent_and_recovers(bench: Bench, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{bench.port}/")
    browser.until("link", "CSMS Accepted")
    browser.click("kill-station")
    browser.until("problem", "the station process")
    browser.until("reasons-1", "the station process is silent")
    browser.until("link", "CSMS Accepted")
    browser.wait(lambda: not browser.text("problem"), "the problem to be gone")
    browser.click("link-down")
    browser.until("link", "CSMS not connected")
    browser.click("link-up")
    browser.until("link", "CSMS Accepted", within_s=40.0)


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_two_evses_and_a_csms_elsewhere(tmp_path: Path, browser: Browser) -> None:
    options = ("--board", "board-configs/bench-dual.toml", "--csms", "ws://127.0.0.1:9/nobody", "--password", "x" * 16)
    with running_bench(tmp_path, *options, page=True) as bench:
        browser.open(f"http://127.0.0.1:{bench.port}/")
        browser.until("link", "CSMS not connected")
        browser.click("plug_in-2")
        browser.until("facts-2", "pilot B")
        browser.until("facts-1", "pilot A")
        assert browser.has("plot-1")
        assert browser.has("plot-2")
        assert not browser.has("remote-start")
        assert not browser.has("set-limit")
        assert browser.has("link-down")


def test_text_from_the_wire_cannot_become_part_of_the_page() -> None:
    evil = "<script>alert(1)</script>"
    shown = frame_html(FrameView("12:00:00", "in", "garbage", evil, evil, evil))
    assert "<script>" not in shown
    assert shown.count("&lt;script&gt;") == 3


def test_direction_and_kind_of_a_frame_can_be_told_apart() -> None:
    call = frame_html(FrameView("12:00:00", "out", "call", "Heartbeat", "", "[]"))
    error = frame_html(FrameView("12:00:00", "in", "error", "Heartbeat", "", "[]"))
    assert "→ Heartbeat<" in call
    assert "← Heartbeat error" in error
    assert "text-red-700" in error
