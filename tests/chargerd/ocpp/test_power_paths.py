"""The moment from which Relative schedules count."""

from datetime import UTC, datetime, timedelta

from chargerd.ocpp.power_paths import PowerPaths
from chargerd.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp()) * 1000


def test_K01_FR_42_the_first_closing_of_the_power_path_counts() -> None:
    paths = PowerPaths(Store(":memory:"))
    assert paths.closed_ms("tx-1") is None
    paths.close("tx-1", NOON)
    paths.close("tx-1", NOON + timedelta(hours=1))
    assert paths.closed_ms("tx-1") == NOON_MS


def test_K01_FR_42_the_moment_outlasts_a_restart_with_its_transaction_and_goes_with_it() -> None:
    store = Store(":memory:")
    before = PowerPaths(store)
    for transaction_id in ("tx-1", "tx-2", "tx-3"):
        before.close(transaction_id, NOON)
    before.forget("tx-2")
    after = PowerPaths(store)
    after.reload({"tx-1", "tx-2"})
    assert [after.closed_ms(transaction_id) for transaction_id in ("tx-1", "tx-2", "tx-3")] == [NOON_MS, None, None]
    again = PowerPaths(store)
    again.reload({"tx-1", "tx-2", "tx-3"})
    assert again.closed_ms("tx-3") is None
