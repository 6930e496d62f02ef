from hal.drivers.display_font import CELL_COLUMNS, DRAWING, GLYPHS, ORDER

A = [".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#", "....."]


def drawn(character: str) -> list[str]:
    columns = GLYPHS[character]
    return ["".join("#" if column >> row & 1 else "." for column in columns[:5]) for row in range(8)]


def test_a_letter_is_as_it_is_drawn() -> None:
    assert drawn("A") == A


def test_all_of_ascii_is_there_and_the_letters_of_western_europe() -> None:
    assert {chr(code) for code in range(0x20, 0x7F)} <= GLYPHS.keys()
    assert set("äöüÄÖÜßéèêàçñåøæ€£°") <= GLYPHS.keys()


def test_every_glyph_has_a_cell_of_its_own_with_an_empty_column_at_its_end() -> None:
    assert len(set(ORDER)) == len(ORDER) == len(GLYPHS)
    for character, columns in GLYPHS.items():
        assert len(columns) == CELL_COLUMNS, character
        assert columns[-1] == 0, character


def test_no_two_characters_look_alike() -> None:
    looks: dict[bytes, str] = {}
    for character, columns in GLYPHS.items():
        assert columns not in looks, f"{character} looks like {looks.get(columns)}"
        looks[columns] = character
    assert [character for character in GLYPHS if not any(GLYPHS[character])] == [" "]


def test_the_drawing_is_rectangular_and_of_two_signs() -> None:
    rows = DRAWING.rstrip("\n").split("\n")
    assert len(rows) == 8 * 9 - 1
    assert {len(row) for row in rows if row} <= {16 * 6 - 1, (len(ORDER) % 16) * 6 - 1}
    assert set("".join(rows)) == set("#. ")
