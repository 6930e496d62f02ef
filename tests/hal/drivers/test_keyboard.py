import errno
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.drivers.kernel import Kernel
from hal.drivers.keyboard import EVENT, Identity, Keyboard, Lines
from hal.types import DeviceMissing
from tests.hal.drivers.input_device import InputDevice, events_of
from tests.hal.drivers.ports import descriptors

DEVICE = "evse[0].reader"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[InputDevice]:
    device = InputDevice(tmp_path / "event3")
    yield device
    if device.path.is_symlink():
        device.pull_out()


def line_from(keyboard: Keyboard, now_mono: float = 1.0) -> str | None:
    """The next line, which the kernel may take a moment to bring."""
    until = time.monotonic() + 1
    while (line := keyboard.next_line(now_mono, 1.0)) is None and time.monotonic() < until:
        time.sleep(0.01)
    return line


def opened(device: InputDevice) -> Keyboard:
    keyboard = Keyboard(DEVICE, device.path, kernel=device.kernel)
    assert keyboard.next_line(0.0, 1.0) is None  # what was typed before it was grabbed went elsewhere
    return keyboard


def test_what_is_typed_up_to_enter_is_a_line(device: InputDevice) -> None:
    keyboard = opened(device)
    device.type("0012345678\n")
    assert line_from(keyboard) == "0012345678"
    assert keyboard.next_line(1.0, 1.0) is None
    keyboard.close()


def test_the_device_is_grabbed_once(device: InputDevice) -> None:
    keyboard = opened(device)
    keyboard.next_line(0.0, 1.0)
    assert device.grabs == 1
    keyboard.close()


def test_a_device_that_another_program_holds_is_missing(device: InputDevice) -> None:
    device.held_by_another = True
    before = descriptors()
    with pytest.raises(DeviceMissing, match=r"the reader cannot be read \(another program holds it\)"):
        Keyboard(DEVICE, device.path, kernel=device.kernel).next_line(0.0, 1.0)
    assert descriptors() == before


def test_a_reader_pulled_out_and_put_back_works_again(device: InputDevice) -> None:
    keyboard = opened(device)
    device.type("0012")
    time.sleep(0.05)  # on its way through the kernel
    assert keyboard.next_line(0.0, 1.0) is None
    device.pull_out()
    with pytest.raises(DeviceMissing, match="the reader cannot be read"):
        keyboard.next_line(0.0, 1.0)
    with pytest.raises(DeviceMissing, match=r"evse\[0\].reader: .*/event3 is not there; plug the reader in"):
        keyboard.next_line(0.0, 1.0)
    device.plug_in()
    assert keyboard.next_line(0.0, 1.0) is None
    device.type("345\n")
    assert line_from(keyboard) == "345"  # what was half typed is gone
    assert device.grabs == 2
    keyboard.close()


def test_a_device_that_ends_like_a_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "event0"
    path.touch()
    keyboard = Keyboard(DEVICE, path, kernel=Kernel(ioctl=lambda *_: 0))
    with pytest.raises(DeviceMissing, match="the device is gone"):
        keyboard.next_line(0.0, 1.0)


def test_the_real_kernel_says_why_a_file_is_no_keyboard(tmp_path: Path) -> None:
    path = tmp_path / "event0"
    path.touch()
    with pytest.raises(DeviceMissing, match="Inappropriate ioctl for device"):
        Keyboard(DEVICE, path).next_line(0.0, 1.0)


def test_an_error_while_reading_is_told(device: InputDevice) -> None:
    def read(file: int, count: int) -> bytes:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    keyboard = Keyboard(DEVICE, device.path, kernel=Kernel(ioctl=device.kernel.ioctl, read=read))
    with pytest.raises(DeviceMissing, match="No such device"):
        keyboard.next_line(0.0, 1.0)


# ---- by vendor and product ----


def test_a_reader_is_found_by_vendor_and_product(tmp_path: Path, device: InputDevice) -> None:
    keyboard = Keyboard(DEVICE, Identity(0xFFFF, 0x0035), inputs=tmp_path, kernel=device.kernel)
    assert keyboard.path() == device.path
    keyboard.next_line(0.0, 1.0)
    device.type("1\n")
    assert line_from(keyboard) == "1"
    keyboard.close()


