from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hal.drivers.pilot_pwm_iio import Point, PwmIioPilot, Settings
from hal.types import (
    BoardError,
    DeviceGarbled,
    DeviceMissing,
    EvseFacts,
    HalError,
    PilotMode,
    PilotReading,
    RelayDeadman,
    WakeUp,
)
from tests.hal.drivers.kernel import ADC, CHIP, kernel_of, pilot_settings
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import RealWorld


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def root(world: RealWorld, tmp_path: Path) -> Iterator[Path]:
    with kernel_of(world, tmp_path / "sys-1") as root:
        yield root


@pytest.fixture
def pilot(world: RealWorld, root: Path) -> Iterator[PwmIioPilot]:
    driver = PwmIioPilot(pilot_settings(root), world.slot("pilot"))
    yield driver
    driver.close()


def reads(world: RealWorld, pilot: PwmIioPilot, high: float, low: float) -> None:
    """Wait until the detectors show these levels."""

    def shown() -> bool:
        reading = pilot.read()
        return abs(reading.high_volts - high) < 0.1 and abs(reading.low_volts - low) < 0.1

    world.until(shown)


def pwm_of(root: Path) -> str:
    return (root / CHIP / "pwm0/duty_cycle").read_text().strip()


# ---- on the plant ----


def test_it_starts_with_a_steady_high(world: RealWorld, pilot: PwmIioPilot) -> None:
    reads(world, pilot, 12, 12)


@pytest.mark.parametrize(
    "mode, duty, seen",
    [
        (PilotMode.PWM, 26.66, (12, -12, 15.996)),
        (PilotMode.PWM, 53.33, (12, -12, 31.998)),
        (PilotMode.STEADY_HIGH, 100.0, (12, 12, 0)),
        (PilotMode.STEADY_LOW, 0.0, (-12, -12, 0)),
    ],
)
def test_each_mode_is_what_the_vehicle_sees(
    pilot: PwmIioPilot, world: RealWorld, mode: PilotMode, duty: float, seen: tuple[float, float, float]
) -> None:
    pilot.set(mode, duty)
    high, low, offer = seen
    reads(world, pilot, high, low)
    assert world.evse.offer_amps == pytest.approx(offer, abs=1e-6)


def test_it_follows_the_vehicle_from_a_to_c_and_back(world: RealWorld, pilot: PwmIioPilot) -> None:
    world.evse.plug_in()
    reads(world, pilot, 9, 9)
    world.evse.ev_ready()
    pilot.set(PilotMode.PWM, 20.0)
    reads(world, pilot, 6, -12)
    world.evse.plug_out()
    reads(world, pilot, 12, -12)


def test_a_vehicle_without_a_diode_shows_in_the_negative_peak(world: RealWorld, pilot: PwmIioPilot) -> None:
    world.evse.plug_in(quirks=("no_diode",))
    pilot.set(PilotMode.PWM, 20.0)
    reads(world, pilot, 9, -9)


def test_a_reading_is_stamped_when_it_was_complete(world: RealWorld, pilot: PwmIioPilot) -> None:
    before = world.monotonic()
    reading = pilot.read()
    assert before <= reading.at_mono <= world.monotonic()


@pytest.mark.parametrize("duty", [55.0, 96.5, -1.0, 101.0, float("nan")])
def test_a_duty_beyond_the_rating_or_sense_never_reaches_the_pwm(root: Path, pilot: PwmIioPilot, duty: float) -> None:
    pilot.set(PilotMode.PWM, 20.0)
    with pytest.raises(HalError, match="refused a duty"):
        pilot.set(PilotMode.PWM, duty)
    assert pwm_of(root) == "200000"


@pytest.mark.parametrize("state_f, mode", [(True, PilotMode.DISCONNECTED), (False, PilotMode.STEADY_LOW)])
def test_a_mode_that_the_board_has_not_is_refused(world: RealWorld, root: Path, state_f: bool, mode: PilotMode) -> None:
    pilot = PwmIioPilot(pilot_settings(root, state_f=state_f), world.slot("pilot"))
    with pytest.raises(HalError, match=f"cannot put the pilot to '{mode}'"):
        pilot.set(mode, 0.0)
    assert pwm_of(root) == "1000000"
    pilot.close()


def test_behind_an_inverting_stage_the_pwm_is_the_other_way_round(world: RealWorld, root: Path) -> None:
    pilot = PwmIioPilot(pilot_settings(root, inverted=True), world.slot("pilot"))
    assert pwm_of(root) == "0"
    pilot.set(PilotMode.PWM, 20.0)
    assert pwm_of(root) == "800000"
    pilot.set(PilotMode.STEADY_LOW, 0.0)
    assert pwm_of(root) == "1000000"
    pilot.close()


# ---- what goes wrong ----


def put(root: Path, channel: int, text: str) -> None:
    """Another file in the place of a channel's, which the plant does not write to."""
    path = root / ADC / f"in_voltage{channel}_raw"
    path.rename(path.with_suffix(".plant"))
    path.write_text(text)


def put_back(root: Path, channel: int) -> None:
    path = root / ADC / f"in_voltage{channel}_raw"
    path.with_suffix(".plant").rename(path)


