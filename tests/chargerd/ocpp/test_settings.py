"""What a station is told once: its address on the CSMS, and no secret in its words."""

import pytest

from chargerd.ocpp.settings import NetworkSlot, percent_encoded
from tests.chargerd.ocpp.peer import PASSWORD, config


@pytest.mark.parametrize("url", ["wss://csms.example/ocpp", "wss://csms.example/ocpp/"])
def test_the_identity_is_the_last_segment_of_the_url(url: str) -> None:
    assert NetworkSlot(url=url, security_profile=2).full_url("CS-1") == "wss://csms.example/ocpp/CS-1"


@pytest.mark.parametrize(
    "identity, segment",
    [
        ("RDAM|123", "RDAM%7C123"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("50% of it", "50%25%20of%20it"),
        ("Ähre", "%C3%84hre"),
        ("A-b_c.d~9", "A-b_c.d~9"),
    ],
)
def test_an_identity_is_percent_encoded_as_one_segment(identity: str, segment: str) -> None:
    assert percent_encoded(identity) == segment


def test_the_words_of_a_configuration_hold_no_password() -> None:
    settings = config()
    assert settings.password == PASSWORD
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in str(settings)
