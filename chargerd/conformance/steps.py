"""The states that cases start from (part 6, reusable states), as functions that lead the station there and check the
way. Each is tolerant where the standard lets a station choose, and nowhere else.
"""

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chargerd.conformance.peer import Payload, stamp
from chargerd.conformance.station import VALID, CaseFailed, StationUnderTest

CONNECTED = frozenset({"EVConnected", "SuspendedEVSE", "SuspendedEV", "Charging"})
"""Charging states of a vehicle that is plugged in."""

PLUGGED_IN = frozenset({"CablePluggedIn", "ChargingStateChanged", "RemoteStart"})
"""Trigger reasons that part 6 takes for a plug that came in."""

STARTED_UP = frozenset({"StartupOfTheDevice", "ResetOrReboot"})
"""Security events, one of which follows each boot."""

BOOT_WITHIN_S = 30.0

A_MOMENT_S = 0.5
"""A person takes at least this long from the plug to the card. A plug occupies the socket before the vehicle behind it
is seen, and a card that came in between would be one before the vehicle.
"""


def booted(sut: StationUnderTest) -> None:
    """Booted by a power-on: the station is connected and accepted, and has told the state of every connector."""
    sut.power_on()
    sut.expect("BootNotification", within_s=BOOT_WITHIN_S)
    for evse in range(1, sut.evses + 1):
        status(sut, "Available", evse)


def rebooted(sut: StationUnderTest, kind: str = "Immediate", states: Mapping[int, str] | None = None) -> Payload:
    """Booted by a Reset that is Accepted, with the security event after it. `states`: of connectors that are not
    Available afterwards, by EVSE. Gives the BootNotification.
    """
    sut.forget()
    sut.call_gives("Reset", {"type": kind}, {"status": "Accepted"})
    return boots(sut, states=states)


def boots(sut: StationUnderTest, reason: str | None = None, states: Mapping[int, str] | None = None) -> Payload:
    """The station boots by itself, tells every connector, and that it has started. `reason`: of the boot. `states`: as
    above. Gives the BootNotification.
    """
    boot = sut.expect("BootNotification", {} if reason is None else {"reason": reason}, within_s=BOOT_WITHIN_S)
    for evse in range(1, sut.evses + 1):
        status(sut, (states or {}).get(evse, "Available"), evse)
    sut.expect("SecurityEventNotification", {"type": STARTED_UP})
    return boot


def status(sut: StationUnderTest, state: str, evse: int = 1, within_s: float = 10.0) -> None:
    """The connector of this EVSE tells this state, in either of the two ways there are."""
    event_data = {
        "eventData.0.trigger": "Delta",
        "eventData.0.actualValue": state,
        "eventData.0.component.name": "Connector",
        "eventData.0.component.evse.id": evse,
        "eventData.0.variable.name": "AvailabilityState",
    }
    sut.expect_one_of(
        ("StatusNotification", {"evseId": evse, "connectorStatus": state}),
        ("NotifyEvent", event_data),
        within_s=within_s,
    )


def event(sut: StationUnderTest, kind: str | set[str], within_s: float = 10.0, **wanted: Any) -> Payload:
    """A TransactionEvent. `wanted`: `trigger`, `state`, `reason`, or any other field by its name."""
    names = {
        "trigger": "triggerReason",
        "state": "transactionInfo.chargingState",
        "reason": "transactionInfo.stoppedReason",
        "transaction_id": "transactionInfo.transactionId",
        "remote_start_id": "transactionInfo.remoteStartId",
        "token": "idToken.idToken",
        "id_type": "idToken.type",
        "seq_no": "seqNo",
    }
    fields = {"eventType": kind} | {names.get(name, name): value for name, value in wanted.items()}
    return sut.expect("TransactionEvent", fields, within_s)


def connected(sut: StationUnderTest, evse: int = 1, **habits: Any) -> None:
    """A vehicle is plugged in and the CSMS knows it; nobody is authorized."""
    sut.plug_in(evse, **habits)
    status(sut, "Occupied", evse)
    sut.wait(A_MOMENT_S)


