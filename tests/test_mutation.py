"""What the mutation run tells of its results."""

from tools.mutation import report

FOUND = [
    ("chargerd.evse.guard.x_why_not__mutmut_1", "killed"),
    ("chargerd.evse.guard.x_why_not__mutmut_2", "timeout"),
    ("chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_3", "survived"),
    ("chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_4", "killed"),
    ("chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_5", "no tests"),
]


def test_the_score_is_told_by_file_and_what_survived_by_name() -> None:
    assert [line.split(maxsplit=1) for line in report(FOUND).splitlines()] == [
        ["chargerd.evse.cable", "1 of 3 (33.3 %)"],
        ["chargerd.evse.guard", "2 of 2 (100.0 %)"],
        ["all", "3 of 5 (60.0 %)"],
        ["survived:", "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_3"],
        ["survived:", "chargerd.evse.cable.xǁCableWatchǁupdate__mutmut_5"],
    ]
