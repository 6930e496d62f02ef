"""What state each connector is in since when, and which of that the CSMS has been told. Pure."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.messages.enums import ConnectorStatus

_BY_USE = (
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.OCCUPIED,
    ConnectorStatus.RESERVED,
    ConnectorStatus.UNAVAILABLE,
    ConnectorStatus.FAULTED,
)
"""From the most to the least of use to a driver."""


class ConnectorState(msgspec.Struct, frozen=True):
    """A state, and when the connector entered it."""

    status: ConnectorStatus
    since_utc: datetime
    since_mono: float


class ConnectorStates:
    """The state of the connector of each EVSE. What is told is taken as heard until `was_lost` says otherwise."""

    def __init__(self) -> None:
        self._states: dict[int, ConnectorState] = {}
        self._told: dict[int, ConnectorStatus] = {}

    def enter(self, evse_id: int, status: ConnectorStatus, now: Now) -> None:
        """The connector is in this state; if it already was, nothing changes."""
        if evse_id not in self._states or self._states[evse_id].status is not status:
            self._states[evse_id] = ConnectorState(status, now.utc, now.mono)

    def status(self, evse_id: int) -> ConnectorStatus:
        """The state entered last; Unavailable before the first."""
        state = self._states.get(evse_id)
        return ConnectorStatus.UNAVAILABLE if state is None else state.status

    def untold(self, now: Now, settle_s: float = 0.0) -> list[tuple[int, ConnectorState]]:
        """(EVSE, state) of which the CSMS has not been told; from now on it counts as told.

        Another state than the one it knows has to have lasted `settle_s` first.
        """
        found = [
            (key, state)
            for key, state in self._states.items()
            if self._told.get(key) is not state.status
            and (key not in self._told or now.mono >= state.since_mono + settle_s)
        ]
        self._told.update((key, state.status) for key, state in found)
        return found

    def next_deadline(self, settle_s: float) -> float | None:
        """When the first state that is not told yet will have lasted `settle_s`."""
        waiting = [state for key, state in self._states.items() if self._told.get(key) not in {None, state.status}]
        return min((state.since_mono + settle_s for state in waiting), default=None)

    def was_lost(self, evse_id: int, status: ConnectorStatus) -> None:
        """The CSMS did not hear of this state."""
        if self._told.get(evse_id) is status:
            del self._told[evse_id]

    def forget_told(self, now: Now) -> None:
        """The CSMS is to be told everything anew, as it is now."""
        self._told.clear()
        self._states = {key: msgspec.structs.replace(state, since_utc=now.utc) for key, state in self._states.items()}


def summary(statuses: Iterable[ConnectorStatus]) -> ConnectorStatus:
    """The state of a whole that consists of these: the one of most use to a driver."""
    return min(statuses, key=_BY_USE.index)
