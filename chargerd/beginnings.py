"""Did the store begin with the station? A small file beside it remembers that there was one, and so tells a station
that lost its store, and with it the security log, from one that is new.

Whoever removes the whole state directory removes this as well; then nothing on the machine knows of an earlier life.
"""

from datetime import datetime
from pathlib import Path

from chargerd.store import Store, StoreError

MARK = "station.began"


def lost(store: Store, state_dir: Path, utc: datetime) -> str | None:
    """What became of an earlier store, None: nothing, or there was none. Begins the mark. Raises StoreError."""
    mark = state_dir / MARK
    try:
        since = mark.read_text()[:10] if mark.exists() else None
        if since is None:
            mark.write_text(f"{utc:%Y-%m-%d}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(str(mark), f"cannot be kept ({error})", "check the state directory and its owner") from error
    if store.was_damaged:
        return "the store was damaged, and a new one begun"
    return f"the store was removed; there was one since {since}" if store.is_new and since is not None else None
