"""A view that is drawn again and again in a terminal, without flicker, and leaves the terminal as it was."""

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Mapping

from chargerd.ctl.asking import CtlError
from chargerd.ctl.screen import Ink, paint

REFRESH_S = 1.0
ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE = "\x1b[?25h\x1b[?1049l"
"""The alternate screen, cursor hidden; and back."""

Look = Callable[[int], list[str]]
"""The lines to show in so many columns. Raises CtlError while nobody answers."""


def wants_colours(environment: Mapping[str, str]) -> bool:
    """Colours are for terminals that have them and people who have not said no (https://no-color.org)."""
    return sys.stdout.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


def may_be_live(environment: Mapping[str, str]) -> bool:
    """Output goes to a terminal that can move its cursor."""
    return sys.stdout.isatty() and environment.get("TERM", "dumb") != "dumb"


def show_live(look: Look, refresh_s: float = REFRESH_S) -> None:
    """Draw what `look` gives until Ctrl-C, then leave the last of it behind. Who falls silent is told, not fatal.
    Raises CtlError when nobody answers at the start.
    """
    size = shutil.get_terminal_size()
    lines = look(size.columns)
    sys.stdout.write(ENTER)
    try:
        while True:
            sys.stdout.write(frame([*lines, "", "Ctrl-C ends"], size))
            sys.stdout.flush()
            time.sleep(refresh_s)
            size = shutil.get_terminal_size()
            try:
                lines = look(size.columns)
            except CtlError as error:
                ink = Ink.BAD if wants_colours(os.environ) else Ink.PLAIN
                lines = [paint(ink, part) for part in textwrap.wrap(str(error), size.columns)]
                lines.append("trying again each second")
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(LEAVE)
        print("\n".join(lines))


def frame(lines: list[str], size: os.terminal_size) -> str:
    """One picture: over the last one from the top, each line cleared to its end, the rest of the screen cleared."""
    shown = lines if len(lines) <= size.lines else [*lines[: size.lines - 1], "…"]
    return "\x1b[H" + "\r\n".join(f"{line}\x1b[K" for line in shown) + "\x1b[J"
