"""Block P: what vendors add to OCPP."""

from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted

CUSTOM: dict[str, Any] = {"customData": {"vendorId": "org.example.test", "anything": [1, {"more": True}]}}


@case("TC_P_01_CS")
def tc_p_01(sut: StationUnderTest) -> None:
    """Data of a vendor that the station does not know is refused in one of the proper ways."""
    booted(sut)
    request = {"vendorId": "org.openchargealliance.octt", "messageId": "test"}
    sut.call_gives("DataTransfer", request, {"status": {"UnknownVendorId", "UnknownMessageId", "Rejected"}})


@case("TC_P_03_CS")
def tc_p_03(sut: StationUnderTest) -> None:
    """Custom data anywhere in a request does not keep it from being carried out."""
    booted(sut)
    name: dict[str, Any] = {
        "component": {"name": "OCPPCommCtrlr"} | CUSTOM,
        "variable": {"name": "OfflineThreshold"} | CUSTOM,
        "attributeType": "Actual",
    } | CUSTOM
    sut.call_gives(
        "SetVariables",
        {"setVariableData": [name | {"attributeValue": "200"}]} | CUSTOM,
        {"setVariableResult.0.attributeStatus": "Accepted"},
    )
    result = sut.call("GetVariables", {"getVariableData": [name]} | CUSTOM)["getVariableResult"][0]
    if (result["attributeStatus"], result.get("attributeType", "Actual"), result["attributeValue"]) != (
        "Accepted",
        "Actual",
        "200",
    ):
        raise CaseFailed(f"the variable reads {result}")


@case("TC_P_04_CS")
def tc_p_04(sut: StationUnderTest) -> None:
    """Custom data in a charging profile does not keep it from being taken."""
    booted(sut)
    period = {"startPeriod": 0, "limit": 6.0, "numberPhases": 1} | CUSTOM
    schedule = {"id": 1, "duration": 300, "chargingRateUnit": "A", "chargingSchedulePeriod": [period]} | CUSTOM
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    } | CUSTOM
    sut.call_gives("SetChargingProfile", {"evseId": 1, "chargingProfile": profile} | CUSTOM, {"status": "Accepted"})
