"""How a variable of the device model is read off the running hardware. Pure.

What is not known now (no control process, no fresh sample, no feedback contact) is None, which reads as empty text.
"""

from collections.abc import Callable

import msgspec

from chargerd.evse.faults import TABLE
from chargerd.evse.types import EvseStatus
from chargerd.ocpp.messages.enums import Attribute
from chargerd.ocpp.variables import AnyVariable, Tier, boolean, string
from hal.types import EvseFacts, MeterSample

FRESH_S = 5.0
"""A meter's sample that is older says nothing about now, as in meter_readings.py."""


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE at one moment. `evse` None: the control process says nothing. `lines`: what its display shows."""

    facts: EvseFacts
    evse: EvseStatus | None = None
    at_mono: float = 0.0
    lines: tuple[str, ...] = ()
    indication: str = ""

    @property
    def meter(self) -> MeterSample | None:
        """The latest sample, if it is fresh."""
        sample = None if self.evse is None else self.evse.meter
        return sample if sample is not None and self.at_mono - sample.at_mono <= FRESH_S else None


SpotReader = Callable[[Spot], object]


class Reading(msgspec.Struct, frozen=True):
    """A variable that an EVSE has if `fitted`, and how its value (and its further attributes) are found."""

    variable: AnyVariable
    read: SpotReader
    fitted: Callable[[EvseFacts], bool]
    attributes: dict[Attribute, SpotReader] = {}


def always(_facts: EvseFacts) -> bool:
    """Every EVSE has it."""
    return True


def fact(variable: AnyVariable, read: Callable[[EvseFacts], object], fitted: Callable[[EvseFacts], bool]) -> Reading:
    """What the board file says."""
    return Reading(variable, lambda spot: read(spot.facts), fitted)


def live(
    variable: AnyVariable,
    read: Callable[[EvseStatus], object],
    fitted: Callable[[EvseFacts], bool],
    attributes: dict[Attribute, SpotReader] | None = None,
) -> Reading:
    """What the control process says last."""
    return Reading(variable, lambda spot: None if spot.evse is None else read(spot.evse), fitted, attributes or {})


def metered(
    variable: AnyVariable, read: Callable[[MeterSample], object], fitted: Callable[[EvseFacts], bool]
) -> Reading:
    """What a fresh sample of the meter says."""
    return Reading(variable, lambda spot: None if spot.meter is None else read(spot.meter), fitted)


def faulty(
    component: str, name: str, fitted: Callable[[EvseFacts], bool], *, tier: Tier = Tier.EVSE, says: str = ""
) -> Reading:
    """Whether a fault stands that the table of faults gives to this component and variable.

    `says`: the variable's name in that table where it is an event's (Operated), not a state's.
    """
    codes = frozenset(row.code for row in TABLE if (row.component, row.variable) == (component, says or name))
    assert codes, f"no fault is told as {component}.{says or name}"
    variable = boolean(component, name, False, tier=tier, required=False, doc=f"Faults: {', '.join(sorted(codes))}.")

    def stands(evse: EvseStatus) -> bool:
        return any(one.code in codes for one in evse.faults)

    return live(variable, stands, fitted)


def maker_of(component: str, role: str, *, tier: Tier = Tier.EVSE) -> tuple[Reading, Reading]:
    """VendorName and Model of the device with that role, where its driver knows them."""
    vendor = string(
        component,
        "VendorName",
        "",
        tier=tier,
        required=False,
        constant=True,
        doc=f"Maker of the {role} that is fitted.",
    )
    model = string(
        component, "Model", "", tier=tier, required=False, constant=True, doc=f"Type of the {role} that is fitted."
    )

    def known(facts: EvseFacts) -> bool:
        part = facts.part(role)
        return part is not None and bool(part.model)

    def of(field: str) -> Callable[[EvseFacts], object]:
        return lambda facts: getattr(facts.part(role), field)

    return fact(vendor, of("vendor"), known), fact(model, of("model"), known)
