"""Block P: data transfer and custom data."""

from chargerd.conformance.case import case
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import booted


@case("TC_P_01_CS")
def tc_p_01(sut: StationUnderTest) -> None:
    """Data of a vendor nobody knows is refused properly: vendor or message are unknown, or it is rejected."""
    booted(sut)
    request = {"vendorId": "org.example.nobody", "messageId": "nothing"}
    sut.call_gives("DataTransfer", request, {"status": {"UnknownVendorId", "UnknownMessageId", "Rejected"}})


@case("TC_P_03_CS")
def tc_p_03(sut: StationUnderTest) -> None:
    """Custom data in a request, on every level, is taken and changes nothing of what the request does."""
    booted(sut)
    custom = {"customData": {"vendorId": "org.example.nobody", "anything": {"goes": [1, "here"]}}}
    component, variable = {"name": "OCPPCommCtrlr"} | custom, {"name": "OfflineThreshold"} | custom
    place = {"component": component, "variable": variable, "attributeType": "Actual"} | custom
    sut.call_gives(
        "SetVariables",
        {"setVariableData": [place | {"attributeValue": "200"}]} | custom,
        {"setVariableResult.0.attributeStatus": "Accepted"},
    )
    sut.call_gives(
        "GetVariables",
        {"getVariableData": [place]} | custom,
        {
            "getVariableResult.0.attributeStatus": "Accepted",
            "getVariableResult.0.attributeType": {None, "Actual"},
            "getVariableResult.0.attributeValue": "200",
        },
    )
