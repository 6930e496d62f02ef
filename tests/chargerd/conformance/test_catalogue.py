"""What is known of cases and stations before anything runs."""

from pathlib import Path

import pytest

from chargerd.conformance.catalogue import (
    DECLARED,
    CatalogueError,
    Declaration,
    Entry,
    Feature,
    catalogue,
    declaration,
    why_not,
)

STATION = Declaration(
    profiles=("Core",),
    features={
        "C-30": Feature(about="cards", declared=True),
        "C-32": Feature(about="key codes", declared=False, why="no keypad"),
    },
)


def entry(profile: str | None = "Core", applies_if: str = "") -> Entry:
    return Entry(profiles={} if profile is None else {profile: "conditional"}, applies_if=applies_if, meaning="Shows")


@pytest.mark.parametrize(
    "case, why",
    [
        (entry(), None),
        (entry(applies_if="C-30 or C-32"), None),
        (entry(None), "certifies nothing"),
        (entry("Reservation"), "of the profile Reservation"),
        (
            entry(applies_if="C-30 and C-32"),
            "applies if C-30 and C-32; C-30, cards, is declared; C-32, key codes, is not: no keypad",
        ),
    ],
)
def test_a_case_applies_by_profile_and_features_and_says_why_not(case: Entry, why: str | None) -> None:
    assert why_not(case, STATION) == why


def test_the_catalogue_holds_every_case_of_a_station_and_each_condition_is_decided() -> None:
    station = declaration()
    cases = catalogue()
    assert len(cases) == 424
    assert why_not(cases["TC_B_01_CS"], station) is None
    assert "TC_G_20_CS" in {case_id for case_id, case in cases.items() if why_not(case, station) == "certifies nothing"}


def test_what_is_not_declared_says_why() -> None:
    assert [code for code, feature in declaration().features.items() if not feature.declared and not feature.why] == []


@pytest.mark.parametrize(
    "text, problem",
    [
        ("profiles = [", "features.toml: "),
        ("profiles = []", "missing required field `features`"),
        ("profiles = []\n[features.C-01]\nabout = ''\ndeclared = true", "says nothing of AQ-1, AQ-10"),
    ],
)
def test_a_file_of_features_that_cannot_be_used_says_so(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "features.toml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=problem):
        declaration(path)
    with pytest.raises(CatalogueError, match="No such file"):
        declaration(tmp_path / "none.toml")


def test_the_shipped_declaration_can_be_copied(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_bytes(DECLARED.read_bytes())
    assert declaration(copy) == declaration()
