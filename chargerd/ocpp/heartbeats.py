"""G02: a Heartbeat after HeartbeatInterval without any other call of ours, and once a day whatever else is sent."""

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.messages.availability import Heartbeat, HeartbeatResponse
from chargerd.ocpp.rpc import CallFailure
from chargerd.ocpp.time_source import HEARTBEAT_INTERVAL, take_time

AT_LEAST_EVERY_S = 86_400.0
"""The clock of the CSMS is asked for daily, however busy the link is (G02.FR.07)."""


class Heartbeats:
    """Sends them while the CSMS has accepted us and the link is up."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._last_mono: float | None = None

    def next_deadline(self) -> float | None:
        """When the next one is due."""
        if not self._ctx.online or self._last_mono is None:
            return None
        quiet_since_mono = max(self._last_mono, self._ctx.rpc.last_sent_mono or self._last_mono)  # G02.FR.05
        interval_s = self._ctx.variables[HEARTBEAT_INTERVAL]
        return min(quiet_since_mono + interval_s, self._last_mono + AT_LEAST_EVERY_S)

    def on_time(self, now: Now) -> None:
        """Send one if it is due."""
        deadline = self.next_deadline()
        if deadline is not None and now.mono >= deadline:
            self.send(now)

    def begin(self, now: Now) -> None:
        """The CSMS has just accepted us, and told the time with it."""
        self._last_mono = now.mono

    def send(self, now: Now) -> None:
        """Send one now."""
        self._last_mono = now.mono
        self._ctx.call(Heartbeat(), now, self._answered, _unanswered)

    def send_triggered(self, _evse_id: int | None, now: Now) -> bool:
        """F06: the CSMS wants one, perhaps before it has accepted us."""
        self._last_mono = now.mono
        self._ctx.rpc.call(Heartbeat(), now, self._answered, _unanswered)
        return True

    def _answered(self, response: HeartbeatResponse, now: Now) -> None:
        take_time(self._ctx, response.current_time, now)  # G02.FR.06


def _unanswered(_failure: CallFailure, _now: Now) -> None:
    pass
