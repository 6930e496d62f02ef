"""`chargerctl conformance`: which cases are run, what becomes of them, what is written down."""

import json
from pathlib import Path

import pytest

from chargerd.conformance.case import Body, Case, all_cases
from chargerd.conformance.catalogue import declaration
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.ctl.asking import CtlError
from chargerd.ctl.commands import main
from chargerd.ctl.conformance_desk import CaseSkipped
from chargerd.ctl.conformance_run import chosen, report, run
from chargerd.ctl.terminal import Ended
from tests.chargerd.ctl.conformance_table import Table


def passes(sut: StationUnderTest) -> None:
    """It passes."""


def fails(sut: StationUnderTest) -> None:
    """It fails."""
    raise CaseFailed("A | B came")


def skips(sut: StationUnderTest) -> None:
    """It is skipped."""
    raise CaseSkipped("no keypad")


def ends(sut: StationUnderTest) -> None:
    """The person has enough."""
    raise Ended("ended by q")


def against_the_schema(sut: StationUnderTest) -> None:
    """The station says something wrong."""
    sut.peer.problems.append("Heartbeat request: a field too many")


def cases(*bodies: Body, evses: int = 1) -> dict[str, Case]:
    return {f"TC_{number}": Case(case_id=f"TC_{number}", body=body, evses=evses) for number, body in enumerate(bodies)}


def test_each_case_has_its_outcome_and_its_reason() -> None:
    table = Table()
    results, ended = run(cases(passes, fails, skips, against_the_schema), table.around, table.person)
    assert [(each.outcome, each.note) for each in results] == [
        ("passed", ""),
        ("failed", "A | B came"),
        ("skipped", "no keypad"),
        ("failed", "Heartbeat request: a field too many"),
    ]
    assert ended == ""
    assert "2/4 TC_1: It fails." in table.person.heard


def test_a_case_for_more_evses_is_skipped() -> None:
    table = Table()
    results, _ended = run(cases(passes, evses=2), table.around, table.person)
    assert [(each.outcome, each.note) for each in results] == [("skipped", "needs 2 EVSEs")]


def test_the_person_may_end_it_and_what_was_found_stays() -> None:
    table = Table()
    results, ended = run(cases(passes, ends, passes), table.around, table.person)
    assert [each.outcome for each in results] == ["passed"]
    assert ended == "ended by q"


def test_the_report_is_a_table_with_the_reasons() -> None:
    table = Table()
    results, ended = run(cases(passes, fails), table.around, table.person)
    text = report(results, ended, "2026-01-01", "mine.toml")
    assert "1 passed, 1 failed, 0 skipped." in text
    assert "| TC_1 | It fails. | failed | 0 | A \\| B came |" in text
    assert "`mine.toml`" in text


def test_cases_are_chosen_by_pattern_among_those_that_apply() -> None:
    station = declaration()
    assert list(chosen(["tc_p_0*"], station)) == ["TC_P_01_CS", "TC_P_03_CS"]
    assert chosen([], station).keys() <= all_cases().keys()
    with pytest.raises(CtlError, match=r"TC_E_12_CS fits no case that applies: applies if C-09\.6"):
        chosen(["TC_E_12_CS"], station)
    with pytest.raises(CtlError, match="TC_Q_1 fits no case that applies; see"):
        chosen(["TC_Q_1"], station)


@pytest.mark.parametrize(
    "options, problem",
    [
        (["--listen", "everywhere"], "expected ADDRESS:PORT"),
        (["--listen", "0.0.0.0:9000"], "every network of this machine"),
        (["--listen", "[::]:9000"], "every network of this machine"),
        (["--listen", "192.0.2.1:9000"], "--listen 192.0.2.1:9000: "),
        (["--cert", "/nowhere/cert.pem"], "--cert /nowhere/cert.pem: cannot be used"),
        (["--features", "/nowhere/mine.toml"], "/nowhere/mine.toml: No such file"),
        (["TC_Q_1"], "fits no case"),
    ],
)
def test_what_cannot_be_done_is_a_line_with_its_remedy(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", *options]) == 1
    said = capsys.readouterr().err
    assert problem in said
    assert said.count("\n") == 1


def test_the_list_tells_what_each_case_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--list", "TC_P_*"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["TC_P_01_CS", "TC_P_03_CS"]


def test_a_report_is_written_even_when_the_person_ends_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "answers").write_text("q\n")
    prefix = tmp_path / "report"
    options = ["--listen", "127.0.0.1:0", "--answers", str(tmp_path / "answers"), "--report", str(prefix)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chargerd.ctl.conformance_desk.COMES_WITHIN_S", 0.1)
        assert main(["conformance", "TC_P_01_CS", *options]) == 0
    assert "skipped" in prefix.with_name("report.md").read_text()
    assert json.loads(prefix.with_name("report.jsonl").read_text())["note"] == "the station does not connect"
    assert "0 passed, 0 failed, 1 skipped" in capsys.readouterr().out
