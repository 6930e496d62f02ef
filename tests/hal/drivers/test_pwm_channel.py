import errno
from pathlib import Path

import pytest

from hal.drivers.pwm_channel import EXPORT_BOUND_S, PERIOD_NS, PwmChannel
from hal.drivers.sysfs import failure, write_text
from hal.types import DeviceMissing, HalError

DEVICE = "evse[0].pilot"
CHIP = "1f00098000.pwm"


class Kernel:
    """A PWM chip of two channels as strict as the kernel's; `shy`: so many writes to a new channel are denied."""

    def __init__(self, root: Path, shy: int = 0) -> None:
        self.root = root
        self.chip = root / "devices/platform" / CHIP / "pwm/pwmchip7"
        self.chip.mkdir(parents=True)
        (root / "class/pwm").mkdir(parents=True)
        (root / "class/pwm/pwmchip7").symlink_to(self.chip)
        self.shy = shy
        self.written: list[str] = []

    def channel(self, inverted: bool = False, number: int = 0) -> PwmChannel:
        return PwmChannel(DEVICE, self.root, CHIP, number, inverted=inverted, write=self.write)

    def write(self, device: str, path: Path, text: str) -> None:
        """One write of the driver, taken or refused."""
        self.written.append(f"{path.name}={text}")
        number = self._judge(path, text)
        if number:
            raise failure(device, path, OSError(number, errno.errorcode[number]), text)
        if path.name == "export":
            self.export(int(text))
        else:
            write_text(device, path, text)

    def export(self, number: int, **values: str) -> None:
        folder = self.chip / f"pwm{number}"
        folder.mkdir()
        for name, text in {"period": "0", "duty_cycle": "0", "enable": "0", "polarity": "normal", **values}.items():
            (folder / name).write_text(f"{text}\n")

    def held(self, number: int = 0) -> tuple[int, int, int]:
        """Period, duty and enable."""
        folder = self.chip / f"pwm{number}"
        period, duty, enable = ((folder / name).read_text() for name in ("period", "duty_cycle", "enable"))
        return int(period), int(duty), int(enable)

    def _judge(self, path: Path, text: str) -> int:
        if path.name == "export":
            return errno.EBUSY if (self.chip / f"pwm{text}").is_dir() else 0
        if not path.exists():
            return errno.ENOENT
        if self.shy:
            self.shy -= 1
            return errno.EACCES
        period, duty, enable = self.held(int(path.parent.name.removeprefix("pwm")))
        match path.name:
            case "period":
                return errno.EINVAL if int(text) < duty else 0
            case "duty_cycle":
                return errno.EINVAL if int(text) > period else 0
            case "enable":
                return errno.EINVAL if text == "1" and not period else 0
            case "polarity":
                return errno.EBUSY if enable else 0
        return errno.EACCES


