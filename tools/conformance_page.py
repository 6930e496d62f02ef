"""Writes docs/conformance.md, what became of each certification case: `python -m tools.conformance_page`, after
`make conformance`.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from chargerd.conformance.case import Case, all_cases
from chargerd.conformance.catalogue import Entry, catalogue, declaration, why_not
from tests.conformance.missing import MISSING
from tests.conformance.results import REAL, RESULTS, VIRTUAL, read_results

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"

BLOCKS = {
    "A": "Security",
    "B": "Provisioning",
    "C": "Authorization",
    "D": "Local authorization list",
    "E": "Transactions",
    "F": "Remote control",
    "G": "Availability",
    "H": "Reservation",
    "J": "Meter values",
    "L": "Firmware",
    "M": "Certificate management",
    "N": "Diagnostics",
    "P": "Data transfer",
}

HEAD = """# Conformance

Written by `python -m tools.conformance_page` from the cases in `chargerd/conformance/cases`, `catalogue.toml` beside
them and the results of the last `make conformance`. The certification of OCPP 2.0.1 describes these cases for a
charging station; each is written here from its meaning, and every message of a run is checked against the official
schemas. That is our own test, and no certificate.

* **Virtual**: the whole charger in one process on virtual time, with the simulated plant.
* **Real**: both processes as a device runs them, on the simulated board, over a real WebSocket.
* `chargerctl conformance` runs the same cases against a charger on a desk.

What the station declares, and so which cases apply, is `chargerd/conformance/features.toml`: the profiles
PROFILES. A case of block I, K or O is not among them yet.
"""

Results = Mapping[tuple[str, str], str]


def page(results: Results) -> str:
    """The whole page. `results`: (case id, way) -> outcome of the cases that were run."""
    station, cases = declaration(), all_cases()
    text = HEAD.replace("PROFILES", ", ".join(station.profiles))
    known = {case_id: entry for case_id, entry in catalogue().items() if _block(case_id) in BLOCKS}
    text += "\n| Block | Cases that apply | written | passed, virtual | passed, real |\n|---|--:|--:|--:|--:|\n"
    apply = {case_id for case_id, entry in known.items() if why_not(entry, station) is None}
    for block, name in BLOCKS.items():
        text += _summary(f"{block} {name}", [case_id for case_id in apply if _block(case_id) == block], results)
    text += _summary("**All**", apply, results)
    for block, name in BLOCKS.items():
        text += f"\n## {block} {name}\n\n| Case | What it shows | Applies | Virtual | Real |\n|---|---|---|---|---|\n"
        text += "".join(
            _row(cases[case_id], known[case_id], results)
            for case_id in known
            if _block(case_id) == block and case_id in cases
        )
        if missing := [case_id for case_id in known if _block(case_id) == block and case_id in MISSING]:
            text += "\nNot written:\n\n"
            text += "".join(f"* {case_id} ({known[case_id].meaning}): {MISSING[case_id]}\n" for case_id in missing)
    text += "\n## Cases that do not apply\n\n| Case | What it would show | Why not |\n|---|---|---|\n"
    text += "".join(_not_applying(known, apply | cases.keys()))
    return text


def without_results(text: str) -> str:
    """The page but for what was found by running: that must be as the code is, at any time."""
    rows = (line for line in text.splitlines() if not re.match(r"\| ([A-P] |\*\*All)", line))
    return "\n".join(re.sub(r"(\| TC_.*?) \| [^|]* \| [^|]* \|$", r"\1", line) for line in rows)


def _not_applying(known: Mapping[str, Entry], others: Iterable[str]) -> Iterator[str]:
    station = declaration()
    for case_id in sorted(known.keys() - set(others)):
        yield f"| {case_id} | {known[case_id].meaning} | {why_not(known[case_id], station)}. |\n"


def _row(case: Case, entry: Entry, results: Results) -> str:
    applies = "; ".join(f"{profile}, {kind}" for profile, kind in entry.profiles.items()) or "certifies nothing"
    if entry.applies_if:
        applies += f", if {entry.applies_if}"
    virtual = results.get((case.case_id, VIRTUAL), "not run")
    real = results.get((case.case_id, REAL), case.virtual_only or "not run")
    return f"| {case.case_id} | {case.meaning} | {applies} | {virtual} | {real} |\n"


def _summary(name: str, case_ids: Iterable[str], results: Results) -> str:
    ids = set(case_ids)
    passed = [sum(results.get((case_id, way)) == "passed" for case_id in ids) for way in (VIRTUAL, REAL)]
    return f"| {name} | {len(ids)} | {len(ids & all_cases().keys())} | {passed[0]} | {passed[1]} |\n"


def _block(case_id: str) -> str:
    return case_id.split("_")[1]


if __name__ == "__main__":
    if not RESULTS.exists():
        sys.exit("no results; run `make conformance` first")
    PAGE.write_text(page(read_results(RESULTS.read_text())))
