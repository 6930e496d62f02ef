"""`chargerctl` against a running bench, and every wrong way to call it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd.bench.verbs import VERBS
from chargerd.ctl.commands import main
from tests.chargerd.bench.running import ROOT, Bench, running_bench

UID = "04C0FFEE1234"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running_bench(tmp_path_factory.mktemp("ctl")) as bench:
        yield bench


def run(bench: Bench, *arguments: str) -> None:
    assert main(["--socket", str(bench.control), *arguments]) == 0


def test_an_operator_sees_a_charge_and_never_a_whole_token(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    run(bench, "bench", "plug-in", "1")
    run(bench, "bench", "present-token", "1", UID)
    run(bench, "bench", "ev-ready")
    bench.until("evse 1 state == Charging", "evse 1 relay == true")
    run(bench, "bench", "limit", "1", "8")
    assert capsys.readouterr().out == 'done\ndone\ndone\n{\n  "status": "Accepted"\n}\n'
    bench.until("evse 1 limit_by == csms")

    run(bench, "status", "--once")
    shown = capsys.readouterr().out
    assert "EVSE 1  Occupied  Charging" in shown
    assert "> csms                8.0 A" in shown
    run(bench, "status")
    piped = capsys.readouterr().out
    assert "\x1b" not in piped
    run(bench, "status", "--json")
    document = capsys.readouterr().out
    assert json.loads(document)["evses"][0]["charging"]["limit"] == {"source": "csms", "amps": 8.0}
    run(bench, "limits")
    assert "> csms                8.0 A" in capsys.readouterr().out
    run(bench, "bench", "fault", "1", "cut_pilot")
    bench.until("evse 1 relay == false")
    assert capsys.readouterr().out == "done\n"
    run(bench, "why")
    why = capsys.readouterr().out
    assert why.startswith("EVSE 1: no energy, because\n  - ")
    assert not any(UID in text for text in (shown, piped, document, why))


def test_an_electrician_limits_an_outlet_for_a_while_and_takes_that_back(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    run(bench, "limit", "1", "7", "--for", "600")
    assert capsys.readouterr().out == "EVSE 1: at most 7 A for 600 s\n"
    bench.until("evse 1 limit_by == user")
    run(bench, "limits")
    assert "> user                7.0 A" in capsys.readouterr().out
    run(bench, "limit", "1", "none")
    assert capsys.readouterr().out == "EVSE 1: no limit by users\n"
    bench.until("evse 1 limit_by != user")


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["bench", "plugin"], "unknown verb 'plugin'; known verbs: plug_in"),
        (["bench", "limit", "1"], "limit: amps is missing; usage: limit [evse] amps"),
        (["bench", "limit", "1", "a"], "limit: amps: 'a' is no number"),
        (["bench", "fault", "1", "nix"], "unknown fault 'nix'; known faults: weld_relay"),
        (["bench", "plug-in", "9"], "unknown EVSE 9; this board has EVSE 1"),
        (["bench", "csms-call", "MakeCoffee"], "OCPP 2.0.1 has no request 'MakeCoffee'"),
        (["bench"], "the following arguments are required: verb"),
        (["limit", "1", "ten"], "limit: 'ten' is no number of amps; expected 0 to 80, or 'none'"),
        (["limit", "1", "100"], "100 A: a limit lies from 0 to 80 A"),
        (["limit", "9", "10"], "there is no EVSE 9"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        ([], "the following arguments are required: COMMAND; see chargerctl --help"),
        (["status", "--yaml"], "unrecognized arguments: --yaml"),
        (["board"], "the following arguments are required: COMMAND; see chargerctl board --help"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_1(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], complaint: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--socket", str(bench.control), *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("chargerctl: ")
    assert complaint in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["why"], ["limits"], ["bench", "plug-in"]])
def test_nobody_there_is_one_line_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["--socket", str(tmp_path / "nix"), *words]) == 1
    assert "nobody listens there; is the station" in capsys.readouterr().err


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "help"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert listed == set(VERBS)


def test_a_reader_that_hangs_up_is_no_error() -> None:
    command = f"{sys.executable} -m chargerd.ctl bench help | true"
    bash = ["/bin/bash", "-o", "pipefail", "-c", command]
    ended = subprocess.run(bash, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
