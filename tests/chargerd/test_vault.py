"""Sealed secrets: only the right key opens them, and nothing of them is to be seen."""

import pytest

from chargerd.vault import MARK, MIN_KEY_CHARACTERS, Vault, VaultError

KEY = "0123456789abcdef" * 4
SECRET = "correct horse battery staple"


def test_what_was_sealed_opens_with_the_same_key_and_never_looks_the_same_twice() -> None:
    vault = Vault(KEY)
    kept = vault.seal(SECRET)
    assert SECRET not in kept
    assert KEY not in kept
    assert kept != vault.seal(SECRET)
    assert Vault(KEY).unseal(kept) == SECRET
    assert vault.has_key


@pytest.mark.parametrize("secret", ["", "x", "Grüße, €, 🔌", "a" * 64, "\x00\n"])
def test_any_text_comes_back_as_it_was(secret: str) -> None:
    vault = Vault(KEY)
    assert vault.unseal(vault.seal(secret)) == secret


def test_without_the_key_or_with_another_one_it_is_as_if_nothing_were_kept() -> None:
    kept = Vault(KEY).seal(SECRET)
    assert Vault(None).unseal(kept) is None
    assert Vault(KEY[::-1]).unseal(kept) is None


def test_a_sealed_text_that_was_touched_does_not_open() -> None:
    vault = Vault(KEY)
    kept = vault.seal(SECRET)
    for place in range(len(MARK), len(kept)):
        changed = kept[:place] + ("A" if kept[place] != "A" else "B") + kept[place + 1 :]
        assert vault.unseal(changed) is None, place
    for length in range(len(MARK), len(kept)):
        assert vault.unseal(kept[:length]) is None


def test_without_a_key_a_secret_is_kept_as_it_is_and_a_key_still_reads_it_later() -> None:
    assert not Vault(None).has_key
    assert Vault(None).seal(SECRET) == SECRET
    assert Vault(None).unseal(SECRET) == SECRET
    assert Vault(KEY).unseal(SECRET) == SECRET


def test_a_short_key_is_refused_with_the_remedy_and_without_the_key() -> None:
    short = "q" * (MIN_KEY_CHARACTERS - 1)
    with pytest.raises(VaultError, match="openssl rand") as caught:
        Vault(short)
    assert short not in str(caught.value)
    assert Vault(short + "q").has_key


def test_nothing_of_the_key_is_shown() -> None:
    vault = Vault(KEY)
    assert KEY not in repr(vault) + str(vault)
