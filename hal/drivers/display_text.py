"""Lines of text onto columns and rows: spelled with the characters a display has, wrapped while there is room, cut."""

import unicodedata
from collections.abc import Container

SPELLINGS = {
    "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Æ": "Ae", "æ": "ae", "Ø": "O",
    "ø": "o", "Œ": "Oe", "œ": "oe", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Þ": "Th", "þ": "th", "€": "EUR",
    "£": "GBP", "¥": "JPY", "¢": "c", "₣": "CHF", "₴": "UAH", "₺": "TRY", "₹": "INR", "°": "deg", "µ": "u",
    "μ": "u", "Ω": "Ohm", "²": "2", "³": "3", "·": ".", "•": "*", "…": "...", "–": "-", "—": "-", "‐": "-",
    "‑": "-", "−": "-", "×": "x", "÷": "/", "±": "+-", "→": "->", "←": "<-", "‘": "'", "’": "'", "“": '"', "”": '"',
    "„": '"', "«": '"', "»": '"', "\\": "/", "~": "-", "\u00a0": " ", "\u202f": " ",
}  # fmt: skip
"""How a character is written where it is not to be had; other letters lose their accents."""

UNKNOWN = "?"

LONGEST_LINE = 512
"""Beyond any surface here; what follows is not even looked at."""


def layout(lines: tuple[str, ...], columns: int, rows: int, known: Container[str]) -> tuple[str, ...]:
    """Exactly `rows` texts of exactly `columns` characters, all of them `known`.

    A line that is too long goes on in the next row as long as every other line keeps one; the rest is cut.
    """
    wanted = [spelled(line[:LONGEST_LINE], known) for line in lines[:rows]]
    spare = rows - len(wanted)
    shown: list[str] = []
    for line in wanted:
        parts = wrapped(line, columns, 1 + spare)
        spare -= len(parts) - 1
        shown += parts
    return tuple(part.ljust(columns) for part in [*shown, *[""] * (rows - len(shown))])


def spelled(text: str, known: Container[str]) -> str:
    """The text with `known` characters only; a control character is a blank."""
    return "".join(_spelled(character, known) for character in text)


def wrapped(text: str, columns: int, rows: int) -> list[str]:
    """The text in at most `rows` parts of at most `columns`, broken between words where it can be; the rest is cut."""
    parts: list[str] = []
    rest = text.rstrip()
    while len(rest) > columns and len(parts) < rows - 1:
        break_at = rest.rfind(" ", 1, columns + 1)
        if break_at < 0:
            break_at = columns
        parts.append(rest[:break_at].rstrip())
        rest = rest[break_at:].lstrip()
    return [*parts, rest[:columns]]


def _spelled(character: str, known: Container[str]) -> str:
    if character in known:
        return character
    if not character.isprintable():
        return SPELLINGS.get(character, " ")
    plain = SPELLINGS.get(character) or unicodedata.normalize("NFKD", character)
    letters = [each for each in plain if not unicodedata.combining(each)]
    return "".join(letters) if letters and all(each in known for each in letters) else UNKNOWN
