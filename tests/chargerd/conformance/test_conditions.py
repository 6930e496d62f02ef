"""Conditions of cases: what holds, and what is no condition."""

import pytest

from chargerd.conformance.conditions import codes, holds

THERE = {"C-30", "C-10.2", "MODE-1/2"}


@pytest.mark.parametrize(
    "condition, expected",
    [
        ("", True),
        ("C-30", True),
        ("C-31", False),
        ("not C-31", True),
        ("not not C-30", True),
        ("C-31 or C-30", True),
        ("C-30 or C-31 and C-31", True),  # `and` before `or`
        ("(C-30 or C-31) and C-31", False),
        ("not C-31 and C-10.2", True),
        ("not (C-31 or C-10.2)", False),
        ("MODE-1/2 and(not C-31)", True),
    ],
)
def test_a_condition_is_judged_by_what_is_declared(condition: str, expected: bool) -> None:
    assert holds(condition, THERE.__contains__) == expected


@pytest.mark.parametrize(
    "condition", ["C-30 and", "(C-30", "C-30)", "or C-30", "C-30 C-31", "not", "C-30 & C-31", "()"]
)
def test_what_is_no_condition_is_said(condition: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        holds(condition, THERE.__contains__)


def test_the_features_of_a_condition_are_told_once_each() -> None:
    assert codes("C-30 and (not C-10.2 or C-30)") == ["C-30", "C-10.2"]
