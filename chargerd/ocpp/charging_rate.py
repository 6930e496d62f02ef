"""When a change of the offered current is news (ChargingRateChanged): once it has come to rest, and is large enough.

Load balancing and the sun move the offer from second to second; the CSMS is told where it ends up.
"""

from chargerd.ocpp.variables import decimal

LIMIT_CHANGE_SIGNIFICANCE = decimal(
    "SmartChargingCtrlr",
    "LimitChangeSignificance",
    1.0,
    writable=True,
    minimum=0,
    maximum=100,
    unit="Percent",
    doc="Changes of a limit by less than this need not be reported.",
)

RESTS_S = 10.0
"""An offer that did not change for so long has come to rest: vehicles follow within 5 s (IEC 61851-1 table A.6)."""

NO_REST_S = 60.0
"""One that never rests is told this often."""


class ChargingRate:
    """What the CSMS knows of the current that one charge is offered, in amperes; nothing while none flows."""

    def __init__(self) -> None:
        self._told_amps: float | None = None
        self._rests_mono = 0.0
        self._due_mono: float | None = None

    def begin(self, amps: float) -> None:
        """Energy flows, and the CSMS is being told so."""
        self._told_amps = amps
        self._due_mono = None

    def end(self) -> None:
        """No energy flows."""
        self._told_amps = self._due_mono = None

    def changed(self, now_mono: float) -> None:
        """The limit changed. Of interest while energy flows only."""
        if self._told_amps is None:
            return
        if self._due_mono is None:
            self._rests_mono = now_mono + NO_REST_S
        self._due_mono = min(now_mono + RESTS_S, self._rests_mono)

    def next_deadline(self) -> float | None:
        """When the change is to be looked at; None: there was none."""
        return self._due_mono

    def is_news(self, amps: float, significance_percent: float, now_mono: float) -> bool:
        """Whether it is time to tell of `amps`; told once it is."""
        if self._told_amps is None or self._due_mono is None or now_mono < self._due_mono:
            return False
        self._due_mono = None
        if abs(amps - self._told_amps) * 100.0 <= significance_percent * self._told_amps:
            return False
        self._told_amps = amps
        return True
