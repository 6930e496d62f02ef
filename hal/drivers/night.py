"""When it is night on the board's site: hours by the local clock, in which lights and displays are less bright."""

import re
import time
from collections.abc import Callable

import msgspec

from hal.types import BoardError

FIRST_SET_YEAR = 2024
"""A clock that shows an earlier year was not set, and what it says of day and night means nothing."""

LOOK_EVERY_S = 60.0
"""So seldom the clock is looked at: it may be set, and nobody sees a minute."""


class Night(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when to when, by the local clock (`"22:00"`). What is otherwise then, a driver adds."""

    begins: str
    ends: str

    def check(self) -> None:
        """BoardError for what is no time of day."""
        for key in ("begins", "ends"):
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", getattr(self, key)):
                raise BoardError(f"night.{key}", f"found '{getattr(self, key)}'", 'expected a time such as "22:00"')

    def is_now(self, local: time.struct_time) -> bool:
        """Whether it is night; never while the clock was not set."""
        clock = f"{local.tm_hour:02}:{local.tm_min:02}"
        if local.tm_year < FIRST_SET_YEAR:
            return False
        if self.begins <= self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends


class NightWatch:
    """Looks at the clock now and then. `night` None: it is never night."""

    def __init__(
        self, night: Night | None, monotonic: Callable[[], float], local_time: Callable[[], time.struct_time]
    ) -> None:
        self._night = night
        self._monotonic = monotonic
        self._local_time = local_time
        self._looked_mono = float("-inf")
        self._is_night = False

    def is_night(self) -> bool:
        """Whether it is, or was when the clock was looked at last, not more than a minute ago."""
        if self._night is not None and self._monotonic() - self._looked_mono >= LOOK_EVERY_S:
            self._looked_mono = self._monotonic()
            self._is_night = self._night.is_now(self._local_time())
        return self._is_night
