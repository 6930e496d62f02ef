"""What only the station process can see going wrong: no CSMS, a weak radio link, a vehicle that nobody authorises.

Warnings, all of them: they explain, and hold no energy back. Their words stand in the one table of faults
(chargerd/evse/faults.py) with those of the charging side.
"""

from chargerd.clock import Now
from chargerd.evse.types import ActiveFault
from chargerd.ocpp.block import Block
from chargerd.ocpp.edges import Change, ControlRestarted, EvConnected, EvDisconnected
from chargerd.ocpp.news import News, TransactionAuthorized
from chargerd.ocpp.transaction_variables import EV_CONNECTION_TIME_OUT

NO_CSMS = "no_csms"
WEAK_SIGNAL = "weak_signal"
AUTHORIZATION_TIMEOUT = "authorization_timeout"

NO_CSMS_S = 60.0
"""A link that is being made anew takes seconds; after a minute people should know."""

WEAK_DBM, STRONG_DBM = -80.0, -75.0
"""Below the first a radio link loses frames; it counts as weak until it is above the second."""


class Troubles(Block):
    """The warnings that stand, of the station and of each EVSE."""

    _down_since_mono: float | None
    _no_csms: ActiveFault | None
    _weak: ActiveFault | None
    _authorize_by_mono: dict[int, float]
    _unauthorized: dict[int, ActiveFault]

    signal_dbm: float | None = None
    """Level of the radio link when last measured; None: there is no radio link."""

    @property
    def has_no_csms(self) -> bool:
        """The warning that the CSMS is gone stands."""
        return self._no_csms is not None

    def on_start(self, now: Now) -> None:
        self._down_since_mono = now.mono
        self._no_csms = self._weak = None
        self._authorize_by_mono = {}
        self._unauthorized = {}

    def of_station(self) -> tuple[ActiveFault, ...]:
        """Those of the whole station."""
        return tuple(fault for fault in (self._no_csms, self._weak) if fault is not None)

    def of_evse(self, evse_id: int) -> tuple[ActiveFault, ...]:
        """Those of one EVSE."""
        fault = None if self.ctx.orders.is_permitted(evse_id) else self._unauthorized.get(evse_id)
        return () if fault is None else (fault,)

    def signal(self, dbm: float | None, now: Now) -> None:
        """The radio link's level was measured; None: there is no radio link."""
        self.signal_dbm = dbm
        if dbm is None or dbm > STRONG_DBM:
            self._weak = None
        elif dbm < WEAK_DBM and self._weak is None:
            self._weak = ActiveFault(WEAK_SIGNAL, now.mono, f"{dbm:.0f} dBm", warning=True)

    def on_link_up(self, now: Now) -> None:
        self._down_since_mono = self._no_csms = None

    def on_link_down(self, now: Now) -> None:
        self._down_since_mono = now.mono

    def on_change(self, change: Change, now: Now) -> None:
        match change:
            case EvConnected(evse_id):
                self._authorize_by_mono[evse_id] = now.mono + self.ctx.variables[EV_CONNECTION_TIME_OUT]
            case EvDisconnected(evse_id):
                self._forget(evse_id)
            case ControlRestarted():
                for evse_id in self.ctx.evse_ids:
                    self._forget(evse_id)

    def next_deadline(self) -> float | None:
        deadlines = list(self._authorize_by_mono.values())
        if self._down_since_mono is not None and self._no_csms is None:
            deadlines.append(self._down_since_mono + NO_CSMS_S)
        return min(deadlines, default=None)

    def on_time(self, now: Now) -> None:
        since_mono = self._down_since_mono
        if since_mono is not None and self._no_csms is None and now.mono >= since_mono + NO_CSMS_S:
            self._no_csms = ActiveFault(NO_CSMS, now.mono, f"for {now.mono - since_mono:.0f} s", warning=True)
        for evse_id, by_mono in list(self._authorize_by_mono.items()):
            if now.mono >= by_mono:
                del self._authorize_by_mono[evse_id]
                if not self.ctx.orders.is_permitted(evse_id):
                    self._unauthorized[evse_id] = ActiveFault(AUTHORIZATION_TIMEOUT, now.mono, warning=True)

    def on_news(self, news: News, now: Now) -> None:
        if isinstance(news, TransactionAuthorized):
            self._forget(news.evse_id)

    def _forget(self, evse_id: int) -> None:
        self._authorize_by_mono.pop(evse_id, None)
        self._unauthorized.pop(evse_id, None)
