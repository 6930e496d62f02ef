"""The embedded CSMS, talked to by a bare WebSocket client that writes its frames by hand."""

import asyncio
import base64
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from chargerd.bench.csms import SUBPROTOCOL, Csms, CsmsError

Talk = Callable[[Csms, ClientConnection], Awaitable[None]]
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


def dial(url: str, identity: str = "CS-1", password: str = "secret", subprotocol: str | None = SUBPROTOCOL) -> connect:
    basic = base64.b64encode(f"{identity}:{password}".encode()).decode()
    return connect(
        f"{url}/{identity}",
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        additional_headers={"Authorization": f"Basic {basic}"},
    )


def with_station(talk: Talk, *, call_within_s: float = 5.0) -> Csms:
    """A CSMS and one station that is connected to it, for the length of `talk`."""
    csms = Csms("CS-1", "secret", call_within_s=call_within_s)

    async def run() -> None:
        url = await csms.start()
        try:
            async with asyncio.timeout(20), dial(url) as station:
                await say(station, "Heartbeat", {})  # now the CSMS has noticed who connected
                await talk(csms, station)
        finally:
            await csms.stop()

    asyncio.run(run())
    return csms


async def say(station: ClientConnection, action: str, payload: dict[str, Any]) -> Any:
    """Send a request and return the response, or the error's code."""
    await station.send(json.dumps([2, "id-1", action, payload]))
    answer = json.loads(await station.recv())
    assert answer[1] == "id-1"
    return answer[2]


def test_a_station_that_leaves_before_its_answer_is_nobodys_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def leave(_csms: Csms, station: ClientConnection) -> None:
        for number in range(50):
            await station.send(json.dumps([2, f"id-{number}", "Heartbeat", {}]))
        station.transport.abort()

    with_station(leave)
    gc.collect()  # tasks whose errors nobody took are told of when they are forgotten
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def heartbeat(url: str, subprotocol: str | None) -> None:
    """Connect and say one thing. Raises WebSocketException when that is not welcome."""
    async with dial(url, subprotocol=subprotocol) as station:
        await say(station, "Heartbeat", {})


