"""Block B: what the station says of itself, whole or in part."""

from collections.abc import Iterable
from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted, report

LISTS = frozenset({"OptionList", "SequenceList", "MemberList"})

REQUIRED = """
    AlignedDataCtrlr Interval Measurands TxEndedInterval TxEndedMeasurands
    AuthCtrlr AuthorizeRemoteStart LocalAuthorizeOffline LocalPreAuthorize
    ClockCtrlr TimeSource
    OCPPCommCtrlr MessageAttemptInterval[TransactionEvent] MessageAttempts[TransactionEvent]
    OCPPCommCtrlr NetworkConfigurationPriority NetworkProfileConnectionAttempts OfflineThreshold ResetRetries
    SampledDataCtrlr TxEndedInterval TxEndedMeasurands TxStartedMeasurands TxUpdatedInterval TxUpdatedMeasurands
    SecurityCtrlr OrganizationName
    SmartChargingCtrlr LimitChangeSignificance
    TxCtrlr EVConnectionTimeOut StopTxOnInvalidId
"""
"""What an operator must be able to set (part 2, referenced components and variables; smart charging included)."""

REQUIRED_TO_READ = """
    ChargingStation AvailabilityState Available SupplyPhases
    EVSE AvailabilityState Available Power SupplyPhases
    Connector Available ConnectorType SupplyPhases
    ClockCtrlr DateTime
    DeviceDataCtrlr BytesPerMessage[GetReport] BytesPerMessage[GetVariables] BytesPerMessage[SetVariables]
    DeviceDataCtrlr ItemsPerMessage[GetReport] ItemsPerMessage[GetVariables] ItemsPerMessage[SetVariables]
    OCPPCommCtrlr FileTransferProtocols MessageTimeout[Default] UnlockOnEVSideDisconnect
    SecurityCtrlr CertificateEntries SecurityProfile
    SmartChargingCtrlr Entries[ChargingProfiles] PeriodsPerSchedule ProfileStackLevel RateUnit
    TxCtrlr StopTxOnEVSideDisconnect TxStartPoint TxStopPoint
"""
"""What every station must have beyond that; whether some of it can be set is its own affair."""


@case("TC_B_12_CS")
def tc_b_12(sut: StationUnderTest) -> None:
    """ConfigurationInventory: everything an operator can set, in numbered parts, and nothing else."""
    booted(sut)
    rows = base_report(sut, "ConfigurationInventory")
    check_rows(rows)
    for row in rows:
        if not any(
            each.get("mutability", "ReadWrite") in {"ReadWrite", "WriteOnly"} for each in row["variableAttribute"]
        ):
            raise CaseFailed(f"cannot be set and is in the ConfigurationInventory: {row}")
    check_has(rows, REQUIRED)


@case("TC_B_13_CS")
def tc_b_13(sut: StationUnderTest) -> None:
    """FullInventory: everything there is, in numbered parts."""
    booted(sut)
    rows = base_report(sut, "FullInventory")
    check_rows(rows)
    check_has(rows, REQUIRED, REQUIRED_TO_READ)


@case("TC_B_14_CS")
def tc_b_14(sut: StationUnderTest) -> None:
    """SummaryInventory: the state of station, EVSEs and connectors."""
    booted(sut)
    rows = base_report(sut, "SummaryInventory")
    check_rows(rows)
    states = [row["component"] for row in rows if row["variable"]["name"] == "AvailabilityState"]
    wanted: list[Payload] = [{"name": "ChargingStation"}]
    for evse in range(1, sut.evses + 1):
        wanted += [
            {"name": "EVSE", "evse": {"id": evse}},
            {"name": "Connector", "evse": {"id": evse, "connectorId": 1}},
        ]
    if missing := [one for one in wanted if one not in states]:
        raise CaseFailed(f"the summary does not say the state of {missing}")


@case("TC_B_53_CS")
def tc_b_53(sut: StationUnderTest) -> None:
    """All required variables are there; lists say what they may hold and hold nothing else; secrets stay inside."""
    booted(sut)
    rows = base_report(sut, "FullInventory")
    check_has(rows, REQUIRED, REQUIRED_TO_READ)
    check_rows(rows)
    for row in rows:
        characteristics = row["variableCharacteristics"]
        allowed = set(characteristics.get("valuesList", "").split(","))
        for attribute in row["variableAttribute"]:
            value = attribute.get("value")
            if attribute.get("mutability") == "WriteOnly" and value is not None:
                raise CaseFailed(f"a value that can only be written is told: {row}")
            if characteristics["dataType"] in LISTS and value and not set(value.split(",")) <= allowed:
                raise CaseFailed(f"holds what is not on its list: {row}")


@case("TC_B_16_CS")
def tc_b_16(sut: StationUnderTest) -> None:
    """A report of what is enabled: every Enabled that is true, and no other."""
    booted(sut)
    enabled = {place(row) for row in base_report(sut, "FullInventory") if is_true(row, "Enabled")}
    rows = custom_report(sut, 32, componentCriteria=["Enabled"])
    reported = {place(row) for row in rows if row["variable"]["name"] == "Enabled"}
    if enabled != reported or not all(is_true(row, "Enabled") for row in rows if row["variable"]["name"] == "Enabled"):
        raise CaseFailed(f"enabled is {enabled}, reported was {reported}")


@case("TC_B_17_CS")
def tc_b_17(sut: StationUnderTest) -> None:
    """A report of one variable at one EVSE."""
    booted(sut)
    check_state_of_evse(custom_report(sut, 33, componentVariable=[evse_state(1)]))


