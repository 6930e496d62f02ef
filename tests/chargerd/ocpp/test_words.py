import pytest

from chargerd.ocpp.words import ENGLISH, WORDS, Word, said

SMALLEST_DISPLAY_COLUMNS = 16


@pytest.mark.parametrize("language", WORDS)
def test_every_language_has_every_word_and_each_fits_the_smallest_display(language: str) -> None:
    assert set(WORDS[language]) == set(Word)
    assert [text for text in WORDS[language].values() if not 0 < len(text) <= SMALLEST_DISPLAY_COLUMNS] == []


@pytest.mark.parametrize(
    "languages, text",
    [
        (("de",), "Frei"),
        (("de-AT", "fr"), "Frei"),
        (("FR",), "Libre"),
        (("sv", "nl"), "Beschikbaar"),
        (("sv", "fi"), "Available"),
        ((), "Available"),
        (("", "-"), "Available"),
    ],
)
def test_C01_FR_08_C01_FR_09_C01_FR_13_the_first_language_that_is_known_else_english(
    languages: tuple[str, ...], text: str
) -> None:
    assert said(Word.AVAILABLE, languages) == text


def test_english_is_what_the_words_are_called() -> None:
    assert all(WORDS[ENGLISH][word] == word.value for word in Word)
