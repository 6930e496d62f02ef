"""A folder that looks like the kernel's /sys, with the plant behind it: a PWM, an ADC, and temperature sensors.

Files of a disk cannot call anybody when they are read, so a thread goes round every few milliseconds: what was written
to the PWM drives the plant's pilot, what the plant measures is written to the files of the sensors, each in one write
of a fixed width, so that a file which somebody keeps open never holds half a number.

The converter is one of 12 bits, `mcp3208` on `spi0.0`: channels 0 and 1 are the peak detectors of the pilot (2048 is
0 V, 128 steps a volt), 2 the proximity contact (pull-up 330 ohm), 3 an NTC in the enclosure (10 kOhm, beta 3950,
pull-up 10 kOhm), 4 a PT1000 in the plug (pull-up 1 kOhm). Besides there are an `lm75` on `1-0048` and a DS18B20 in the
enclosure, and the PWM `1f00098000.pwm` with two channels.
"""

import math
import os
import shutil
import threading
from pathlib import Path

from hal.iec61851 import NO_CABLE_OHMS
from hal.sim.plant import PlantEvse
from hal.sim.settings import PlantPeer
from hal.types import PilotMode

ROUND_S = 0.004
SLOW_ROUNDS = 25
"""Temperatures are written ten times a second, which is often for what takes minutes."""

RAW_AT_REFERENCE = 4095
RAW_AT_ZERO_VOLTS, RAW_PER_VOLT = 2048, 128
PROXIMITY_PULLUP_OHMS = 330.0
NTC_OHMS, NTC_BETA, NTC_PULLUP_OHMS = 10_000.0, 3950.0, 10_000.0
PLATINUM_OHMS, PLATINUM_PULLUP_OHMS = 1000.0, 1000.0
CHANNELS = 2
HERTZ = (980.0, 1020.0)
"""A vehicle takes no other oscillator for one (IEC 61851-1 table A.2)."""

LONGEST_TEXT_BYTES = 32
ATTRIBUTES = ("period", "duty_cycle", "enable", "polarity")
PWM = "devices/platform/1f00098000.pwm"
CHIP = f"{PWM}/pwm/pwmchip2"
ADC = "devices/platform/soc/spi0/spi0.0/iio:device0"
CHIP_SENSOR = "devices/platform/soc/i2c1/1-0048/hwmon/hwmon1"
W1_SENSOR = "devices/w1_bus_master1/28-0316a2795aff"


class SysfsPeer:
    """The folder of one EVSE, until it is closed."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path) -> None:
        self._evse = evse
        self._root = path
        shutil.rmtree(path, ignore_errors=True)
        self._sensors = _lay_out(path)
        self._wishes = {name: os.open(path / CHIP / name, os.O_RDWR | os.O_CLOEXEC) for name in ("export", "unexport")}
        self._pwm = b""
        self._channel: list[int] = []
        self._rounds = 0
        self._stopping = threading.Event()
        self._go_round()
        self._thread = threading.Thread(target=self._run, name=f"sysfs-{evse.evse_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and take the folder away."""
        self._stopping.set()
        self._thread.join()
        self._let_go("0")
        for fd in self._wishes.values():
            os.close(fd)
        for sensor in self._sensors.values():
            sensor.close()
        shutil.rmtree(self._root, ignore_errors=True)

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_S):
            self._go_round()

    def _go_round(self) -> None:
        self._obey_export()
        written = self._written()
        with self._evse.plant.lock:
            now_mono = self._evse.catch_up()
            if written != self._pwm:
                self._pwm = written
                self._evse.drive_pilot(*pilot_of(written.decode("ascii", "replace")))
            values = measured(self._evse, now_mono)
            if self._rounds % SLOW_ROUNDS == 0:
                values |= measured_slowly(self._evse, now_mono)
        self._rounds += 1
        for name, value in values.items():
            self._sensors[name].show(value)

    def _obey_export(self) -> None:
        for name, fd in self._wishes.items():
            asked = os.pread(fd, LONGEST_TEXT_BYTES, 0).decode("ascii", "replace").strip()
            if not asked:
                continue
            os.ftruncate(fd, 0)
            folder = self._root / CHIP / f"pwm{asked}"
            if name == "unexport":
                shutil.rmtree(folder, ignore_errors=True)
                self._let_go(asked)
            elif asked in {str(channel) for channel in range(CHANNELS)} and not folder.is_dir():
                _make_channel(folder)
                if asked == "0":
                    self._channel = [os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC) for name in ATTRIBUTES]

    def _let_go(self, channel: str) -> None:
        if channel == "0":
            for fd in self._channel:
                os.close(fd)
            self._channel = []

    def _written(self) -> bytes:
        """Period, duty, enable and polarity of channel 0 in one text; empty while it is not exported."""
        texts = [os.pread(fd, LONGEST_TEXT_BYTES, 0) for fd in self._channel]
        return b" ".join(texts) if all(texts) else self._pwm  # a file is empty for an instant while it is written


