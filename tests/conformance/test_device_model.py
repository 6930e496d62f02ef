"""The assembled station's device model against the standard's list of required variables (certification TC_B_53)."""

import itertools
import time

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.device_model import DeviceModel
from chargerd.ocpp.messages.enums import Data, Mutability, ReportBase
from chargerd.ocpp.messages.provisioning import ReportData
from chargerd.ocpp.station import Station
from chargerd.store import Store
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.ocpp.peer import config

R, RW, W = Mutability.READ_ONLY, Mutability.READ_WRITE, Mutability.WRITE_ONLY
LISTS = (Data.OPTION_LIST, Data.SEQUENCE_LIST, Data.MEMBER_LIST)
EVSES = 2

Name = tuple[str, int | None, int | None, str, str | None]


def per_evse(variable: str, kind: Data) -> dict[Name, tuple[Data, set[Mutability]]]:
    return {("EVSE", evse_id, None, variable, None): (kind, {R}) for evse_id in range(1, EVSES + 1)}


def per_connector(variable: str, kind: Data) -> dict[Name, tuple[Data, set[Mutability]]]:
    return {("Connector", evse_id, 1, variable, None): (kind, {R}) for evse_id in range(1, EVSES + 1)}


def controller(
    component: str, names: str, kind: Data, *mutabilities: Mutability
) -> dict[Name, tuple[Data, set[Mutability]]]:
    """`names`: "Variable" or "Variable[instance]", separated by spaces."""
    found: dict[Name, tuple[Data, set[Mutability]]] = {}
    for name in names.split():
        variable, _, instance = name.rstrip("]").partition("[")
        found[component, None, None, variable, instance or None] = (kind, set(mutabilities))
    return found


# Part 2, appendix 3: required for Core and for Smart Charging; list types and mutability as standardised.
REQUIRED: dict[Name, tuple[Data, set[Mutability]]] = {
    **controller("ChargingStation", "Available", Data.BOOLEAN, R),
    **controller("ChargingStation", "AvailabilityState", Data.OPTION_LIST, R),
    **controller("ChargingStation", "SupplyPhases", Data.INTEGER, R),
    **per_evse("Available", Data.BOOLEAN),
    **per_evse("AvailabilityState", Data.OPTION_LIST),
    **per_evse("SupplyPhases", Data.INTEGER),
    **per_evse("Power", Data.DECIMAL),
    **per_connector("Available", Data.BOOLEAN),
    **per_connector("AvailabilityState", Data.OPTION_LIST),
    **per_connector("ConnectorType", Data.STRING),
    **per_connector("SupplyPhases", Data.INTEGER),
    **controller("OCPPCommCtrlr", "ActiveNetworkProfile MessageTimeout[Default]", Data.INTEGER, R),
    **controller("OCPPCommCtrlr", "FileTransferProtocols", Data.MEMBER_LIST, R),
    **controller("OCPPCommCtrlr", "NetworkConfigurationPriority", Data.SEQUENCE_LIST, RW),
    **controller(
        "OCPPCommCtrlr",
        "NetworkProfileConnectionAttempts OfflineThreshold MessageAttempts[TransactionEvent] ResetRetries "
        "MessageAttemptInterval[TransactionEvent] RetryBackOffRepeatTimes RetryBackOffRandomRange "
        "RetryBackOffWaitMinimum WebSocketPingInterval",
        Data.INTEGER,
        RW,
    ),
    **controller("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", Data.BOOLEAN, R, RW),
    **controller(
        "DeviceDataCtrlr",
        "ItemsPerMessage[GetReport] ItemsPerMessage[GetVariables] ItemsPerMessage[SetVariables] "
        "BytesPerMessage[GetReport] BytesPerMessage[GetVariables] BytesPerMessage[SetVariables]",
        Data.INTEGER,
        R,
    ),
    **controller("ClockCtrlr", "DateTime", Data.DATE_TIME, R),
    **controller("ClockCtrlr", "TimeSource", Data.SEQUENCE_LIST, RW),
    **controller("SecurityCtrlr", "OrganizationName", Data.STRING, RW),
    **controller("SecurityCtrlr", "CertificateEntries SecurityProfile", Data.INTEGER, R),
    **controller("SecurityCtrlr", "BasicAuthPassword", Data.STRING, W),
    **controller("SecurityCtrlr", "AdditionalRootCertificateCheck", Data.BOOLEAN, R),
    **controller("AuthCtrlr", "AuthorizeRemoteStart", Data.BOOLEAN, R, RW),
    **controller("AuthCtrlr", "LocalAuthorizeOffline LocalPreAuthorize", Data.BOOLEAN, RW),
    **controller("TxCtrlr", "EVConnectionTimeOut", Data.INTEGER, RW),
    **controller("TxCtrlr", "StopTxOnEVSideDisconnect", Data.BOOLEAN, R, RW),
    **controller("TxCtrlr", "StopTxOnInvalidId", Data.BOOLEAN, RW),
    **controller("TxCtrlr", "TxStartPoint TxStopPoint", Data.MEMBER_LIST, R, RW),
    **controller("SampledDataCtrlr", "TxStartedMeasurands TxUpdatedMeasurands TxEndedMeasurands", Data.MEMBER_LIST, RW),
    **controller("SampledDataCtrlr", "TxUpdatedInterval TxEndedInterval", Data.INTEGER, RW),
    **controller("AlignedDataCtrlr", "Measurands TxEndedMeasurands", Data.MEMBER_LIST, RW),
    **controller("AlignedDataCtrlr", "Interval TxEndedInterval", Data.INTEGER, RW),
    **controller(
        "SmartChargingCtrlr", "ProfileStackLevel PeriodsPerSchedule Entries[ChargingProfiles]", Data.INTEGER, R
    ),
    **controller("SmartChargingCtrlr", "RateUnit", Data.MEMBER_LIST, R),
    **controller("SmartChargingCtrlr", "LimitChangeSignificance", Data.DECIMAL, RW),
}


