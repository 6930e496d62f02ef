"""The table: one row a figure, what it was measured against, the aim and whether it is met."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

BEGIN = "<!-- written by `python -m benchmarks --write` -->"
END = "<!-- end of what it writes -->"

_HEADS = ("What", "Measured", "Beside it, in the same run", "Aim", "Met")


class Row(msgspec.Struct, frozen=True):
    """`met` None: a figure without an aim."""

    what: str
    measured: str
    beside: str = ""
    aim: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        return (self.what, self.measured, self.beside, self.aim, {None: "", True: "yes", False: "**no**"}[self.met])


def as_text(rows: Iterable[Row]) -> str:
    """In columns, as Markdown reads it too."""
    lines = [_HEADS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def write_into(document: Path, text: str) -> None:
    """Put `text` between the two marks of the document; the words around them are people's."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document}: expected the lines {BEGIN} and {END} around what is to be replaced")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
