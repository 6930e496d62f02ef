"""The terminal of somebody who is led through a procedure: lines said, a line that changes, questions, keys.

Two kinds behind one interface: a real terminal, where one key is an answer, and lines of a file or a pipe, one answer
each. Neither waits for ever on something that is gone: the end of the input ends the procedure.
"""

import os
import select
import shutil
import sys
import termios
import textwrap
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from chargerd.ctl.asking import CtlError
from chargerd.ctl.live import may_be_live, wants_colours
from chargerd.ctl.screen import Ink, paint

MEANWHILE_PERIOD_S = 0.02
"""How often `meanwhile` is called while an answer is awaited: at the pace of the control loop, as drivers expect."""

ERASE = "\r\x1b[K"


class Reply(StrEnum):
    """What somebody answers. DONE: a key was pressed to go on; NOTHING: nothing was said."""

    YES = "y"
    NO = "n"
    SKIP = "s"
    DONE = "done"
    NOTHING = "nothing"


ANSWERS = (Reply.YES, Reply.NO, Reply.SKIP)
GO_ON = ("\r", "\n", " ", "s")
QUIT = ("q", "\x04")
"""The letter, and Ctrl-D; Ctrl-C is a signal."""


class Ended(Exception):
    """The person, or the end of the answers, ends the procedure. Says which."""


class Terminal(Protocol):
    """What a procedure needs of a terminal."""

    def say(self, text: str, ink: Ink = Ink.PLAIN) -> None:
        """One paragraph that stays."""
        ...

    def show(self, text: str) -> None:
        """The line that changes; empty: none."""
        ...

    def ask(self, question: str, meanwhile: Callable[[], None]) -> Reply:
        """YES, NO or SKIP; `meanwhile` is called again and again until then. Raises Ended."""
        ...

    def pressed(self, for_s: float) -> bool:
        """Let so many seconds pass, fewer when a key was pressed; True when it was Enter. Raises Ended."""
        ...


class _Screen:
    """What both kinds have: output in the width and colours of a terminal."""

    def __init__(self, colours: bool, in_place: bool) -> None:
        self._colours = colours
        self._in_place = in_place
        self._shown = False

    def say(self, text: str, ink: Ink = Ink.PLAIN, end: str = "\n") -> None:
        """See Terminal. `end`: what follows the text."""
        self.show("")
        columns = shutil.get_terminal_size().columns - len(end)
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        parts = textwrap.wrap(text, columns, subsequent_indent=indent, break_on_hyphens=False) or [""]
        self._write("\n".join(paint(ink, part) if self._colours else part for part in parts) + end)

    def show(self, text: str) -> None:
        """See Terminal. Where the cursor cannot go back nothing that changes is shown."""
        if self._in_place and (text or self._shown):
            columns = shutil.get_terminal_size().columns
            self._write(ERASE + text[: columns - 1])
        self._shown = bool(text)

    def _write(self, text: str) -> None:
        with suppress(OSError):  # who is gone is found out by the lack of answers, and the procedure ends there
            sys.stdout.write(text)
            sys.stdout.flush()


class KeyTerminal(_Screen):
    """A real terminal: one key is an answer. Use it in `with keys(...)`."""

    def __init__(self, descriptor: int, colours: bool, in_place: bool = True) -> None:
        super().__init__(colours, in_place)
        self._descriptor = descriptor

    def ask(self, question: str, meanwhile: Callable[[], None]) -> Reply:
        """See Terminal."""
        with suppress(termios.error):  # what was typed before the question is no answer to it
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self.say(question, Ink.NOTICE, end=" [y n s q] ")
        while True:
            meanwhile()
            key = self._key(MEANWHILE_PERIOD_S).lower()
            if key in ANSWERS:
                self._write(f"{key}\n")
                return Reply(key)
            if key in QUIT:
                self._write("q\n")
                raise Ended("ended by q")

    def pressed(self, for_s: float) -> bool:
        """See Terminal."""
        key = self._key(for_s).lower()
        if key in QUIT:
            raise Ended("ended by q")
        return key in GO_ON

    def _key(self, for_s: float) -> str:
        """The key pressed within that time, or none."""
        if not select.select([self._descriptor], [], [], max(0.0, for_s))[0]:
            return ""
        try:
            key = os.read(self._descriptor, 1)
        except OSError:
            key = b""
        if not key:
            raise Ended("the terminal is gone")
        return key.decode("latin-1")


class LineTerminal(_Screen):
    """Answers from a file or pipe, one word a line; empty lines and what follows `#` are comments."""

    def __init__(self, descriptor: int, colours: bool) -> None:
        super().__init__(colours, in_place=False)
        self._descriptor = descriptor
        self._received = b""
        self._at_end = False

    def ask(self, question: str, meanwhile: Callable[[], None]) -> Reply:
        """See Terminal."""
        while True:
            meanwhile()
            word = self._word()
            if word is None:
                self._receive()
                continue
            self.say(f"{question}  {word}", Ink.NOTICE)
            if word in ANSWERS:
                return Reply(word)
            raise Ended("ended by q" if word == "q" else f"'{word}' is none of the answers y, n, s, q")

    def pressed(self, for_s: float) -> bool:
        """See Terminal. Nobody presses keys here."""
        time.sleep(max(0.0, for_s))
        return False

    def _word(self) -> str | None:
        """The next answer that has arrived; None: none yet."""
        while b"\n" in self._received or (self._at_end and self._received):
            line, _, self._received = self._received.partition(b"\n")
            word = line.decode("utf-8", "replace").partition("#")[0].strip().lower()
            if word:
                return word[:20]
        if self._at_end:
            raise Ended("no more answers")
        return None

    def _receive(self) -> None:
        if select.select([self._descriptor], [], [], MEANWHILE_PERIOD_S)[0]:
            more = os.read(self._descriptor, 4096)
            self._received = (self._received + more)[-65536:]
            self._at_end = not more


@contextmanager
def keys(descriptor: int) -> Iterator[None]:
    """Single keys come at once and are not echoed; the terminal is as before afterwards. Ctrl-C still interrupts."""
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        with suppress(termios.error):  # a terminal that was closed needs nothing any more
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def terminal_for(answers: Path | None) -> Iterator[KeyTerminal | LineTerminal]:
    """The keys of a terminal, or the lines of a file or of what stdin is. Raises CtlError."""
    colours = wants_colours(os.environ)
    with ExitStack() as resources:
        if answers is not None:
            try:
                file = resources.enter_context(answers.open("rb"))
            except OSError as error:
                raise CtlError(f"{answers}: cannot be read ({error.strerror})") from error
            yield LineTerminal(file.fileno(), colours)
        elif sys.stdin.isatty():
            resources.enter_context(keys(sys.stdin.fileno()))
            yield KeyTerminal(sys.stdin.fileno(), colours, may_be_live(os.environ))
        else:
            yield LineTerminal(sys.stdin.fileno(), colours)