async def answer(station: ClientConnection, payload: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Answer the next request of the CSMS; its action and payload."""
    _, message_id, action, asked = json.loads(await station.recv())
    await station.send(json.dumps([3, message_id, payload]))
    return action, asked


def event(kind: str, seq_no: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": "2026-01-01T00:00:00Z",
        "triggerReason": "Authorized",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "t-1"},
    } | more


# ---- who may connect -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identity, password, status",
    [("CS-2", "secret", 404), ("CS-1", "wrong", 401), ("CS-1", "", 401), ("CS-1", "secret2", 401)],
)
def test_a_stranger_is_refused_by_http_status(identity: str, password: str, status: int) -> None:
    async def run() -> None:
        csms = Csms("CS-1", "secret")
        url = await csms.start()
        try:
            with pytest.raises(InvalidStatus) as refusal:
                async with dial(url, identity, password):
                    pass
            assert refusal.value.response.status_code == status
            assert not csms.connected
        finally:
            await csms.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    "header", [None, "Basic ???", "Bearer abc", "Basic", "Basic " + base64.b64encode(b"x").decode()]
)
def test_credentials_that_are_none_are_refused(header: str | None) -> None:
    async def run() -> None:
        csms = Csms("CS-1", "secret")
        url = await csms.start()
        headers = {"Authorization": header} if header else {}
        try:
            with pytest.raises(InvalidStatus) as refusal:
                async with connect(f"{url}/CS-1", subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers=headers):
                    pass
            assert refusal.value.response.status_code == 401
        finally:
            await csms.stop()

    asyncio.run(run())


@pytest.mark.parametrize("subprotocol", [None, "ocpp1.6"])
def test_another_subprotocol_gets_no_conversation(subprotocol: str | None) -> None:
    async def run() -> None:
        csms = Csms("CS-1", "secret")
        url = await csms.start()
        try:
            with pytest.raises(WebSocketException):
                await heartbeat(url, subprotocol)
        finally:
            await csms.stop()
        assert not csms.seen

    asyncio.run(run())


# ---- what it answers -----------------------------------------------------------------------------------------------


def test_boots_are_answered_as_the_script_says_then_accepted() -> None:
    async def talk(csms: Csms, station: ClientConnection) -> None:
        csms.registrations.extend(["Pending", "Rejected"])
        csms.boot_interval_s = 60
        answers = [await say(station, "BootNotification", BOOT) for _ in range(3)]
        assert [one["status"] for one in answers] == ["Pending", "Rejected", "Accepted"]
        assert answers[0]["interval"] == 60

    with_station(talk)


def test_blocked_tokens_are_refused_without_regard_to_case() -> None:
    async def talk(csms: Csms, station: ClientConnection) -> None:
        csms.blocked.add("04AB")
        for uid, verdict in (("04ab", "Blocked"), ("04AC", "Accepted")):
            said = await say(station, "Authorize", {"idToken": {"idToken": uid, "type": "ISO14443"}})
            assert said["idTokenInfo"]["status"] == verdict
            started = event("Started", idToken={"idToken": uid, "type": "ISO14443"})
            assert (await say(station, "TransactionEvent", started))["idTokenInfo"]["status"] == verdict

    with_station(talk)


def test_it_judges_contracts_and_has_no_one_who_makes_or_revokes_certificates() -> None:
    async def talk(csms: Csms, station: ClientConnection) -> None:
        csms.blocked.add("DETST1")
        for emaid, status, certificate in (
            ("DETST1", "Blocked", "ContractCancelled"),
            ("DETST2", "Accepted", "Accepted"),
        ):
            said = await say(station, "Authorize", {"idToken": {"idToken": emaid, "type": "eMAID"}})
            assert (said["idTokenInfo"]["status"], said["certificateStatus"]) == (status, certificate)
        wish = {"iso15118SchemaVersion": "urn", "action": "Install", "exiRequest": "QUFB"}
        assert (await say(station, "Get15118EVCertificate", wish))["status"] == "Failed"
        asked = {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "00",
            "issuerKeyHash": "00",
            "serialNumber": "1",
            "responderURL": "http://ocsp.test",
        }
        assert (await say(station, "GetCertificateStatus", {"ocspRequestData": asked})) == {"status": "Failed"}

    with_station(talk)


def test_it_knows_which_transaction_runs_where() -> None:
    async def talk(csms: Csms, station: ClientConnection) -> None:
        await say(station, "TransactionEvent", event("Started", evse={"id": 2}))
        assert csms.transactions == {2: "t-1"}
        assert await say(station, "TransactionEvent", event("Updated", 1)) == {}
        assert csms.transactions == {2: "t-1"}
        await say(station, "TransactionEvent", event("Ended", 2))
        assert csms.transactions == {}

    with_station(talk)


def test_what_it_is_told_is_remembered_as_it_stood_on_the_wire() -> None:
    async def talk(_csms: Csms, station: ClientConnection) -> None:
        await say(station, "BootNotification", BOOT)

    seen = with_station(talk).seen
    assert [(one.seq, one.action, one.payload) for one in seen] == [(1, "Heartbeat", {}), (2, "BootNotification", BOOT)]


@pytest.mark.parametrize(
    "action, payload",
    [
        (
            "StatusNotification",
            {
                "timestamp": "2026-01-01T00:00:00Z",
                "connectorStatus": "Occupied",
                "evseId": 1,
                "connectorId": 1,
            },
        ),
        ("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": "2026-01-01T00:00:00Z"}),
        ("LogStatusNotification", {"status": "Idle"}),
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ],
)
def test_notifications_are_taken_note_of(action: str, payload: dict[str, Any]) -> None:
    async def talk(_csms: Csms, station: ClientConnection) -> None:
        assert await say(station, action, payload) == {}

    assert with_station(talk).seen[-1].action == action


def test_a_message_against_the_official_schema_is_refused() -> None:
    async def talk(_csms: Csms, station: ClientConnection) -> None:
        assert await say(station, "BootNotification", {"reason": "PowerUp"}) == "ProtocolError"
        wrong = BOOT | {"reason": "Boredom"}
        assert "Violation" in await say(station, "BootNotification", wrong)

    with_station(talk)


def test_data_transfer_of_a_vendor_nobody_knows() -> None:
    async def talk(_csms: Csms, station: ClientConnection) -> None:
        assert (await say(station, "DataTransfer", {"vendorId": "x"}))["status"] == "UnknownVendorId"

    with_station(talk)


# ---- what it asks --------------------------------------------------------------------------------------------------


def asked_of_the_station(
    ask: Callable[[Csms], Awaitable[dict[str, Any]]], reply: dict[str, Any]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Action and payload that reached the station, and the response as the caller saw it."""
    result: list[Any] = []

    async def talk(csms: Csms, station: ClientConnection) -> None:
        asking = asyncio.ensure_future(ask(csms))
        result.extend(await answer(station, reply))
        result.append(await asking)

    with_station(talk)
    return result[0], result[1], result[2]


def test_remote_start_sends_a_central_token_and_counts_its_requests() -> None:
    action, payload, reply = asked_of_the_station(lambda csms: csms.remote_start(2, "APP-1"), {"status": "Accepted"})
    assert action == "RequestStartTransaction"
    assert payload == {"evseId": 2, "remoteStartId": 1, "idToken": {"idToken": "APP-1", "type": "Central"}}
    assert reply == {"status": "Accepted"}


def test_a_limit_is_a_default_profile_of_the_evse() -> None:
    action, payload, _ = asked_of_the_station(lambda csms: csms.limit(1, 10.0), {"status": "Accepted"})
    assert action == "SetChargingProfile"
    assert payload["evseId"] == 1
    profile = payload["chargingProfile"]
    assert profile["chargingProfilePurpose"] == "TxDefaultProfile"
    assert profile["chargingSchedule"][0]["chargingRateUnit"] == "A"
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 10.0}]


