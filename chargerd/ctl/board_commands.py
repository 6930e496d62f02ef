"""`chargerctl board check` and `board bring-up`: never on a live station, and while they run none goes live."""

import argparse
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chargerd.channel import ChannelBusy, ChannelError, control_kept_out
from chargerd.ctl.asking import CtlError
from chargerd.ctl.board_check import BoardCheck, check_board
from chargerd.ctl.board_drawing import drawing
from chargerd.ctl.board_picture import picture_of
from chargerd.ctl.board_svg import svg
from chargerd.ctl.live import wants_colours
from chargerd.ctl.terminal import terminal_for
from chargerd.service import EXIT_CONFIG, EXIT_TRY_AGAIN


def check(options: argparse.Namespace) -> int:
    """Look at a board file, draw it, say what follows from it. `options`: file, run, svg (paths; svg may be None)."""
    with no_live_station(options.run):
        found = _right_board(options.file)
    if options.svg is not None:
        assert found.config is not None, "can't happen because a board with problems has raised"
        _write(options.svg, svg(picture_of(found.config)))
    columns = shutil.get_terminal_size().columns
    print("\n".join(drawing(found, columns=columns, colours=wants_colours(os.environ))))
    return 0


def bring_up(options: argparse.Namespace) -> int:
    """Lead a person through a board and write the report; 1 when something failed or it ended early.

    `options`: file, run, only (roles or empty), answers, report, desk (paths or None).
    """
    from chargerd.ctl.bring_up import STEPS, bring_up
    from chargerd.ctl.bring_up_report import file_name, summary, write_report
    from chargerd.ctl.screen import Ink
    from hal.tables import did_you_mean
    from hal.types import BoardError

    with ExitStack() as resources:
        resources.enter_context(no_live_station(options.run))
        config = _right_board(options.file).config
        assert config is not None, "can't happen because a board with problems has raised"
        for role in options.only or ():
            if role not in STEPS:
                raise CtlError(f"--only {role}: {did_you_mean(role, STEPS)}roles: {', '.join(STEPS)}")
        terminal = resources.enter_context(terminal_for(options.answers))
        try:
            report = bring_up(config, frozenset(options.only or STEPS), terminal, options.desk)
        except BoardError as error:
            raise CtlError(str(error), EXIT_CONFIG) from error
        try:
            files = write_report(report, options.report or Path(file_name(report)))
        except OSError as error:
            raise CtlError(f"{error.filename}: cannot write the report ({error.strerror}); give --report") from error
        terminal.say("")
        terminal.say(summary(report), Ink.GOOD if report.passed else Ink.BAD)
        terminal.say(f"report: {' and '.join(str(file) for file in files)}")
    return 0 if report.passed else 1


@contextmanager
def no_live_station(run_dir: Path) -> Iterator[None]:
    """Raises CtlError when a control process has the board; none can start meanwhile."""
    with ExitStack() as resources:
        if run_dir.is_dir():  # without a run directory no control process lives, nor can it
            try:
                resources.enter_context(control_kept_out(run_dir))
            except ChannelBusy as error:
                raise CtlError(
                    f"{run_dir}: a control process runs the station; stop it first (systemctl stop chargerd-control)",
                    EXIT_TRY_AGAIN,
                ) from error
            except ChannelError as error:
                raise CtlError(f"cannot tell whether a control process runs: {error}", EXIT_TRY_AGAIN) from error
        yield


def _right_board(path: Path) -> BoardCheck:
    found = check_board(path)
    if found.problems:
        raise CtlError("\n".join(str(problem) for problem in found.problems), EXIT_CONFIG)
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CtlError(f"{path}: cannot be written ({error.strerror})") from error
