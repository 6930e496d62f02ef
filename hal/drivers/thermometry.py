"""Resistance to temperature: NTC by its beta, platinum by IEC 60751, anything else by a table; and what can be true."""

import itertools
import math
from collections.abc import Sequence

from hal.types import DeviceGarbled

LOWEST_CELSIUS, HIGHEST_CELSIUS = -50.0, 150.0
"""Beyond this no part of a charger is, and no sensor of these drivers measures: a broken or shorted wire reads so."""

_KELVIN_25 = 298.15
_KELVIN_0 = 273.15
_PT_A, _PT_B = 3.9083e-3, -5.775e-7  # IEC 60751; its third term below 0 C is worth 0.02 K at -40 C


def ntc_celsius(ohms: float, r25_ohms: float, beta_kelvin: float) -> float:
    """An NTC's temperature by its resistance at 25 C and its beta."""
    if ohms <= 0:
        return math.inf
    return 1 / (1 / _KELVIN_25 + math.log(ohms / r25_ohms) / beta_kelvin) - _KELVIN_0


def platinum_celsius(ohms: float, r0_ohms: float) -> float:
    """A platinum sensor's temperature by its resistance at 0 C."""
    root = _PT_A**2 - 4 * _PT_B * (1 - ohms / r0_ohms)
    return (-_PT_A + math.sqrt(root)) / (2 * _PT_B) if root >= 0 else math.inf


def table_celsius(ohms: float, corners: Sequence[tuple[float, float]]) -> float:
    """By straight lines through corners (ohms, celsius) of rising ohms; infinite outside of them."""
    for (low_ohms, low), (high_ohms, high) in itertools.pairwise(corners):
        if low_ohms <= ohms <= high_ohms:
            return low + (high - low) * (ohms - low_ohms) / (high_ohms - low_ohms)
    return math.inf


def sane_celsius(device: str, celsius: float) -> float:
    """The same temperature, or DeviceGarbled when it cannot be."""
    if not LOWEST_CELSIUS <= celsius <= HIGHEST_CELSIUS:
        possible = f"{LOWEST_CELSIUS:g} to {HIGHEST_CELSIUS:g} C"
        raise DeviceGarbled(device, f"reads {celsius:.1f} C, possible are {possible}; is the sensor connected?")
    return celsius