@pytest.fixture(scope="module")
def full_report() -> dict[Name, ReportData]:
    ids = itertools.count()
    station = Station(
        config(EVSES),
        Store(":memory:"),
        ManualClock().now(),
        new_id=lambda: f"id-{next(ids)}",
        random=lambda: 0.5,
    )
    rows = DeviceModel(station.ctx.variables).base_report(ReportBase.FULL_INVENTORY)
    named = {}
    for row in rows:
        evse = row.component.evse
        where = (None, None) if evse is None else (evse.id, evse.connector_id)
        named[row.component.name, *where, row.variable.name, row.variable.instance] = row
    assert len(named) == len(rows)
    return named


@pytest.mark.parametrize("name", REQUIRED, ids=lambda name: ".".join(str(part) for part in name if part))
def test_a_required_variable_is_there_with_its_type_and_a_value(
    full_report: dict[Name, ReportData], name: Name
) -> None:
    kind, mutabilities = REQUIRED[name]
    row = full_report[name]
    assert row.variable_characteristics is not None
    assert row.variable_characteristics.data_type is kind
    attribute = row.variable_attribute[0]
    assert attribute.mutability in mutabilities
    if attribute.mutability is Mutability.WRITE_ONLY:
        assert attribute.value is None
    elif name[3] == "Power":
        assert row.variable_characteristics.max_limit  # its value is a measurement, and none was made yet
    else:
        assert attribute.value


def test_every_list_is_told_and_holds_the_value(full_report: dict[Name, ReportData]) -> None:
    for name, row in full_report.items():
        facts = row.variable_characteristics
        assert facts is not None
        if facts.data_type in LISTS:
            assert facts.values_list, name
            value = row.variable_attribute[0].value or ""
            members = value.split(",") if value else []
            assert set(members) <= set(facts.values_list.split(",")), name


def test_every_value_and_list_fits_its_field(full_report: dict[Name, ReportData]) -> None:
    for name, row in full_report.items():
        assert row.variable_characteristics is not None
        assert len(row.variable_characteristics.values_list or "") <= 1000, name
        assert all(len(attribute.value or "") <= 2500 for attribute in row.variable_attribute), name
        assert len(row.component.name) <= 50, name
        assert len(row.variable.name) <= 50, name


def test_the_power_of_an_evse_has_its_rating_as_max_limit(full_report: dict[Name, ReportData]) -> None:
    facts = full_report["EVSE", 1, None, "Power", None].variable_characteristics
    assert facts is not None
    assert facts.max_limit == 3 * 32 * 230


def test_all_controllers_of_the_claimed_profiles_are_there(full_report: dict[Name, ReportData]) -> None:
    assert {name[0] for name in full_report} >= {
        "OCPPCommCtrlr",
        "TxCtrlr",
        "DeviceDataCtrlr",
        "ClockCtrlr",
        "SecurityCtrlr",
        "SampledDataCtrlr",
        "AlignedDataCtrlr",
        "AuthCtrlr",
        "SmartChargingCtrlr",
    }


def test_a_full_inventory_takes_little_of_a_slow_processor() -> None:
    rig = Rig(facts=config(EVSES).board)
    rig.meter(1000.0, 16.0)
    begun = time.process_time()
    assert rig.call("GetBaseReport", requestId=1, reportBase="FullInventory")["status"] == "Accepted"
    assert time.process_time() - begun < 0.3
    assert sum(len(part["reportData"]) for part in rig.sent("NotifyReport")) > 150
