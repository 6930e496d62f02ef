"""An everyday session against a CSMS that shares nothing with ours: Node.js, the ocpp-rpc package, its own schemas."""

import asyncio

from tests.processes.charge import CARD, PASSWORD, Charger, assert_one_whole_story, charger, is_charging
from tests.second_csms.peer import Json, SecondCsms, second_csms

BLOCKED = "04DEADBE"


def test_an_everyday_session_against_another_csms() -> None:
    async def story() -> None:
        async with (
            second_csms(PASSWORD) as csms,
            charger(csms_url=csms.url, password=PASSWORD) as station,
        ):
            await boot_is_told(csms)
            await whole_device_model_is_reported(csms)
            await settings_are_read_and_written(csms)
            await blocked_card_does_not_charge(csms, station)
            await card_charges_under_a_limit_and_over_an_outage(csms, station)
            await remote_start_and_stop(csms, station)
            await out_of_service_and_back(csms)
            await reset_boots_anew(csms)
            assert not csms.bad

    asyncio.run(story())


async def boot_is_told(csms: SecondCsms) -> None:
    boot = await csms.sees("BootNotification")
    assert boot["chargingStation"]["vendorName"]
    await csms.sees("StatusNotification", lambda told: told["connectorStatus"] == "Available")


async def whole_device_model_is_reported(csms: SecondCsms) -> None:
    assert (await csms.call("GetBaseReport", {"requestId": 7, "reportBase": "FullInventory"}))["status"] == "Accepted"
    await csms.sees("NotifyReport", lambda report: report["requestId"] == 7 and not report.get("tbc"))
    reports = csms.all("NotifyReport")
    assert [report["seqNo"] for report in reports] == list(range(len(reports)))
    names = {row["component"]["name"] for report in reports for row in report["reportData"]}
    assert {"OCPPCommCtrlr", "AuthCtrlr", "TxCtrlr", "EVSE", "Connector", "ChargingStation"} <= names


async def settings_are_read_and_written(csms: SecondCsms) -> None:
    interval = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
    written = await csms.call("SetVariables", {"setVariableData": [interval | {"attributeValue": "2"}]})
    assert written["setVariableResult"][0]["attributeStatus"] == "Accepted"
    read = await csms.call("GetVariables", {"getVariableData": [interval]})
    assert read["getVariableResult"][0]["attributeValue"] == "2"


async def blocked_card_does_not_charge(csms: SecondCsms, station: Charger) -> None:
    await station.do("present_token", uid=BLOCKED)
    await csms.sees("Authorize", lambda asked: asked["idToken"]["idToken"] == BLOCKED)
    await station.do("plug_in")
    await csms.sees("StatusNotification", lambda told: told["connectorStatus"] == "Occupied")
    assert not (await station.status())["evses"][0]["charging"]["relay_commanded"]
    await unplug(station)


async def card_charges_under_a_limit_and_over_an_outage(csms: SecondCsms, station: Charger) -> None:
    already = len(csms.all("TransactionEvent"))
    await station.charge()
    limited = await csms.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile_of(10.0)})
    assert limited == {"status": "Accepted"}
    await station.until(lambda status: status["evses"][0]["charging"]["limit"] == {"source": "csms", "amps": 10.0})
    await station.until(lambda status: 9.9 < status["evses"][0]["charging"]["meter"]["amps"][0] < 10.1)
    connections = csms.connections
    csms.hang_up()
    await csms.until(lambda: csms.connections > connections)
    await station.do("present_token", uid=CARD)
    ended = await csms.sees("TransactionEvent", is_ended)
    assert ended["transactionInfo"].get("stoppedReason", "Local") == "Local"
    await unplug(station)
    await station.until(lambda status: status["link"]["queued"] == 0)
    assert_one_whole_story(csms.all("TransactionEvent")[already:])
    cleared = await csms.call("ClearChargingProfile", {"chargingProfileId": 77})
    assert cleared == {"status": "Accepted"}


async def remote_start_and_stop(csms: SecondCsms, station: Charger) -> None:
    await station.do("plug_in")
    await station.do("ev_ready")
    token = {"idToken": "REMOTE-1", "type": "Central"}
    asked = {"evseId": 1, "remoteStartId": 5, "idToken": token}
    assert (await csms.call("RequestStartTransaction", asked))["status"] == "Accepted"
    started = await csms.sees("TransactionEvent", lambda told: told["transactionInfo"].get("remoteStartId") == 5)
    await station.until(is_charging)
    transaction_id = started["transactionInfo"]["transactionId"]
    assert (await csms.call("RequestStopTransaction", {"transactionId": transaction_id}))["status"] == "Accepted"
    ended = await csms.sees(
        "TransactionEvent",
        lambda told: is_ended(told) and told["transactionInfo"]["transactionId"] == transaction_id,
    )
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    await unplug(station)


async def out_of_service_and_back(csms: SecondCsms) -> None:
    for status, told in (("Inoperative", "Unavailable"), ("Operative", "Available")):
        csms.heard.clear()
        answer = await csms.call("ChangeAvailability", {"operationalStatus": status, "evse": {"id": 1}})
        assert answer["status"] == "Accepted"
        await csms.sees("StatusNotification", lambda seen, told=told: seen["connectorStatus"] == told)  # type: ignore[misc]


async def reset_boots_anew(csms: SecondCsms) -> None:
    csms.heard.clear()
    assert (await csms.call("Reset", {"type": "OnIdle"}))["status"] == "Accepted"
    boot = await csms.sees("BootNotification")
    assert boot["reason"] == "RemoteReset"


async def unplug(station: Charger) -> None:
    """Pull the plug, as soon as the lock lets go of it."""
    await station.until(lambda status: not status["evses"][0]["charging"]["locked"])
    await station.do("plug_out")


def is_ended(told: Json) -> bool:
    return bool(told["eventType"] == "Ended")


def profile_of(amps: float) -> Json:
    """A default profile that allows so much at any time."""
    period = {"startPeriod": 0, "limit": amps}
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    return {
        "id": 77,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
