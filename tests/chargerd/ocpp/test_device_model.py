import pytest

from chargerd.ocpp.device_model import DeviceModel
from chargerd.ocpp.messages.enums import (
    Attribute,
    ComponentCriterion,
    Data,
    GetVariableStatus,
    Mutability,
    ReportBase,
    SetVariableStatus,
)
from chargerd.ocpp.messages.provisioning import (
    GetVariableData,
    GetVariableResult,
    ReportData,
    SetVariableData,
    SetVariableResult,
)
from chargerd.ocpp.messages.types import EVSE, Component, ComponentVariable, Variable
from chargerd.ocpp.variables import (
    AnyVariable,
    Item,
    Tier,
    Variables,
    boolean,
    decimal,
    integer,
    member_list,
    option_list,
    string,
)
from chargerd.store import Store

LIMIT = integer("Ctrlr", "Limit", 5, unit="s", writable=True, minimum=1, maximum=9, doc="d")
ITEMS_A = integer("Ctrlr", "Items", 1, instance="A", doc="d")
ITEMS_B = integer("Ctrlr", "Items", 2, instance="B", doc="d")
ENABLED = boolean("Ctrlr", "Enabled", False, writable=True, doc="d")
PLAN = option_list("Ctrlr", "Plan", "x", values=("x", "y"), writable=True, reboot=True, doc="d")
SECRET = string("Ctrlr", "Secret", "hidden", write_only=True, min_length=4, max_length=40, doc="d")
LIST = member_list("Ctrlr", "List", ("a",), values=("a", "b"), doc="d")
NOTE = string("Ctrlr", "Note", "", doc="d")
METER = integer("Meter", "Count", 7, component_instance="Main", doc="d")
SPARE = integer("Meter", "Count", 8, component_instance="Spare", doc="d")
STATE = option_list("ChargingStation", "AvailabilityState", "Available", values=("Available", "Faulted"), doc="d")
PROBLEM = boolean("ChargingStation", "Problem", False, doc="d")
EVSE_STATE = option_list("EVSE", "AvailabilityState", "Available", values=("Available",), tier=Tier.EVSE, doc="d")
EVSE_PROBLEM = boolean("EVSE", "Problem", True, tier=Tier.EVSE, doc="d")
EVSE_POWER = decimal("EVSE", "Power", 0.0, tier=Tier.EVSE, unit="W", doc="d")
HEAT = decimal(
    "EVSE", "Temperature", 20.0, tier=Tier.EVSE, constant=True, attributes=(Attribute.MAX_SET,), writable=True, doc="d"
)
TYPE = string("Connector", "ConnectorType", "sType2", tier=Tier.CONNECTOR, doc="d")

DECLARED: tuple[AnyVariable, ...] = (
    LIMIT,
    ITEMS_A,
    ITEMS_B,
    ENABLED,
    PLAN,
    SECRET,
    LIST,
    NOTE,
    METER,
    SPARE,
    STATE,
    PROBLEM,
    EVSE_STATE,
    EVSE_PROBLEM,
    EVSE_POWER,
    HEAT,
    TYPE,
)


@pytest.fixture
def variables() -> Variables:
    made = Variables(Store(":memory:"), 2, {})
    made.declare(DECLARED, attributes={(HEAT, Attribute.MAX_SET): lambda evse_id, _connector_id: 60.0 + (evse_id or 0)})
    made.set_evses(HEAT, [2])
    made.finish()
    made.set_maximum(EVSE_POWER, 2, 11_000.0)
    return made


@pytest.fixture
def model(variables: Variables) -> DeviceModel:
    return DeviceModel(variables)


def component(name: str, instance: str | None = None, *evse: int) -> Component:
    return Component(name=name, instance=instance, evse=_evse(*evse))


def _evse(evse_id: int | None = None, connector_id: int | None = None) -> EVSE | None:
    return None if evse_id is None else EVSE(id=evse_id, connector_id=connector_id)


def read(model: DeviceModel, of: Component, name: str, **options: str) -> GetVariableResult:
    attribute = Attribute(options["attribute"]) if "attribute" in options else None
    variable = Variable(name=name, instance=options.get("instance"))
    return model.read(GetVariableData(component=of, variable=variable, attribute_type=attribute))


def write(
    model: DeviceModel, of: Component, name: str, value: str, **options: str
) -> tuple[SetVariableResult, Item | None]:
    attribute = Attribute(options["attribute"]) if "attribute" in options else None
    variable = Variable(name=name, instance=options.get("instance"))
    return model.write(
        SetVariableData(attribute_value=value, component=of, variable=variable, attribute_type=attribute)
    )


