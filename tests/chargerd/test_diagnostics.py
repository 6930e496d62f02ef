import logging
from datetime import UTC, datetime, timedelta

from chargerd.diagnostics import MAX_LINE_CHARACTERS, MAX_LINES, RecentLines, diagnostics, redacted
from chargerd.ocpp.network_variables import BASIC_AUTH_PASSWORD
from tests.chargerd.ocpp.building import Rig

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "set-by-the-csms-0123"


class Lines:
    """A log whose lines come a minute apart."""

    def __init__(self) -> None:
        self.utc = START
        self.recent = RecentLines(lambda: self.utc)

    def log(self, text: str, level: int = logging.INFO) -> None:
        self.recent.emit(logging.LogRecord("chargerd", level, "", 0, "%s", (text,), None))
        self.utc += timedelta(minutes=1)


def test_the_newest_lines_are_kept_and_each_is_short() -> None:
    lines = Lines()
    for number in range(MAX_LINES + 5):
        lines.log(f"line {number}\nand more" + "!" * 1000, logging.WARNING)
    kept = lines.recent.of(None, None)
    assert len(kept) == MAX_LINES
    assert kept[0].startswith("2026-01-01T00:05:00.000Z warning line 5 and more!")
    assert max(map(len, kept)) == len("2026-01-01T00:05:00.000Z ") + MAX_LINE_CHARACTERS


def test_what_others_sent_stays_in_its_line() -> None:
    lines = Lines()
    lines.log("said \x1b[2J\r\nnext\x00")
    (line,) = lines.recent.of(None, None)
    assert line.isprintable()
    assert "said \\x1b[2J next\\x00" in line


def test_lines_are_of_the_time_that_is_wanted() -> None:
    lines = Lines()
    for number in range(10):
        lines.log(f"line {number}")
    found = lines.recent.of(START + timedelta(minutes=3), START + timedelta(minutes=4))
    assert [line.rpartition(" ")[2] for line in found] == ["3", "4"]


def test_it_tells_how_the_station_is() -> None:
    rig = Rig()
    rig.status()
    text = diagnostics(rig.station, ["one line", "another"], rig.clock.now(), link_open=True)
    assert text.startswith("# diagnostics of CS-1 at 2026-01-01T00:00:00.000Z\n")
    assert '"connector_status": "Available"' in text
    assert "\nOCPPCommCtrlr.HeartbeatInterval = 86400\n" in text
    assert "\nEVSE@1.Power MaxSet = " in text or "\nEVSE@1.Power = " in text
    assert text.endswith("\none line\nanother\n")


def test_no_secret_is_in_it_wherever_it_stood() -> None:
    rig = Rig()
    rig.status()
    rig.station.ctx.variables.store_value(BASIC_AUTH_PASSWORD, SECRET)
    lines = [f"somebody wrote {SECRET} here", "and 0123456789abcdef", "to wss://user:hush@csms.example/x@y"]
    text = diagnostics(rig.station, lines, rig.clock.now(), link_open=True)
    assert SECRET not in text
    assert "0123456789abcdef" not in text
    assert "hush" not in text
    assert "somebody wrote (hidden) here" in text
    assert "to wss://csms.example/x@y" in text
    assert "BasicAuthPassword" not in text


def test_a_secret_that_is_hardly_one_does_not_take_the_text_with_it() -> None:
    assert redacted("an answer", ["", "a"]) == "an answer"
