import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.sim.sysfs import Sensor, measured, measured_slowly, pilot_of
from hal.types import PilotMode
from tests.hal.drivers.kernel import ADC, CHIP, kernel_of
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import RealWorld, World


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def root(world: RealWorld, tmp_path: Path) -> Iterator[Path]:
    with kernel_of(world, tmp_path / "sys-1") as root:
        yield root


def export(world: World, root: Path, channel: str = "0") -> Path:
    (root / CHIP / "export").write_text(f"{channel}\n")
    folder = root / CHIP / f"pwm{channel}"
    world.until(folder.is_dir)
    return folder


def raw(root: Path, channel: int) -> int:
    return int((root / ADC / f"in_voltage{channel}_raw").read_text())


# ---- the folder ----


def test_everything_is_where_the_kernel_has_it(root: Path) -> None:
    assert (root / "class/pwm/pwmchip2/device").resolve() == root / "devices/platform/1f00098000.pwm"
    assert (root / "class/pwm/pwmchip2/npwm").read_text() == "2\n"
    assert (root / "bus/iio/devices/iio:device0/name").read_text() == "mcp3208\n"
    assert (root / "class/hwmon/hwmon1/name").read_text() == "lm75\n"
    assert (root / "bus/w1/devices/28-0316a2795aff/temperature").exists()


def test_closing_takes_it_all_away(world: RealWorld, tmp_path: Path) -> None:
    before, threads = descriptors(), threading.active_count()
    with kernel_of(world, tmp_path / "sys-1") as root:
        assert root.is_dir()
    assert not root.exists()
    assert (descriptors(), threading.active_count()) == (before, threads)


def test_a_folder_left_behind_by_a_killed_process_is_made_anew(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "sys-1" / "class").mkdir(parents=True)
    (tmp_path / "sys-1" / "class/pwm").write_text("in the way")
    with kernel_of(world, tmp_path / "sys-1") as root:
        assert (root / "class/pwm/pwmchip2").is_dir()


# ---- the PWM ----


def test_an_exported_channel_is_as_after_a_reset_and_goes_when_unexported(world: RealWorld, root: Path) -> None:
    folder = export(world, root)
    texts = [(folder / name).read_text() for name in ("period", "duty_cycle", "enable", "polarity")]
    assert texts == ["0\n", "0\n", "0\n", "normal\n"]
    (root / CHIP / "unexport").write_text("0\n")
    world.until(lambda: not folder.exists())


@pytest.mark.parametrize("channel", ["2", "-1", "zero"])
def test_a_channel_that_the_chip_has_not_is_not_exported(world: RealWorld, root: Path, channel: str) -> None:
    (root / CHIP / "export").write_text(channel)
    world.until(lambda: (root / CHIP / "export").read_text() == "")
    assert sorted(path.name for path in (root / CHIP).glob("pwm*")) == []


def test_what_is_written_drives_the_pilot_of_the_plant(world: RealWorld, root: Path) -> None:
    folder = export(world, root)
    for name, text in (("period", "1000000"), ("duty_cycle", "266600"), ("enable", "1")):
        (folder / name).write_text(f"{text}\n")
    world.until(lambda: world.evse.offer_amps == pytest.approx(15.996))
    world.evse.plug_in()
    world.until(lambda: (raw(root, 0), raw(root, 1)) == (2048 + 9 * 128, 2048 - 12 * 128))


@pytest.mark.parametrize(
    "written, mode, duty",
    [
        ("", PilotMode.STEADY_LOW, 0),
        ("1000000 1000000 1 normal", PilotMode.STEADY_HIGH, 100),
        ("1000000 0 1 normal", PilotMode.STEADY_LOW, 0),
        ("1000000 0 1 inversed", PilotMode.STEADY_HIGH, 100),
        ("1000000 300000 1 normal", PilotMode.PWM, 30),
        ("1000000 300000 1 inversed", PilotMode.PWM, 70),
        ("1000000 300000 0 normal", PilotMode.STEADY_LOW, 0),
        ("1000000 1000001 1 normal", PilotMode.STEADY_LOW, 0),
        ("0 0 1 normal", PilotMode.STEADY_LOW, 0),
        ("many 300000 1 normal", PilotMode.STEADY_LOW, 0),
        ("100000 30000 1 normal", PilotMode.PWM, 0),  # 10 kHz: an oscillator that no vehicle takes for one
        ("1020408 306122 1 normal", PilotMode.PWM, 30),
    ],
)
def test_a_stage_makes_plus_and_minus_12_v_of_the_channel(written: str, mode: PilotMode, duty: float) -> None:
    made, made_duty = pilot_of(written)
    assert made is mode
    assert made_duty == pytest.approx(duty, abs=0.001)


# ---- the sensors ----


def test_the_files_follow_the_plant(world: RealWorld, root: Path) -> None:
    export(world, root)
    world.evse.plug_in(20)
    world.evse.fault("over_temperature", 61.5)
    world.until(lambda: (root / "class/hwmon/hwmon1/temp1_input").read_text().strip() == "61500")
    world.until(lambda: raw(root, 2) == round(4095 * 680 / (680 + 330)))
    assert (root / "bus/w1/devices/28-0316a2795aff/temperature").read_text().strip() == "61500"


def test_a_channel_ends_where_its_bits_do() -> None:
    world = World()
    world.evse.fault("cable_resistor", 1_000_000.0)
    values = measured(world.evse, world.mono) | measured_slowly(world.evse, world.mono)
    assert values["in_voltage2_raw"] == 4095
    assert all(0 <= value <= 4095 for name, value in values.items() if name.startswith("in_voltage"))


def test_a_file_that_is_kept_open_never_holds_half_a_number(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path / "raw")
    lengths = set()
    with (tmp_path / "raw").open("rb", buffering=0) as kept:
        for value in (5, 1234, -7, 4095.4, -1234567):
            sensor.show(value)
            kept.seek(0)
            text = kept.read()
            assert int(text) == round(value)
            lengths.add(len(text))
    sensor.close()
    assert lengths == {8, 9}  # only the longest of all numbers is longer


def test_an_unchanged_number_is_not_written_again(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path / "raw")
    sensor.show(7)
    (tmp_path / "raw").write_text("mine\n")
    sensor.show(7)
    assert (tmp_path / "raw").read_text() == "mine\n"
    sensor.close()