def test_a_node_without_an_enter_key_is_not_the_keyboard(tmp_path: Path, device: InputDevice) -> None:
    device.keys = (113, 114)  # the volume keys of the same device
    with pytest.raises(DeviceMissing, match="no keyboard ffff:0035 in"):
        Keyboard(DEVICE, Identity(0xFFFF, 0x0035), inputs=tmp_path, kernel=device.kernel).path()


def test_another_keyboard_is_not_taken(tmp_path: Path, device: InputDevice) -> None:
    with pytest.raises(DeviceMissing, match=r"no keyboard 046d:c31c in .*; plug the reader in, or mend 'vendor'"):
        Keyboard(DEVICE, Identity(0x046D, 0xC31C), inputs=tmp_path, kernel=device.kernel).path()


def test_two_of_a_kind_are_told_apart_by_path(tmp_path: Path, device: InputDevice) -> None:
    (tmp_path / "event4").symlink_to(device.path)
    before = descriptors()
    with pytest.raises(DeviceMissing, match=r"several keyboards are ffff:0035 \(event3, event4\); give 'path' instead"):
        Keyboard(DEVICE, Identity(0xFFFF, 0x0035), inputs=tmp_path, kernel=device.kernel).path()
    assert descriptors() == before


def test_a_node_that_may_not_be_opened_or_asked_is_passed_over(tmp_path: Path, device: InputDevice) -> None:
    (tmp_path / "event0").symlink_to(tmp_path / "nowhere")
    identity = Identity(0xFFFF, 0x0035)
    assert Keyboard(DEVICE, identity, inputs=tmp_path, kernel=device.kernel).path() == device.path
    with pytest.raises(DeviceMissing, match="no keyboard ffff:0035"):
        Keyboard(DEVICE, identity, inputs=tmp_path).path()


# ---- keys into lines ----


def lines_of(*typed: str | tuple[int, int, int], apart_s: float = 0.01) -> list[str]:
    lines, now_mono = Lines(), 0.0
    for part in typed:
        raw = events_of(part) if isinstance(part, str) else EVENT.pack(0, 0, *part)
        lines.feed([(kind, code, value) for *_, kind, code, value in EVENT.iter_unpack(raw)], now_mono, 1.0)
        now_mono += apart_s
    found = []
    while (line := lines.take()) is not None:
        found.append(line)
    return found


def test_letters_are_upper_case_whatever_shift_does() -> None:
    assert lines_of("^04A1B2\n") == ["04A1B2"]


def test_the_keypad_types_digits_too() -> None:
    keypad = [(1, code, 1) for code in (79, 80, 81, 75, 76, 77, 71, 72, 73, 82, 96)]
    assert lines_of(*keypad) == ["1234567890"]


def test_a_line_may_come_in_pieces() -> None:
    assert lines_of("12", "34\n") == ["1234"]


def test_what_was_cut_short_is_not_put_before_the_next_line() -> None:
    assert lines_of("12", "34\n", apart_s=1.1) == ["34"]


def test_a_clearing_key_begins_again() -> None:
    assert lines_of("12\b34\n") == ["34"]


def test_enter_alone_is_no_line() -> None:
    assert lines_of("\n\n") == []


def test_a_foreign_key_spoils_the_line_but_not_the_next() -> None:
    assert lines_of("1-2\n34\n") == ["1?2", "34"]


def test_a_line_of_which_the_kernel_lost_a_part_is_none() -> None:
    assert lines_of("12", (0, 3, 0), "34\n", "56\n") == ["56"]


def test_an_endless_line_has_an_end() -> None:
    assert lines_of("1" * 500 + "\n") == ["1" * 40]


def test_lines_that_nobody_takes_are_not_heaped_up() -> None:
    assert lines_of(*(f"{n}\n" for n in range(9))) == ["5", "6", "7", "8"]


def test_noise_does_no_harm() -> None:
    dice = random.Random(1)
    lines = Lines()
    for _ in range(1000):
        lines.feed([(dice.randrange(4), dice.randrange(768), dice.randrange(3))], 0.0, 1.0)
    line = lines.take()
    assert line is None or len(line) <= 40
