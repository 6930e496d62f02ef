"""The states that cases start from (part 6, reusable states), as functions that lead the station there and check the
way. Each is tolerant where the standard lets a station choose, and nowhere else.
"""

from typing import Any

from chargerd.conformance.peer import Payload
from chargerd.conformance.station import VALID, StationUnderTest

CONNECTED = frozenset({"EVConnected", "SuspendedEVSE", "SuspendedEV", "Charging"})


def booted(sut: StationUnderTest) -> None:
    """Power on; the station is connected and accepted, and has told the state of every connector."""
    sut.power_on()
    sut.expect("BootNotification", within_s=30.0)
    for evse in range(1, sut.evses + 1):
        status(sut, "Available", evse)


def status(sut: StationUnderTest, state: str, evse: int = 1, within_s: float = 10.0) -> None:
    """The connector of this EVSE tells this state."""
    sut.expect("StatusNotification", {"evseId": evse, "connectorStatus": state}, within_s)


def event(sut: StationUnderTest, kind: str | set[str], within_s: float = 10.0, **wanted: Any) -> Payload:
    """A TransactionEvent. `wanted`: `trigger`, `state`, `reason`, or any other field by its name."""
    names = {
        "trigger": "triggerReason",
        "state": "transactionInfo.chargingState",
        "reason": "transactionInfo.stoppedReason",
        "transaction_id": "transactionInfo.transactionId",
        "remote_start_id": "transactionInfo.remoteStartId",
        "token": "idToken.idToken",
        "seq_no": "seqNo",
    }
    fields = {"eventType": kind} | {names.get(name, name): value for name, value in wanted.items()}
    return sut.expect("TransactionEvent", fields, within_s)


def connected(sut: StationUnderTest, evse: int = 1, **habits: Any) -> None:
    """A vehicle is plugged in and the CSMS knows it; nobody is authorized."""
    sut.plug_in(evse, **habits)
    status(sut, "Occupied", evse)


def authorized(sut: StationUnderTest, uid: str = VALID, evse: int = 1) -> Payload:
    """Somebody holds a card to the reader, and the CSMS accepts it. Gives the Authorize request."""
    sut.present(uid, evse)
    return sut.expect("Authorize", {"idToken.idToken": uid})


def charging(sut: StationUnderTest, uid: str = VALID, evse: int = 1) -> str:
    """From free to charging: plug, card, energy. Gives the id of the transaction."""
    connected(sut, evse)
    authorized(sut, uid, evse)
    started = event(sut, "Started")
    transaction_id = str(started["transactionInfo"]["transactionId"])
    sut.ev_ready(evse)
    event(sut, {"Started", "Updated"}, state="Charging", transaction_id=transaction_id)
    return transaction_id


def stopped_locally(sut: StationUnderTest, uid: str = VALID, evse: int = 1) -> Payload:
    """The same card again ends the transaction, where the stop point is an authorization. Gives the Ended event."""
    sut.present(uid, evse)
    return event(sut, "Ended", trigger="StopAuthorized", reason={None, "Local"})


def unplugged(sut: StationUnderTest, evse: int = 1) -> None:
    """The vehicle is gone and the connector free."""
    sut.plug_out(evse)
    status(sut, "Available", evse)
