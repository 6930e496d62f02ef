"""Block B: one variable, several, and all that cannot be read or written."""

from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload, stamp
from chargerd.conformance.station import CaseFailed, StationUnderTest, difference
from chargerd.conformance.steps import booted

THRESHOLD = ("OCPPCommCtrlr", "OfflineThreshold")
OFFLINE = ("AuthCtrlr", "LocalAuthorizeOffline")


def element(component: str, variable: str, instance: str | None = None, **more: Any) -> dict[str, Any]:
    """What a request says of one variable."""
    name = {"name": variable} | ({} if instance is None else {"instance": instance})
    return {"component": {"name": component}, "variable": name} | more


def named(component: str, variable: str, status: str, **more: Any) -> dict[str, Any]:
    """What a result has to say of one variable."""
    fine = {None, "NoError"}
    info = {"attributeStatusInfo.reasonCode": fine} if status == "Accepted" else {}
    return {"component.name": component, "variable.name": variable, "attributeStatus": status} | info | more


def got(sut: StationUnderTest, *elements: Payload) -> list[Payload]:
    """The results of GetVariables."""
    return list(sut.call("GetVariables", {"getVariableData": list(elements)})["getVariableResult"])


def put(sut: StationUnderTest, *elements: Payload) -> list[Payload]:
    """The results of SetVariables."""
    return list(sut.call("SetVariables", {"setVariableData": list(elements)})["setVariableResult"])


def must_be(results: list[Payload], *wanted: dict[str, Any]) -> None:
    """One result for each of `wanted`, in any order."""
    if len(results) != len(wanted):
        raise CaseFailed(f"{len(results)} results for {len(wanted)} elements: {results}")
    for want in wanted:
        if all(difference(result, want) for result in results):
            raise CaseFailed(f"no result is {want}: {results}")


@case("TC_B_06_CS", settings={"OCPPCommCtrlr.OfflineThreshold": "300"})
def tc_b_06(sut: StationUnderTest) -> None:
    """One variable is read, with the attribute type that was asked for."""
    booted(sut)
    results = got(sut, element(*THRESHOLD, attributeType="Actual"))
    must_be(results, named(*THRESHOLD, "Accepted", attributeType="Actual", attributeValue="300"))


@case("TC_B_07_CS", settings={"OCPPCommCtrlr.OfflineThreshold": "300", "AuthCtrlr.LocalAuthorizeOffline": "true"})
def tc_b_07(sut: StationUnderTest) -> None:
    """Several variables are read with one request."""
    booted(sut)
    results = got(sut, element(*THRESHOLD, attributeType="Actual"), element(*OFFLINE, attributeType="Actual"))
    must_be(
        results,
        named(*THRESHOLD, "Accepted", attributeType="Actual", attributeValue="300"),
        named(*OFFLINE, "Accepted", attributeType="Actual", attributeValue="true"),
    )


@case("TC_B_09_CS")
def tc_b_09(sut: StationUnderTest) -> None:
    """One variable is set, and has the new value from then on."""
    booted(sut)
    results = put(sut, element(*THRESHOLD, attributeType="Actual", attributeValue="300"))
    must_be(results, named(*THRESHOLD, "Accepted", attributeType="Actual"))
    must_be(got(sut, element(*THRESHOLD)), named(*THRESHOLD, "Accepted", attributeValue="300"))


@case("TC_B_10_CS")
def tc_b_10(sut: StationUnderTest) -> None:
    """Several variables are set with one request."""
    booted(sut)
    results = put(
        sut,
        element(*THRESHOLD, attributeType="Actual", attributeValue="300"),
        element(*OFFLINE, attributeType="Actual", attributeValue="true"),
    )
    must_be(
        results,
        named(*THRESHOLD, "Accepted", attributeType="Actual"),
        named(*OFFLINE, "Accepted", attributeType="Actual"),
    )


@case("TC_B_11_CS")
def tc_b_11(sut: StationUnderTest) -> None:
    """A value in the form of another data type is refused, for an integer, a decimal, a boolean and a point in time."""
    booted(sut)
    values = {"integer": "60", "decimal": "60.1", "boolean": "true", "dateTime": stamp(sut.utc()), "string": "abc"}
    variables = {
        THRESHOLD: {"integer"},
        ("SmartChargingCtrlr", "LimitChangeSignificance"): {"integer", "decimal"},
        ("AuthCtrlr", "AuthorizeRemoteStart"): {"boolean"},
        ("ClockCtrlr", "NextTimeOffsetTransitionDateTime"): {"dateTime"},
    }
    for (component, variable), fitting in variables.items():
        known = got(sut, element(component, variable))[0]["attributeStatus"]
        if known.startswith("Unknown"):
            continue  # not every station has each
        for kind, value in values.items():
            status = "Accepted" if kind in fitting else "Rejected"
            results = put(sut, element(component, variable, attributeValue=value))
            info = {"attributeStatusInfo.reasonCode": {None, "InvalidValue", "NoError"}}
            must_be(results, named(component, variable, status) | info)


@case("TC_B_32_CS")
def tc_b_32(sut: StationUnderTest) -> None:
    """A component that is not there cannot be read."""
    booted(sut)
    must_be(
        got(sut, element("UnknownComponent", THRESHOLD[1])), named("UnknownComponent", THRESHOLD[1], "UnknownComponent")
    )


@case("TC_B_33_CS")
def tc_b_33(sut: StationUnderTest) -> None:
    """A variable that is not there cannot be read."""
    booted(sut)
    must_be(
        got(sut, element(THRESHOLD[0], "UnknownVariable")), named(THRESHOLD[0], "UnknownVariable", "UnknownVariable")
    )


@case("TC_B_34_CS")
def tc_b_34(sut: StationUnderTest) -> None:
    """An attribute type that the variable does not have cannot be read."""
    booted(sut)
    results = got(sut, element(*THRESHOLD, attributeType="Target"))
    must_be(results, named(*THRESHOLD, "NotSupportedAttributeType", attributeType="Target"))


@case("TC_B_35_CS")
def tc_b_35(sut: StationUnderTest) -> None:
    """A component that is not there cannot be set."""
    booted(sut)
    results = put(sut, element("UnknownComponent", THRESHOLD[1], attributeValue="1"))
    must_be(results, named("UnknownComponent", THRESHOLD[1], "UnknownComponent"))


@case("TC_B_36_CS")
def tc_b_36(sut: StationUnderTest) -> None:
    """A variable that is not there cannot be set."""
    booted(sut)
    results = put(sut, element(THRESHOLD[0], "UnknownVariable", attributeValue="1"))
    must_be(results, named(THRESHOLD[0], "UnknownVariable", "UnknownVariable"))


@case("TC_B_37_CS")
def tc_b_37(sut: StationUnderTest) -> None:
    """An attribute type that the variable does not have cannot be set."""
    booted(sut)
    results = put(sut, element(*THRESHOLD, attributeType="Target", attributeValue="1"))
    must_be(results, named(*THRESHOLD, "NotSupportedAttributeType", attributeType="Target"))


@case("TC_B_39_CS")
def tc_b_39(sut: StationUnderTest) -> None:
    """A variable that can only be read is not set."""
    booted(sut)
    name = ("OCPPCommCtrlr", "MessageTimeout")
    results = put(sut, element(*name, instance="Default", attributeValue="30"))
    must_be(results, named(*name, "Rejected") | {"variable.instance": "Default"})
