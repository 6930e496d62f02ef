"""`python -I -m firmware updater|launcher`: the two programs of the device that live outside the slots."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware.disk import why_not_protected
from firmware.errors import FirmwareError
from firmware.launcher import launch, own_code
from firmware.place import SETTINGS, Settings, SettingsError, open_place, read_settings
from firmware.updater import ActivationError, Updater, inherited_listener, say

EXIT_FAILED = 1
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits: starting again changes nothing."""


def main(arguments: Sequence[str] | None = None, code: Callable[[], list[Path]] = own_code) -> int:
    """Run one of them; its exit code. `code`: what nobody but root may be able to write, see launcher.own_code."""
    parser = argparse.ArgumentParser(prog="firmware", description=__doc__)
    parser.add_argument("program", choices=("updater", "launcher"))
    parser.add_argument("--settings", type=Path, default=SETTINGS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        settings = read_settings(options.settings)
        if unsafe := why_not_protected(options.settings):
            raise SettingsError(unsafe.why)
        return _updater(settings) if options.program == "updater" else _launcher(settings, code())
    except SettingsError as error:
        return _failed(options.program, error, EXIT_CONFIG)


def _updater(settings: Settings) -> int:
    try:
        listener = inherited_listener()
    except ActivationError as error:
        return _failed("updater", error, EXIT_CONFIG)
    Updater(open_place(settings), say).run(listener)
    return 0


def _launcher(settings: Settings, code: list[Path]) -> int:
    try:
        started = launch(open_place(settings), code)
    except (FirmwareError, OSError) as error:
        return _failed("launcher", error, EXIT_FAILED)
    for note in started.notes:
        sys.stderr.write(f"launcher: {note}\n")
    sys.stderr.write(f"launcher: slot {started.slot} runs, version {started.version}\n")
    return 0


def _failed(program: str, error: Exception, code: int) -> int:
    sys.stderr.write(f"{program}: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
