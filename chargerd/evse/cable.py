"""The cable of a socket: rated when it is plugged in, and the same one until it is unplugged (IEC 61851-1 annex B)."""

import math

from chargerd.evse.situation import is_fresh
from hal.types import CableRating

CABLE_STALE_S = 2.0
"""The proximity contact is to be watched while charging, about twice a second in the field."""

NO_CABLE_OHMS = 4500.0
"""Above this resistance nothing is plugged into the proximity contact."""


class CableWatch:
    """Follows the proximity contact of one socket.

    `amps`: what the cable carries, None: unknown. `plugged`: a plug touches this contact, whatever is at its other end,
    None: unknown. `silent`: nothing fresh was read. `absent`: no plug touches this
    contact, although the pilot sees a vehicle. `invalid`: a resistor outside every class is plugged in. `changed`: the
    rating differs from that at plug-in.
    """

    def __init__(self) -> None:
        self.amps: float | None = None
        self.plugged: bool | None = None
        self.silent = True
        self.absent = False
        self.invalid = False
        self.changed = False
        self._rated_amps: float | None = None

    def update(self, reading: CableRating | None, connected: bool, now_mono: float) -> None:
        """Take the latest reading (None: there was none). `connected`: a vehicle is at the other end."""
        self.absent = self.invalid = self.changed = False
        self.amps = None
        if reading is not None and not is_fresh(reading.at_mono, now_mono, CABLE_STALE_S):
            reading = None
        self.silent = reading is None
        self.plugged = None if reading is None else not reading.ohms > NO_CABLE_OHMS
        if not connected:
            self._rated_amps = None
            return
        if reading is None:
            return
        amps = reading.amps
        if amps is None and reading.ohms > NO_CABLE_OHMS:
            self.absent = True
            return
        if amps is None or not (math.isfinite(amps) and amps > 0):
            self.invalid = True
            return
        if self._rated_amps is None:
            self._rated_amps = amps
        self.changed = amps != self._rated_amps
        # A reading above the first one is never believed, one below it at once.
        self.amps = min(amps, self._rated_amps)
