"""Block J on a whole station: what is read when, and where it goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.events import TimeStepped
from chargerd.ocpp.messages.enums import Measurand, ReadingContext
from chargerd.ocpp.messages.types import MeterValue, SampledValue
from chargerd.ocpp.meter_values import ALIGNED_AVAILABLE, MAX_KEPT_READINGS, NAMESPACE, SAMPLED_AVAILABLE, thinned
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig, board

START = datetime(2026, 1, 1, tzinfo=UTC)
ALIGNED = {"AlignedDataCtrlr.Interval": "900", "AlignedDataCtrlr.Measurands": "Energy.Active.Import.Register"}


def rig_with(settings: dict[str, str] | None = None, **options: Any) -> Rig:
    """A station whose meters have been read."""
    rig = Rig(settings, **options)
    for evse_id in range(1, len(rig.board.evses) + 1):
        rig.meter(1000.0, evse_id=evse_id)
    return rig


def charging(rig: Rig, evse_id: int = 1) -> None:
    rig.plug_in(evse_id)
    rig.tap(evse_id=evse_id)
    rig.charge(evse_id)


def readings(payload: Payload) -> list[tuple[str, str, float]]:
    """(context, measurand, value) of everything in a message."""
    return [
        (one["context"], one["measurand"], one["value"])
        for meter_value in payload.get("meterValue", [])
        for one in meter_value["sampledValue"]
    ]


def run(rig: Rig, seconds: int, *evse_ids: int) -> None:
    """Let time pass with all these meters read each second and nothing flowing."""
    for _ in range(seconds):
        rig.advance(1.0)
        for evse_id in evse_ids or (1,):
            rig.meter(1000.0, evse_id=evse_id)


def set_variable(rig: Rig, component: str, variable: str, value: str) -> str:
    name = {"component": {"name": component}, "variable": {"name": variable}}
    answer = rig.call("SetVariables", setVariableData=[name | {"attributeValue": value}])
    status: str = answer["setVariableResult"][0]["attributeStatus"]
    return status


# ------------------------------------------------------------------ J01: outside of transactions


def test_J01_FR_14_idle_evses_are_read_at_aligned_instants() -> None:
    rig = rig_with(ALIGNED, facts=board(2))
    run(rig, 1800, 1, 2)
    sent = rig.sent("MeterValues")
    assert [one["evseId"] for one in sent] == [1, 2, 1, 2]  # J01.FR.02
    assert [one["meterValue"][0]["timestamp"] for one in sent[::2]] == ["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"]
    assert readings(sent[0]) == [("Sample.Clock", "Energy.Active.Import.Register", 1000.0)]


def test_J01_FR_22_aligned_readings_of_a_transaction_go_with_its_events() -> None:
    rig = rig_with(ALIGNED | {"SampledDataCtrlr.TxUpdatedInterval": "0"}, facts=board(2))
    charging(rig)
    run(rig, 900, 1, 2)
    assert [one["evseId"] for one in rig.sent("MeterValues")] == [2]
    last = rig.events()[-1]
    assert (last["eventType"], last["triggerReason"]) == ("Updated", "MeterValueClock")
    assert readings(last) == [("Sample.Clock", "Energy.Active.Import.Register", 1000.0)]


def test_J01_FR_20_with_SendDuringIdle_nothing_is_sent_while_a_transaction_runs() -> None:
    rig = rig_with(ALIGNED | {"AlignedDataCtrlr.SendDuringIdle": "true"}, facts=board(2))
    charging(rig)
    run(rig, 900, 1, 2)
    assert rig.sent("MeterValues") == []
    assert "MeterValueClock" not in {event["triggerReason"] for event in rig.events()}
    rig.unplug()
    run(rig, 900, 1, 2)
    assert [one["evseId"] for one in rig.sent("MeterValues")] == [1, 2]


def test_a_stale_meter_is_left_out_of_an_aligned_reading() -> None:
    rig = rig_with(ALIGNED, facts=board(2))
    run(rig, 890, 1, 2)
    run(rig, 10, 2)
    assert [one["evseId"] for one in rig.sent("MeterValues")] == [2]


def test_a_silent_control_process_is_left_out_whatever_it_said_last() -> None:
    rig = rig_with(ALIGNED)
    run(rig, 899)
    rig.status_lost()
    rig.advance(2.0)
    assert rig.sent("MeterValues") == []


def test_instants_jumped_over_by_the_clock_are_not_made_up_for() -> None:
    rig = rig_with(ALIGNED)
    run(rig, 60)
    rig.clock.set_utc(START + timedelta(hours=3, minutes=7))
    rig.feed(TimeStepped(3 * 3600.0 + 360.0))
    run(rig, 900)
    assert [one["meterValue"][0]["timestamp"] for one in rig.sent("MeterValues")] == ["2026-01-01T03:15:00Z"]


def test_aligned_readings_of_idle_evses_are_not_kept_over_an_outage() -> None:
    rig = rig_with(ALIGNED)
    rig.link_down()
    run(rig, 900)
    rig.link_up()
    assert rig.sent("MeterValues") == []


def test_aligned_readings_can_be_switched_off_and_on() -> None:
    rig = rig_with(ALIGNED)
    assert set_variable(rig, "AlignedDataCtrlr", "Enabled", "false") == "Accepted"
    run(rig, 900)
    assert rig.sent("MeterValues") == []
    set_variable(rig, "AlignedDataCtrlr", "Enabled", "true")
    run(rig, 900)
    assert len(rig.sent("MeterValues")) == 1


def test_a_new_aligned_interval_counts_at_once() -> None:
    rig = rig_with(ALIGNED)
    run(rig, 65)
    set_variable(rig, "AlignedDataCtrlr", "Interval", "60")
    run(rig, 60)
    assert [one["meterValue"][0]["timestamp"] for one in rig.sent("MeterValues")] == ["2026-01-01T00:02:00Z"]


# ------------------------------------------------------------------ F06: on demand


def test_F06_FR_06_a_triggered_reading_has_the_aligned_measurands_of_every_evse() -> None:
    rig = rig_with({"AlignedDataCtrlr.Measurands": "Voltage"}, facts=board(2))
    assert rig.call("TriggerMessage", requestedMessage="MeterValues")["status"] == "Accepted"
    sent = rig.sent("MeterValues")
    assert [one["evseId"] for one in sent] == [1, 2]  # F06.FR.11
    assert readings(sent[0]) == [("Trigger", "Voltage", 230.0)] * 3
    rig.call("TriggerMessage", requestedMessage="MeterValues", evse={"id": 2})
    assert [one["evseId"] for one in rig.sent("MeterValues")] == [1, 2, 2]


def test_F06_FR_09_a_meter_that_is_not_fresh_cannot_be_triggered() -> None:
    rig = rig_with()
    rig.advance(5.1)
    assert rig.call("TriggerMessage", requestedMessage="MeterValues")["status"] == "Rejected"


# ------------------------------------------------------------------ J02: in transactions


def test_J02_FR_11_a_transaction_is_read_at_each_interval_from_its_start() -> None:
    rig = rig_with({"SampledDataCtrlr.TxUpdatedInterval": "60", "SampledDataCtrlr.TxUpdatedMeasurands": "Voltage"})
    charging(rig)
    begun = len(rig.events())
    run(rig, 185)
    found = rig.events()[begun:]
    assert [event["triggerReason"] for event in found] == ["MeterValuePeriodic"] * 3
    assert [event["timestamp"] for event in found] == [f"2026-01-01T00:0{minute}:00Z" for minute in (1, 2, 3)]
    assert readings(found[0]) == [("Sample.Periodic", "Voltage", 230.0)] * 3
    assert all(event["meterValue"][0]["timestamp"] == event["timestamp"] for event in found)  # J02.FR.10
    assert rig.sent("MeterValues") == []


def test_J02_FR_11_an_interval_of_0_reads_nothing_in_between() -> None:
    rig = rig_with({"SampledDataCtrlr.TxUpdatedInterval": "0"})
    charging(rig)
    begun = len(rig.events())
    run(rig, 300)
    assert len(rig.events()) == begun


def test_J02_FR_11_a_new_interval_counts_for_the_running_transaction() -> None:
    rig = rig_with({"SampledDataCtrlr.TxUpdatedInterval": "0"})
    charging(rig)
    begun = len(rig.events())
    set_variable(rig, "SampledDataCtrlr", "TxUpdatedInterval", "10")
    run(rig, 25)
    assert len(rig.events()) == begun + 2


def test_a_transaction_with_a_stale_meter_reports_no_old_reading() -> None:
    rig = rig_with({"SampledDataCtrlr.TxUpdatedInterval": "60"})
    charging(rig)
    begun = len(rig.events())
    run(rig, 54)
    rig.advance(60.0)
    assert rig.events()[begun:] == []


def test_E06_FR_11_the_end_carries_begin_intermediate_aligned_and_end_readings() -> None:
    rig = rig_with(
        {
            "SampledDataCtrlr.TxUpdatedInterval": "0",
            "SampledDataCtrlr.TxEndedInterval": "40",
            "AlignedDataCtrlr.TxEndedInterval": "60",
            "AlignedDataCtrlr.TxEndedMeasurands": "Frequency",
        }
    )
    charging(rig)
    run(rig, 100)
    rig.unplug()
    (ended,) = [event for event in rig.events() if event["eventType"] == "Ended"]
    energy = "Energy.Active.Import.Register"
    assert readings(ended) == [
        ("Transaction.Begin", energy, 1000.0),
        ("Sample.Periodic", energy, 1000.0),
        ("Sample.Clock", "Frequency", 50.0),
        ("Sample.Periodic", energy, 1000.0),
        ("Transaction.End", energy, 1000.0),
    ]
    stamps = [value["timestamp"] for value in ended["meterValue"]]
    assert stamps == [f"2026-01-01T00:{at}Z" for at in ("00:00", "00:40", "01:00", "01:20", "01:40")]


def test_E06_FR_11_readings_kept_for_the_end_outlast_a_restart_and_leave_nothing_behind() -> None:
    store, clock = Store(":memory:"), ManualClock()
    rig = rig_with({"SampledDataCtrlr.TxEndedInterval": "40"}, store=store, clock=clock)
    charging(rig)
    run(rig, 45)
    evses = rig.evses
    again = Rig(
        {"SampledDataCtrlr.TxEndedInterval": "40"},
        store=store,
        clock=clock,
        boot_reason="ApplicationReset",
        first_id=500,
    )
    again.evses = evses
    again.meter(1500.0)
    again.unplug()
    (ended,) = [event for event in again.events() if event["eventType"] == "Ended"]
    assert [(context, value) for context, _, value in readings(ended)] == [
        ("Transaction.Begin", 1000.0),
        ("Sample.Periodic", 1000.0),
        ("Transaction.End", 1500.0),
    ]
    assert store.items(NAMESPACE, dict) == []


def value(number: int, per_value: int = 1) -> MeterValue:
    one = SampledValue(value=float(number), context=ReadingContext.SAMPLE_PERIODIC, measurand=Measurand.VOLTAGE)
    return MeterValue(sampled_value=(one,) * per_value, timestamp=START + timedelta(minutes=number))


def test_J02_FR_20_too_many_readings_are_thinned_from_the_middle() -> None:
    few = tuple(value(number) for number in range(MAX_KEPT_READINGS))
    assert thinned(few) == few
    many = (*few, value(MAX_KEPT_READINGS))
    kept = [round(one.sampled_value[0].value) for one in thinned(many)]
    assert kept == [0, *range(2, MAX_KEPT_READINGS, 2), MAX_KEPT_READINGS]


def test_J02_FR_20_readings_of_a_transaction_of_weeks_stay_bounded() -> None:
    kept: tuple[MeterValue, ...] = ()
    for number in range(5000):
        kept = thinned((*kept, value(number, 3)))
        assert sum(len(one.sampled_value) for one in kept) <= MAX_KEPT_READINGS
    assert kept[0] == value(0, 3)
    assert kept[-1] == value(4999, 3)
    assert [one.timestamp for one in kept] == sorted({one.timestamp for one in kept})


def test_kept_readings_that_cannot_be_read_are_told_and_the_station_starts() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "1", {"values": "none"})
    rig = Rig(store=store)
    assert any("those kept for EVSE 1 are unreadable" in note for note in rig.notes())


# ------------------------------------------------------------------ variables


@pytest.mark.parametrize(
    "component,variable",
    [
        ("SampledDataCtrlr", "TxStartedMeasurands"),
        ("SampledDataCtrlr", "TxUpdatedMeasurands"),
        ("SampledDataCtrlr", "TxEndedMeasurands"),
        ("AlignedDataCtrlr", "Measurands"),
        ("AlignedDataCtrlr", "TxEndedMeasurands"),
    ],
)
def test_B05_FR_07_a_measurand_that_cannot_be_measured_is_rejected(component: str, variable: str) -> None:
    rig = rig_with()
    assert set_variable(rig, component, variable, "Voltage,Current.Import") == "Accepted"
    assert set_variable(rig, component, variable, "Voltage,SoC") == "Rejected"
    assert set_variable(rig, component, variable, "") == "Accepted"


@pytest.mark.parametrize("value_text,status", [("-1", "Rejected"), ("86401", "Rejected"), ("86400", "Accepted")])
def test_B05_FR_08_an_interval_is_at_most_a_day(value_text: str, status: str) -> None:
    assert set_variable(rig_with(), "AlignedDataCtrlr", "Interval", value_text) == status


def test_without_a_meter_nothing_can_be_sampled_or_aligned() -> None:
    for has_meter in (True, False):
        variables = Rig(facts=board(has_meter=has_meter)).station.ctx.variables
        assert variables[SAMPLED_AVAILABLE] is variables[ALIGNED_AVAILABLE] is has_meter
