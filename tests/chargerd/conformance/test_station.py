"""What a case can do, and what it hears when the station does something else."""

import pytest

from chargerd.conformance.peer import Refusal
from chargerd.conformance.station import CaseFailed, StationUnderTest, difference
from tests.chargerd.conformance.pretend import MIDNIGHT, Pretend

OCCUPIED = {"evseId": 1, "connectorStatus": "Occupied"}


@pytest.fixture
def around() -> Pretend:
    return Pretend()


@pytest.fixture
def sut(around: Pretend) -> StationUnderTest:
    return StationUnderTest(around)


@pytest.mark.parametrize(
    "wanted, right",
    [
        ({"a.b": 1}, True),
        ({"a.b": {1, 2}}, True),
        ({"a.b": ...}, True),
        ({"a.c": None}, True),
        ({"list.1.d": "x"}, True),
        ({"a.b": lambda value: value > 0}, True),
        ({"a.b": 2}, False),
        ({"a.b": None}, False),
        ({"a.c": ...}, False),
        ({"list.7.d": ...}, False),
        ({"a.c": lambda value: True}, False),
        ({"a.b.c": 1}, False),
    ],
)
def test_fields_are_compared_by_value_set_function_presence_and_absence(wanted: dict[str, object], right: bool) -> None:
    payload = {"a": {"b": 1}, "list": [{}, {"d": "x"}]}
    assert (difference(payload, wanted) is None) == right


def test_expect_waits_for_the_first_that_fits_takes_it_and_leaves_the_others(
    around: Pretend, sut: StationUnderTest
) -> None:
    around.say("StatusNotification", {"evseId": 2, "connectorStatus": "Available"})
    around.say("StatusNotification", OCCUPIED, in_s=3.0)
    assert sut.expect("StatusNotification", {"connectorStatus": "Occupied"}) == OCCUPIED
    assert sut.now() == pytest.approx(3.0, abs=0.1)
    sut.expect("StatusNotification", {"evseId": 2})
    with pytest.raises(CaseFailed, match=r"StatusNotification did not come within 2 s; not looked at yet: nothing"):
        sut.expect("StatusNotification", within_s=2.0)


def test_what_came_instead_is_told(around: Pretend, sut: StationUnderTest) -> None:
    around.say("StatusNotification", OCCUPIED)
    with pytest.raises(CaseFailed, match=r"Available.* did not come.*not looked at yet: StatusNotification .*Occupied"):
        sut.expect("StatusNotification", {"connectorStatus": "Available"})


def test_one_of_several_is_enough(around: Pretend, sut: StationUnderTest) -> None:
    around.say("NotifyEvent", {"seqNo": 0}, in_s=1.0)
    assert sut.expect_one_of(("StatusNotification", {}), ("NotifyEvent", {"seqNo": 0})) == {"seqNo": 0}
    with pytest.raises(CaseFailed, match="A or B"):
        sut.expect_one_of(("A", {}), ("B", {}), within_s=0.1)


def test_nothing_is_expected_for_a_while_and_what_was_forgotten_does_not_count(
    around: Pretend, sut: StationUnderTest
) -> None:
    around.say("StatusNotification", OCCUPIED)
    sut.forget()
    sut.expect_nothing("StatusNotification", for_s=2.0)
    assert sut.now() == pytest.approx(2.0, abs=0.1)
    around.say("StatusNotification", OCCUPIED, in_s=1.0)
    with pytest.raises(CaseFailed, match="came, and should not"):
        sut.expect_nothing("StatusNotification")
    assert sut.heard("StatusNotification") == [OCCUPIED, OCCUPIED]
    assert sut.last("StatusNotification") == OCCUPIED
    assert sut.last("Heartbeat") is None