def authorized(sut: StationUnderTest, uid: str = VALID, evse: int = 1) -> Payload:
    """Somebody holds a card to the reader, and the CSMS accepts it. Gives the Authorize request."""
    sut.present(uid, evse)
    return sut.expect("Authorize", {"idToken.idToken": uid, "idToken.type": "ISO14443"})


def authorized_remotely(
    sut: StationUnderTest, evse: int | None = 1, uid: str = VALID, kind: str = "ISO14443", remote_start_id: int = 1
) -> Payload:
    """A remote start that is accepted; gives the answer to it. Whether an Authorize follows is up to the case."""
    request = {"idToken": {"idToken": uid, "type": kind}, "remoteStartId": remote_start_id}
    where = {} if evse is None else {"evseId": evse}
    return sut.call_gives("RequestStartTransaction", request | where, {"status": "Accepted"})


def energy_starts(sut: StationUnderTest, evse: int = 1) -> str:
    """EnergyTransferStarted, from connected and authorized: the vehicle asks, and gets. Gives the transaction's id.

    Where the transaction started is of no interest: it may have been at the plug, the card, the contactor or now.
    """
    sut.ev_ready(evse)
    flowing = event(sut, {"Started", "Updated"}, state="Charging")
    return str(flowing["transactionInfo"]["transactionId"])


def charging(sut: StationUnderTest, uid: str = VALID, evse: int = 1) -> str:
    """From free to charging: plug, card, energy. Gives the id of the transaction, whose start has been looked at."""
    connected(sut, evse)
    authorized(sut, uid, evse)
    sut.ev_ready(evse)
    started = event(sut, "Started")
    transaction_id = str(started["transactionInfo"]["transactionId"])
    if started["transactionInfo"].get("chargingState") != "Charging":
        event(sut, "Updated", state="Charging", transaction_id=transaction_id)
    return transaction_id


def suspended_by_ev(sut: StationUnderTest, transaction_id: str, evse: int = 1) -> Payload:
    """EnergyTransferSuspended: the vehicle pauses. Ends the transaction where EnergyTransfer is a stop point."""
    sut.ev_pause(evse)
    last = event(sut, {"Updated", "Ended"}, state={"SuspendedEV", "EVConnected"}, transaction_id=transaction_id)
    if last["eventType"] == "Ended" and last["transactionInfo"].get("stoppedReason") != "StoppedByEV":
        raise CaseFailed(f"the vehicle stopped it, and the reason is {last['transactionInfo'].get('stoppedReason')}")
    return last


def stopped_locally(sut: StationUnderTest, uid: str = VALID, evse: int = 1) -> Payload:
    """The same card again ends the transaction, where the stop point is an authorization. Gives the Ended event."""
    sut.present(uid, evse)
    return event(sut, "Ended", trigger="StopAuthorized", reason={None, "Local"})


def unplugged(sut: StationUnderTest, evse: int = 1) -> None:
    """The vehicle is gone and the connector free."""
    sut.plug_out(evse)
    status(sut, "Available", evse)


def stopped_remotely(sut: StationUnderTest, transaction_id: str) -> Payload:
    """StopAuthorized by the CSMS. Gives the event that tells of it; it may be the Ended one."""
    sut.call_gives("RequestStopTransaction", {"transactionId": transaction_id}, {"status": "Accepted"})
    return event(sut, {"Updated", "Ended"}, trigger="RemoteStop", transaction_id=transaction_id)


def reserved(
    sut: StationUnderTest, reservation_id: int = 1, evse: int | None = 1, uid: str = VALID, **more: Any
) -> None:
    """Reserved for an hour, for the one who has this card. `more`: of the request, `groupIdToken` for one."""
    sut.call_gives("ReserveNow", reservation(sut, reservation_id, evse, uid, **more), {"status": "Accepted"})
    if evse is not None:
        status(sut, "Reserved", evse)


