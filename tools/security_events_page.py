"""Writes docs/security-events.md, the security events for people: `python -m tools.security_events_page`."""

from pathlib import Path

from chargerd.ocpp.event_series import FIRST_WINDOW_S, TOLD_SINGLY
from chargerd.ocpp.security import MAX_UNDELIVERED
from chargerd.ocpp.security_events import TABLE, SecurityEventKind
from chargerd.ocpp.security_log import MAX_ROWS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "security-events.md"

HEAD = f"""# Security events

Written by `python -m tools.security_events_page` from `TABLE` in `chargerd/ocpp/security_events.py`; change it
there.

* Every event is a row of the security log. A **critical** one is also sent as SecurityEventNotification; it waits
  on disk until the CSMS has answered it, in order, over outages and restarts.
* **What repeats** with the same text is told {TOLD_SINGLY} times in {FIRST_WINDOW_S / 60:.0f} minutes and then
  counted; the number follows. With {MAX_UNDELIVERED} events on their way to the CSMS a further one of a kind that
  is among them is counted, and the CSMS is told how many there were. The log has them all.
* **The log** has the newest {MAX_ROWS} rows. The CSMS gets them with GetLog (SecurityLog), and `chargerctl
  verify-log FILE` checks what arrived.

## What the chain of hashes is worth

Each row holds the SHA-256 of the row before it and itself. Beside the rows stands where the chain begins (the row
that made room last) and where it ends; both are written in the same transaction. Each start checks the whole chain,
and a row that was changed, moved or taken out is a SecurityLogWasCleared that says which. The chain then goes on
from there, and the log that is uploaded shows the break.

It finds damage, a mistake, and whoever edits the rows without knowing how they hang together. It does not stop
somebody who is root on the machine: he can compute a new chain, or remove the whole state directory. Against him
two things stand that he cannot reach: the critical events, which the CSMS has already, and any log that was
uploaded before. Its newest hash must be found again at the same row of every later one. Where the state directory
is left and only the store is removed, the mark `station.began` beside it gives that away.

The time of a row is that of the station's clock; a `?` behind it means that the clock had not been set yet.

## The events

| Event | Critical | Comes from |
|---|---|---|
"""

NEVER = "\n## Events that cannot occur here\n\n| Event | Critical | Why |\n|---|---|---|\n"


def page() -> str:
    """The whole page."""
    occurring = "".join(_row(kind) for kind in TABLE if kind.occurs)
    never = "".join(_row(kind) for kind in TABLE if not kind.occurs)
    return HEAD + occurring + NEVER + never


def _row(kind: SecurityEventKind) -> str:
    return f"| {kind.name} | {'yes' if kind.critical else ''} | {kind.cause} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
