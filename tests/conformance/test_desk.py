"""`chargerctl conformance` against a bench that runs, as a maker uses it on the desk."""

import json
from pathlib import Path

import pytest

from chargerd.ctl.commands import main
from tests.chargerd.bench.running import free_port, running_bench

pytestmark = pytest.mark.conformance

BOARD = Path(__file__).resolve().parents[1] / "sim" / "board.toml"
PASSWORD = "sixteen-or-more-characters"


def test_a_charger_is_led_through_cases_and_a_report_is_written(tmp_path: Path) -> None:
    port = free_port()
    setup = ("--set", "OCPPCommCtrlr.RetryBackOffWaitMinimum=1", "--set", "OCPPCommCtrlr.RetryBackOffRandomRange=0")
    url = f"ws://127.0.0.1:{port}/ocpp"
    prefix, answers = tmp_path / "report", tmp_path / "answers"
    answers.touch()  # nobody is asked
    with running_bench(tmp_path, "--board", str(BOARD), "--csms", url, "--password", PASSWORD, *setup) as bench:
        options = ["--listen", f"127.0.0.1:{port}", "--password", PASSWORD, "--bench", str(bench.control)]
        options += ["--answers", str(answers)]
        code = main(["conformance", "TC_E_03_CS", "TC_E_05_CS", "TC_P_*", *options, "--report", str(prefix)])
    results = [json.loads(line) for line in prefix.with_name("report.jsonl").read_text().splitlines()]
    assert [(each["case"], each["outcome"], each["note"]) for each in results] == [
        ("TC_E_03_CS", "passed", ""),
        ("TC_E_05_CS", "passed", ""),
        ("TC_P_01_CS", "passed", ""),
        ("TC_P_03_CS", "passed", ""),
    ]
    assert code == 0
    assert "4 passed, 0 failed, 0 skipped" in prefix.with_name("report.md").read_text()
