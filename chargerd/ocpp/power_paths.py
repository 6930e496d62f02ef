"""When each transaction's power path closed: Relative schedules count from there, after a restart too (K01.FR.42)."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from chargerd.ocpp.schedule import milliseconds
from chargerd.store import Store

NAMESPACE = "power_paths"


class _PowerPath(msgspec.Struct, frozen=True):
    """`closed_ms`: milliseconds since 1970."""

    closed_ms: int


class PowerPaths:
    """Transaction id -> the first instant at which its vehicle was both connected and authorized."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._closed_ms: dict[str, int] = {}

    def reload(self, running: Collection[str]) -> None:
        """Read the disk; what belongs to no running transaction is forgotten."""
        self._closed_ms = {key: path.closed_ms for key, path in self._store.items(NAMESPACE, _PowerPath)}
        for transaction_id in [key for key in self._closed_ms if key not in running]:
            self.forget(transaction_id)

    def close(self, transaction_id: str, now_utc: datetime) -> None:
        """The power path is closed; the first time counts."""
        if transaction_id not in self._closed_ms:
            self._closed_ms[transaction_id] = milliseconds(now_utc)
            self._store.put(NAMESPACE, transaction_id, _PowerPath(self._closed_ms[transaction_id]))

    def closed_ms(self, transaction_id: str) -> int | None:
        """Milliseconds since 1970; None: it has not been closed yet."""
        return self._closed_ms.get(transaction_id)

    def forget(self, transaction_id: str) -> None:
        """The transaction is over."""
        if self._closed_ms.pop(transaction_id, None) is not None:
            self._store.delete(NAMESPACE, transaction_id)
