"""The record of a bring-up: whole as JSON, readable as Markdown."""

from pathlib import Path

import msgspec
import pytest

from chargerd.ctl.bring_up_acts import Outcome, Result, Value, failed, ok, skipped
from chargerd.ctl.bring_up_report import Entry, Report, file_name, summary, write_report


def entry(outcome: Outcome, evse_id: int = 1) -> Entry:
    return Entry(evse_id=evse_id, role="meter", driver="meter_modbus", step="readings", outcome=outcome, took_s=1.5)


def report(*outcomes: Outcome, ended: str = "") -> Report:
    return Report(
        at_utc="2026-11-25T21:15:06Z",
        board_file="my-board.toml",
        board_sha256="ab" * 32,
        vendor="V",
        model="M",
        serial="S/1 é",
        simulated=True,
        chargerd="0.1",
        ended=ended,
        entries=tuple(entry(outcome) for outcome in outcomes),
    )


def test_it_passes_when_nothing_failed_and_it_came_to_its_end() -> None:
    assert report(ok(), skipped("no card")).passed
    assert not report(ok(), failed("silent")).passed
    assert not report(ok(), ended="ended by q").passed


def test_a_line_says_how_it_went() -> None:
    assert summary(report(ok(), failed("x"), skipped("y"))) == "1 ok, 1 failed, 1 skipped"
    assert summary(report(ok(), ended="ended by q")) == "1 ok, 0 failed, 0 skipped; ended by q"


def test_the_json_document_is_the_whole_report(tmp_path: Path) -> None:
    told = report(ok(Value("slowest", 1.25, "ms")), failed("silent"))
    _, document = write_report(told, tmp_path / "a.b")
    assert document == tmp_path / "a.b.json"
    assert msgspec.json.decode(document.read_bytes(), type=Report) == told


def test_the_markdown_has_a_row_for_each_step(tmp_path: Path) -> None:
    told = report(ok(Value("slowest", 1.25, "ms")), failed("a | b\nc"), ended="ended by SIGHUP")
    markdown, _ = write_report(told, tmp_path / "x")
    lines = markdown.read_text().splitlines()
    assert lines[0] == "# Bring-up of V M, S/1 é"
    assert "1 ok, 1 failed, 0 skipped; ended by SIGHUP." in lines
    assert "- chargerd 0.1, on simulated hardware" in lines
    assert lines[-2:] == [
        "| 1 | meter | `meter_modbus` | readings | ok | slowest 1.25 ms |  |",
        "| 1 | meter | `meter_modbus` | readings | failed |  | a / b c |",
    ]


def test_its_name_is_one_that_every_file_system_takes() -> None:
    assert file_name(report()) == "bring-up-S-1-2026-11-25T21-15-06Z"


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_report(report(), tmp_path / "nowhere" / "x")


def test_every_result_is_counted() -> None:
    assert [report(ok(), ok(), failed("x")).count(result) for result in Result] == [2, 1, 0]
