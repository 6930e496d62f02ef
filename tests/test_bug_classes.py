"""The table of docs/security.md: every class of holes that chargers have had, with a test that is there or a reason.

Beside it stand the tests of classes that belong to no single file.
"""

import ast
import math
import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.evse.pilot import classify
from chargerd.evse.types import PilotState
from tests.tidy import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
CLASSES = 22
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
WITHOUT_TEST = {13: "cannot be prevented by software"}
"""The only class that no test can show, and the words of its reason."""

ROWS = {int(number): (name, why, proof.split()) for number, name, why, proof in ROW.findall(PAGE)}


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of the tests in a file; none where there is no such file."""
    if not (ROOT / path).is_file():
        return frozenset()
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def missing(proof: list[str]) -> list[str]:
    """The tests that are named and not there."""
    parts = [named.partition("::") for named in proof]
    return [path + mark + name for path, mark, name in parts if name not in names_in(path)]


def test_all_classes_are_there_in_order() -> None:
    assert list(ROWS) == list(range(1, CLASSES + 1))


@pytest.mark.parametrize("number", range(1, CLASSES + 1))
def test_a_class_has_tests_that_exist_or_a_reason(number: int) -> None:
    name, why, proof = ROWS[number]
    if number in WITHOUT_TEST:
        assert proof == ["-"]
        assert WITHOUT_TEST[number] in why
    else:
        assert proof
        assert missing(proof) == [], name
    assert len(why) > 20


def test_a_test_that_is_not_there_is_noticed() -> None:
    here = "tests/test_bug_classes.py::test_all_classes_are_there_in_order"
    assert missing([here, f"{here}_not", "tests/test_nowhere.py::test_x", "words"]) == [
        f"{here}_not",
        "tests/test_nowhere.py::test_x",
        "words",
    ]


def test_every_file_that_the_page_names_is_there() -> None:
    links = set(re.findall(r"\]\(([^)#]+)\)", PAGE)) - {"provisioning.md"}
    assert [link for link in links if not (ROOT / "docs" / link).is_file()] == []
    quoted = re.findall(r"`((?:chargerd|systemd|tests)/[\w./-]+)`", PAGE)
    assert quoted
    assert [path for path in quoted if not (ROOT / path).exists()] == []


# ---------------------------------------------------------------- classes that belong to no single file


ENERGY_FROM_VOLTS, ENERGY_TO_VOLTS = 2.0, 8.0
"""States C and D with what hysteresis adds at most (IEC 61851-1 table A.4): above is B, below is E."""


@given(volts=st.floats(allow_nan=True, allow_infinity=True), previous=st.sampled_from(PilotState))
def test_no_reading_of_the_cable_whatever_it_is_gives_energy_that_the_table_does_not(
    volts: float, previous: PilotState
) -> None:
    """Class 11: what comes through the cable is a number; if it is none, or elsewhere, it is no state with energy."""
    if classify(volts, previous) in {PilotState.C, PilotState.D}:
        assert math.isfinite(volts)
        assert ENERGY_FROM_VOLTS <= volts < ENERGY_TO_VOLTS
