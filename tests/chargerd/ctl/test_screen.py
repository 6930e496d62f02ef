"""The report in a terminal: what stands there, how wide, in which colour."""

from typing import Any

import pytest

from chargerd.ctl.screen import Ink, evse_lines, limit_lines, meter_line, paint, screen

CHARGING = {
    "pilot_state": "C",
    "offered_amps": 9.996,
    "relay_closed": True,
    "meter": {"amps": [10.0, 9.9, 10.1], "power_w": 6900.0, "energy_wh": 1234.0},
    "faults": [{"code": "over_temperature", "detail": "95.0 C"}],
    "phases": 3,
    "phases_pending": None,
    "phases_wait": "",
}


def row(source: str, amps: float, **more: Any) -> dict[str, Any]:
    return {"source": source, "amps": amps, "wins": False, "fallback": False, "left_s": None} | more


LIMITS = [row("board", 32.0), row("csms", 10.0, wins=True)]


def report(**more: Any) -> dict[str, Any]:
    evse = {
        "evse_id": 1,
        "connector_status": "Occupied",
        "transaction": {"transaction_id": "0123456789abcdef", "charging_state": "Charging"},
        "charging": CHARGING,
        "why_not": ["the vehicle does not ask for energy"],
        "limits": LIMITS,
        "meter_age_s": 0.25,
    }
    return {
        "vendor": "V",
        "model": "M",
        "serial": "S-1",
        "firmware_version": "0.1",
        "simulated": True,
        "control_run_id": "abc",
        "link": {"url": "ws://x", "identity": "CS", "open": True, "registration": "Accepted", "queued": 2},
        "evses": [evse],
    } | more


def test_everything_an_electrician_asks_stands_there() -> None:
    assert screen(report()) == [
        "V M  S-1  chargerd 0.1  SIMULATED",
        "CSMS ws://x as CS: connected, Accepted, 2 queued",
        "",
        "EVSE 1  Occupied  Charging  transaction 01234567",
        "  pilot C   offered 10.0 A   contactor closed",
        "  meter 10.0 / 9.9 / 10.1 A   6.90 kW   1.234 kWh   0.2 s old",
        "  FAULT over_temperature 95.0 C",
        "  no energy: the vehicle does not ask for energy",
        "  limits:",
        "      board              32.0 A",
        "    > csms               10.0 A",
    ]


@pytest.mark.parametrize("columns", [40, 45, 70, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = screen(report(), columns=columns)
    assert max(map(len, lines)) <= columns
    assert "".join("".join(lines).split()) == "".join("".join(screen(report(), columns=120)).split())


def test_colours_come_only_when_wanted() -> None:
    assert not any("\x1b" in line for line in screen(report()))
    coloured = screen(report(), colours=True)
    assert any(line.startswith("\x1b[1;31m  FAULT") and line.endswith("\x1b[0m") for line in coloured)
    assert paint(Ink.PLAIN, "x") == "x"
    assert paint(Ink.BAD, "") == ""


def test_silence_and_absence_are_said() -> None:
    silent = report(control_run_id=None)
    silent["evses"][0] |= {"charging": None, "transaction": None}
    text = "\n".join(screen(silent))
    assert "the control process is silent: no energy" in text
    assert evse_lines(silent["evses"][0]) == [(Ink.HEAD, "EVSE 1  Occupied")]
    assert limit_lines({"charging": None, "limits": []}) == ["unknown: the control process is silent"]
    assert limit_lines({"charging": CHARGING, "limits": []}) == ["nobody allows anything yet"]
    assert meter_line(None, None) == "meter: no reading"


def test_a_link_that_is_down_and_energy_that_may_flow_are_said() -> None:
    link = report()["link"] | {"open": False}
    evse = report()["evses"][0] | {"why_not": []}
    text = "\n".join(screen(report(link=link, evses=[evse])))
    assert "CSMS ws://x as CS: not connected, 2 queued" in text
    assert "energy may flow" in text


def test_a_row_that_ends_and_one_whose_owner_is_silent_say_so() -> None:
    rows = [row("csms", 10.0, left_s=12.4), row("external", 0.0, wins=True, fallback=True)]
    assert limit_lines({"charging": CHARGING, "limits": rows}) == [
        "  csms               10.0 A   for 12 s more",
        "> external            0.0 A   fallback: its owner is silent",
    ]


def test_phases_that_are_wanted_and_what_they_wait_for_are_said() -> None:
    waiting = report()
    waiting["evses"][0]["charging"] = CHARGING | {"phases_pending": 1, "phases_wait": "one_phase_vehicle"}
    assert "  phases 3, 1 wanted (one phase vehicle)" in screen(waiting)
