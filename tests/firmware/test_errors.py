"""Refusals have stable names, and what they quote cannot spoil a log."""

from firmware.errors import FirmwareError, Refusal


def test_a_refusal_says_its_name_and_why() -> None:
    assert str(FirmwareError(Refusal.WRONG_PRODUCT, "is for b")) == "wrong-product: is for b"


def test_what_an_attacker_wrote_is_shown_without_control_characters_and_not_at_length() -> None:
    why = FirmwareError(Refusal.MALFORMED, "a\x1b[2J\n" + "b" * 500).why
    assert why.startswith("a?[2J?bbb")
    assert len(why) == 200


def test_names_are_words_with_hyphens() -> None:
    assert all(refusal.replace("-", "").isalpha() and refusal.islower() for refusal in Refusal)
