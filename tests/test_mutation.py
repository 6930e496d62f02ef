"""The mutation run: what it changes, that it finds what a test finds, and what it tells."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from chargerd.evse.derating import amps_at
from chargerd.evse.pilot import PilotWatch
from hal.types import DeratePoint
from tools.mutation import Became, changes_of, fork, report

DERATING, PILOT = Path("chargerd/evse/derating.py"), Path("chargerd/evse/pilot.py")
FOUND = {
    "chargerd.evse.guard.x_why_not__mutmut_1": Became.CAUGHT,
    "chargerd.evse.guard.x_why_not__mutmut_2": Became.HUNG,
    "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_3": Became.SURVIVED,
    "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_4": Became.CAUGHT,
    "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_5": Became.SURVIVED,
}
ONE_FILE = """
from pathlib import Path
from tools.mutation import changes_of, try_changes
changes = [change for change in changes_of(Path("chargerd/evse/derating.py")) if change.name.endswith(("_3", "_4"))]
raise SystemExit(try_changes(changes, ["tests/chargerd/evse/test_derating.py"], quick=False))
"""


def became_of(run: Callable[[], Became]) -> Became:
    _, status = os.waitpid(fork(run), 0)
    return Became(os.waitstatus_to_exitcode(status))


def test_the_score_is_told_by_file_and_what_survived_by_name() -> None:
    assert [line.split(maxsplit=1) for line in report(FOUND).splitlines()] == [
        ["chargerd.evse.cable", "1 of 3 (33.3 %)"],
        ["chargerd.evse.guard", "2 of 2 (100.0 %)"],
        ["all", "3 of 5 (60.0 %)"],
        ["survived:", "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_3"],
        ["survived:", "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_5"],
    ]


def test_a_change_tells_its_difference_and_replaces_the_function_for_all_who_imported_it() -> None:
    changes = list(changes_of(DERATING))
    (change,) = (change for change in changes if "+    before = curve[1]" in change.difference)
    assert change.file == "chargerd.evse.derating"
    assert "-    before = curve[0]\n" in change.difference
    curve = (DeratePoint(0.0, 32.0), DeratePoint(10.0, 16.0))

    def changed() -> Became:
        change.apply()
        return Became.CAUGHT if amps_at(curve, -5.0) == 16.0 else Became.SURVIVED

    assert became_of(changed) is Became.CAUGHT
    assert amps_at(curve, -5.0) == 32.0


def test_a_change_of_a_default_is_one_too() -> None:
    (change,) = (change for change in changes_of(PILOT) if "blind: bool = True" in change.difference)

    def changed() -> Became:
        change.apply()
        return Became.CAUGHT if PilotWatch.update.__defaults__ == (True,) else Became.SURVIVED

    assert became_of(changed) is Became.CAUGHT
    assert PilotWatch.update.__defaults__ == (False,)


def test_a_run_finds_what_a_test_minds_and_tells_what_none_does() -> None:
    ran = subprocess.run([sys.executable, "-c", ONE_FILE], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith(
        "chargerd.evse.derating                   1 of 2 (50.0 %)\n"
        "all                                      1 of 2 (50.0 %)\n"
        "survived: chargerd.evse.derating.x_amps_at__mutmut_3\n"
    )
    assert "+    if celsius < before.celsius:" in ran.stderr
