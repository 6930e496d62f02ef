"""The device model as the CSMS sees it: reading and writing single values (B05, B06), rows of reports (B07, B08)."""

from collections.abc import Iterable

from chargerd.ocpp.messages.enums import (
    Attribute,
    ComponentCriterion,
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
    VariableAttribute,
    VariableCharacteristics,
)
from chargerd.ocpp.messages.types import EVSE, Component, ComponentVariable, StatusInfo
from chargerd.ocpp.messages.types import Variable as VariableName
from chargerd.ocpp.value_texts import ValueTextError
from chargerd.ocpp.variables import AnyVariable, Item, Place, Variables

SUMMARY_VARIABLES = frozenset({"availabilitystate", "problem", "tripped", "overload", "fallback"})
"""What SummaryInventory is about (B07.FR.09): availability always, the others when true."""

_ComponentKey = tuple[str, str | None, Place]
_VariableKey = tuple[str, str | None]


class DeviceModel:
    """Answers single elements of GetVariables and SetVariables, and builds rows of reports."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._index: dict[_ComponentKey, dict[_VariableKey, Item]] = {}

    def read(self, wanted: GetVariableData) -> GetVariableResult:
        """One element of GetVariables (B06)."""
        status, item = self._found(wanted)
        value, info = None, None
        if item is not None and item.variable.write_only:
            status, info = GetVariableStatus.REJECTED, StatusInfo(reason_code="WriteOnly")  # B06.FR.09
        elif item is not None:
            value = self._value(item, wanted.attribute_type or Attribute.ACTUAL)
        return GetVariableResult(
            attribute_status=status,
            component=wanted.component,
            variable=wanted.variable,
            attribute_type=wanted.attribute_type or Attribute.ACTUAL,
            attribute_value=value,
            attribute_status_info=info,
        )

    def write(self, wanted: SetVariableData) -> tuple[SetVariableResult, Item | None]:
        """One element of SetVariables (B05); with the item when it was written."""
        found_status, item = self._found(wanted)
        status, info = SetVariableStatus(found_status), None
        if item is not None:
            kind = wanted.attribute_type or Attribute.ACTUAL
            status, info = self._written(item, kind, wanted.attribute_value)
        result = SetVariableResult(
            attribute_status=status,
            component=wanted.component,
            variable=wanted.variable,
            attribute_type=wanted.attribute_type or Attribute.ACTUAL,
            attribute_status_info=info,
        )
        return result, None if status is SetVariableStatus.REJECTED else item

    def base_report(self, base: ReportBase) -> list[ReportData]:
        """The rows of a base report, in the order of declaration (B07)."""
        match base:
            case ReportBase.FULL_INVENTORY:
                chosen = list(self._variables.items())
            case ReportBase.CONFIGURATION_INVENTORY:
                chosen = [item for item in self._variables.items() if item.variable.may_be_set]
            case ReportBase.SUMMARY_INVENTORY:
                chosen = [item for item in self._variables.items() if self._is_in_summary(item)]
        return [self._row(item) for item in chosen]

    def custom_report(
        self, criteria: Iterable[ComponentCriterion] | None, names: Iterable[ComponentVariable] | None
    ) -> list[ReportData]:
        """The rows that match one of the criteria and one of the names; None does not limit (B08.FR.05, FR.13)."""
        wanted = None if names is None else tuple(names)
        asked = None if criteria is None else tuple(criteria)
        return [
            self._row(item)
            for item in self._variables.items()
            if (wanted is None or any(_is_meant(item, name) for name in wanted))
            and (asked is None or any(self._meets(item, criterion) for criterion in asked))
        ]

    # ------------------------------------------------------------------ one value

    def _found(self, wanted: GetVariableData | SetVariableData) -> tuple[GetVariableStatus, Item | None]:
        members = self._members(wanted.component)
        if members is None:
            return GetVariableStatus.UNKNOWN_COMPONENT, None
        item = members.get((wanted.variable.name.lower(), _lower(wanted.variable.instance)))
        if item is None:
            return GetVariableStatus.UNKNOWN_VARIABLE, None
        if wanted.attribute_type not in {None, Attribute.ACTUAL, *item.variable.attributes}:
            return GetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE, None
        return GetVariableStatus.ACCEPTED, item

    def _members(self, component: Component) -> dict[_VariableKey, Item] | None:
        """The variables of one component; None when it does not exist. Names are case-insensitive (part 1, 4.1)."""
        if not self._index:
            for item in self._variables.items():
                variable = item.variable
                members = self._index.setdefault(_component_key(item), {})
                members[variable.name.lower(), _lower(variable.instance)] = item
        place = Place() if component.evse is None else Place(component.evse.id, component.evse.connector_id)
        return self._index.get((component.name.lower(), _lower(component.instance), place))

    def _value(self, item: Item, kind: Attribute) -> str:
        return self._variables.text(item) if kind is Attribute.ACTUAL else self._variables.attribute_text(item, kind)

    def _written(self, item: Item, kind: Attribute, text: str) -> tuple[SetVariableStatus, StatusInfo | None]:
        if not item.variable.may_be_set or kind is not Attribute.ACTUAL:
            return SetVariableStatus.REJECTED, StatusInfo(reason_code="ReadOnly")  # B05.FR.09
        try:
            self._variables.set_text(item, text)
        except ValueTextError as error:  # B05.FR.07, FR.08
            info = None if item.variable.write_only else error.why[:512]
            return SetVariableStatus.REJECTED, StatusInfo(reason_code=error.reason, additional_info=info)
        if item.variable.reboot:
            return SetVariableStatus.REBOOT_REQUIRED, None
        return SetVariableStatus.ACCEPTED, None

    # ------------------------------------------------------------------ reports

    def _row(self, item: Item) -> ReportData:
        variable = item.variable
        return ReportData(
            component=_component(item),
            variable=VariableName(name=variable.name, instance=variable.instance),
            variable_attribute=(
                VariableAttribute(
                    type=Attribute.ACTUAL,
                    value=None if variable.write_only else self._variables.text(item),  # B07.FR.03
                    mutability=_mutability(variable),
                    persistent=variable.may_be_set and variable.persistent,
                    constant=variable.constant,
                ),
                *(self._further(item, kind) for kind in variable.attributes),  # B07.FR.11
            ),
            variable_characteristics=VariableCharacteristics(
                data_type=variable.data_type,
                supports_monitoring=False,
                unit=variable.unit,
                min_limit=variable.minimum,
                max_limit=self._variables.maximum(item),
                values_list=",".join(variable.values) or None,
            ),
        )

    def _further(self, item: Item, kind: Attribute) -> VariableAttribute:
        return VariableAttribute(
            type=kind,
            value=self._variables.attribute_text(item, kind),
            mutability=Mutability.READ_ONLY,
            persistent=False,
            constant=item.variable.constant,
        )

    def _is_in_summary(self, item: Item) -> bool:
        name = item.variable.name.lower()
        return name in SUMMARY_VARIABLES and (name == "availabilitystate" or self._variables.text(item) == "true")

    def _meets(self, item: Item, criterion: ComponentCriterion) -> bool:
        """Whether the item's component has that property; one that is not there counts as true, but no Problem does."""
        component = _component(item)
        members = self._members(component)
        assert members is not None, "can't be None: the item is one of them"
        state = members.get((criterion.lower(), None))
        if state is None:
            return criterion is not ComponentCriterion.PROBLEM  # B08.FR.07 to FR.10
        return self._variables.text(state) == "true"


