from datetime import UTC, datetime
from pathlib import Path

import pytest

from chargerd.beginnings import MARK, lost
from chargerd.store import Store, StoreError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "station.sqlite"


def started(folder: Path) -> str | None:
    """What a start finds, with something written in it."""
    store = Store(str(folder / NAME))
    try:
        store.put("shell", "stopped", True)
        return lost(store, folder, NOW)
    finally:
        store.close()


def test_a_new_station_has_lost_nothing_nor_has_one_that_starts_again(tmp_path: Path) -> None:
    assert started(tmp_path) is None
    assert started(tmp_path) is None


def test_a_store_of_a_version_that_left_no_mark_is_not_lost(tmp_path: Path) -> None:
    started(tmp_path)
    (tmp_path / MARK).unlink()
    assert started(tmp_path) is None
    assert (tmp_path / MARK).exists()


def test_a_store_that_was_removed_is_missed(tmp_path: Path) -> None:
    started(tmp_path)
    (tmp_path / NAME).unlink()
    assert started(tmp_path) == "the store was removed; there was one since 2026-01-01"
    assert started(tmp_path) is None


def test_a_damaged_store_was_lost_as_well(tmp_path: Path) -> None:
    started(tmp_path)
    (tmp_path / NAME).write_bytes(b"no database at all" * 1000)
    assert started(tmp_path) == "the store was damaged, and a new one begun"
    assert started(tmp_path) is None


def test_a_mark_that_cannot_be_kept_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / MARK).mkdir()
    with pytest.raises(StoreError, match="cannot be kept"):
        started(tmp_path)
