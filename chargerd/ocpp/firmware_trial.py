"""Whether a new version on trial may stay: it has to show, and not for a moment only, that it can do the work."""

from enum import Enum, auto

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.news import Registration


class Verdict(Enum):
    """How the trial stands."""

    OPEN = auto()
    GOOD = auto()
    OVERDUE = auto()  # it does not get better; starting the machine again costs it one of its tries


class Trial:
    """Both processes have to run without a break, and a CSMS to accept the station, or to be out of reach for long."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._since_mono = 0.0
        self._healthy_since_mono: float | None = None

    def begin(self, now: Now) -> None:
        """The process starts, or the trial starts over."""
        self._since_mono = now.mono
        self._healthy_since_mono = None

    def verdict(self, now: Now) -> Verdict:
        """To be asked often: health is what was seen each time."""
        config = self._ctx.config.firmware
        assert config is not None, "can't happen because a slot runs"
        if self._ctx.status is None:
            self._healthy_since_mono = None
        elif self._healthy_since_mono is None:
            self._healthy_since_mono = now.mono
        lasted_s = now.mono - self._since_mono
        healthy_s = 0.0 if self._healthy_since_mono is None else now.mono - self._healthy_since_mono
        is_known = self._ctx.registration is Registration.ACCEPTED or lasted_s >= config.offline_grace_s
        if self._healthy_since_mono is not None and healthy_s >= config.healthy_s and is_known:
            return Verdict.GOOD
        return Verdict.OVERDUE if lasted_s >= config.give_up_s else Verdict.OPEN
