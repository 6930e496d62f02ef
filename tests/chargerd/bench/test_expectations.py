"""The language of expectations: patterns of requests, facts of the status, whole transactions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chargerd.bench.csms import Seen
from chargerd.bench.expectations import (
    EvseFacts,
    StationFacts,
    brief,
    evse_facts,
    fault_of_fact,
    look_at,
    matches,
    station_facts,
    why_not_whole,
)


def seen(action: str, seq: int = 1, **payload: Any) -> Seen:
    return Seen(seq, action, payload, datetime(2026, 1, 1, tzinfo=UTC))


def status(**charging: Any) -> dict[str, Any]:
    usual = {
        "pilot_state": "C",
        "duty_percent": 16.66,
        "offered_amps": 9.996,
        "limit": {"source": "csms", "amps": 10.0},
        "meter": {"amps": [9.9, 9.8, 9.7], "power_w": 6800.0, "energy_wh": 12.5},
        "relay_closed": True,
        "locked": None,
        "faults": [],
        "why_not": [],
    }
    return {
        "link": {"open": True, "registration": "Accepted", "queued": 3},
        "control_run_id": "abc",
        "evses": [
            {
                "evse_id": 1,
                "connector_status": "Occupied",
                "transaction": {"transaction_id": "t-1", "charging_state": "Charging"},
                "charging": usual | charging,
            }
        ],
    }


# ---- patterns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern, fits",
    [
        ("TransactionEvent", True),
        ("TransactionEvent eventType=Started", True),
        ("TransactionEvent evse.id=1 offline=false seqNo=0", True),
        ("TransactionEvent evse.id=2", False),
        ("TransactionEvent evse.connectorId.x=1", False),
        ("TransactionEvent offline=False", False),
        ("StatusNotification", False),
    ],
)
def test_a_pattern_compares_action_and_dotted_fields_as_text(pattern: str, fits: bool) -> None:
    event = seen("TransactionEvent", eventType="Started", seqNo=0, offline=False, evse={"id": 1})
    assert matches(pattern, event) is fits


def test_a_request_is_told_as_a_pattern_would_be_written() -> None:
    event = seen("TransactionEvent", eventType="Started", seqNo=0, offline=True, evse={"id": 1})
    assert brief(event) == "TransactionEvent eventType=Started seqNo=0 offline=true"
    assert matches(brief(event), event)


# ---- facts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fact, holds",
    [
        ("evse 1 offered_amps == 10", True),
        ("evse 1 offered_amps != 10", False),
        ("evse 1 offered_amps == ten", False),
        ("evse 1 amps > 9.8", True),
        ("evse 1 amps > 9.9", False),
        ("evse 1 amps >= 9.9", True),
        ("evse 1 amps < 9.9", False),
        ("evse 1 amps <= 9.9", True),
        ("evse 1 limit_by == csms", True),
        ("evse 1 relay == true", True),
        ("evse 1 relay == false", False),
        ("evse 1 state == Charging", True),
        ("evse 1 state > 1", False),
        ("evse 1 faults == none", True),
        ("evse 2 amps > 0", False),
        ("evse 2 transaction != none", False),
        ("queued == 3", True),
        ("link == up", True),
        ("control != silent", True),
    ],
)
def test_a_fact_is_compared_with_the_status(fact: str, holds: bool) -> None:
    assert fault_of_fact(fact) is None
    assert look_at(fact, status()).holds is holds


def test_what_was_found_is_told() -> None:
    assert look_at("evse 1 faults == none", status(faults=[{"code": "a"}, {"code": "b"}])).found == "a,b"


def test_nothing_is_true_of_a_silent_station_or_control_process() -> None:
    silent = status() | {"control_run_id": None}
    silent["evses"][0]["charging"] = None
    assert look_at("evse 1 relay != true", silent).holds is False
    assert look_at("control == silent", silent).holds is True
    assert look_at("link != up", {}).holds is False
    assert station_facts({}) is None
    assert evse_facts({}, 1) is None


def test_without_a_meter_reading_no_current_flows() -> None:
    facts = evse_facts(status(meter=None), 1)
    assert facts is not None
    assert (facts.amps, facts.power_w) == (0.0, 0.0)


@pytest.mark.parametrize(
    "fact, complaint",
    [
        ("", "cannot read ''"),
        ("evse 1 amps", "expected e.g. 'evse 1 offered_amps == 10'"),
        ("evse one amps > 1", "cannot read"),
        ("evse 1 amps = 1", "cannot read"),
        ("evse 1 volts > 1", "unknown fact 'volts'; known: connector, transaction"),
        ("amps > 1", "unknown fact 'amps'; known: link, registration, queued, control"),
        ("queued > many", "> needs a number"),
    ],
)
def test_a_fact_that_cannot_be_read_is_told_before_anything_is_played(fact: str, complaint: str) -> None:
    assert complaint in (fault_of_fact(fact) or "")


def test_all_facts_can_be_asked_for() -> None:
    for name in EvseFacts.__struct_fields__:
        assert look_at(f"evse 1 {name} != nonsense", status()).holds
    for name in StationFacts.__struct_fields__:
        assert look_at(f"{name} != nonsense", status()).holds


# ---- transactions --------------------------------------------------------------------------------------------------


def events(*kinds: str, numbers: list[int] | None = None, registers: list[float] | None = None) -> list[Seen]:
    return [
        seen(
            "TransactionEvent",
            index,
            eventType=kind,
            seqNo=numbers[index] if numbers else index,
            transactionInfo={"transactionId": "t-1"},
            meterValue=[{"sampledValue": [{"value": registers[index]}]}] if registers else [],
        )
        for index, kind in enumerate(kinds)
    ]


def test_a_whole_transaction_is_whole() -> None:
    told = events("Started", "Updated", "Ended", registers=[1.0, 2.0, 0.5])
    assert why_not_whole([*told, seen("Heartbeat")], may_be_open=False) is None


def test_a_transaction_may_be_left_open_when_the_scenario_says_so() -> None:
    assert why_not_whole(events("Started", "Updated"), may_be_open=True) is None


@pytest.mark.parametrize(
    "told, complaint",
    [
        (events("Started", "Updated"), "transaction t-1: must end with its only Ended"),
        (events("Started", "Ended", "Updated"), "must end with its only Ended"),
        (events("Started", "Ended", "Ended"), "must end with its only Ended"),
        (events("Updated", "Ended"), "must begin with its only Started"),
        (events("Started", "Started", "Ended"), "must begin with its only Started"),
        (events("Started", "Updated", "Ended", numbers=[0, 2, 3]), "seqNo must count 0, 1, 2 …, but was [0, 2, 3]"),
        (events("Started", "Ended", numbers=[1, 2]), "seqNo must count"),
        (events("Started", "Updated", "Ended", registers=[2.0, 1.0, 3.0]), "the energy register ran backwards"),
    ],
)
def test_a_broken_transaction_is_told(told: list[Seen], complaint: str) -> None:
    assert complaint in (why_not_whole(told, may_be_open=False) or "")
