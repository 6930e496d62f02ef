from datetime import timedelta
from pathlib import Path

import gpiod
import pytest
from gpiod.line import Bias, Edge

from hal.drivers.gpio_lines import InputTable, OutputTable
from hal.drivers.gpiod_lines import CONSUMER_LENGTH, GpiodInput, GpiodOutput, gpiod_chips
from hal.slot import DeviceSlot
from hal.types import DeviceMissing
from tests.hal.drivers.fake_gpiod import CHIP, LABEL, FakeKernel
from tests.hal.drivers.gpio_bench import Bench, Pin
from tests.hal.plants import World


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel(Bench(World()))


def output(kernel: FakeKernel, line: int | str = "RED", chip: str = CHIP) -> GpiodOutput:
    return GpiodOutput(kernel.chips(), OutputTable(chip=chip, line=line), "evse[0].relays")


def button(kernel: FakeKernel, pulses: bool = False, debounce_ms: int = 0) -> GpiodInput:
    table = InputTable(chip=CHIP, line="BUTTON", pull="up", debounce_ms=debounce_ms)
    return GpiodInput(kernel.chips(), table, "evse[0].inputs", pulses)


def missing(kernel: FakeKernel, line: int | str = "RED", chip: str = CHIP) -> str:
    with pytest.raises(DeviceMissing) as caught:
        output(kernel, line, chip)
    assert not kernel.held
    return str(caught.value)


def test_a_line_is_found_by_name_number_or_number_in_quotes(kernel: FakeKernel) -> None:
    for line in ("RED", int(Pin.BLUE)):
        output(kernel, line)
    assert list(kernel.held) == [Pin.RED, Pin.BLUE]


def test_a_chip_is_found_by_its_label(kernel: FakeKernel) -> None:
    output(kernel, chip=LABEL).set(True)
    assert kernel.bench.high == {Pin.RED}


def test_a_label_that_no_chip_has_is_told_with_a_remedy(kernel: FakeKernel) -> None:
    assert missing(kernel, chip="pinctrl-rp1") == (
        "evse[0].relays: no GPIO chip has the label pinctrl-rp1; "
        "see `gpiodetect`, and mend 'chip' in the board file (a path or a label)"
    )
    kernel.denied = True
    assert "no GPIO chip has the label" in missing(kernel, chip=LABEL)


def test_a_chip_that_is_not_there_is_told_with_a_remedy(kernel: FakeKernel) -> None:
    message = missing(kernel, chip="/dev/gpiochip7")
    assert message.startswith("evse[0].relays: /dev/gpiochip7 is no GPIO chip (No such file or directory); see")
    assert "gpiodetect" in message


def test_a_chip_that_may_not_be_opened_is_told_with_a_remedy(kernel: FakeKernel) -> None:
    kernel.denied = True
    assert missing(kernel) == (
        f"evse[0].relays: may not open {CHIP}; let the user of this process open it (systemd/60-chargerd.rules)"
    )


@pytest.mark.parametrize("line", ["RDE", 32])
def test_a_line_that_the_chip_does_not_have_is_told_with_a_remedy(kernel: FakeKernel, line: int | str) -> None:
    remedy = f"see `gpioinfo -c {CHIP}`, and mend 'line' in the board file"
    assert missing(kernel, line) == f"evse[0].relays: there is no line {line} of {CHIP}; {remedy}"


def test_a_line_that_is_in_use_is_told_with_its_user(kernel: FakeKernel) -> None:
    kernel.busy[Pin.RED] = "other-daemon"
    assert "line RED of /dev/gpiochip0 is in use by other-daemon; end that, or name another line" in missing(kernel)
    kernel.busy[Pin.RED] = ""
    kernel.busy[Pin.BLUE] = "x"
    assert "is in use by x" in missing(kernel, "BLUE")