def _is_meant(item: Item, name: ComponentVariable) -> bool:
    """B08.FR.20 to FR.25: what is left out of a name stands for everything."""
    variable, place = item
    component = name.component
    if component.name.lower() != variable.component.lower():
        return False
    if component.instance is not None and component.instance.lower() != _lower(variable.component_instance):
        return False
    if component.evse is not None and component.evse.id != place.evse_id:
        return False
    if component.evse is not None and component.evse.connector_id not in {None, place.connector_id}:
        return False
    if name.variable is None:
        return True
    if name.variable.name.lower() != variable.name.lower():
        return False
    return name.variable.instance is None or name.variable.instance.lower() == _lower(variable.instance)


def _component(item: Item) -> Component:
    variable, place = item
    evse = None if place.evse_id is None else EVSE(id=place.evse_id, connector_id=place.connector_id)
    return Component(name=variable.component, instance=variable.component_instance, evse=evse)


def _component_key(item: Item) -> _ComponentKey:
    return item.variable.component.lower(), _lower(item.variable.component_instance), item.place


def _lower(name: str | None) -> str | None:
    return None if name is None else name.lower()


def _mutability(variable: AnyVariable) -> Mutability:
    if variable.write_only:
        return Mutability.WRITE_ONLY
    return Mutability.READ_WRITE if variable.writable else Mutability.READ_ONLY
