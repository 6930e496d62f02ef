"""The wall clock in tests of what depends on the hour."""

import time


class WallClock:
    """What `time.localtime` says, and how often it was asked."""

    def __init__(self, hour: int = 12, minute: int = 0, year: int = 2030) -> None:
        self.looks = 0
        self.set(hour, minute, year)

    def set(self, hour: int, minute: int = 0, year: int = 2030) -> None:
        self._time = time.struct_time((year, 6, 1, hour, minute, 0, 5, 152, 1))

    def __call__(self) -> time.struct_time:
        self.looks += 1
        return self._time
