"""What the meter and the pilot say, as SampledValues: which measurands there are, in which unit, on which phases (J01,
J02). Pure.

Only what is measured is reported: the register as a total, power as a total and of each phase where the meter tells
it, current and voltage of each phase (part 2, J 2.3).
"""

from collections.abc import Callable, Iterator

from chargerd.evse.types import EvseStatus
from chargerd.ocpp.messages.enums import Measurand, Phase, ReadingContext
from chargerd.ocpp.messages.types import SampledValue, UnitOfMeasure
from hal.types import EvseFacts, MeterSample

FRESH_S = 5.0
"""A reading older than this says nothing about now (the charging core stops trusting the meter at the same age)."""

Reading = tuple[Phase | None, float]
"""A value and the phase it belongs to; None: over all phases."""

_LINES = (Phase.L1, Phase.L2, Phase.L3)
_LINES_TO_NEUTRAL = (Phase.L1_N, Phase.L2_N, Phase.L3_N)
_DECIMALS = 3


def _energy(meter: MeterSample) -> Iterator[Reading]:
    yield None, meter.energy_wh


def _power(meter: MeterSample) -> Iterator[Reading]:
    yield None, meter.power_w
    if len(meter.watts) > 1:
        yield from zip(_LINES, meter.watts, strict=False)


def _current(meter: MeterSample) -> Iterator[Reading]:
    yield from zip(_LINES, meter.amps, strict=False)


def _voltage(meter: MeterSample) -> Iterator[Reading]:
    yield from zip(_LINES_TO_NEUTRAL, meter.volts, strict=False)


def _frequency(meter: MeterSample) -> Iterator[Reading]:
    if meter.frequency_hz is not None:
        yield None, meter.frequency_hz


def _current_offered(evse: EvseStatus, _facts: EvseFacts) -> float:
    return evse.offered_amps


def _power_offered(evse: EvseStatus, facts: EvseFacts) -> float:
    """The most a vehicle could take of the offer: on all phases of the EVSE, at nominal voltage."""
    return evse.offered_amps * facts.phases * facts.nominal_volts


_MEASURED: dict[Measurand, tuple[str, Callable[[MeterSample], Iterator[Reading]]]] = {
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: ("Wh", _energy),
    Measurand.POWER_ACTIVE_IMPORT: ("W", _power),
    Measurand.CURRENT_IMPORT: ("A", _current),
    Measurand.VOLTAGE: ("V", _voltage),
    Measurand.FREQUENCY: ("Hz", _frequency),
}

_OFFERED: dict[Measurand, tuple[str, Callable[[EvseStatus, EvseFacts], float]]] = {
    Measurand.CURRENT_OFFERED: ("A", _current_offered),
    Measurand.POWER_OFFERED: ("W", _power_offered),
}

SUPPORTED = (*_MEASURED, *_OFFERED)
"""The valuesList of every measurand variable."""


def sampled_values(
    measurands: tuple[str, ...],
    context: ReadingContext,
    evse: EvseStatus,
    facts: EvseFacts,
    *,
    status_age_s: float,
    meter_age_s: float | None,
) -> tuple[SampledValue, ...]:
    """The readings of `measurands` that are known and fresh. `meter_age_s` None: no reading of the meter at all."""
    found: list[SampledValue] = []
    for name in measurands:
        measurand = Measurand(name)
        if measurand in _MEASURED:
            if evse.meter is None or meter_age_s is None or meter_age_s > FRESH_S:
                continue
            unit, read = _MEASURED[measurand]
            found += [_sampled(value, measurand, context, unit, phase) for phase, value in read(evse.meter)]
        elif status_age_s <= FRESH_S:
            unit, offered = _OFFERED[measurand]
            found.append(_sampled(offered(evse, facts), measurand, context, unit, None))
    return tuple(found)


def _sampled(
    value: float, measurand: Measurand, context: ReadingContext, unit: str, phase: Phase | None
) -> SampledValue:
    return SampledValue(
        value=round(value, _DECIMALS),
        context=context,
        measurand=measurand,
        phase=phase,
        unit_of_measure=UnitOfMeasure(unit=unit),
    )