class Sensor:
    """A file of one number, written in place whenever the number changes."""

    def __init__(self, path: Path) -> None:
        path.write_text(f"{0:7d}\n")
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._shown = 0

    def show(self, value: float) -> None:
        """Let the file hold the value, rounded to a whole number."""
        whole = round(value)
        if whole != self._shown:
            os.pwrite(self._fd, f"{whole:7d}\n".encode(), 0)
            self._shown = whole

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)


def pilot_of(written: str) -> tuple[PilotMode, float]:
    """What the stage makes of a PWM channel (`period duty enable polarity`): low is -12 V, high is +12 V."""
    if not written:
        return PilotMode.STEADY_LOW, 0.0
    period_ns, duty_ns, enabled, polarity = written.split()
    period, duty = _whole(period_ns), _whole(duty_ns)
    if enabled != "1" or not 0 < period >= duty:
        return PilotMode.STEADY_LOW, 0.0
    fraction = duty / period if polarity == "normal" else 1 - duty / period
    if fraction in {0.0, 1.0}:
        return (PilotMode.STEADY_HIGH, 100.0) if fraction else (PilotMode.STEADY_LOW, 0.0)
    in_tune = HERTZ[0] <= 1e9 / period <= HERTZ[1]
    return PilotMode.PWM, fraction * 100 if in_tune else 0.0


def measured(evse: PlantEvse, now_mono: float) -> dict[str, float]:
    """What the channels of pilot and proximity contact hold now. The caller holds the lock and has caught up."""
    high_volts, low_volts = evse.pilot_peaks(now_mono)
    return {
        "in_voltage0_raw": _raw(RAW_AT_ZERO_VOLTS + RAW_PER_VOLT * high_volts),
        "in_voltage1_raw": _raw(RAW_AT_ZERO_VOLTS + RAW_PER_VOLT * low_volts),
        "in_voltage2_raw": _divided(evse.cable_ohms(), PROXIMITY_PULLUP_OHMS),
    }


def measured_slowly(evse: PlantEvse, now_mono: float) -> dict[str, float]:
    """What the thermometers hold now. The caller holds the lock and has caught up."""
    celsius, plug_celsius = evse.celsius(now_mono), evse.plug_celsius(now_mono)
    return {
        "in_voltage3_raw": _divided(_ntc_ohms(celsius), NTC_PULLUP_OHMS),
        "in_voltage4_raw": _divided(_platinum_ohms(plug_celsius), PLATINUM_PULLUP_OHMS),
        "temp1_input": celsius * 1000,
        "temperature": celsius * 1000,
    }


def _raw(steps: float) -> float:
    return min(max(steps, 0), RAW_AT_REFERENCE)


def _divided(ohms: float, pullup_ohms: float) -> float:
    if ohms >= NO_CABLE_OHMS:
        return RAW_AT_REFERENCE
    return _raw(RAW_AT_REFERENCE * ohms / (ohms + pullup_ohms))


def _ntc_ohms(celsius: float) -> float:
    return NTC_OHMS * math.exp(NTC_BETA * (1 / (celsius + 273.15) - 1 / 298.15))


def _platinum_ohms(celsius: float) -> float:
    return PLATINUM_OHMS * (1 + 3.9083e-3 * celsius - 5.775e-7 * celsius**2)


def _lay_out(root: Path) -> dict[str, Sensor]:
    """All folders, links and files but those of exported channels; the sensors by the names of their files."""
    for folder, name in ((CHIP, ""), (ADC, "mcp3208"), (CHIP_SENSOR, "lm75"), (W1_SENSOR, "w1_slave_driver")):
        (root / folder).mkdir(parents=True)
        if name:
            (root / folder / "name").write_text(f"{name}\n")
    for link, target in (
        ("class/pwm/pwmchip2", CHIP),
        (f"{CHIP}/device", PWM),
        ("bus/iio/devices/iio:device0", ADC),
        ("class/hwmon/hwmon1", CHIP_SENSOR),
        ("bus/w1/devices/28-0316a2795aff", W1_SENSOR),
    ):
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(os.path.relpath(root / target, (root / link).parent))
    (root / CHIP / "npwm").write_text(f"{CHANNELS}\n")
    for name in ("export", "unexport"):
        (root / CHIP / name).write_text("")
    paths = [root / ADC / f"in_voltage{channel}_raw" for channel in range(5)]
    paths += [root / CHIP_SENSOR / "temp1_input", root / W1_SENSOR / "temperature"]
    return {path.name: Sensor(path) for path in paths}


def _make_channel(folder: Path) -> None:
    """As the kernel shows a channel that was just exported; the folder appears whole."""
    half = folder.with_name(f".{folder.name}")
    half.mkdir()
    for name, text in zip(ATTRIBUTES, ("0", "0", "0", "normal"), strict=True):
        (half / name).write_text(f"{text}\n")
    half.rename(folder)


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else -1
