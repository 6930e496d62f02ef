"""No role without a contract, no backend without a run of it."""

import importlib
from pathlib import Path

import pytest

from hal.board_file import BACKENDS as DRIVERS
from tests.contract import stands

OF_NO_ROLE = {"every_role", "controllers"}
"""This suite, and what the roles of one controller keep together."""


@pytest.mark.parametrize("role", DRIVERS)
def test_every_role_has_a_suite(role: str) -> None:
    assert role == importlib.import_module(f"tests.contract.test_{role}").ROLE


def test_every_driver_is_under_contract() -> None:
    covered = {role: {name.partition(" ")[0] for name in makers} for role, makers in stands.BACKENDS.items()}
    assert covered == {role: set(drivers) for role, drivers in DRIVERS.items()}


@pytest.mark.parametrize("role", DRIVERS)
def test_every_driver_has_the_methods_of_its_role_and_close(role: str) -> None:
    wanted = {name for name in vars(stands.INTERFACES[role]) if not name.startswith("_")} | {"close"}
    for target in DRIVERS[role].values():
        module, _, name = target.partition(":")
        assert wanted <= set(dir(getattr(importlib.import_module(module), name))), target


def test_the_suites_are_named_after_roles() -> None:
    suites = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert suites - OF_NO_ROLE == set(DRIVERS)
