"""The steps that lead to where cases start: tolerant where part 6 is, and not elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest

from chargerd.conformance import steps
from chargerd.conformance.station import OTHER, VALID, CaseFailed, StationUnderTest
from tests.chargerd.conformance.pretend import Pretend

ACCEPTED = {"status": "Accepted"}


@pytest.fixture
def around() -> Pretend:
    return Pretend(
        dict.fromkeys(("Reset", "ReserveNow", "ChangeAvailability", "SendLocalList", "ClearCache"), ACCEPTED)
    )


@pytest.fixture
def sut(around: Pretend) -> StationUnderTest:
    return StationUnderTest(around)


def tell(around: Pretend, kind: str, **info: Any) -> None:
    """A TransactionEvent."""
    trigger = info.pop("trigger", "ChargingStateChanged")
    around.say(
        "TransactionEvent",
        {"eventType": kind, "triggerReason": trigger, "transactionInfo": {"transactionId": "T", **info}},
    )


def connector(around: Pretend, state: str) -> None:
    around.say("StatusNotification", {"evseId": 1, "connectorId": 1, "connectorStatus": state})


def test_a_connector_tells_its_state_in_either_way(around: Pretend, sut: StationUnderTest) -> None:
    connector(around, "Occupied")
    steps.status(sut, "Occupied")
    place = {"component": {"name": "Connector", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}}
    around.say("NotifyEvent", {"eventData": [{"trigger": "Delta", "actualValue": "Available"} | place]})
    steps.status(sut, "Available")
    with pytest.raises(CaseFailed):
        steps.status(sut, "Available", within_s=0.1)


def test_booted_is_on_the_wire_and_every_connector_told(around: Pretend, sut: StationUnderTest) -> None:
    around.say("BootNotification", {})
    connector(around, "Available")
    steps.booted(sut)
    assert around.acts == [("power_on", {})]


def test_rebooted_wants_the_security_event_after_a_reset_that_is_accepted(
    around: Pretend, sut: StationUnderTest
) -> None:
    def after_reset() -> None:
        around.say("BootNotification", {"reason": "RemoteReset"}, in_s=1.0)
        around.say("StatusNotification", {"evseId": 1, "connectorStatus": "Occupied"}, in_s=2.0)

    after_reset()
    around.say("SecurityEventNotification", {"type": "StartupOfTheDevice"}, in_s=3.0)
    assert steps.rebooted(sut, "OnIdle", {1: "Occupied"}) == {"reason": "RemoteReset"}
    assert around.asked == [("Reset", {"type": "OnIdle"})]
    after_reset()
    with pytest.raises(CaseFailed, match="SecurityEventNotification"):
        steps.rebooted(sut, "OnIdle", {1: "Occupied"})


def test_charging_finds_the_start_of_the_transaction_wherever_it_is(around: Pretend, sut: StationUnderTest) -> None:
    connector(around, "Occupied")
    around.say("Authorize", {"idToken": {"idToken": VALID, "type": "ISO14443"}})
    tell(around, "Started", chargingState="EVConnected")
    tell(around, "Updated", chargingState="Charging")
    assert steps.charging(sut) == "T"
    sut.expect_nothing("TransactionEvent", for_s=0.1)
    connector(around, "Occupied")
    around.say("Authorize", {"idToken": {"idToken": VALID, "type": "ISO14443"}})
    tell(around, "Started", chargingState="Charging")  # the start point is EnergyTransfer
    assert steps.charging(sut) == "T"


def test_energy_starts_with_the_event_that_says_charging(around: Pretend, sut: StationUnderTest) -> None:
    tell(around, "Started", chargingState="EVConnected")
    tell(around, "Updated", chargingState="Charging")
    assert steps.energy_starts(sut) == "T"


def test_a_vehicle_that_pauses_is_told_and_when_it_ends_the_transaction_the_reason_is_its_own(
    around: Pretend, sut: StationUnderTest
) -> None:
    tell(around, "Updated", chargingState="SuspendedEV")
    assert steps.suspended_by_ev(sut, "T")["eventType"] == "Updated"
    tell(around, "Ended", chargingState="SuspendedEV", stoppedReason="StoppedByEV")
    assert steps.suspended_by_ev(sut, "T")["eventType"] == "Ended"
    tell(around, "Ended", chargingState="SuspendedEV", stoppedReason="Local")
    with pytest.raises(CaseFailed, match="the reason is Local"):
        steps.suspended_by_ev(sut, "T")


@pytest.mark.parametrize("reason", [{}, {"stoppedReason": "Local"}])
def test_a_local_stop_may_leave_out_its_reason(around: Pretend, sut: StationUnderTest, reason: Any) -> None:
    tell(around, "Ended", trigger="StopAuthorized", **reason)
    steps.stopped_locally(sut)
    tell(around, "Ended", trigger="StopAuthorized", stoppedReason="Remote")
    with pytest.raises(CaseFailed):
        steps.stopped_locally(sut)


def test_a_remote_stop_is_told_by_its_trigger(around: Pretend, sut: StationUnderTest) -> None:
    around.answers["RequestStopTransaction"] = ACCEPTED
    tell(around, "Ended", trigger="RemoteStop", stoppedReason="Remote")
    assert steps.stopped_remotely(sut, "T")["eventType"] == "Ended"
    assert around.asked == [("RequestStopTransaction", {"transactionId": "T"})]


def test_a_remote_start_must_be_accepted(around: Pretend, sut: StationUnderTest) -> None:
    around.answers["RequestStartTransaction"] = ACCEPTED
    steps.authorized_remotely(sut, None, OTHER, "Central", 7)
    assert around.asked[0][1] == {"idToken": {"idToken": OTHER, "type": "Central"}, "remoteStartId": 7}
    around.answers["RequestStartTransaction"] = {"status": "Rejected"}
    with pytest.raises(CaseFailed):
        steps.authorized_remotely(sut)


def test_an_unplugged_connector_is_available(around: Pretend, sut: StationUnderTest) -> None:
    connector(around, "Available")
    steps.unplugged(sut)
    assert around.acts == [("plug_out", {"evse": 1})]


@pytest.mark.parametrize(
    "step, told, action, payload",
    [
        (
            steps.reserved,
            "Reserved",
            "ReserveNow",
            {
                "id": 1,
                "expiryDateTime": "2026-01-01T01:00:00.000Z",
                "idToken": {"idToken": VALID, "type": "ISO14443"},
                "evseId": 1,
            },
        ),
        (
            steps.unavailable,
            "Unavailable",
            "ChangeAvailability",
            {"operationalStatus": "Inoperative", "evse": {"id": 1}},
        ),
        (
            lambda sut: steps.unavailable(sut, None),
            "Unavailable",
            "ChangeAvailability",
            {"operationalStatus": "Inoperative"},
        ),
        (
            lambda sut: steps.unavailable(sut, 1, 1),
            "Unavailable",
            "ChangeAvailability",
            {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 1}},
        ),
    ],
)
def test_what_the_csms_asks_for_is_accepted_and_told(
    step: Callable[[StationUnderTest], None], told: str, action: str, payload: Any
) -> None:
    around = Pretend({action: ACCEPTED})
    sut = StationUnderTest(around)
    connector(around, told)
    step(sut)
    assert around.asked == [(action, payload)]
    with pytest.raises(CaseFailed, match=told):
        step(sut)


def test_a_local_list_is_full_or_empty(around: Pretend, sut: StationUnderTest) -> None:
    steps.local_list(sut, {VALID: {"status": "Blocked"}, OTHER: None}, 2, updateType="Differential")
    steps.local_list(sut, {}, 3)
    assert [payload for _action, payload in around.asked] == [
        {
            "versionNumber": 2,
            "updateType": "Differential",
            "localAuthorizationList": [
                {"idToken": {"idToken": VALID, "type": "ISO14443"}, "idTokenInfo": {"status": "Blocked"}},
                {"idToken": {"idToken": OTHER, "type": "ISO14443"}},
            ],
        },
        {"versionNumber": 3, "updateType": "Full"},
    ]


def test_a_cached_card_leaves_no_transaction_behind(around: Pretend, sut: StationUnderTest) -> None:
    around.say("Authorize", {"idToken": {"idToken": VALID, "type": "ISO14443"}})
    tell(around, "Started", trigger="Authorized")
    with pytest.raises(CaseFailed, match="the end of what the card started"):
        steps.cached(sut, ACCEPTED)
    around.say("Authorize", {"idToken": {"idToken": VALID, "type": "ISO14443"}})
    tell(around, "Ended", trigger="StopAuthorized")
    steps.cached(sut, ACCEPTED)
    assert not steps.unended(sut)
    sut.expect_nothing("TransactionEvent", for_s=0.1)
    steps.cleared_cache(sut)
