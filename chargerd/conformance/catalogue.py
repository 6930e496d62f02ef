"""What is known of the certification cases and of a station before anything runs: catalogue.toml says which cases there
are and when each applies, a file of features what a station declares.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from chargerd.conformance.conditions import codes, holds

HERE = Path(__file__).parent
DECLARED = HERE / "features.toml"
"""What chargerd declares on the board of the tests."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One certification case. `applies_if`: a condition (conditions.py). Without profiles it certifies nothing."""

    profiles: Mapping[str, Literal["mandatory", "conditional"]]
    meaning: str
    applies_if: str = ""
    requirements: tuple[str, ...] = ()


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature of a station. `why`: it is not declared."""

    about: str
    declared: bool
    why: str = ""


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a station declares: certification profiles, features by their code, how many EVSEs it has.

    `cards`: what two cards to be held to its reader say they are; empty: cards can be made to say what a case wants.
    """

    profiles: tuple[str, ...]
    evses: int = 1
    cards: tuple[str, ...] = ()
    features: Mapping[str, Feature]

    def has(self, code: str) -> bool:
        """Whether a feature is declared. Raises KeyError when nothing is said about it."""
        return self.features[code].declared


class CatalogueError(Exception):
    """A file that cannot be used: which, and what is wrong."""


def catalogue() -> Mapping[str, Entry]:
    """Every certification case of a station, by its id."""
    return msgspec.toml.decode((HERE / "catalogue.toml").read_bytes(), type=dict[str, Entry])


def declaration(path: Path = DECLARED) -> Declaration:
    """What is declared in a file of features. Raises CatalogueError."""
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Declaration)
    except OSError as error:
        raise CatalogueError(f"{path}: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise CatalogueError(f"{path}: {error}") from error
    needed = {code for entry in catalogue().values() for code in codes(entry.applies_if)}
    if missing := sorted(needed - found.features.keys()):
        raise CatalogueError(f"{path}: says nothing of {', '.join(missing)}; {DECLARED} has them all")
    return found


def why_not(entry: Entry, station: Declaration) -> str | None:
    """Why a case does not apply to a station; None: it does."""
    if not entry.profiles:
        return "certifies nothing"
    if not any(profile in station.profiles for profile in entry.profiles):
        return f"of the profile {', '.join(entry.profiles)}"
    if holds(entry.applies_if, station.has):
        return None
    return f"applies if {entry.applies_if}; {'; '.join(_said(code, station) for code in codes(entry.applies_if))}"


def _said(code: str, station: Declaration) -> str:
    feature = station.features[code]
    if feature.declared:
        return f"{code}, {feature.about}, is declared"
    return f"{code}, {feature.about}, is not: {feature.why or 'not offered'}"
