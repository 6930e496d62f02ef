"""The record of a bring-up: what was tried on which board and what came of it, as Markdown and as JSON."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chargerd.ctl.bring_up_acts import Outcome, Result
from chargerd.ctl.screen import Ink

INKS = {Result.OK: Ink.GOOD, Result.FAILED: Ink.BAD, Result.SKIPPED: Ink.NOTICE}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One step. `evse_id` 0: the board as a whole. `took_s`: with the time the person needed."""

    evse_id: int
    role: str
    driver: str
    step: str
    outcome: Outcome
    took_s: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole bring-up. `ended`: why it ended before its end, empty: it did not."""

    at_utc: str
    board_file: str
    board_sha256: str
    vendor: str
    model: str
    serial: str
    simulated: bool
    chargerd: str
    ended: str
    entries: tuple[Entry, ...]

    def count(self, result: Result) -> int:
        """How many steps ended so."""
        return sum(entry.outcome.result is result for entry in self.entries)

    @property
    def passed(self) -> bool:
        """Nothing failed, and it was gone through to the end. What was skipped is for the reader to judge."""
        return not self.ended and not self.count(Result.FAILED)


def summary(report: Report) -> str:
    """The whole thing in a line."""
    counts = ", ".join(f"{report.count(result)} {result}" for result in Result)
    return f"{counts}; {report.ended}" if report.ended else counts


def write_report(report: Report, prefix: Path) -> tuple[Path, Path]:
    """Write `prefix`.md and `prefix`.json. Raises OSError."""
    markdown, document = prefix.with_name(f"{prefix.name}.md"), prefix.with_name(f"{prefix.name}.json")
    markdown.write_text("\n".join(_markdown(report)) + "\n", encoding="utf-8")
    document.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return markdown, document


def file_name(report: Report) -> str:
    """A name that no other bring-up has: serial number and time."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"bring-up-{report.serial}-{report.at_utc}")


def _markdown(report: Report) -> Iterator[str]:
    yield f"# Bring-up of {report.vendor} {report.model}, {report.serial}"
    yield ""
    yield f"{summary(report)}."
    yield ""
    yield f"- when: {report.at_utc}"
    yield f"- board file: `{report.board_file}` (sha256 {report.board_sha256})"
    yield f"- chargerd {report.chargerd}{', on simulated hardware' if report.simulated else ''}"
    yield ""
    yield "| EVSE | Device | Driver | Step | Result | Values | Note |"
    yield "|---|---|---|---|---|---|---|"
    for entry in report.entries:
        values = ", ".join(str(value) for value in entry.outcome.values)
        cells = (
            str(entry.evse_id or "-"),
            entry.role,
            f"`{entry.driver}`" if entry.driver else "",
            entry.step,
            str(entry.outcome.result),
            values,
            entry.outcome.note,
        )
        yield f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"
