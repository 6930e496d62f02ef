"""The level of the radio link, as the kernel tells it (/proc/net/wireless); a wired station has none."""

from pathlib import Path

WIRELESS = Path("/proc/net/wireless")


def signal_dbm(path: Path = WIRELESS) -> float | None:
    """The best level of all interfaces in dBm; None: there is no radio link, or its driver does not say."""
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    levels = [level for line in lines if (level := _level(line)) is not None]
    return max(levels, default=None)


def _level(line: str) -> float | None:
    """`wlan0: 0000   54.  -56.  -256 ...`: the third figure, where it can be one."""
    name, colon, rest = line.partition(":")
    words = rest.split()
    if not colon or not name.strip() or len(words) < 3:
        return None
    try:
        dbm = float(words[2])
    except ValueError:
        return None
    return dbm if -150.0 < dbm < 0.0 else None
