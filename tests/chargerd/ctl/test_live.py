"""The live view: drawn in place, the terminal left as it was."""

import os

import pytest

from chargerd.ctl.asking import CtlError
from chargerd.ctl.live import ENTER, LEAVE, frame, may_be_live, show_live, wants_colours

SIZE = os.terminal_size((80, 4))


def test_a_picture_is_drawn_over_the_last_one_without_clearing_the_screen() -> None:
    assert frame(["a", "b"], SIZE) == "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"


def test_what_does_not_fit_ends_in_dots() -> None:
    picture = frame([str(number) for number in range(9)], SIZE)
    assert picture.count("\r\n") == 3
    assert "2\x1b[K\r\n…" in picture
    assert "3" not in picture


def test_pipes_get_neither_colours_nor_a_live_view() -> None:
    assert not wants_colours({"TERM": "xterm"})
    assert not may_be_live({"TERM": "xterm"})


@pytest.mark.parametrize(
    "environment, colours, live",
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({}, False, False),
    ],
)
def test_a_terminal_gets_what_it_can_and_what_its_user_wants(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colours: bool, live: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert wants_colours(environment) is colours
    assert may_be_live(environment) is live


def test_silence_is_shown_and_ctrl_c_leaves_the_last_picture(capsys: pytest.CaptureFixture[str]) -> None:
    story: list[list[str] | BaseException] = [["charging"], CtlError("nobody listens there"), KeyboardInterrupt()]
    answers = iter(story)

    def look(_columns: int) -> list[str]:
        answer = next(answers)
        if isinstance(answer, list):
            return answer
        raise answer

    show_live(look, refresh_s=0)
    shown = capsys.readouterr().out
    assert shown.startswith(ENTER)
    assert "charging\x1b[K" in shown
    assert shown.endswith(LEAVE + "nobody listens there\ntrying again each second\n")


def test_nobody_there_at_the_start_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def look(_columns: int) -> list[str]:
        raise CtlError("nobody listens there")

    with pytest.raises(CtlError):
        show_live(look)
    assert capsys.readouterr().out == ""