def test_a_channel_is_exported_set_up_and_started(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.channel().open(1.0)
    assert kernel.held() == (PERIOD_NS, PERIOD_NS, 1)
    assert kernel.written[:4] == ["export=0", f"period={PERIOD_NS}", f"duty_cycle={PERIOD_NS}", "enable=1"]


def test_the_channel_that_was_asked_for_is_used(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.channel(number=1).open(0.5)
    assert kernel.held(1) == (PERIOD_NS, PERIOD_NS // 2, 1)
    assert not (kernel.chip / "pwm0").exists()


@pytest.mark.parametrize(
    "fraction, duty_ns", [(0.0, 0), (0.1, 100_000), (0.5333, 533_300), (2 / 3, 666_666), (1.0, PERIOD_NS)]
)
def test_the_duty_is_rounded_down_to_a_nanosecond(tmp_path: Path, fraction: float, duty_ns: int) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel()
    channel.open(1.0)
    channel.set(fraction)
    assert kernel.held() == (PERIOD_NS, duty_ns, 1)


def test_behind_an_inverting_stage_the_rest_of_the_period_is_high(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel(inverted=True)
    channel.open(1.0)
    assert kernel.held() == (PERIOD_NS, 0, 1)
    channel.set(2 / 3)
    assert kernel.held() == (PERIOD_NS, PERIOD_NS - 666_666, 1)  # never more than asked for, rounded though it is


@pytest.mark.parametrize("period, duty", [(20_000_000, 20_000_000), (20_000_000, 500), (500, 500), (500, 0), (0, 0)])
def test_whatever_the_channel_was_set_to_no_write_is_refused(tmp_path: Path, period: int, duty: int) -> None:
    kernel = Kernel(tmp_path)
    kernel.export(0, period=str(period), duty_cycle=str(duty), enable="1" if period else "0")
    kernel.channel().open(0.25)
    assert kernel.held() == (PERIOD_NS, 250_000, 1)
    assert "export=0" not in kernel.written  # it was exported already


def test_an_inversed_polarity_is_put_back_to_normal_with_the_channel_stopped(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.export(0, period="1000", duty_cycle="10", enable="1", polarity="inversed")
    kernel.channel().open(1.0)
    assert (kernel.chip / "pwm0/polarity").read_text() == "normal\n"
    assert kernel.held() == (PERIOD_NS, PERIOD_NS, 1)


def test_a_channel_that_udev_has_not_opened_yet_is_waited_for(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, shy=5)
    kernel.channel().open(1.0)
    assert kernel.held() == (PERIOD_NS, PERIOD_NS, 1)


def test_a_channel_that_never_opens_is_given_up(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, shy=1_000_000)
    with pytest.raises(DeviceMissing, match="it takes the udev rules"):
        kernel.channel().open(1.0)
    assert len(kernel.written) <= EXPORT_BOUND_S / 0.01 + 2


def test_a_chip_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = PwmChannel(DEVICE, kernel.root, "48302200.pwm", 0, inverted=False, write=kernel.write)
    with pytest.raises(
        DeviceMissing, match=rf"no '48302200.pwm' in .* \(there: pwmchip7 on {CHIP}\); enable it in the dev"
    ):
        channel.set(1.0)


def test_a_lost_channel_is_an_error_and_works_again_when_it_is_back(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel()
    channel.open(1.0)
    link = tmp_path / "class/pwm/pwmchip7"
    link.unlink()
    kernel.chip.rename(kernel.chip.with_name("gone"))
    with pytest.raises(DeviceMissing):
        channel.set(0.5)
    with pytest.raises(DeviceMissing):
        channel.set(0.5)
    kernel.chip.with_name("gone").rename(kernel.chip)
    link.symlink_to(kernel.chip)
    channel.set(0.5)
    assert kernel.held() == (PERIOD_NS, PERIOD_NS // 2, 1)


def test_a_channel_that_lost_its_settings_with_its_driver_is_set_up_anew(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel()
    channel.open(1.0)
    for name in ("period", "duty_cycle", "enable", "polarity"):
        (kernel.chip / "pwm0" / name).unlink()
    (kernel.chip / "pwm0").rmdir()
    with pytest.raises(DeviceMissing):
        channel.set(0.5)
    channel.set(0.5)
    assert kernel.held() == (PERIOD_NS, PERIOD_NS // 2, 1)


def test_a_duty_that_another_program_has_changed_is_put_right(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel()
    channel.open(0.5)
    (kernel.chip / "pwm0/duty_cycle").write_text("900000\n")
    channel.set(0.5)
    assert kernel.held() == (PERIOD_NS, PERIOD_NS // 2, 1)


def test_a_duty_that_is_as_wanted_is_not_written_again(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel()
    channel.open(0.5)
    written = len(kernel.written)
    channel.set(0.5)
    assert len(kernel.written) == written


def test_a_refused_write_is_told_in_the_kernels_words(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    channel = kernel.channel()
    channel.open(1.0)
    (kernel.chip / "pwm0/period").write_text("1000\n")  # another program has meddled
    with pytest.raises(HalError, match="duty_cycle refuses '500000'"):
        channel.set(0.5)
    channel.set(0.5)  # and the channel is set up anew
    assert kernel.held() == (PERIOD_NS, PERIOD_NS // 2, 1)
