"""Writes docs/faults.md, the table of faults for people: `python -m tools.faults_page`."""

from pathlib import Path

from chargerd.evse.faults import BLINK_CODES, TABLE, ClearedBy, Fault, Origin, Severity

PAGE = Path(__file__).resolve().parent.parent / "docs" / "faults.md"

EFFECT = {
    Severity.OPEN: "contactor opens at once",
    Severity.STOP: "charge ends softly",
    Severity.WARNING: "none, a warning",
}
ENDS = {ClearedBy.CAUSE_GONE: "with its cause", ClearedBy.UNPLUG: "when unplugged"}

HEAD = """# Faults

Written by `python -m tools.faults_page` from `TABLE` in `chargerd/evse/faults.py`; change it there.

* **Code**: as `chargerctl status`, the log and the page show it. Below it the code of the Minimum Required Error Codes
  list (MREC), where that has one. The codes CX011, CX012, CX021 and CX022 are of DC chargers alone.
* **Energy**: what the fault does to a charge. To end softly is to withdraw the offer, to wait until the vehicle takes
  less than 1 A, 6 s at most, and to open then. After a fault the contactor stays open for 30 s.
* **Ends**: what clears it. A fault that ends when unplugged outlives its cause.
* **Transaction**: the stoppedReason with which it ends a transaction; without one, that is only suspended.
* **Flashes**: how often a light flashes between two pauses, for eyes that do not tell red from green.
* **OCPP**: component and variable of the device model that report it.

| Flashes | Look at |
|---|---|
"""

COLUMNS = (
    "| Code | Energy | Ends | Transaction | Flashes | OCPP | What is so, and what to do |\n"
    "|---|---|---|---|---|---|---|\n"
)


def page() -> str:
    """The whole page."""
    flashes = "".join(f"| {count} | {meaning} |\n" for count, meaning in BLINK_CODES.items())
    charging = "".join(_row(row) for row in TABLE if row.origin is Origin.CHARGING)
    station = "".join(_row(row) for row in TABLE if row.origin is Origin.STATION)
    return (
        f"{HEAD}{flashes}\n## Of the charging side\n\n{COLUMNS}{charging}\n"
        f"## Of the station process\n\nThey tell why nothing happens, and keep no energy off.\n\n{COLUMNS}{station}"
    )


def _row(row: Fault) -> str:
    code = f"`{row.code}`" + (f"<br>{row.mrec}" if row.mrec else "")
    cells = (
        code,
        EFFECT[row.severity],
        ENDS[row.cleared_by],
        row.stopped_reason,
        str(row.blink_code or ""),
        f"{row.component}<br>{row.variable}",
        f"{row.text} *{row.remedy}*",
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
