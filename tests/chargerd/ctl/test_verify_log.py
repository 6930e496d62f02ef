from datetime import UTC, datetime
from pathlib import Path

import pytest

from chargerd.ctl import verify_log as verify_log_module
from chargerd.ctl.commands import main
from chargerd.ocpp.security_log import SecurityLog
from chargerd.store import Store


def a_log() -> str:
    log = SecurityLog(Store(":memory:"))
    assert log.open() is None
    for number in range(3):
        log.append("InvalidMessages", f"number {number}", datetime(2026, 1, 1, tzinfo=UTC), synced=True)
    return log.text(log.span(None, None), "CS-1")


def test_a_log_that_is_whole_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log.txt"
    file.write_text(a_log())
    assert main(["verify-log", str(file)]) == 0
    assert capsys.readouterr().out.startswith(f"{file}: rows 1 to 3, newest hash ")


def test_a_log_that_was_edited_is_said_to_be_with_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log.txt"
    file.write_text(a_log().replace("number 1", "number 7"))
    assert main(["verify-log", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: row 2 was changed, or does not follow row 1\n"


@pytest.mark.parametrize("content, said", [(b"\xff", "not a text in UTF-8"), (b"x" * 101, "longer than 100 bytes")])
def test_what_cannot_be_a_log_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.setattr(verify_log_module, "MAX_BYTES", 100)
    file = tmp_path / "log.txt"
    file.write_bytes(content)
    assert main(["verify-log", str(file)]) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify-log", str(tmp_path / "gone")]) == 1
    assert "No such file" in capsys.readouterr().err