def names(rows: list[ReportData]) -> set[str]:
    found = set()
    for row in rows:
        evse = row.component.evse
        place = (
            "" if evse is None else f"@{evse.id}" if evse.connector_id is None else f"@{evse.id}@{evse.connector_id}"
        )
        instance = "" if row.variable.instance is None else f"[{row.variable.instance}]"
        owner = "" if row.component.instance is None else f"[{row.component.instance}]"
        found.add(f"{row.component.name}{owner}{place}.{row.variable.name}{instance}")
    return found


# ---- B06 ----


@pytest.mark.parametrize(
    "of, name, instance, value",
    [
        (component("Ctrlr"), "Limit", None, "5"),
        (component("CTRLR"), "limit", None, "5"),
        (component("Ctrlr"), "Items", "b", "2"),
        (component("Meter", "Main"), "Count", None, "7"),
        (component("Meter", "spare"), "Count", None, "8"),
        (component("ChargingStation"), "AvailabilityState", None, "Available"),
        (component("EVSE", None, 2), "Power", None, "0"),
        (component("Connector", None, 1, 1), "ConnectorType", None, "sType2"),
    ],
)
def test_B06_FR_01_B06_FR_10_B06_FR_14_a_value_is_found_by_its_full_name(
    model: DeviceModel, of: Component, name: str, instance: str | None, value: str
) -> None:
    wanted = GetVariableData(component=of, variable=Variable(name=name, instance=instance))
    result = model.read(wanted)
    assert result.attribute_status is GetVariableStatus.ACCEPTED
    assert result.attribute_value == value
    assert (result.component, result.variable) == (wanted.component, wanted.variable)


def test_B06_FR_03_B06_FR_11_the_attribute_type_is_told_back_and_actual_when_omitted(model: DeviceModel) -> None:
    assert read(model, component("Ctrlr"), "Limit").attribute_type is Attribute.ACTUAL
    assert read(model, component("Ctrlr"), "Limit", attribute="Target").attribute_type is Attribute.TARGET


@pytest.mark.parametrize(
    "of",
    [
        component("Unknown"),
        component("Ctrlr", "Instance"),
        component("Ctrlr", None, 1),
        component("Meter"),
        component("EVSE"),
        component("EVSE", None, 3),
        component("EVSE", None, 1, 1),
        component("Connector", None, 1),
        component("Connector", None, 1, 2),
    ],
)
def test_B06_FR_06_B06_FR_15_a_component_that_is_not_there_is_unknown(model: DeviceModel, of: Component) -> None:
    result = read(model, of, "Limit")
    assert result.attribute_status is GetVariableStatus.UNKNOWN_COMPONENT
    assert result.attribute_value is None


@pytest.mark.parametrize("name, instance", [("Unknown", None), ("Items", None), ("Items", "C"), ("Limit", "A")])
def test_B06_FR_07_B06_FR_15_a_variable_that_is_not_there_is_unknown(
    model: DeviceModel, name: str, instance: str | None
) -> None:
    result = model.read(GetVariableData(component=component("Ctrlr"), variable=Variable(name=name, instance=instance)))
    assert result.attribute_status is GetVariableStatus.UNKNOWN_VARIABLE
    assert result.attribute_value is None


def test_a_further_attribute_is_read_and_not_written(model: DeviceModel) -> None:
    result = read(model, component("EVSE", None, 2), "Temperature", attribute="MaxSet")
    assert (result.attribute_value, result.attribute_type) == ("62", Attribute.MAX_SET)
    refused, changed = write(model, component("EVSE", None, 2), "Temperature", "9", attribute="MaxSet")
    assert (refused.attribute_status, changed) == (SetVariableStatus.REJECTED, None)
    accepted, changed = write(model, component("EVSE", None, 2), "Temperature", "9")
    assert (accepted.attribute_status, changed is None) == (SetVariableStatus.ACCEPTED, False)


def test_an_evse_without_the_hardware_does_not_have_the_variable(model: DeviceModel) -> None:
    result = read(model, component("EVSE", None, 1), "Temperature")
    assert result.attribute_status is GetVariableStatus.UNKNOWN_VARIABLE


def test_B06_FR_08_an_attribute_that_the_variable_does_not_have_is_not_supported(model: DeviceModel) -> None:
    result = read(model, component("Ctrlr"), "Limit", attribute="MaxSet")
    assert result.attribute_status is GetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE
    assert result.attribute_value is None


def test_B06_FR_09_what_may_only_be_written_is_not_read(model: DeviceModel) -> None:
    result = read(model, component("Ctrlr"), "Secret")
    assert result.attribute_status is GetVariableStatus.REJECTED
    assert result.attribute_value is None
    assert result.attribute_status_info is not None
    assert result.attribute_status_info.reason_code == "WriteOnly"


def test_B06_FR_13_a_variable_without_value_reads_as_empty_text(model: DeviceModel) -> None:
    result = read(model, component("Ctrlr"), "Note")
    assert result.attribute_status is GetVariableStatus.ACCEPTED
    assert result.attribute_value == ""


