"""The mains as the meter sees it: voltage out of its band, phases that are missing, phases that carry unlike currents.

Each cause that stands is left only well inside the band it left, so that a voltage on the edge does not switch.
"""

from collections.abc import Collection, Iterator

from chargerd.evse.faults import FaultCode
from chargerd.evse.situation import Situation
from hal.types import InputName, MeterSample

OVER_SHARE = 1.15
UNDER_SHARE = 0.80
"""Beyond these shares of the nominal voltage vehicles and contactors are not made to work; 0.8 for 3 s is also where
grid codes want a load gone."""

OVER_END_SHARE = 1.10
UNDER_END_SHARE = 0.90
"""The band the supply has to return to: what a public grid normally keeps."""

OVER_S = 1.0
UNDER_S = 3.0

LOST_SHARE = 0.50
LOST_S = 1.0
"""Below half of the nominal voltage a phase is not low but lost, whatever leaks over from the others."""

CARRIES_AMPS = 1.0
"""A phase with more current than this is one the vehicle uses."""

UNBALANCE_S = 60.0


def mains_causes(situation: Situation, standing: Collection[str]) -> Iterator[tuple[FaultCode, float]]:
    """Each cause in the mains seen now, and for how many seconds it has to last. `standing`: codes of the faults that
    stand."""
    if situation.inputs is not None and InputName.POWER_FAIL in situation.inputs:
        yield FaultCode.POWER_LOSS, 0.0
    sample = situation.meter
    if sample is None:
        return
    if sample.volts:
        yield from _voltage_causes(situation, sample, standing)
    unbalance_amps = situation.facts.unbalance_amps
    amps = sample.amps[: situation.facts.phases]
    if unbalance_amps is not None and max(amps) - min(amps) > unbalance_amps:
        yield FaultCode.PHASE_UNBALANCE, UNBALANCE_S


def _voltage_causes(
    situation: Situation, sample: MeterSample, standing: Collection[str]
) -> Iterator[tuple[FaultCode, float]]:
    nominal = situation.facts.nominal_volts
    shares = [volts / nominal for volts in sample.volts[: situation.facts.phases]]
    back = UNDER_END_SHARE if FaultCode.POWER_LOSS in standing else LOST_SHARE
    if max(shares) < back:
        yield FaultCode.POWER_LOSS, LOST_S
        return
    if max(shares) > (OVER_END_SHARE if FaultCode.OVER_VOLTAGE in standing else OVER_SHARE):
        yield FaultCode.OVER_VOLTAGE, OVER_S
    back = UNDER_END_SHARE if FaultCode.PHASE_LOSS in standing else LOST_SHARE
    if min(shares) < back:
        yield FaultCode.PHASE_LOSS, LOST_S
        return
    used = [share for share, amps in zip(shares, sample.amps, strict=False) if amps > CARRIES_AMPS] or shares
    if min(used) < (UNDER_END_SHARE if FaultCode.UNDER_VOLTAGE in standing else UNDER_SHARE):
        yield FaultCode.UNDER_VOLTAGE, UNDER_S


def mains_detail(sample: MeterSample) -> str:
    """Volts and amps of every phase, for the log and the technician."""
    volts = " / ".join(f"{volts:.0f}" for volts in sample.volts)
    amps = " / ".join(f"{amps:.1f}" for amps in sample.amps)
    return f"{volts} V, {amps} A"