def reservation(
    sut: StationUnderTest,
    reservation_id: int = 1,
    evse: int | None = 1,
    uid: str = VALID,
    for_s: float = 3600.0,
    **more: Any,
) -> Payload:
    """A ReserveNow request."""
    request: dict[str, Any] = {
        "id": reservation_id,
        "expiryDateTime": stamp(sut.utc() + timedelta(seconds=for_s)),
        "idToken": {"idToken": uid, "type": "ISO14443"},
    }
    return request | ({} if evse is None else {"evseId": evse}) | more


def unavailable(sut: StationUnderTest, evse: int | None = 1, connector: int | None = None) -> None:
    """Unavailable: a connector, an EVSE, or with None the whole station."""
    change_availability(sut, "Inoperative", evse, connector)
    for each in [evse] if evse is not None else range(1, sut.evses + 1):
        status(sut, "Unavailable", each)


def change_availability(
    sut: StationUnderTest, to: str, evse: int | None = 1, connector: int | None = None, answer: str = "Accepted"
) -> None:
    """Set a connector, an EVSE or, with None, the whole station Operative or Inoperative; `answer` is wanted."""
    place = {"id": evse} | ({} if connector is None else {"connectorId": connector})
    request = {"operationalStatus": to} | ({} if evse is None else {"evse": place})
    sut.call_gives("ChangeAvailability", request, {"status": answer})


def local_list(sut: StationUnderTest, entries: Mapping[str, Payload | None], version: int = 1, **more: Any) -> Payload:
    """IdTokenLocalAuthList: a full list with these cards; None: without idTokenInfo. `more`: `updateType` for one."""
    data = [
        {"idToken": {"idToken": uid, "type": "ISO14443"}} | ({} if info is None else {"idTokenInfo": info})
        for uid, info in entries.items()
    ]
    request = {"versionNumber": version, "updateType": "Full"} | ({"localAuthorizationList": data} if data else {})
    return sut.call_gives("SendLocalList", request | more, {"status": "Accepted"})


def cached(sut: StationUnderTest, info: Payload, uid: str = VALID, evse: int = 1) -> None:
    """IdTokenCached: the CSMS has said once what this card may. The station is left as it was before, without a
    vehicle; a card that is accepted and not followed by one lapses by itself.
    """
    sut.answer("Authorize", {"idTokenInfo": info}, 1)
    authorized(sut, uid, evse)
    if info["status"] == "Accepted":
        sut.present(uid, evse)
        sut.until(lambda: not unended(sut), "the end of what the card started", BOOT_WITHIN_S)
    sut.forget()


def unended(sut: StationUnderTest) -> set[str]:
    """The transactions that were started and not ended, as far as the CSMS was told."""
    events = sut.heard("TransactionEvent")
    ended = {each["transactionInfo"]["transactionId"] for each in events if each["eventType"] == "Ended"}
    return {each["transactionInfo"]["transactionId"] for each in events} - ended


def cleared_cache(sut: StationUnderTest) -> None:
    """The cache holds nobody."""
    sut.call_gives("ClearCache", {}, {"status": "Accepted"})


def report(sut: StationUnderTest, request_id: int) -> list[Payload]:
    """All parts of the report that was asked for under this id, numbered from 0 without a gap; its rows."""
    rows: list[Payload] = []
    for number in itertools.count():
        part = sut.expect("NotifyReport", {"requestId": request_id, "generatedAt": ..., "seqNo": number})
        rows += part.get("reportData", ())
        if not part.get("tbc", False):
            break
    return rows


def told_of_customer(
    sut: StationUnderTest, request_id: int, *, report: bool = False, clear: bool = False, uid: str = VALID
) -> str:
    """CustomerInformation about a card is accepted; what is told in all parts, numbered from 0 without a gap."""
    card = {"idToken": uid, "type": "ISO14443"}
    request = {"requestId": request_id, "report": report, "clear": clear, "idToken": card}
    sut.call_gives("CustomerInformation", request, {"status": "Accepted"})
    text = ""
    for number in itertools.count():
        part = sut.expect("NotifyCustomerInformation", {"requestId": request_id, "generatedAt": ..., "seqNo": number})
        text += part["data"]
        if not part.get("tbc", False):
            break
    return text
