"""A board as a picture: well-formed, everything in it, nothing on top of anything else."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from chargerd.ctl.board_picture import picture_of
from chargerd.ctl.board_svg import svg
from hal.board_file import load_board
from tests.hal.boards import BENCH, BENCH_DUAL, bench_tables, write

METER = {"driver": "meter_modbus", "map": "eastron_sdm630", "port": "/dev/ttyS1"}
NAMESPACE = "{http://www.w3.org/2000/svg}"


def picture(path: Path) -> ET.Element:
    return ET.fromstring(svg(picture_of(load_board(path))))


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{NAMESPACE}text")]


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each box."""
    found = []
    for box in root.iter(f"{NAMESPACE}rect"):
        if box.get("class"):
            x, y, width, height = (float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


@pytest.mark.parametrize("path", [BENCH, BENCH_DUAL], ids=["bench", "bench-dual"])
def test_every_device_and_line_of_a_board_is_in_it(path: Path) -> None:
    shown = texts(picture(path))
    board = picture_of(load_board(path))
    assert shown[0] == f"{board.title} (simulated)"
    for evse in board.evses:
        assert f"EVSE {evse.evse_id}" in shown
        assert {f"{device.name}: {device.driver}" for device in evse.devices} <= set(shown)
    assert {line.name for line in board.lines} <= set(shown)


@pytest.mark.parametrize("path", [BENCH, BENCH_DUAL], ids=["bench", "bench-dual"])
def test_no_box_lies_on_another_and_all_are_inside(path: Path) -> None:
    root = picture(path)
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    found = boxes(root)
    assert all(left >= 0 and top >= 0 and right <= width and bottom <= height for left, top, right, bottom in found)
    for number, (left, top, right, bottom) in enumerate(found):
        for other_left, other_top, other_right, other_bottom in found[number + 1 :]:
            apart = other_left >= right or left >= other_right or other_top >= bottom or top >= other_bottom
            assert apart, (left, top, other_left, other_top)


def test_a_line_of_two_devices_is_drawn_once_with_an_end_at_each(tmp_path: Path) -> None:
    tables = bench_tables()
    first = tables["evse"][0]
    tables["evse"] = [first | {"meter": METER}, first | {"meter": METER | {"unit": 2}}]
    root = picture(write(tmp_path / "board.toml", tables))
    assert texts(root).count("/dev/ttyS1") == 1
    ends = [path.get("d", "").split()[-2:] for path in root.iter(f"{NAMESPACE}path")]
    assert max(ends.count(end) for end in ends) == 2


def test_what_a_name_holds_does_not_break_the_picture(tmp_path: Path) -> None:
    tables = bench_tables()
    tables["board"]["vendor"] = "<A> & B"
    assert texts(picture(write(tmp_path / "board.toml", tables)))[0] == "<A> & B M, S (simulated)"