def test_a_line_without_interrupt_cannot_be_debounced_or_watched_for_pulses(kernel: FakeKernel) -> None:
    kernel.no_interrupt.add(Pin.BUTTON)
    with pytest.raises(DeviceMissing, match="has no interrupt, which debouncing and pulses need"):
        button(kernel, pulses=True)
    with pytest.raises(DeviceMissing, match="has no interrupt"):
        button(kernel, debounce_ms=5)
    assert button(kernel).is_active() is False


def test_the_kernel_is_asked_to_pull_and_to_debounce(kernel: FakeKernel) -> None:
    button(kernel, debounce_ms=7)
    settings = kernel.settings[Pin.BUTTON]
    assert settings.debounce_period == timedelta(milliseconds=7)
    assert settings.bias is Bias.PULL_UP
    assert settings.edge_detection is Edge.NONE


def test_a_pulse_between_two_looks_is_seen_once(kernel: FakeKernel) -> None:
    line = button(kernel, pulses=True)
    assert line.is_active() is False
    kernel.pulsed.add(Pin.BUTTON)
    assert [line.is_active(), line.is_active()] == [True, False]


def test_a_line_watched_for_pulses_still_tells_its_level(kernel: FakeKernel) -> None:
    line = button(kernel, pulses=True)
    kernel.bench.world.evse.fault("press_button")
    assert [line.is_active(), line.is_active()] == [True, True]


def test_an_output_whose_chip_vanishes_is_missing_and_works_again_inactive_first(kernel: FakeKernel) -> None:
    line = output(kernel)
    line.set(True)
    kernel.gone = True
    for _ in range(2):
        with pytest.raises(DeviceMissing, match=r"evse\[0\].relays: "):
            line.set(True)
    kernel.gone = False
    kernel.bench.edges.clear()
    line.set(True)
    assert kernel.bench.edges[Pin.RED] == 2  # it came back inactive, then was driven


def test_an_input_whose_chip_vanishes_is_missing_and_works_again(kernel: FakeKernel) -> None:
    line = button(kernel, pulses=True)
    kernel.gone = True
    with pytest.raises(DeviceMissing, match=r"line BUTTON of /dev/gpiochip0 is gone \(No such device\)"):
        line.is_active()
    with pytest.raises(DeviceMissing, match=r"/dev/gpiochip0 is no GPIO chip \(No such file or directory\)"):
        line.is_active()
    kernel.gone = False
    assert line.is_active() is False


def test_closing_works_after_every_failure_and_twice(kernel: FakeKernel) -> None:
    line, other = output(kernel), button(kernel)
    line.set(True)
    kernel.gone = True
    for _ in range(2):
        line.close()
        other.close()
    assert not kernel.held


def test_the_user_of_a_line_is_named_within_what_the_kernel_keeps(kernel: FakeKernel) -> None:
    GpiodOutput(kernel.chips(), OutputTable(chip=CHIP, line="RED"), "evse[0]." + "x" * 40)
    assert len(kernel.held[Pin.RED]) == CONSUMER_LENGTH


# ---- with the library itself ----


def test_a_file_that_is_no_chip_is_told(tmp_path: Path) -> None:
    slot = DeviceSlot("evse[0].relays", World().evse.facts, World().monotonic)
    (tmp_path / "chip").write_text("")
    for path in (tmp_path / "chip", tmp_path / "nowhere", Path("/dev/null")):
        with pytest.raises(DeviceMissing, match=f"{path} is no GPIO chip"):
            GpiodOutput(gpiod_chips(slot), OutputTable(chip=str(path), line=1), slot.device)
    with pytest.raises(DeviceMissing, match="no GPIO chip has the label no-such-chip"):
        GpiodOutput(gpiod_chips(slot), OutputTable(chip="no-such-chip", line=1), slot.device)


def test_the_fake_offers_nothing_that_the_library_does_not_have() -> None:
    from tests.hal.drivers.fake_gpiod import FakeChip, FakeRequest

    for fake, real in ((FakeChip, gpiod.Chip), (FakeRequest, gpiod.LineRequest)):
        assert {name for name in vars(fake) if not name.startswith("_")} <= set(dir(real))