# ---- B05 ----


def test_B05_FR_10_a_good_value_is_taken(model: DeviceModel, variables: Variables) -> None:
    result, changed = write(model, component("Ctrlr"), "Limit", "9")
    assert result.attribute_status is SetVariableStatus.ACCEPTED
    assert changed is not None
    assert changed.variable == LIMIT
    assert variables[LIMIT] == 9


def test_a_value_for_the_next_start_says_so(model: DeviceModel) -> None:
    result, changed = write(model, component("Ctrlr"), "Plan", "y")
    assert result.attribute_status is SetVariableStatus.REBOOT_REQUIRED
    assert changed is not None


def test_B05_FR_03_B05_FR_12_the_attribute_type_is_told_back(model: DeviceModel) -> None:
    assert write(model, component("Ctrlr"), "Limit", "9")[0].attribute_type is Attribute.ACTUAL
    assert write(model, component("Ctrlr"), "Limit", "9", attribute="Target")[0].attribute_type is Attribute.TARGET


@pytest.mark.parametrize(
    "of, name, attribute, status",
    [
        (component("Unknown"), "Limit", "Actual", SetVariableStatus.UNKNOWN_COMPONENT),
        (component("Ctrlr"), "Unknown", "Actual", SetVariableStatus.UNKNOWN_VARIABLE),
        (component("Ctrlr"), "Limit", "MinSet", SetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE),
    ],
)
def test_B05_FR_04_B05_FR_05_B05_FR_06_what_is_not_there_is_told_apart(
    model: DeviceModel, of: Component, name: str, attribute: str, status: SetVariableStatus
) -> None:
    result, changed = write(model, of, name, "9", attribute=attribute)
    assert result.attribute_status is status
    assert changed is None


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("Limit", "often", "InvalidValue"),
        ("Limit", "10", "ValueTooHigh"),
        ("Limit", "0", "ValueTooLow"),
        ("Plan", "z", "InvalidValue"),
        ("Enabled", "yes", "InvalidValue"),
        ("Secret", "abc", "ValueOutOfRange"),
        ("Note", "text", "ReadOnly"),
    ],
)
def test_B05_FR_07_B05_FR_08_B05_FR_09_a_bad_value_is_rejected_with_a_reason(
    model: DeviceModel, variables: Variables, name: str, value: str, reason: str
) -> None:
    before = {item: variables.text(item) for item in variables.items()}
    result, changed = write(model, component("Ctrlr"), name, value)
    assert result.attribute_status is SetVariableStatus.REJECTED
    assert result.attribute_status_info is not None
    assert result.attribute_status_info.reason_code == reason
    assert changed is None
    assert {item: variables.text(item) for item in variables.items()} == before


# ---- B07 ----


def test_B07_FR_08_the_full_inventory_is_everything(model: DeviceModel) -> None:
    rows = model.base_report(ReportBase.FULL_INVENTORY)
    assert len(rows) == len(names(rows)) == len(DECLARED) + 4
    assert {"EVSE@1.Power", "EVSE@2.Power", "Connector@2@1.ConnectorType", "Meter[Main].Count"} <= names(rows)
    assert all(row.variable_characteristics is not None for row in rows)


def test_B07_FR_07_the_configuration_inventory_is_what_can_be_set(model: DeviceModel) -> None:
    rows = model.base_report(ReportBase.CONFIGURATION_INVENTORY)
    assert names(rows) == {"Ctrlr.Limit", "Ctrlr.Enabled", "Ctrlr.Plan", "Ctrlr.Secret", "EVSE@2.Temperature"}


def test_B07_FR_11_every_attribute_of_a_variable_is_in_its_row(model: DeviceModel) -> None:
    (row,) = [row for row in model.base_report(ReportBase.FULL_INVENTORY) if row.variable.name == "Temperature"]
    told = [(one.type, one.value, one.mutability, one.constant) for one in row.variable_attribute]
    assert told == [
        (Attribute.ACTUAL, "20", Mutability.READ_WRITE, True),
        (Attribute.MAX_SET, "62", Mutability.READ_ONLY, True),
    ]


def test_B07_FR_09_the_summary_is_availability_and_what_is_wrong(model: DeviceModel) -> None:
    assert names(model.base_report(ReportBase.SUMMARY_INVENTORY)) == {
        "ChargingStation.AvailabilityState",
        "EVSE@1.AvailabilityState",
        "EVSE@2.AvailabilityState",
        "EVSE@1.Problem",
        "EVSE@2.Problem",
    }


def test_B07_FR_03_a_write_only_value_is_in_no_report(model: DeviceModel) -> None:
    rows = {row.variable.name: row for row in model.base_report(ReportBase.CONFIGURATION_INVENTORY)}
    (attribute,) = rows["Secret"].variable_attribute
    assert attribute.value is None
    assert attribute.mutability is Mutability.WRITE_ONLY
    assert "hidden" not in repr(rows)


