"""Effects are plain values; the one that carries a secret does not show it."""

from chargerd.ocpp.effects import OpenLink

SECRET = "correct horse battery"


def test_an_order_to_connect_shows_no_password_in_logs_and_traces() -> None:
    effect = OpenLink(
        slot=1,
        url="wss://csms.example/ocpp/CS-1",
        identity="CS-1",
        password=SECRET,
        security_profile=2,
        ping_interval_s=60.0,
        connect_timeout_s=30.0,
    )
    assert SECRET not in repr(effect)
    assert SECRET not in f"{effect}"
    assert "wss://csms.example/ocpp/CS-1" in repr(effect)
