"""The diagnostics of the station as one text: how it is now, its device model, and the newest lines of its log.

Bounded, and without secrets: no line holds one to begin with, and what looks or reads like one is taken out again here.
"""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.messages.enums import Attribute
from chargerd.ocpp.station import Station
from chargerd.report import station_report
from chargerd.service import printable

MAX_LINES = 500
MAX_LINE_CHARACTERS = 500

MIN_SECRET_CHARACTERS = 4
"""Shorter ones would take half of the text away; a password has 16 at least."""

_URL_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s@]*@")


class RecentLines(logging.Handler):
    """The newest lines of this process's log, in memory. `utc`: the time as the station has it."""

    def __init__(self, utc: Callable[[], datetime]) -> None:
        super().__init__()
        self._utc = utc
        self._lines: deque[tuple[datetime, str]] = deque(maxlen=MAX_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        text = printable(" ".join(f"{record.levelname.lower()} {record.getMessage()}".split()))
        self._lines.append((self._utc(), text[:MAX_LINE_CHARACTERS]))

    def of(self, oldest: datetime | None, latest: datetime | None) -> list[str]:
        """The lines of this time, oldest first."""
        return [
            f"{_stamp(at_utc)} {text}"
            for at_utc, text in self._lines
            if (oldest is None or at_utc >= oldest) and (latest is None or at_utc <= latest)
        ]


def diagnostics(station: Station, lines: Iterable[str], now: Now, *, link_open: bool) -> str:
    """What to send to whoever has to find out what is wrong with this station."""
    report = msgspec.json.format(msgspec.json.encode(station_report(station, now, link_open=link_open)), indent=1)
    parts = [
        f"# diagnostics of {station.ctx.config.identity} at {_stamp(now.utc)}\n",
        f"\n## Report\n\n{report.decode()}\n",
        "\n## Device model\n\n",
        *(f"{line}\n" for line in _values(station)),
        "\n## Newest lines of the log\n\n",
        *(f"{line}\n" for line in lines),
    ]
    return redacted("".join(parts), _secrets(station))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` without these, and without user and password in any URL."""
    for secret in secrets:
        if len(secret) >= MIN_SECRET_CHARACTERS:
            text = text.replace(secret, "(hidden)")
    return _URL_CREDENTIALS.sub("", text)


def _values(station: Station) -> Iterable[str]:
    variables = station.ctx.variables
    for item in variables.items():
        if not item.variable.write_only:
            yield f"{item} = {variables.text(item)}"
            for kind in item.variable.attributes:
                yield f"{item} {Attribute(kind)} = {variables.attribute_text(item, kind)}"


def _secrets(station: Station) -> Iterable[str]:
    """The values that nobody may read, and the password from the site."""
    variables, config = station.ctx.variables, station.ctx.config
    yield config.password or ""
    for item in variables.items():
        if item.variable.write_only:
            yield variables.text(item)


def _stamp(utc: datetime) -> str:
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