@pytest.mark.parametrize(
    "text, why",
    [("", "holds ''"), ("nan\n", "holds 'nan'"), ("4095\n", "shows 16.0 V, the stage makes 12 V"), ("0\n", "-16.0 V")],
)
def test_what_the_converter_cannot_mean_is_garbage_until_it_is_right_again(
    world: RealWorld, root: Path, text: str, why: str
) -> None:
    put(root, 0, text)
    pilot = PwmIioPilot(pilot_settings(root), world.slot("pilot"))
    with pytest.raises(DeviceGarbled, match=why):
        pilot.read()
    pilot.close()
    put_back(root, 0)
    reads(world, pilot, 12, 12)
    pilot.close()


def test_detectors_that_are_swapped_are_found_out(world: RealWorld, root: Path) -> None:
    settings = pilot_settings(root, high_channel=1)
    swapped = PwmIioPilot(msgspec.structs.replace(settings, low_channel=0), world.slot("pilot"))
    swapped.set(PilotMode.PWM, 20.0)

    def complains() -> bool:
        try:
            swapped.read()
        except DeviceGarbled as error:
            return "are they swapped?" in error.why
        return False

    world.until(complains)
    swapped.close()


def test_a_converter_that_vanishes_is_missing_and_works_again_when_it_is_back(
    world: RealWorld, root: Path, pilot: PwmIioPilot
) -> None:
    pilot.read()
    pilot.close()  # as after a failed reading: the kernel answers ENODEV on a file that is still open
    link = root / "bus/iio/devices/iio:device0"
    target = link.readlink()
    link.unlink()
    for _ in range(3):
        with pytest.raises(DeviceMissing, match="no 'mcp3208'"):
            pilot.read()
    link.with_name("iio:device5").symlink_to(target)
    reads(world, pilot, 12, 12)


def test_a_pwm_that_is_not_there_is_named(world: RealWorld, root: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"no '48302200.pwm' in .*pwmchip2 on 1f00098000.pwm"):
        PwmIioPilot(pilot_settings(root, pwm="48302200.pwm"), world.slot("pilot"))


def test_closing_gives_the_files_back_and_leaves_the_pilot_as_it_is(world: RealWorld, root: Path) -> None:
    PwmIioPilot(pilot_settings(root), world.slot("pilot")).close()  # the channel is exported, and stays so
    before = descriptors()
    pilot = PwmIioPilot(pilot_settings(root), world.slot("pilot"))
    assert isinstance(pilot.read(), PilotReading)
    pilot.close()
    pilot.close()
    assert descriptors() == before
    assert pwm_of(root) == "1000000"


def test_a_second_process_takes_the_channel_over(world: RealWorld, root: Path, pilot: PwmIioPilot) -> None:
    pilot.set(PilotMode.PWM, 20.0)
    reads(world, pilot, 12, -12)
    another = PwmIioPilot(pilot_settings(root), world.slot("pilot"))
    reads(world, another, 12, 12)
    another.close()


# ---- the board file ----


def facts(**values: object) -> EvseFacts:
    return msgspec.structs.replace(EvseFacts(max_amps=32, phases=3), **values)


@pytest.mark.parametrize("deadman", [RelayDeadman.HARDWARE, RelayDeadman.SIMULATED])
def test_a_board_whose_watchdog_ends_the_pilot_is_taken(tmp_path: Path, deadman: RelayDeadman) -> None:
    pilot_settings(tmp_path).check(facts(relay_deadman=deadman))


@pytest.mark.parametrize("deadman", [RelayDeadman.MCU, RelayDeadman.NONE])
def test_a_board_without_a_dead_man_for_the_pilot_is_refused(tmp_path: Path, deadman: RelayDeadman) -> None:
    with pytest.raises(BoardError, match=f"keeps its last duty when Linux dies, and relay_deadman is '{deadman}'; it"):
        pilot_settings(tmp_path).check(facts(relay_deadman=deadman))


def test_a_calibration_of_one_point_is_refused(tmp_path: Path) -> None:
    point = Point(2048, 0.0)
    settings = msgspec.structs.replace(pilot_settings(tmp_path), low_points=(point, Point(2048, 12.0)))
    with pytest.raises(BoardError, match="low_points: both points are the same; measure two levels far apart"):
        settings.check(facts())


def test_two_detectors_on_one_channel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="low_channel: both peaks on one channel"):
        pilot_settings(tmp_path, high_channel=1).check(facts())


def test_the_channels_are_claimed(tmp_path: Path) -> None:
    settings: Settings = pilot_settings(tmp_path)
    assert settings.claims() == (
        f"{tmp_path}: channel 0 of pwm 1f00098000.pwm",
        f"{tmp_path}: channel 0 of adc mcp3208",
        f"{tmp_path}: channel 1 of adc mcp3208",
    )


def test_only_the_kernels_own_pwm_is_written_in_sys(tmp_path: Path) -> None:
    assert pilot_settings(Path("/sys")).writes() == ("/sys/devices/platform",)
    assert pilot_settings(tmp_path).writes() == ()


def test_a_stage_without_minus_12_v_has_no_state_f_and_wakes_nobody_by_it(tmp_path: Path) -> None:
    without = pilot_settings(tmp_path, state_f=False).amend(facts(wake_up=WakeUp.STATE_F))
    assert (without.has_state_f, without.wake_up) == (False, WakeUp.INTERRUPT)
    assert pilot_settings(tmp_path, state_f=False).amend(facts(wake_up=WakeUp.OFF)).wake_up is WakeUp.OFF
    whole = pilot_settings(tmp_path).amend(facts(wake_up=WakeUp.STATE_F))
    assert (whole.has_state_f, whole.wake_up) == (True, WakeUp.STATE_F)