def test_no_limit_clears_that_profile() -> None:
    action, payload, reply = asked_of_the_station(lambda csms: csms.limit(1, None), {"status": "Unknown"})
    assert action == "ClearChargingProfile"
    assert payload == {"chargingProfileCriteria": {"evseId": 1, "chargingProfilePurpose": "TxDefaultProfile"}}
    assert reply == {"status": "Unknown"}


def test_any_request_can_be_sent_with_keys_as_on_the_wire() -> None:
    variable = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    result = variable | {"attributeStatus": "Accepted", "attributeValue": "300"}
    action, payload, reply = asked_of_the_station(
        lambda csms: csms.call("GetVariables", {"getVariableData": [variable]}), {"getVariableResult": [result]}
    )
    assert (action, payload) == ("GetVariables", {"getVariableData": [variable]})
    assert reply == {"getVariableResult": [result]}


def refused(ask: Callable[[Csms], Awaitable[Any]], then: Talk | None = None, *, call_within_s: float = 5.0) -> str:
    """What the CsmsError says that `ask` ends in."""
    said: list[str] = []

    async def talk(csms: Csms, station: ClientConnection) -> None:
        asking = asyncio.ensure_future(ask(csms))
        if then is not None:
            await then(csms, station)
        with pytest.raises(CsmsError) as refusal:
            await asking
        said.append(str(refusal.value))

    with_station(talk, call_within_s=call_within_s)
    return said[0]


def test_an_unknown_action_is_named() -> None:
    assert refused(lambda csms: csms.call("MakeCoffee", {})) == "OCPP 2.0.1 has no request 'MakeCoffee'"


def test_a_field_that_the_request_has_not_is_named() -> None:
    assert "colour" in refused(lambda csms: csms.call("Reset", {"type": "Immediate", "colour": "red"}))


def test_a_value_against_the_schema_is_not_sent() -> None:
    assert refused(lambda csms: csms.call("Reset", {"type": "Tomorrow"})).startswith("Reset: ")


def test_a_refusal_of_the_station_tells_its_code() -> None:
    async def refuse(_csms: Csms, station: ClientConnection) -> None:
        message = json.loads(await station.recv())
        await station.send(json.dumps([4, message[1], "NotImplemented", "not built yet", {}]))

    said = refused(lambda csms: csms.call("ClearCache", {}), refuse)
    assert said == "ClearCache: NotImplementedError: not built yet"


def test_a_station_that_does_not_answer_is_told() -> None:
    said = refused(lambda csms: csms.call("ClearCache", {}), call_within_s=0.1)
    assert said == "ClearCache: the station did not answer (TimeoutError)"


def test_nothing_to_stop_is_told() -> None:
    assert refused(lambda csms: csms.remote_stop(2)) == "no transaction runs on EVSE 2"


def test_without_a_station_nothing_can_be_asked() -> None:
    async def run() -> None:
        with pytest.raises(CsmsError, match="no station is connected"):
            await Csms("CS-1", "secret").call("Reset", {"type": "Immediate"})

    asyncio.run(run())


def test_a_station_that_hangs_up_is_forgotten() -> None:
    async def run() -> None:
        csms = Csms("CS-1", "secret")
        url = await csms.start()
        try:
            async with dial(url) as station:
                await say(station, "Heartbeat", {})
                assert csms.connected
                async with dial(url) as second:
                    await say(second, "Heartbeat", {})
                    await station.close()
                    await say(second, "Heartbeat", {})
                    assert csms.connected, "the newer connection counts"
            await csms.stop()
            assert not csms.connected
        finally:
            await csms.stop()

    asyncio.run(run())
