"""What the page says about an EVSE, from a report as the station gives it."""

from typing import Any

import pytest

from chargerd.bench.wording import (
    SILENT_CONTROL,
    SILENT_STATION,
    facts_line,
    fault_lines,
    light_text,
    limit_rows,
    next_step,
    reason_lines,
)

METER = {"amps": [10.0, 9.9, 10.1], "power_w": 6900.0, "energy_wh": 1_001_234.0}
TRANSACTION = {"transaction_id": "t-1", "authorized": True, "charging_state": "Charging"}


def evse(transaction: dict[str, Any] | None = None, why_not: tuple[str, ...] = (), **charging: Any) -> dict[str, Any]:
    usual = {
        "pilot_state": "C",
        "offered_amps": 9.996,
        "relay_closed": True,
        "locked": True,
        "meter": METER,
        "ev_connected": True,
        "plugged_wh": 1_000_000.0,
        "faults": [],
        "limit": {"source": "csms", "amps": 10.0},
    }
    limits = [limit("board", 32.0), limit("csms", 10.0, wins=True), limit("external", 16.0, fallback=True)]
    return {
        "evse_id": 1,
        "transaction": transaction,
        "why_not": why_not,
        "limits": limits,
        "charging": usual | charging,
    }


def limit(source: str, amps: float, wins: bool = False, fallback: bool = False) -> dict[str, Any]:
    return {"source": source, "amps": amps, "wins": wins, "fallback": fallback, "left_s": None}


def fault(code: str, detail: str = "", *, warning: bool = False) -> dict[str, Any]:
    return {"code": code, "detail": detail, "warning": warning}


def test_facts_are_one_line_with_the_energy_since_plugging_in() -> None:
    assert facts_line(evse()["charging"]) == (
        "pilot C · offered 10.0 A · contactor closed · locked · 10.0 / 9.9 / 10.1 A · 6.90 kW · +1.234 kWh"
    )


def test_without_a_car_the_register_is_shown() -> None:
    assert facts_line(evse(ev_connected=False)["charging"]).endswith("1001.234 kWh")


def test_a_missing_meter_or_feedback_is_said() -> None:
    line = facts_line(evse(meter=None, relay_closed=None)["charging"])
    assert "no meter reading" in line
    assert "contactor without feedback" in line


def test_silence_is_said() -> None:
    assert facts_line(None) == SILENT_CONTROL
    assert reason_lines(None) == [SILENT_STATION]
    assert fault_lines(None) == []
    assert limit_rows(None) == []


def test_faults_carry_their_values() -> None:
    broken = evse(faults=[fault("over_temperature", "95.0 C"), fault("lock_jam")])
    assert fault_lines(broken) == ["FAULT over_temperature 95.0 C", "FAULT lock_jam"]


def test_warnings_come_after_faults_whoever_sees_them() -> None:
    broken = evse(faults=[fault("warm", warning=True), fault("lock_jam")])
    broken["troubles"] = [fault("authorization_timeout", warning=True)]
    assert fault_lines(broken) == ["FAULT lock_jam", "WARNING warm", "WARNING authorization_timeout"]


@pytest.mark.parametrize(
    "plant, shown",
    [
        ({}, ""),
        ({"indication": "charging", "blink_code": 0}, "light: charging"),
        ({"indication": "faulted", "blink_code": 6}, "light: faulted, 6 flashes"),
        ({"indication": "faulted", "blink_code": 1}, "light: faulted, 1 flash"),
        ({"indication": "faulted", "blink_code": 0}, "light: faulted"),
        ({"indication": "locate", "blink_code": 6}, "light: locate"),
    ],
)
def test_the_light_tells_a_fault_by_its_number(plant: dict[str, Any], shown: str) -> None:
    assert light_text(plant) == shown


def test_a_warning_does_not_change_the_advice() -> None:
    assert "It charges" in next_step(evse(TRANSACTION, faults=[fault("warm", warning=True)]), has_csms=True)


def test_the_winner_of_the_limit_table_is_marked() -> None:
    assert limit_rows(evse()) == [
        ("board", 32.0, False, ""),
        ("csms", 10.0, True, ""),
        ("external", 16.0, False, "fallback: its owner is silent"),
    ]


@pytest.mark.parametrize(
    "seen, words",
    [
        (None, "Wait"),
        (evse(ev_connected=False), "Plug the car in"),
        (evse(), "Tap a card, or start from the CSMS"),
        (evse(TRANSACTION | {"authorized": False}), "Tap a card, or unplug"),
        (evse(TRANSACTION), "It charges"),
        (evse(TRANSACTION | {"charging_state": "EVConnected"}), "Press Ready"),
        (evse(TRANSACTION | {"charging_state": "SuspendedEV"}), "The car waits"),
        (evse(TRANSACTION | {"charging_state": "SuspendedEVSE"}), "offers no current"),
        (evse(TRANSACTION | {"charging_state": "Idle"}), "Unplug"),
        (evse(TRANSACTION, faults=[fault("weld")]), "A fault stands"),
    ],
)
def test_there_is_always_a_next_step(seen: dict[str, Any] | None, words: str) -> None:
    assert words in next_step(seen, has_csms=True)


def test_nobody_is_sent_to_buttons_that_are_not_there() -> None:
    assert next_step(evse(), has_csms=False) == "Tap a card."
