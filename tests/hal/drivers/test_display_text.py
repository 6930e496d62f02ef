import pytest

from hal.drivers.display_text import SPELLINGS, layout, spelled, wrapped

ASCII = {chr(code) for code in range(0x20, 0x7F)}


@pytest.mark.parametrize(
    "text, shown",
    [
        ("Charging 7.4 kW", "Charging 7.4 kW"),
        ("Größe Übung", "Groesse Uebung"),
        ("1,50 €", "1,50 EUR"),
        ("£2.10 or ¥300", "GBP2.10 or JPY300"),
        ("café déjà vu, ñandú", "cafe deja vu, nandu"),
        ("25 °C → 30 °C", "25 degC -> 30 degC"),
        ("„quote“ – it’s…", '"quote" - it\'s...'),
        ("ﬁne", "fine"),
        ("充电", "??"),
        ("½", "?"),
        ("a\nb\tc\0d", "a b c d"),
        ("a\u00a0b\u202fc", "a b c"),
        ("🔌", "?"),
        ("\u0301", "?"),
    ],
)
def test_what_is_not_to_be_had_is_spelled_with_what_is(text: str, shown: str) -> None:
    assert spelled(text, ASCII) == shown


def test_what_is_to_be_had_is_kept() -> None:
    assert spelled("ä €", ASCII | {"ä", "€"}) == "ä €"


def test_every_spelling_is_ascii() -> None:
    assert all(set(spelling) <= ASCII for spelling in SPELLINGS.values())


def test_a_surface_is_always_filled_exactly() -> None:
    for lines in ((), ("a",), ("a", "b", "c", "d", "e"), ("x" * 500,) * 50, ("", ""), ("a b " * 100,)):
        rows = layout(lines, 16, 4, ASCII)
        assert [len(row) for row in rows] == [16] * 4


def test_lines_that_fit_stay_as_they_are() -> None:
    assert layout(("Available", "Tap a card"), 16, 2, ASCII) == ("Available       ", "Tap a card      ")


def test_a_long_line_goes_on_in_the_next_row_while_there_is_one() -> None:
    rows = layout(("Please wait for the operator", "Thanks"), 16, 4, ASCII)
    assert [row.rstrip() for row in rows] == ["Please wait for", "the operator", "Thanks", ""]


def test_no_line_takes_the_row_of_another() -> None:
    rows = layout(("Please wait for the operator", "Thanks"), 16, 2, ASCII)
    assert [row.rstrip() for row in rows] == ["Please wait for", "Thanks"]


def test_the_first_long_line_has_the_spare_row() -> None:
    rows = layout(("one two three four", "five six seven eight"), 12, 3, ASCII)
    assert [row.rstrip() for row in rows] == ["one two", "three four", "five six sev"]


@pytest.mark.parametrize(
    "text, parts",
    [
        ("", [""]),
        ("short", ["short"]),
        ("exactly ten", ["exactly", "ten"]),
        ("abcdefghijklmnop", ["abcdefghij", "klmnop"]),
        ("ab          cd ef", ["ab", "cd ef"]),
        ("0123456789 next", ["0123456789", "next"]),
        ("one two three four five six", ["one two", "three four", "five six"]),
        ("one two three four five six seven", ["one two", "three four", "five six s"]),
    ],
)
def test_text_is_broken_between_words_where_it_can_be(text: str, parts: list[str]) -> None:
    assert wrapped(text, 10, 3) == parts
