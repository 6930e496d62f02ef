"""What the station's console serves: the report, a limit by a person, and what a bench may do to the link beside.

Who may use which verb stands in chargerd/access.py.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from chargerd.clock import Clock
from chargerd.console import ConsoleError, Verb
from chargerd.downloads import Progress
from chargerd.ocpp.effects import OpenLink
from chargerd.ocpp.events import Event, SignalMeasured
from chargerd.ocpp.station import Station
from chargerd.report import Frame, station_report

FRAMES_KEPT = 200
"""How many OCPP frames the bench may look back."""


class OpensLinks(Protocol):
    """The link, as far as verbs touch it."""

    @property
    def is_open(self) -> bool:
        """See chargerd/link.py."""
        ...

    def open(self, order: OpenLink) -> None:
        """See chargerd/link.py."""
        ...

    def close(self, why: str) -> None:
        """See chargerd/link.py."""
        ...


class StationVerbs:
    """The verbs of every charger."""

    def __init__(
        self,
        station: Callable[[], Station],
        act: Callable[[Callable[[], None]], None],
        link: OpensLinks,
        clock: Clock,
        identity: Callable[[], Mapping[str, Any]],
        *,
        progress: Callable[[], Progress | None],
    ) -> None:
        """`station`: the core, from the first request on. `act` lets the core work and then does what it wants.
        `progress`: of a download of firmware.
        """
        self._progress = progress
        self._station = station
        self._act = act
        self._link = link
        self._clock = clock
        self._identity = identity

    def table(self) -> dict[str, Verb]:
        """Verb -> what serves it."""
        return {
            "status": lambda _request: self.report(),
            "user_limit": self._limit_by_user,
            "identity": lambda _request: self._identity(),
        }

    def report(self) -> dict[str, Any]:
        """The station's report, in builtin types."""
        progress = self._progress()
        downloaded = None if progress is None else (progress.done_bytes, progress.total_bytes)
        found = station_report(self._station(), self._clock.now(), link_open=self._link.is_open, downloaded=downloaded)
        report = msgspec.to_builtins(found)
        assert isinstance(report, dict)
        return report

    def _limit_by_user(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`evse`, `amps` (absent or null: the limit ends), `for_s` (absent or null: without end)."""
        evse_id, amps, for_s = request.get("evse"), request.get("amps"), request.get("for_s")
        if not isinstance(evse_id, int) or not all(value is None or _is_number(value) for value in (amps, for_s)):
            raise ConsoleError('expected "evse", a whole number, and "amps" and "for_s", numbers or null')
        station = self._station()
        why = station.user_limits.why_not(evse_id, amps, for_s)
        if why is not None:
            raise ConsoleError(why)
        self._act(lambda: station.limit_by_user(evse_id, amps, for_s, self._clock.now()))
        return {}


class BenchHand:
    """What a bench may do beside: look at the frames, hold the link down, say how strong the radio is.

    On a real charger it is idle: nothing is kept and nothing held.
    """

    def __init__(self, feed: Callable[[Event], None], link: OpensLinks, clock: Clock, *, idle: bool) -> None:
        self.signal_is_given = False
        self._feed = feed
        self._link = link
        self._clock = clock
        self._idle = idle
        self._frames: deque[Frame] = deque(maxlen=FRAMES_KEPT)
        self._link_held = False
        self._held_open: OpenLink | None = None

    def table(self) -> dict[str, Verb]:
        """Verb -> what serves it; none where it is idle."""
        if self._idle:
            return {}
        return {
            "signal": self._set_signal,
            "link_down": self._hold_link,
            "link_up": self._release_link,
            "frames": lambda request: {"frames": self._frames_since(request.get("after", -1))},
        }

    def keep_frame(self, direction: str, text: str) -> None:
        """A frame passed: "in" from the CSMS, or "out"."""
        if not self._idle:
            seq = self._frames[-1].seq + 1 if self._frames else 0
            self._frames.append(Frame(seq, direction, self._clock.now().utc, text))

    def open_link(self, order: OpenLink) -> None:
        """Open the link, or once it is released."""
        if self._link_held:
            self._held_open = order
        else:
            self._link.open(order)

    def _hold_link(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """Cut the link and keep it cut."""
        self._link_held = True
        self._link.close("held down by the bench")
        return {}

    def _release_link(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """Let the core connect again, at once if it was waiting to."""
        self._link_held = False
        if self._held_open is not None:
            order, self._held_open = self._held_open, None
            self._link.open(order)
        return {}

    def _set_signal(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`dbm`: what the radio link is said to have from now on; absent or null: what it really has."""
        dbm = request.get("dbm")
        if dbm is not None and not _is_number(dbm):
            raise ConsoleError('expected "dbm", a number or null')
        self.signal_is_given = dbm is not None
        self._feed(SignalMeasured(dbm))
        return {}

    def _frames_since(self, after: object) -> list[Any]:
        since = after if isinstance(after, int) else -1
        return [msgspec.to_builtins(frame) for frame in self._frames if frame.seq > since]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
