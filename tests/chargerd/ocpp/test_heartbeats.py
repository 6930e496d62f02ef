"""G02 on a whole station: when a Heartbeat is sent."""

from typing import Any

import pytest

from chargerd.ocpp.effects import SetTime
from tests.chargerd.ocpp.building import Payload, Rig


def quiet(interval: int = 300, *, with_control: bool = True, **options: Any) -> Rig:
    """A station that was accepted with this interval and whose connectors have been told.

    Without a control process no orders are due each second, so that a day passes quickly.
    """
    rig = Rig(online=False, **options)
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": interval,
        "status": "Accepted",
    }
    rig.link_up()
    if with_control:
        rig.status()
    return rig


def times(rig: Rig, seconds: int) -> list[int]:
    """The seconds at which Heartbeats leave, watched for so long."""
    found = []
    for second in range(1, seconds + 1):
        before = len(rig.sent("Heartbeat"))
        rig.advance(1.0)
        found += [second] * (len(rig.sent("Heartbeat")) - before)
    return found


def test_G02_FR_01_the_interval_is_the_one_of_the_boot_response() -> None:
    assert times(quiet(interval=100), 350) == [100, 200, 300]


def test_G02_FR_02_heartbeat_is_sent_after_interval_of_inactivity() -> None:
    rig = quiet(interval=100)
    rig.advance(99.9)
    assert rig.sent("Heartbeat") == []
    rig.advance(0.1)
    assert len(rig.sent("Heartbeat")) == 1


def test_G02_FR_05_any_message_of_ours_puts_the_heartbeat_off() -> None:
    rig = quiet(interval=100)
    rig.advance(60.0)
    rig.plug_in()
    assert times(rig, 120) == [100]


def test_G02_FR_07_a_busy_station_still_asks_for_the_time_once_a_day() -> None:
    rig = quiet(interval=3600, with_control=False)
    sent_at: list[int] = []
    for minute in range(1, 25 * 60):
        rig.advance(60.0)
        rig.call("TriggerMessage", requestedMessage="StatusNotification", evse={"id": 1, "connectorId": 1})
        if len(rig.sent("Heartbeat")) > len(sent_at):
            sent_at.append(minute)
    assert sent_at == [24 * 60]


def test_G02_FR_06_the_time_of_the_answer_is_taken_over() -> None:
    rig = quiet(interval=100)
    rig.csms.answers["Heartbeat"] = {"currentTime": "2026-01-01T05:00:00Z"}
    name: Payload = {"component": {"name": "ClockCtrlr"}, "variable": {"name": "TimeSource"}}
    rig.call("SetVariables", setVariableData=[name | {"attributeValue": "Heartbeat"}])
    rig.effects.clear()
    rig.advance(100.0)
    (setting,) = [effect for effect in rig.effects if isinstance(effect, SetTime)]
    assert setting.utc.isoformat() == "2026-01-01T05:00:00+00:00"


def test_no_heartbeat_leaves_without_a_link_and_one_follows_the_return() -> None:
    rig = quiet(interval=100)
    rig.link_down()
    assert times(rig, 500) == []
    rig.link_up()
    assert len(rig.sent("Heartbeat")) == 1
    assert times(rig, 150) == [100]


def test_no_heartbeat_leaves_before_the_csms_has_accepted_the_station() -> None:
    rig = Rig(online=False)
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": 3600,
        "status": "Pending",
    }
    rig.link_up()
    assert times(rig, 1000) == []


def test_an_unanswered_heartbeat_does_not_make_the_station_spin() -> None:
    rig = quiet(interval=100)
    rig.csms.answers["Heartbeat"] = None
    rig.advance(100.0)
    assert len(rig.sent("Heartbeat")) == 1
    deadline = rig.station.next_deadline()
    assert deadline is not None
    assert deadline > rig.clock.monotonic()


@pytest.mark.parametrize("value,status", [("0", "Rejected"), ("1", "Accepted")])
def test_HeartbeatInterval_is_at_least_1(value: str, status: str) -> None:
    name: Payload = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    answer = quiet().call("SetVariables", setVariableData=[name | {"attributeValue": value}])
    assert answer["setVariableResult"][0]["attributeStatus"] == status


def test_F06_a_triggered_heartbeat_is_sent_at_once_and_counts() -> None:
    rig = quiet(interval=100)
    rig.advance(50.0)
    assert rig.call("TriggerMessage", requestedMessage="Heartbeat")["status"] == "Accepted"
    assert len(rig.sent("Heartbeat")) == 1
    assert times(rig, 120) == [100]