def test_a_call_gives_the_answer_and_a_refusal_fails_it_unless_it_is_wanted(
    around: Pretend, sut: StationUnderTest
) -> None:
    around.answers = {"Reset": {"status": "Accepted"}, "UnlockConnector": "NotImplemented"}
    assert sut.call("Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    assert sut.call_gives("Reset", {}, {"status": "Accepted"}) == {"status": "Accepted"}
    assert sut.call_refused("UnlockConnector") == Refusal("NotImplemented")
    with pytest.raises(CaseFailed, match="status is 'Accepted', expected 'Scheduled'"):
        sut.call_gives("Reset", {}, {"status": "Scheduled"})
    with pytest.raises(CaseFailed, match="UnlockConnector was refused"):
        sut.call("UnlockConnector")
    with pytest.raises(CaseFailed, match="a CALLERROR was expected"):
        sut.call_refused("Reset")
    with pytest.raises(CaseFailed, match="the answer to GetLog did not come within 10 s"):
        sut.call("GetLog")


def test_variables_are_read_and_set_by_name(around: Pretend, sut: StationUnderTest) -> None:
    around.answers = {
        "GetVariables": {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "8"}]},
        "SetVariables": {"setVariableResult": [{"attributeStatus": "RebootRequired"}]},
    }
    assert sut.get_variable("OCPPCommCtrlr", "MessageAttempts", instance="TransactionEvent") == "8"
    sut.set_variable("EVSE", "AllowReset", "true", evse=1, attributeType="Actual")
    assert around.asked == [
        (
            "GetVariables",
            {
                "getVariableData": [
                    {
                        "component": {"name": "OCPPCommCtrlr"},
                        "variable": {"name": "MessageAttempts", "instance": "TransactionEvent"},
                    }
                ]
            },
        ),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "component": {"name": "EVSE", "evse": {"id": 1}},
                        "variable": {"name": "AllowReset"},
                        "attributeType": "Actual",
                        "attributeValue": "true",
                    }
                ]
            },
        ),
    ]
    around.answers = {
        "GetVariables": {"getVariableResult": [{"attributeStatus": "UnknownVariable"}]},
        "SetVariables": {"setVariableResult": [{"attributeStatus": "Rejected"}]},
    }
    with pytest.raises(CaseFailed, match=r"A\.B cannot be read"):
        sut.get_variable("A", "B")
    with pytest.raises(CaseFailed, match=r"A\.B = 1 is refused"):
        sut.set_variable("A", "B", "1")


def test_what_a_person_cannot_do_yet_is_tried_until_it_can(around: Pretend, sut: StationUnderTest) -> None:
    around.busy = 3
    sut.plug_out()
    assert around.acts == [("plug_out", {"evse": 1})]
    around.busy = 10**6
    with pytest.raises(CaseFailed, match=r"plug_out.*it is locked"):
        sut.plug_out()


def test_each_act_of_a_person_is_a_verb(around: Pretend, sut: StationUnderTest) -> None:
    sut.power_on()
    sut.plug_in(1, amps=20.0)
    sut.ev_ready()
    sut.ev_pause()
    sut.present("AB", kind="ISO15693")
    sut.fault("lock_jam")
    sut.fault("pilot_volts", value=3.0)
    sut.mend("lock_jam")
    sut.power_cycle(2.0)
    assert around.acts == [
        ("power_on", {}),
        ("plug_in", {"evse": 1, "amps": 20.0}),
        ("ev_ready", {"evse": 1}),
        ("ev_pause", {"evse": 1}),
        ("present_token", {"evse": 1, "uid": "AB", "kind": "ISO15693"}),
        ("fault", {"evse": 1, "name": "lock_jam"}),
        ("fault", {"evse": 1, "name": "pilot_volts", "value": 3.0}),
        ("clear_fault", {"evse": 1, "name": "lock_jam"}),
        ("power_cycle", {"off_s": 2.0}),
    ]


def test_offline_is_a_lost_connection_and_online_a_new_one(around: Pretend, sut: StationUnderTest) -> None:
    sut.go_offline()
    assert not around.peer.connected
    sut.go_online()
    assert around.peer.connections == 2


def test_an_attempt_to_connect_is_waited_for_and_has_its_time(around: Pretend, sut: StationUnderTest) -> None:
    around.peer.attempts += [1.0, 4.0]
    assert sut.attempted(2) == 4.0
    with pytest.raises(CaseFailed, match="attempt 3 to connect"):
        sut.attempted(3, within_s=1.0)


def test_a_server_for_files_is_where_the_station_can_reach_it(sut: StationUnderTest) -> None:
    url, files = sut.file_server()
    assert url == "http://files.test"
    assert files.arrived == []


def test_another_csms_sees_the_same_station_with_its_own_eyes(around: Pretend, sut: StationUnderTest) -> None:
    url, other = sut.another_csms()
    assert url == "ws://other.test/ocpp"
    around.say("Heartbeat", {})
    other.expect_nothing("Heartbeat", for_s=0.1)
    sut.expect("Heartbeat")


def test_a_message_against_the_schemas_fails_the_case_at_the_next_look(around: Pretend, sut: StationUnderTest) -> None:
    around.peer.problems.append("StatusNotification request: evseId is missing")
    around.say("Heartbeat", {})
    with pytest.raises(CaseFailed, match="evseId is missing"):
        sut.expect("Heartbeat")


def test_the_time_of_day_is_that_of_the_csms(sut: StationUnderTest) -> None:
    sut.wait(5.0)
    assert (sut.utc() - MIDNIGHT).total_seconds() == 5.0
