"""What the CSMS has put in and out of service, kept over restarts (G03.FR.08, G04.FR.09).

Station, EVSE and connector each have a flag of their own, so that each returns to its own state when the one above it
does (G03.FR.07, G04.FR.08). An EVSE that was put out of service during a transaction leaves when that has ended
(G03.FR.05).
"""

from chargerd.ocpp.messages.enums import OperationalStatus
from chargerd.ocpp.messages.types import EVSE
from chargerd.store import Store

NAMESPACE = "availability"
"""Store: "station", "evse/1", "connector/1/1" -> the flag; "leaving/1" -> present while it waits for a transaction."""

CONNECTOR_ID = 1
"""Every EVSE has this one connector."""


class ServiceFlags:
    """The flags, and which EVSEs wait for the end of a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._flags: dict[str, OperationalStatus] = {}

    def reload(self) -> None:
        """Read the disk."""
        self._flags = dict(self._store.items(NAMESPACE, OperationalStatus))

    def set(self, target: EVSE | None, wanted: OperationalStatus) -> None:
        """The flag of an EVSE, one of its connectors, or (None) the station."""
        self._put(_key(target), wanted)

    def is_operative(self, evse_id: int) -> bool:
        """Whether the EVSE is in service now; one that leaves after its transaction still is."""
        return self.is_leaving(evse_id) or self.is_wanted(evse_id)

    def is_wanted(self, evse_id: int) -> bool:
        """Whether no flag stands against the EVSE."""
        keys = (_key(None), _key(EVSE(id=evse_id)), _key(EVSE(id=evse_id, connector_id=CONNECTOR_ID)))
        return all(self._flags.get(key) is not OperationalStatus.INOPERATIVE for key in keys)

    def is_leaving(self, evse_id: int) -> bool:
        """Whether the EVSE goes out of service when its transaction has ended."""
        return _leaving_key(evse_id) in self._flags

    def leave_later(self, evse_id: int) -> None:
        """Keep the EVSE in service until `leave_now`."""
        self._put(_leaving_key(evse_id), OperationalStatus.INOPERATIVE)

    def leave_now(self, evse_id: int) -> None:
        """The EVSE waits for nothing (any more): its flags count."""
        if self._flags.pop(_leaving_key(evse_id), None) is not None:
            self._store.delete(NAMESPACE, _leaving_key(evse_id))

    def _put(self, key: str, wanted: OperationalStatus) -> None:
        self._flags[key] = wanted
        self._store.put(NAMESPACE, key, wanted)


def _key(target: EVSE | None) -> str:
    if target is None:
        return "station"
    if target.connector_id is None:
        return f"evse/{target.id}"
    return f"connector/{target.id}/{target.connector_id}"


def _leaving_key(evse_id: int) -> str:
    return f"leaving/{evse_id}"
