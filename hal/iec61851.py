"""The two tables of IEC 61851-1 that hardware must know: what a duty offers, what a proximity resistor allows.

Written apart from the charging core on purpose: a pilot driver checks each duty against the board's rating by this
table, so that a limit is enforced in two places that share no code.
"""

import msgspec

from hal.types import HalError

NO_CABLE_OHMS = 1_000_000.0
"""What an open proximity contact reads as: a finite number, because readings travel as JSON."""

RATING_TOLERANCE_AMPS = 0.05
"""Room for the rounding of a duty to hundredths of a percent (0.01 % is 0.006 A, or 0.025 A above 85 %)."""


class CableClass(msgspec.Struct, frozen=True):
    """One resistor class of a cable's plug (IEC 61851-1 table B.2): nominal ohms, the band it has, and the amps."""

    nominal_ohms: float
    from_ohms: float
    below_ohms: float
    amps: float


CABLE_CLASSES = (
    CableClass(nominal_ohms=100.0, from_ohms=75.0, below_ohms=150.0, amps=63.0),
    CableClass(nominal_ohms=220.0, from_ohms=150.0, below_ohms=330.0, amps=32.0),
    CableClass(nominal_ohms=680.0, from_ohms=330.0, below_ohms=1000.0, amps=20.0),
    CableClass(nominal_ohms=1500.0, from_ohms=1000.0, below_ohms=2700.0, amps=13.0),
)


def cable_amps(ohms: float) -> float | None:
    """What a cable with this proximity resistor carries; None outside every class (short, no cable, damaged)."""
    for cable in CABLE_CLASSES:
        if cable.from_ohms <= ohms < cable.below_ohms:
            return cable.amps
    return None


def offered_amps(duty_percent: float) -> float:
    """The current a vehicle reads from a duty (IEC 61851-1 table A.8); 0 where it may not charge by the pilot alone.

    3 to 7 % asks for digital communication, 7 to 8 %, below 3 % and above 97 % forbid charging.
    """
    if duty_percent < 8 or duty_percent > 97:
        return 0.0
    if duty_percent < 10:
        return 6.0
    if duty_percent <= 85:
        return duty_percent * 0.6
    if duty_percent <= 96:
        return (duty_percent - 64) * 2.5
    return 80.0


def check_duty(device: str, duty_percent: float, max_amps: float) -> None:
    """HalError when the duty is no number from 0 to 100, or offers more than the board's rating of `max_amps`."""
    if not 0 <= duty_percent <= 100:
        raise HalError(device, f"refused a duty of {duty_percent} %: it must lie from 0 to 100 %")
    amps = offered_amps(duty_percent)
    if amps > max_amps + RATING_TOLERANCE_AMPS:
        raise HalError(
            device, f"refused a duty of {duty_percent:.2f} %: it offers {amps:.2f} A, the board has {max_amps:g} A"
        )
