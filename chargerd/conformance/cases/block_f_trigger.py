"""Block F: connectors unlocked and messages triggered by the CSMS."""

from datetime import timedelta
from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import stamp
from chargerd.conformance.station import OTHER, StationUnderTest
from chargerd.conformance.steps import booted, charging, connected, event, status

ALIGNED = {"AlignedDataCtrlr.Measurands": "Energy.Active.Import.Register,Voltage"}


@case("TC_F_05_CS")
def tc_f_05(sut: StationUnderTest) -> None:
    """The connector of an authorized transaction is not unlocked, and the transaction goes on."""
    booted(sut)
    charging(sut)
    unlock(sut, "OngoingAuthorizedTransaction")
    sut.expect_nothing("TransactionEvent")


@case("TC_F_06_CS")
def tc_f_06(sut: StationUnderTest) -> None:
    """A connector without transaction is unlocked, with a cable in it."""
    booted(sut)
    connected(sut)
    unlock(sut, "Unlocked")


@case("TC_F_07_CS")
def tc_f_07(sut: StationUnderTest) -> None:
    """A connector without a cable is unlocked all the same, and the lock's own result is the answer."""
    booted(sut)
    unlock(sut, "Unlocked")


@case("TC_F_10_CS")
def tc_f_10(sut: StationUnderTest) -> None:
    """A connector that does not exist cannot be unlocked."""
    booted(sut)
    unlock(sut, "UnknownConnector", connector=999)


@case("TC_F_11_CS", settings=ALIGNED)
def tc_f_11(sut: StationUnderTest) -> None:
    """MeterValues of one EVSE on request."""
    booted(sut)
    trigger(sut, "MeterValues", "Accepted", id=1)
    measured(sut, 1)
    sut.expect_nothing("MeterValues")


@case("TC_F_12_CS", settings=ALIGNED)
def tc_f_12(sut: StationUnderTest) -> None:
    """MeterValues of every EVSE on request."""
    booted(sut)
    trigger(sut, "MeterValues", "Accepted")
    for evse in range(1, sut.evses + 1):
        measured(sut, evse)


@case("TC_F_13_CS")
def tc_f_13(sut: StationUnderTest) -> None:
    """The TransactionEvent of one EVSE on request."""
    booted(sut)
    transaction_id = charging(sut)
    trigger(sut, "TransactionEvent", "Accepted", id=1)
    triggered(sut, transaction_id)


@case("TC_F_14_CS", evses=2)
def tc_f_14(sut: StationUnderTest) -> None:
    """The TransactionEvents of all EVSEs on request."""
    booted(sut)
    transaction_ids = [charging(sut), charging(sut, OTHER, evse=2)]
    trigger(sut, "TransactionEvent", "Accepted")
    for transaction_id in transaction_ids:
        triggered(sut, transaction_id)


@case("TC_F_17_CS", updates=True)
def tc_f_17(sut: StationUnderTest) -> None:
    """How an update of the firmware stands, where there is none; an EVSE that is named makes no difference."""
    booted(sut)
    trigger(sut, "FirmwareStatusNotification", "Accepted", id=1)
    sut.expect("FirmwareStatusNotification", {"status": "Idle"})


@case("TC_F_18_CS", updates=True)
def tc_f_18(sut: StationUnderTest) -> None:
    """How an update of the firmware stands, where there is none."""
    booted(sut)
    trigger(sut, "FirmwareStatusNotification", "Accepted")
    sut.expect("FirmwareStatusNotification", {"status": "Idle"})


@case("TC_F_19_CS", updates=True)
def tc_f_19(sut: StationUnderTest) -> None:
    """How an update of the firmware stands while it is fetched."""
    booted(sut)
    offer, files = sut.firmware()
    files.hold_next()
    firmware = {
        "location": offer.location,
        "retrieveDateTime": stamp(sut.utc() - timedelta(hours=2)),
        "signingCertificate": offer.certificate_pem,
        "signature": offer.signature,
    }
    sut.call_gives("UpdateFirmware", {"requestId": 1, "firmware": firmware}, {"status": "Accepted"})
    sut.expect("FirmwareStatusNotification", {"status": "Downloading", "requestId": 1})
    trigger(sut, "FirmwareStatusNotification", "Accepted")
    sut.expect("FirmwareStatusNotification", {"status": "Downloading", "requestId": 1})


@case("TC_F_20_CS")
def tc_f_20(sut: StationUnderTest) -> None:
    """A Heartbeat on request."""
    booted(sut)
    sut.forget()
    trigger(sut, "Heartbeat", "Accepted")
    sut.expect("Heartbeat")


@case("TC_F_23_CS")
def tc_f_23(sut: StationUnderTest) -> None:
    """The state of a free connector on request."""
    booted(sut)
    trigger(sut, "StatusNotification", "Accepted", id=1, connectorId=1)
    status(sut, "Available")


@case("TC_F_24_CS")
def tc_f_24(sut: StationUnderTest) -> None:
    """The state of an occupied connector on request."""
    booted(sut)
    connected(sut)
    trigger(sut, "StatusNotification", "Accepted", id=1, connectorId=1)
    status(sut, "Occupied")


@case("TC_F_26_CS")
def tc_f_26(sut: StationUnderTest) -> None:
    """BootNotification is not sent again once it was accepted."""
    booted(sut)
    trigger(sut, "BootNotification", "Rejected")
    sut.expect_nothing("BootNotification")


@case("TC_F_27_CS")
def tc_f_27(sut: StationUnderTest) -> None:
    """What the station never sends is not implemented."""
    booted(sut)
    trigger(sut, "SignCombinedCertificate", "NotImplemented")


def unlock(sut: StationUnderTest, wanted: str, connector: int = 1) -> None:
    """UnlockConnector of EVSE 1, and its answer."""
    sut.call_gives("UnlockConnector", {"evseId": 1, "connectorId": connector}, {"status": wanted})


def trigger(sut: StationUnderTest, message: str, wanted: str, **evse: Any) -> None:
    """TriggerMessage, and its answer. `evse`: of which one; left out: of all."""
    where = {"evse": evse} if evse else {}
    sut.call_gives("TriggerMessage", {"requestedMessage": message} | where, {"status": wanted})


def measured(sut: StationUnderTest, evse: int) -> None:
    """MeterValues of that EVSE, because they were asked for."""
    sut.expect("MeterValues", {"evseId": evse, "meterValue.0.sampledValue.0.context": "Trigger"})


def triggered(sut: StationUnderTest, transaction_id: str) -> None:
    """The event of that transaction, because it was asked for, with what is measured now."""
    asked_for: dict[str, Any] = {"meterValue.0.sampledValue.0.context": "Trigger"}
    event(sut, "Updated", trigger="Trigger", state="Charging", transaction_id=transaction_id, **asked_for)
