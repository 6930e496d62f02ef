"""Writes docs/variables.md, the device model for people: `python -m tools.variables_page`."""

from itertools import groupby
from pathlib import Path

from chargerd.clock import ManualClock
from chargerd.ocpp.messages.enums import Data
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.ocpp.station import Station
from chargerd.ocpp.variables import AnyVariable
from chargerd.store import Store
from hal.types import BoardFacts, EvseFacts

PAGE = Path(__file__).resolve().parent.parent / "docs" / "variables.md"

HEAD = """# Variables of the device model

Written by `python -m tools.variables_page` from the declarations in `chargerd/ocpp`; change them there.

* **Variable**: with its instance in brackets. `*` marks what the standard requires of a station with this function.
* **Of**: one value of the station, one for each EVSE, or one for each connector. A component that is not fitted is not
  there, and what is not known at the moment reads as empty text.
* **Type**: with the bounds of a number, the length of a text or the members of a list.
* **Access**: R read, W write. `at restart`: a new value counts from the next start. `lost`: it does not outlive one.
* `ISO15118Ctrlr` is there where the site says that a program speaks ISO 15118 with vehicles (docs/vehicle-stack.md).
* **Default**: until the site (`[variables]` of chargerd.toml) or the CSMS sets another; `-`: found out by the station.

| Variable | Of | Type | Access | Default | What it is |
|---|---|---|---|---|---|
"""

LIST_TYPES = (Data.OPTION_LIST, Data.SEQUENCE_LIST, Data.MEMBER_LIST)


def page() -> str:
    """The whole page."""
    variables = _station().ctx.variables
    rows = sorted(variables.declared(), key=lambda variable: str(variable).lower())
    return HEAD + "".join(
        f"| **{component}** | | | | | |\n" + "".join(_row(row, computed=variables.is_found_out(row)) for row in members)
        for component, members in groupby(rows, key=lambda variable: variable.component)
    )


def _station() -> Station:
    facts = EvseFacts(max_amps=32.0, phases=3)
    config = StationConfig(
        identity="PAGE",
        board=BoardFacts(vendor="", model="", serial="", evses=(facts,), simulated=True),
        firmware_version="",
        network=NetworkSlot(url="wss://csms.invalid", security_profile=3),
        vehicle_stack=True,
    )
    return Station(config, Store(":memory:"), ManualClock().now(), new_id=lambda: "1", random=lambda: 0.5)


def _row(variable: AnyVariable, *, computed: bool) -> str:
    name = variable.name if variable.instance is None else f"{variable.name}[{variable.instance}]"
    attributes = "".join(f", {kind}" for kind in variable.attributes)
    default = "-" if computed or variable.write_only else variable.form.text(variable.default) or "empty"
    cells = (
        f"{name}{'*' if variable.required else ''}{attributes}",
        variable.tier,
        _type(variable),
        _access(variable),
        default.replace(",", ", "),
        variable.doc,
    )
    return f"| {' | '.join(cells)} |\n"


def _type(variable: AnyVariable) -> str:
    if variable.data_type in LIST_TYPES:
        return f"{variable.data_type}: {', '.join(variable.values)}"
    unit = f" {variable.unit}" if variable.unit else ""
    low, high = variable.minimum, variable.maximum
    if low is None and high is None:
        return f"{variable.data_type}{unit}"
    span = f"{low:g} to {high:g}" if low is not None and high is not None else f"{low:g} up" if low is not None else ""
    return f"{variable.data_type} {span or f'up to {high:g}'}{unit}"


def _access(variable: AnyVariable) -> str:
    access = "W" if variable.write_only else "RW" if variable.writable else "R"
    notes = (", at restart" if variable.reboot else "") + (
        ", lost" if variable.writable and not variable.persistent else ""
    )
    return access + notes


if __name__ == "__main__":
    PAGE.write_text(page())
