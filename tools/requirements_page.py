"""Writes docs/requirements.md, the tests and cases of each requirement: `python -m tools.requirements_page`."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from chargerd.conformance.case import all_cases
from chargerd.conformance.catalogue import catalogue, declaration, why_not
from tests.tidy import TESTS, requirements_in_name

PAGE = Path(__file__).resolve().parent.parent / "docs" / "requirements.md"

HEAD = """# Requirements

Written by `python -m tools.requirements_page`. A requirement of OCPP 2.0.1 stands here when a test bears its name, or
when a certification case that applies to this station shows it (docs/conformance.md).

* **tested**: at least one test of ours has it in its name, so that it fails by name.
* **by case**: a certification case shows it; no test of ours bears its name.
* **open**: neither.

"""


def page() -> str:
    """The whole page."""
    tests, cases = named_in_tests(), shown_by_cases()
    written = all_cases()
    rows: dict[str, list[str]] = defaultdict(list)
    for requirement in sorted(tests.keys() | cases.keys(), key=_order):
        by = [case_id for case_id in cases.get(requirement, []) if case_id in written]
        status = "tested" if requirement in tests else "by case" if by else "open"
        names = "<br>".join(f"`{name}`" for name in tests.get(requirement, []))
        rows[requirement[0]].append(f"| {requirement} | {status} | {names} | {' '.join(by)} |\n")
    text = HEAD + "| Block | tested | by case | open |\n|---|--:|--:|--:|\n"
    for block, lines in rows.items():
        counts = (sum(f" | {status} | " in line for line in lines) for status in ("tested", "by case", "open"))
        text += f"| {block} | {' | '.join(map(str, counts))} |\n"
    for block, lines in rows.items():
        text += f"\n## {block}\n\n| Requirement | Status | Tests | Cases |\n|---|---|---|---|\n{''.join(lines)}"
    return text


def named_in_tests() -> Mapping[str, list[str]]:
    """Requirement -> the tests that bear its name, as `file::test`."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in TESTS:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for requirement in requirements_in_name(node.name):
                    found[requirement].append(f"{file.path.removeprefix('tests/')}::{node.name}")
    return found


def shown_by_cases() -> Mapping[str, list[str]]:
    """Requirement -> the certification cases that show it and apply to this station."""
    station = declaration()
    found: dict[str, list[str]] = defaultdict(list)
    for case_id, entry in catalogue().items():
        if why_not(entry, station) is None and case_id.split("_")[1] in "BCDEFGHJP":
            for requirement in entry.requirements:
                found[requirement].append(case_id)
    return found


def _order(requirement: str) -> tuple[str, int]:
    block, _, number = requirement.rpartition(".")
    return block, int(number)


if __name__ == "__main__":
    PAGE.write_text(page())
