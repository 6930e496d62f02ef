"""The way of the energy as components: feed, meter, protection, contactor, EVSE."""

from collections.abc import Callable, Iterator

from chargerd.evse.types import EvseStatus
from chargerd.ocpp.hardware_readings import Reading, always, fact, faulty, live, maker_of, metered
from chargerd.ocpp.variables import Tier, Variable, boolean, decimal, integer
from hal.types import Alarm, EvseFacts, InputName, MeterSample

PHASES = ("L1", "L2", "L3")


def _has_meter(facts: EvseFacts) -> bool:
    return facts.has_meter


def _has_phase_switch(facts: EvseFacts) -> bool:
    return facts.has_phase_switch


def _has_residual(facts: EvseFacts) -> bool:
    return facts.has_residual or not {Alarm.RESIDUAL_AC, Alarm.RESIDUAL_DC}.isdisjoint(facts.alarms)


def _has_ground_check(facts: EvseFacts) -> bool:
    return Alarm.NO_GROUND in facts.alarms


def _sees_output(facts: EvseFacts) -> bool:
    return InputName.OUTPUT_VOLTAGE in facts.inputs


def _has_phase(phase: int) -> Callable[[EvseFacts], bool]:
    return lambda facts: facts.has_meter and facts.phases >= phase


def _of_phase(values: Callable[[MeterSample], tuple[float, ...]], phase: int) -> Callable[[MeterSample], float | None]:
    return lambda sample: values(sample)[phase - 1] if len(values(sample)) >= phase else None


def _amps(component: str, instance: str | None, doc: str) -> Variable[float]:
    return decimal(component, "ACCurrent", 0.0, instance=instance, tier=Tier.EVSE, unit="A", required=False, doc=doc)


def _volts(component: str, instance: str | None, doc: str) -> Variable[float]:
    return decimal(component, "ACVoltage", 0.0, instance=instance, tier=Tier.EVSE, unit="V", required=False, doc=doc)


def _per_phase() -> Iterator[Reading]:
    for phase, name in enumerate(PHASES, start=1):
        volts = _volts("ElectricalFeed", name, f"Voltage of {name} to neutral, as the meter shows it.")
        yield metered(volts, _of_phase(lambda sample: sample.volts, phase), _has_phase(phase))
    for phase, name in enumerate(PHASES, start=1):
        amps = _amps("EVSE", name, f"Current of {name} towards the vehicle.")
        yield metered(amps, _of_phase(lambda sample: sample.amps, phase), _has_phase(phase))


FREQUENCY = decimal(
    "ElectricalFeed", "Frequency", 0.0, tier=Tier.EVSE, unit="Hz", required=False, doc="Frequency of the mains."
)
IMPORT_REGISTER = decimal(
    "FiscalMetering",
    "EnergyImportRegister",
    0.0,
    tier=Tier.EVSE,
    unit="Wh",
    required=False,
    doc="The meter's register of energy towards the vehicle, never rebased.",
)
IMPORT = decimal(
    "FiscalMetering",
    "EnergyImport",
    0.0,
    tier=Tier.EVSE,
    unit="Wh",
    required=False,
    doc="Energy since the vehicle was plugged in.",
)
METER_POWER = decimal(
    "FiscalMetering", "Power", 0.0, tier=Tier.EVSE, unit="W", required=False, doc="Active power towards the vehicle."
)
OVER_CURRENT = _amps(
    "OverCurrentProtection", None, "Current of the most loaded phase; what the vehicle takes beyond its offer opens."
)
IMBALANCE = decimal(
    "EVSE",
    "CurrentImbalance",
    0.0,
    tier=Tier.EVSE,
    unit="Percent",
    required=False,
    doc="How far the most loaded of three phases is above their mean.",
)
CONTACTOR_ACTIVE = boolean(
    "PowerContactor", "Active", False, tier=Tier.EVSE, required=False, doc="Closed, as its feedback contact says."
)
CONTACTOR_COUNT = integer(
    "PowerContactor",
    "Count",
    0,
    tier=Tier.EVSE,
    required=False,
    doc="How often it was closed since the control process began.",
)
CONTACTOR_RATING = decimal(
    "PowerContactor",
    "FuseRating",
    0.0,
    tier=Tier.EVSE,
    unit="A",
    required=False,
    constant=True,
    doc="What the contactor carries per phase.",
)
SELECTOR_PHASES = integer(
    "AcPhaseSelector", "SupplyPhases", 3, tier=Tier.EVSE, required=False, doc="How many phases are connected now."
)


def _closed(evse: EvseStatus) -> bool:
    return evse.relay_commanded if evse.relay_closed is None else evse.relay_closed


def _session_wh(evse: EvseStatus) -> float | None:
    if evse.meter is None or evse.plugged_wh is None:
        return None
    return max(0.0, evse.meter.energy_wh - evse.plugged_wh)


def _imbalance(sample: MeterSample) -> float | None:
    mean = sum(sample.amps) / len(sample.amps) if sample.amps else 0.0
    return 100.0 * (max(sample.amps) - mean) / mean if mean > 0.0 else 0.0


POWER: tuple[Reading, ...] = (
    *_per_phase(),
    metered(FREQUENCY, lambda sample: sample.frequency_hz, _has_meter),
    faulty("ElectricalFeed", "Problem", always),
    metered(IMPORT_REGISTER, lambda sample: sample.energy_wh, _has_meter),
    live(IMPORT, _session_wh, _has_meter),
    metered(METER_POWER, lambda sample: sample.power_w, _has_meter),
    faulty("FiscalMetering", "Problem", _has_meter),
    *maker_of("FiscalMetering", "meter"),
    metered(OVER_CURRENT, lambda sample: max(sample.amps, default=0.0), _has_meter),
    faulty("OverCurrentProtection", "Tripped", _has_meter, says="Operated"),
    faulty("RCD", "Tripped", _has_residual),
    faulty("GroundIsolationProtection", "Problem", _has_ground_check),
    live(CONTACTOR_ACTIVE, _closed, always),
    live(CONTACTOR_COUNT, lambda evse: evse.contactor_cycles, always),
    fact(CONTACTOR_RATING, lambda facts: facts.contactor_amps or facts.max_amps, always),
    faulty("PowerContactor", "Problem", always),
    faulty("PowerContactor", "Tripped", _sees_output),
    live(SELECTOR_PHASES, lambda evse: evse.phases, _has_phase_switch),
    faulty("AcPhaseSelector", "Problem", _has_phase_switch),
    metered(IMBALANCE, _imbalance, _has_phase(3)),
    faulty("EVSE", "Overload", _has_meter),
    faulty("EVSE", "Problem", always),
)
"""What each EVSE has of these."""
