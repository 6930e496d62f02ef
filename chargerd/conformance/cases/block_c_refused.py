"""Block C: tokens that the CSMS refuses, and tokens that may not stop what another one started."""

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import authorized, booted, charging, connected, event, unplugged

GROUP = {"idToken": "FLEET-7", "type": "Central"}


def in_group(status: str = "Accepted") -> Payload:
    """What the CSMS says about a token of the group."""
    return {"status": status, "groupIdToken": GROUP}


def refused(sut: StationUnderTest, status: str) -> None:
    """Connected, a card that the CSMS does not accept: asked about, and nothing comes of it."""
    booted(sut)
    connected(sut)
    sut.answer("Authorize", {"idTokenInfo": {"status": status}})
    sut.ev_ready()
    authorized(sut)
    sut.expect_nothing("TransactionEvent", for_s=3.0)


@case("TC_C_02_CS")
def tc_c_02(sut: StationUnderTest) -> None:
    """A card that the CSMS calls Invalid does not charge."""
    refused(sut, "Invalid")


@case("TC_C_06_CS")
def tc_c_06(sut: StationUnderTest) -> None:
    """A card that is Blocked does not charge."""
    refused(sut, "Blocked")


@case("TC_C_07_CS")
def tc_c_07(sut: StationUnderTest) -> None:
    """A card that has Expired does not charge."""
    refused(sut, "Expired")


@case("TC_C_56_CS")
def tc_c_56(sut: StationUnderTest) -> None:
    """A card that is Unknown does not charge."""
    refused(sut, "Unknown")


@case("TC_C_04_CS")
def tc_c_04(sut: StationUnderTest) -> None:
    """Another card, of another group or of none, does not stop the charge even where the CSMS accepts it."""
    booted(sut)
    charging(sut)
    authorized(sut, OTHER)
    sut.expect_nothing("TransactionEvent", {"idToken.idToken": OTHER}, for_s=3.0)
    sut.expect_nothing("TransactionEvent", {"eventType": "Ended"}, for_s=0.0)


def charging_in_group(sut: StationUnderTest) -> str:
    """A charge that a card of the group began, answered so in both answers."""
    booted(sut)
    sut.answer("Authorize", {"idTokenInfo": in_group()})
    sut.answer("TransactionEvent", lambda told: {"idTokenInfo": in_group()} if "idToken" in told else {})
    return charging(sut)


@case("TC_C_39_CS")
def tc_c_39(sut: StationUnderTest) -> None:
    """A second card of the same group ends the charge, after the CSMS was asked about it."""
    transaction_id = charging_in_group(sut)
    authorized(sut, OTHER)
    event(sut, {"Updated", "Ended"}, trigger="StopAuthorized", token=OTHER, transaction_id=transaction_id)
    unplugged(sut)


@case("TC_C_42_CS")
def tc_c_42(sut: StationUnderTest) -> None:
    """A card of the same group that the CSMS does not accept ends nothing."""
    charging_in_group(sut)
    sut.answer("Authorize", {"idTokenInfo": in_group("Invalid")})
    authorized(sut, OTHER)
    sut.expect_nothing("TransactionEvent", {"triggerReason": "StopAuthorized"}, for_s=3.0)


MASTER = {"AuthCtrlr.MasterPassGroupId": "MASTER"}


def master() -> Payload:
    """What the CSMS says about a master pass."""
    return {"status": "Accepted", "groupIdToken": {"idToken": "MASTER", "type": "Central"}}


@case("TC_C_45_CS", settings=MASTER)
def tc_c_45(sut: StationUnderTest) -> None:
    """A master pass starts nothing, neither before nor after a vehicle comes."""
    booted(sut)
    sut.answer("Authorize", {"idTokenInfo": master()})
    authorized(sut)
    connected(sut)
    sut.ev_ready()
    sut.expect_nothing("TransactionEvent", for_s=3.0)
    authorized(sut)
    sut.expect_nothing("TransactionEvent", for_s=3.0)


@case("TC_C_49_CS", settings=MASTER)
def tc_c_49(sut: StationUnderTest) -> None:
    """A master pass on a charger without keys ends every transaction, and says that it was one."""
    booted(sut)
    running = [charging(sut, VALID, evse) for evse in range(1, sut.evses + 1)]
    sut.answer("Authorize", {"idTokenInfo": master()})
    authorized(sut, OTHER)
    for transaction_id in running:
        event(sut, "Ended", trigger="StopAuthorized", reason="MasterPass", transaction_id=transaction_id)
    for evse in range(1, sut.evses + 1):
        unplugged(sut, evse)
