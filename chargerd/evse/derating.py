"""A derating curve: how much current a temperature leaves."""

from hal.types import DeratePoint


def amps_at(curve: tuple[DeratePoint, ...], celsius: float) -> float:
    """The current at a temperature: level outside the corners, straight lines between them."""
    before = curve[0]
    if celsius <= before.celsius:
        return before.amps
    for corner in curve[1:]:
        if celsius < corner.celsius:
            share = (celsius - before.celsius) / (corner.celsius - before.celsius)
            return before.amps + share * (corner.amps - before.amps)
        before = corner
    return before.amps
