"""The official schemas judge every message."""

from chargerd.conformance.schemas import check


def test_a_right_message_passes_in_both_directions() -> None:
    assert check("request", "Heartbeat", {}) is None
    assert check("response", "Heartbeat", {"currentTime": "2026-01-01T12:00:00Z"}) is None


def test_a_wrong_field_is_told_with_its_place() -> None:
    problem = check("request", "BootNotification", {"reason": "PowerUp", "chargingStation": {"model": 1}})
    assert problem is not None
    assert problem.startswith("BootNotification request: chargingStation")


def test_an_action_that_does_not_exist_is_told() -> None:
    assert check("request", "MakeCoffee", {}) == "MakeCoffee: no such action in OCPP 2.0.1"
