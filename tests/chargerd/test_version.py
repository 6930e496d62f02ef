"""One version, the one of the installed package."""

import tomllib
from pathlib import Path

from chargerd.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_the_one_of_pyproject_and_fits_into_a_BootNotification() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert 0 < len(VERSION) <= 50
