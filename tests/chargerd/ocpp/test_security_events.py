"""The table of events is the standard's, and whoever publishes one takes its name from it."""

import ast

import pytest

from chargerd.ocpp.security_events import CRITICAL, TABLE
from tests.tidy import CODE, calls

NAMES = {kind.name for kind in TABLE}


def published() -> dict[str, str]:
    """Name of an event -> where it stands in the code: in the call that publishes it, or in a table of a block."""
    found = {}
    for file in CODE:
        for call, name in calls(file):
            if name.rpartition(".")[2] in {"SecurityEvent", "ShellSecurityEvent", "_event", "_record"} and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found[first.value] = f"{file.path}:{call.lineno}"
    return found


def test_the_critical_events_are_those_of_the_appendix() -> None:
    assert len(TABLE) == 21
    assert len(CRITICAL) == 16
    assert "FailedToAuthenticateAtCsms" not in CRITICAL


def test_only_events_of_the_table_are_published() -> None:
    assert {name: where for name, where in published().items() if name not in NAMES} == {}


def test_what_cannot_occur_is_published_nowhere() -> None:
    impossible = {kind.name for kind in TABLE if not kind.occurs}
    assert impossible & published().keys() == set()


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.name)
def test_every_event_has_a_cause_or_a_reason(kind: object) -> None:
    cause = getattr(kind, "cause", "")
    assert len(cause) > 30
    assert cause.endswith(".")