@case("TC_B_18_CS")
def tc_b_18(sut: StationUnderTest) -> None:
    """A variable and a criterion together: reported if both fit, else the result is said to be empty."""
    booted(sut)
    check_state_of_evse(custom_report(sut, 34, componentCriteria=["Available"], componentVariable=[evse_state(1)]))
    request = {"requestId": 35, "componentCriteria": ["Problem"], "componentVariable": [evse_state(1)]}
    sut.call_gives("GetReport", request, {"status": "EmptyResultSet", "statusInfo.reasonCode": {None, "NotFound"}})
    sut.expect_nothing("NotifyReport", for_s=1.0)


@case("TC_B_54_CS")
def tc_b_54(sut: StationUnderTest) -> None:
    """A variable without its instance is reported with all instances."""
    booted(sut)
    wanted = {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage"}}
    rows = custom_report(sut, 36, componentVariable=[wanted])
    instances = {row["variable"].get("instance") for row in rows}
    if not {"GetReport", "GetVariables"} <= instances or {row["variable"]["name"] for row in rows} != {
        "ItemsPerMessage"
    }:
        raise CaseFailed(f"reported instances: {instances}")


@case("TC_B_55_CS")
def tc_b_55(sut: StationUnderTest) -> None:
    """A variable with its instance is reported with that one only."""
    booted(sut)
    wanted = {
        "component": {"name": "DeviceDataCtrlr"},
        "variable": {"name": "ItemsPerMessage", "instance": "GetReport"},
    }
    rows = custom_report(sut, 37, componentVariable=[wanted])
    if [row["variable"] for row in rows] != [wanted["variable"]]:
        raise CaseFailed(f"reported: {rows}")


@case("TC_B_56_CS")
def tc_b_56(sut: StationUnderTest) -> None:
    """A component without an EVSE id is reported for all EVSEs."""
    booted(sut)
    wanted = {"component": {"name": "EVSE"}, "variable": {"name": "AvailabilityState"}}
    rows = custom_report(sut, 38, componentVariable=[wanted])
    evses = sorted(row["component"]["evse"]["id"] for row in rows)
    if evses != list(range(1, sut.evses + 1)):
        raise CaseFailed(f"reported EVSEs: {evses}")


def base_report(sut: StationUnderTest, base: str) -> list[Payload]:
    """The rows of a base report."""
    fine = {"status": "Accepted", "statusInfo.reasonCode": {None, "NoError"}}
    sut.call_gives("GetBaseReport", {"requestId": 31, "reportBase": base}, fine)
    return report(sut, 31)


def custom_report(sut: StationUnderTest, request_id: int, **wanted: Any) -> list[Payload]:
    """The rows of a report of what is wanted."""
    fine = {"status": "Accepted", "statusInfo.reasonCode": {None, "NoError"}}
    sut.call_gives("GetReport", {"requestId": request_id} | wanted, fine)
    return report(sut, request_id)


def evse_state(evse: int) -> Payload:
    """AvailabilityState of an EVSE, as a request names it."""
    return {"component": {"name": "EVSE", "evse": {"id": evse}}, "variable": {"name": "AvailabilityState"}}


def check_state_of_evse(rows: list[Payload]) -> None:
    """Exactly the AvailabilityState of EVSE 1, with all that belongs to it."""
    if len(rows) != 1 or place(rows[0]) != ("EVSE", None, 1, None, "AvailabilityState", None):
        raise CaseFailed(f"reported: {rows}")
    characteristics, attributes = rows[0]["variableCharacteristics"], rows[0]["variableAttribute"]
    states = {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}
    if characteristics["dataType"] != "OptionList" or set(characteristics["valuesList"].split(",")) != states:
        raise CaseFailed(f"its characteristics: {characteristics}")
    kinds = [(each.get("type", "Actual"), each.get("mutability", "ReadWrite")) for each in attributes]
    if kinds != [("Actual", "ReadOnly")]:
        raise CaseFailed(f"its attributes: {attributes}")


def check_rows(rows: Iterable[Payload]) -> None:
    """Every row has its characteristics, and a list says what it may hold."""
    for row in rows:
        characteristics = row.get("variableCharacteristics")
        if characteristics is None or (characteristics["dataType"] in LISTS and not characteristics.get("valuesList")):
            raise CaseFailed(f"without characteristics, or a list without its values: {row}")


def check_has(rows: Iterable[Payload], *tables: str) -> None:
    """Every variable of these tables is there."""
    found = {(row["component"]["name"], name_of(row["variable"])) for row in rows}
    lines = [line.split() for table in tables for line in table.strip().splitlines()]
    missing = [(line[0], name) for line in lines for name in line[1:] if (line[0], name) not in found]
    if missing:
        raise CaseFailed(f"not reported: {missing}")


def name_of(variable: Payload) -> str:
    """“Variable[instance]”."""
    instance = variable.get("instance")
    return f"{variable['name']}[{instance}]" if instance else str(variable["name"])


def place(row: Payload) -> tuple[Any, ...]:
    """Which variable a row is about."""
    component, variable = row["component"], row["variable"]
    evse = component.get("evse", {})
    return (
        component["name"],
        component.get("instance"),
        evse.get("id"),
        evse.get("connectorId"),
        variable["name"],
        variable.get("instance"),
    )


def is_true(row: Payload, name: str) -> bool:
    """The variable of this name, and it is true."""
    values = [each.get("value") for each in row["variableAttribute"] if each.get("type", "Actual") == "Actual"]
    return row["variable"]["name"] == name and values == ["true"]
