"""Both kinds of terminal over real descriptors: a pseudo-terminal and a pipe."""

import contextlib
import os
import pty
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd.ctl.screen import Ink
from chargerd.ctl.terminal import Ended, KeyTerminal, LineTerminal, Reply, keys


def nothing() -> None:
    pass


# ---- keys ----


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Keyboard and terminal."""
    keyboard, terminal = pty.openpty()
    with keys(terminal):
        yield keyboard, terminal
    for end in (keyboard, terminal):
        os.close(end)


def press(keyboard: int, typed: bytes) -> threading.Timer:
    """Press keys in a moment: what was typed before a question is thrown away."""
    timer = threading.Timer(0.1, os.write, (keyboard, typed))
    timer.start()
    return timer


@pytest.mark.parametrize(
    "typed, reply", [(b"y", Reply.YES), (b"N", Reply.NO), (b"s", Reply.SKIP), (b"x\n!y", Reply.YES)]
)
def test_a_key_is_an_answer_and_any_other_is_none(
    ends: tuple[int, int], capsys: pytest.CaptureFixture[str], typed: bytes, reply: Reply
) -> None:
    timer = press(ends[0], typed)
    assert KeyTerminal(ends[1], colours=False).ask("Go on?", nothing) is reply
    timer.join()
    assert capsys.readouterr().out == f"Go on? [y n s q] {reply}\n"


@pytest.mark.parametrize("typed", [b"q", b"Q", b"\x04"])
def test_q_ends_it(ends: tuple[int, int], typed: bytes) -> None:
    timer = press(ends[0], typed)
    with pytest.raises(Ended, match="ended by q"):
        KeyTerminal(ends[1], colours=False).ask("Go on?", nothing)
    timer.join()


def test_what_was_typed_before_a_question_is_no_answer_to_it(ends: tuple[int, int]) -> None:
    os.write(ends[0], b"y")
    timer = press(ends[0], b"n")
    assert KeyTerminal(ends[1], colours=False).ask("Energise?", nothing) is Reply.NO
    timer.join()


def test_something_goes_on_while_an_answer_is_awaited(ends: tuple[int, int]) -> None:
    calls: list[None] = []
    timer = press(ends[0], b"y")
    KeyTerminal(ends[1], colours=False).ask("Go on?", lambda: calls.append(None))
    timer.join()
    assert len(calls) >= 3


@pytest.mark.parametrize("typed, pressed", [(b"\n", True), (b" ", True), (b"s", True), (b"y", False)])
def test_enter_ends_a_wait_and_a_late_answer_does_not(ends: tuple[int, int], typed: bytes, pressed: bool) -> None:
    os.write(ends[0], typed)
    assert KeyTerminal(ends[1], colours=False).pressed(5.0) is pressed


def test_a_wait_ends_by_itself_or_by_q(ends: tuple[int, int]) -> None:
    terminal = KeyTerminal(ends[1], colours=False)
    assert terminal.pressed(0.01) is False
    os.write(ends[0], b"q")
    with pytest.raises(Ended, match="ended by q"):
        terminal.pressed(5.0)


def test_a_terminal_that_is_closed_ends_it() -> None:
    keyboard, terminal = pty.openpty()
    os.close(keyboard)
    with pytest.raises(Ended, match="the terminal is gone"):
        KeyTerminal(terminal, colours=False).ask("Go on?", nothing)
    os.close(terminal)


def test_the_terminal_is_as_before_afterwards() -> None:
    keyboard, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with contextlib.suppress(Ended), keys(terminal):
        assert not termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ICANON)
        raise Ended
    assert termios.tcgetattr(terminal) == before
    os.close(keyboard)
    os.close(terminal)


def test_a_terminal_that_is_closed_needs_nothing_any_more() -> None:
    keyboard, terminal = pty.openpty()
    with keys(terminal):
        os.close(keyboard)
        os.close(terminal)


def test_where_the_cursor_cannot_go_back_nothing_changes(
    ends: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    KeyTerminal(ends[1], colours=False, in_place=False).show("12 V")
    assert capsys.readouterr().out == ""


def test_the_line_that_changes_is_replaced(ends: tuple[int, int], capsys: pytest.CaptureFixture[str]) -> None:
    terminal = KeyTerminal(ends[1], colours=True)
    terminal.show("12 V")
    terminal.show("9 V" * 100)
    terminal.say("done", Ink.GOOD)
    terminal.say("")
    shown = capsys.readouterr().out
    assert shown.startswith("\r\x1b[K12 V\r\x1b[K9 V9 V")
    assert max(len(part) for part in shown.split("\r\x1b[K")) <= 79
    assert shown.endswith("\r\x1b[K\x1b[32mdone\x1b[0m\n\n")


# ---- lines ----


def lines(tmp_path: Path, text: str) -> LineTerminal:
    path = tmp_path / "answers"
    path.write_text(text)
    return LineTerminal(os.open(path, os.O_RDONLY), colours=False)


def test_a_line_is_an_answer_and_comments_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = lines(tmp_path, "# my answers\n\n  Y  # no scope\nn\ns")
    assert [terminal.ask("Go on?", nothing) for _ in range(3)] == [Reply.YES, Reply.NO, Reply.SKIP]
    with pytest.raises(Ended, match="no more answers"):
        terminal.ask("Go on?", nothing)
    assert capsys.readouterr().out == "Go on?  y\nGo on?  n\nGo on?  s\n"


@pytest.mark.parametrize("text, why", [("q\n", "ended by q"), ("maybe\n", "'maybe' is none of the answers y, n, s, q")])
def test_a_line_that_is_no_answer_ends_it(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Ended, match=why):
        lines(tmp_path, text).ask("Go on?", nothing)


def test_a_pipe_is_waited_for_while_something_goes_on(tmp_path: Path) -> None:
    read, write = os.pipe()
    calls: list[None] = []
    timer = threading.Timer(0.1, os.write, (write, b"y\n"))
    timer.start()
    assert LineTerminal(read, colours=False).ask("Go on?", lambda: calls.append(None)) is Reply.YES
    assert len(calls) >= 3
    timer.join()
    os.close(read)
    os.close(write)


def test_nobody_presses_keys_in_a_file_and_nothing_changes_in_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = lines(tmp_path, "y\n")
    assert terminal.pressed(0.0) is False
    terminal.show("12 V")
    assert capsys.readouterr().out == ""