def test_a_row_says_type_unit_limits_list_and_mutability(model: DeviceModel) -> None:
    rows = {}
    for row in model.base_report(ReportBase.FULL_INVENTORY):
        rows[f"{row.component.evse.id if row.component.evse else ''}{row.variable.name}"] = row
    limit = rows["Limit"]
    facts = limit.variable_characteristics
    assert facts is not None
    assert (facts.data_type, facts.unit, facts.min_limit, facts.max_limit) == (Data.INTEGER, "s", 1.0, 9.0)
    (attribute,) = limit.variable_attribute
    assert (attribute.value, attribute.mutability, attribute.persistent) == ("5", Mutability.READ_WRITE, True)
    assert rows["List"].variable_characteristics is not None
    assert rows["List"].variable_characteristics.values_list == "a,b"
    assert rows["List"].variable_attribute[0].mutability is Mutability.READ_ONLY
    limits = [
        row.variable_characteristics.max_limit
        for row in (rows["1Power"], rows["2Power"])
        if row.variable_characteristics
    ]
    assert limits == [None, 11_000.0]


# ---- B08 ----


def asked(name: str, variable: str | None = None, instance: str | None = None, **where: int) -> ComponentVariable:
    evse = EVSE(id=where["evse_id"], connector_id=where.get("connector_id")) if where else None
    return ComponentVariable(
        component=Component(name=name, evse=evse),
        variable=None if variable is None else Variable(name=variable, instance=instance),
    )


@pytest.mark.parametrize(
    "wanted, found",
    [
        (asked("Ctrlr", "Items"), {"Ctrlr.Items[A]", "Ctrlr.Items[B]"}),
        (asked("Ctrlr", "items", "a"), {"Ctrlr.Items[A]"}),
        (asked("EVSE", "Power"), {"EVSE@1.Power", "EVSE@2.Power"}),
        (asked("EVSE", "Power", evse_id=2), {"EVSE@2.Power"}),
        (asked("EVSE", evse_id=1), {"EVSE@1.Power", "EVSE@1.Problem", "EVSE@1.AvailabilityState"}),
        (asked("Connector", evse_id=1), {"Connector@1@1.ConnectorType"}),
        (asked("Connector", evse_id=1, connector_id=2), set()),
        (asked("Meter"), {"Meter[Main].Count", "Meter[Spare].Count"}),
        (asked("Nothing"), set()),
    ],
)
def test_B08_FR_11_B08_FR_20_B08_FR_21_B08_FR_22_B08_FR_23_what_a_name_leaves_out_stands_for_everything(
    model: DeviceModel, wanted: ComponentVariable, found: set[str]
) -> None:
    assert names(model.custom_report(None, [wanted])) == found


def test_B08_FR_24_B08_FR_25_a_component_instance_limits_the_report(model: DeviceModel) -> None:
    wanted = ComponentVariable(component=Component(name="Meter", instance="main"))
    assert names(model.custom_report(None, [wanted])) == {"Meter[Main].Count"}


def components(rows: list[ReportData]) -> set[str]:
    return {row.component.name for row in rows}


def test_B08_FR_07_B08_FR_08_B08_FR_09_a_component_qualifies_unless_it_says_no(
    model: DeviceModel, variables: Variables
) -> None:
    for criterion in (ComponentCriterion.ACTIVE, ComponentCriterion.AVAILABLE):
        assert "Ctrlr" in components(model.custom_report([criterion], None))
    assert "Ctrlr" not in components(model.custom_report([ComponentCriterion.ENABLED], None))
    assert "Meter" in components(model.custom_report([ComponentCriterion.ENABLED], None))
    variables.store_value(ENABLED, True)
    assert "Ctrlr" in components(model.custom_report([ComponentCriterion.ENABLED], None))


def test_B08_FR_10_only_a_component_that_says_so_has_a_problem(model: DeviceModel) -> None:
    assert components(model.custom_report([ComponentCriterion.PROBLEM], None)) == {"EVSE"}


def test_B08_FR_13_one_of_several_criteria_is_enough(model: DeviceModel) -> None:
    both = [ComponentCriterion.PROBLEM, ComponentCriterion.ENABLED]
    assert components(model.custom_report(both, None)) == {"Meter", "ChargingStation", "EVSE", "Connector"}


def test_B08_FR_05_criteria_and_names_both_limit(model: DeviceModel) -> None:
    wanted = [asked("EVSE", "Power"), asked("ChargingStation")]
    assert names(model.custom_report([ComponentCriterion.PROBLEM], wanted)) == {"EVSE@1.Power", "EVSE@2.Power"}
