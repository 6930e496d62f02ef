"""An OpenEVSE controller of the plant: its own small state machine, and RAPI on a pseudo-terminal.

It does what firmware 8.2 does where a driver can tell: it decides by itself when to close, is blind while it tests its
residual current sensor, forgets faults when the vehicle goes, answers with checksums and tells news unasked. It shares
no code with the driver, so the two check each other.
"""

from collections.abc import Callable
from pathlib import Path

from hal.sim.faults import Fault
from hal.sim.plant import PlantEvse
from hal.sim.serial_peer import WATCHDOG_S, SerialPeer
from hal.sim.settings import PlantPeer
from hal.types import PilotMode

FIRMWARE, PROTOCOL = "8.2.3", "5.2.1"

STARTING, A, B, C, VENT, DIODE, GFCI, NO_GROUND, STUCK, SELF_TEST, TOO_HOT, TOO_MUCH = range(12)
MEMORY_FAULT = 0x11
SLEEPING, DISABLED = 0xFE, 0xFF

HARD_FAULT, LIMIT_SLEEP, CHARGING, EV_CONNECTED = 0x0002, 0x0004, 0x0040, 0x0100
TIME_LIMIT, BOOT_LOCK = 0x0010, 0x4000
CHANGES_TOLD = HARD_FAULT | EV_CONNECTED | TIME_LIMIT
"""Of the flags only these are news; that the relay moved is not."""

L2, AUTO_SERVICE_OFF = 0x0001, 0x0020
CHECK_BITS = {"D": 0x0002, "V": 0x0004, "G": 0x0008, "R": 0x0010, "F": 0x0200, "T": 0x0400}
GFI_TEST_OFF = CHECK_BITS["F"]

BUFFER_BYTES = 32
MOST_WORDS = 10
BOOT_S = 0.3
SELF_TEST_S = 1.1
"""Before each closing the sensor is tested and given a second to settle; the main loop stands still meanwhile."""

DEBOUNCE_S = 0.25
DEBOUNCE_A_S = 0.025
GROUND_CHECK_S = 1.0
STUCK_S = 1.0
SLEEP_OPEN_S = 3.0
OVER_CURRENT_S, OVER_CURRENT_AMPS = 5.0, 5.0
PANIC_CELSIUS = 71.0
LEAST_AMPS = 6
NEVER_MISSED, ACKNOWLEDGED, MISSED = range(3)
ACKNOWLEDGE = 165


class RapiPeer(SerialPeer):
    """The controller of one EVSE behind its port."""

    def __init__(self, evse: PlantEvse, peer: PlantPeer, path: Path) -> None:
        self.controller = OpenEvse(evse, self.say)
        super().__init__(evse, path, self.controller)


class OpenEvse:
    """The firmware. What outlives a reset is its EEPROM: `flags`, `most_amps` and the heartbeat.

    `lacks`: commands that this build does not have. `protocol`: the version it says it speaks. `self_test_s`: how long
    it answers nobody before it closes.
    """

    def __init__(self, evse: PlantEvse, say: Callable[[bytes], None]) -> None:
        self.evse = evse
        self.flags = L2 | AUTO_SERVICE_OFF
        self.most_amps = int(evse.facts.max_amps)
        self.heartbeat_s = 0
        self.fallback_amps = 0
        self.lacks: frozenset[str] = frozenset()
        self.protocol = PROTOCOL
        self.self_test_s = SELF_TEST_S
        self._say = say

    # ---- its life ----

    def power_on(self, now_mono: float) -> None:
        """Relay off, +12 V, locked until the host says so."""
        self.state = STARTING
        self.amps = self.most_amps
        self.vflags = BOOT_LOCK
        self.beat_missed = NEVER_MISSED
        self._beat_mono = self._now_mono = now_mono
        self._boot_until_mono: float | None = now_mono + BOOT_S
        self._testing_until_mono: float | None = None
        self._seen, self._seen_mono = STARTING, now_mono
        self._closed_mono = self._opened_mono = now_mono
        self._sleep_mono = now_mono
        self._over_mono: float | None = None
        self._elapsed_s = 0.0
        self.limit_s = 0
        self._told: tuple[int, ...] = ()
        self._buffer = b""
        self._mode = PilotMode.STEADY_HIGH
        self._drive(PilotMode.STEADY_HIGH)
        self.evse.hold_coil(False, now_mono, 0.0)

    def tick(self, now_mono: float) -> bool:
        """One round of its main loop."""
        elapsed_s, self._now_mono = now_mono - self._now_mono, now_mono
        if self._boot_until_mono is not None:
            if now_mono < self._boot_until_mono:
                return False
            self._boot_until_mono = None
            self._send(f"AB {self.state:02x} {FIRMWARE}")
        if self._testing_until_mono is not None:
            if now_mono < self._testing_until_mono:
                return False
            self._end_self_test(now_mono)
        if self.vflags & CHARGING:
            self._elapsed_s += elapsed_s
            self.evse.hold_coil(True, now_mono, WATCHDOG_S)
        self._check_heartbeat(now_mono)
        if not self.vflags & BOOT_LOCK and self.state != DISABLED:
            self._update(now_mono)
        self._tell_changes()
        return self._testing_until_mono is None

    def _update(self, now_mono: float) -> None:
        high, low = self.evse.pilot_peaks(now_mono)
        was_connected = bool(self.vflags & EV_CONNECTED)
        self._flag(EV_CONNECTED, high < 10.5)
        if high >= 10.5 and was_connected:
            self._elapsed_s = 0.0
        if self.state == SLEEPING:
            self._update_asleep(high, now_mono)
        elif self.vflags & HARD_FAULT or self.state in (GFCI, NO_GROUND):
            self._wait_for_unplugging()
        elif not self._check_faults(now_mono):
            self._follow(self._look(high, low), now_mono)
            self._check_current_and_time(now_mono)

    def _update_asleep(self, high: float, now_mono: float) -> None:
        """It gives the vehicle 3 s to stop by itself, then opens anyway."""
        if self.vflags & CHARGING:
            idle = self.evse.meter_values(now_mono).amps[0] <= 1.0
            if high >= 7.5 or idle or now_mono - self._sleep_mono >= SLEEP_OPEN_S:
                self._open(now_mono)
        elif self.vflags & LIMIT_SLEEP and not self.vflags & EV_CONNECTED:
            self._flag(LIMIT_SLEEP, False)
            self.state = STARTING

    def _wait_for_unplugging(self) -> None:
        """A fault is over when the vehicle has gone and its cause too; a stuck relay only when the power was off."""
        causes = {Fault.TRIP_RCD, Fault.CONTROLLER_FAULT} & self.evse.faults.keys()
        if self.state == STUCK or self.vflags & EV_CONNECTED or causes:
            return
        self._flag(HARD_FAULT, False)
        self.state = STARTING
        self._drive(PilotMode.STEADY_HIGH)

    def _check_faults(self, now_mono: float) -> bool:
        """Whether one was found."""
        faults = self.evse.faults
        dead = not self.evse.contacts_closed or not self.evse.meter_values(now_mono).volts[0]
        dead |= Fault.NO_GROUND in faults
        if Fault.TRIP_RCD in faults:
            soon = bool(self.vflags & CHARGING) and now_mono - self._closed_mono <= 2.0
            self._fail(GFCI, now_mono, hard=soon)
        elif self.vflags & CHARGING and now_mono - self._closed_mono > GROUND_CHECK_S and dead:
            # With the relay closed it wants to see voltage against earth; a relay that did not close looks the same.
            self._fail(NO_GROUND, now_mono, hard=False)
        elif self._is_stuck(now_mono):
            self._fail(STUCK, now_mono)
        elif self.evse.celsius(now_mono) >= PANIC_CELSIUS:
            self._fail(TOO_HOT, now_mono)
        elif Fault.CONTROLLER_FAULT in faults:
            self._fail(MEMORY_FAULT, now_mono)
        else:
            return False
        return True

    def _is_stuck(self, now_mono: float) -> bool:
        if self.vflags & CHARGING or not self.evse.contacts_closed:
            return False
        return now_mono - self._opened_mono > STUCK_S

    def _look(self, high: float, low: float) -> int:
        if self._mode is PilotMode.PWM and low >= -10.0:
            return DIODE
        if high >= 10.5:
            return A
        if high >= 7.5:
            return B
        if high >= 4.5:
            return C if self._mode is PilotMode.PWM else B
        return VENT if high > 1.5 else STARTING

    def _follow(self, seen: int, now_mono: float) -> None:
        """Believe what has lasted: 25 ms for a vehicle that went, 250 ms for anything else."""
        if seen == self.state:
            self._seen = seen
        elif seen != self._seen:
            self._seen, self._seen_mono = seen, now_mono
        elif now_mono - self._seen_mono >= (DEBOUNCE_A_S if seen == A else DEBOUNCE_S):
            self._enter(seen, now_mono)

    def _enter(self, state: int, now_mono: float) -> None:
        self.state = state
        if state == A:
            self._open(now_mono)
            self._drive(PilotMode.STEADY_HIGH)
            self._set_limit(0)
        elif state == B:
            self._open(now_mono)
            self._drive(PilotMode.PWM)
        elif state == C:
            self._drive(PilotMode.PWM)
            if self.flags & GFI_TEST_OFF:
                self._close(now_mono)
            else:
                self._testing_until_mono = now_mono + self.self_test_s
        elif state in (DIODE, VENT):
            self._fail(state, now_mono)
        else:
            self._open(now_mono)
            self._drive(PilotMode.STEADY_HIGH)

    def _end_self_test(self, now_mono: float) -> None:
        self._testing_until_mono = None
        if Fault.RCD_TEST_FAILS in self.evse.faults:
            self._fail(SELF_TEST, now_mono)
        else:
            self._close(now_mono)

    def _check_current_and_time(self, now_mono: float) -> None:
        if not self.vflags & CHARGING:
            self._over_mono = None
            return
        if self.evse.meter_values(now_mono).amps[0] < self.amps + OVER_CURRENT_AMPS:
            self._over_mono = None
        else:
            self._over_mono = self._over_mono or now_mono
            if now_mono - self._over_mono >= OVER_CURRENT_S:
                self._fail(TOO_MUCH, now_mono)
        if self.limit_s and self._elapsed_s >= self.limit_s:
            self._set_limit(0)
            self._flag(LIMIT_SLEEP, True)
            self._sleep(now_mono)

    def _check_heartbeat(self, now_mono: float) -> None:
        late = now_mono - self._beat_mono > self.heartbeat_s or Fault.MISS_HEARTBEAT in self.evse.faults
        if self.heartbeat_s and late:
            self.beat_missed = MISSED
            self._beat_mono = now_mono
            if self.fallback_amps < self.amps:
                self._set_amps(self.fallback_amps)

    # ---- what it drives ----

    def _fail(self, state: int, now_mono: float, hard: bool = True) -> None:
        self.state = state
        self._open(now_mono)
        self._drive(PilotMode.STEADY_HIGH)
        self._flag(HARD_FAULT, hard)

    def _close(self, now_mono: float) -> None:
        self._closed_mono = now_mono
        self._flag(CHARGING, True)
        self.evse.hold_coil(True, now_mono, WATCHDOG_S)

    def _open(self, now_mono: float) -> None:
        if self.vflags & CHARGING:
            self._opened_mono = now_mono
        self._flag(CHARGING, False)
        self.evse.hold_coil(False, now_mono, 0.0)

    def _sleep(self, now_mono: float) -> None:
        if self.state != SLEEPING:
            self.state = SLEEPING
            self._sleep_mono = now_mono
            self._drive(PilotMode.STEADY_HIGH)

    def _disable(self, now_mono: float) -> None:
        self.state = DISABLED
        self._drive(PilotMode.STEADY_LOW)
        self._open(now_mono)

    def _enable(self) -> None:
        if self.state in (SLEEPING, DISABLED):
            self._flag(LIMIT_SLEEP, False)
            self.state = self._seen = STARTING
            self._drive(PilotMode.STEADY_HIGH)

    def _set_amps(self, amps: int) -> bool:
        """Clamped to what it may offer; whether it is just what was asked for."""
        self.amps = min(max(amps, LEAST_AMPS), self.most_amps)
        if self._mode is PilotMode.PWM:
            self._drive(PilotMode.PWM)
        return self.amps == amps

    def _drive(self, mode: PilotMode) -> None:
        self._mode = mode
        duty_percent = self.amps / 0.6 if self.amps <= 51 else self.amps / 2.5 + 64
        self.evse.drive_pilot(mode, duty_percent if mode is PilotMode.PWM else 100.0)

    def _set_limit(self, quarters: int) -> None:
        self.limit_s = quarters * 900
        self._flag(TIME_LIMIT, bool(quarters))

    def _flag(self, flag: int, value: bool) -> None:
        self.vflags = self.vflags | flag if value else self.vflags & ~flag

    # ---- RAPI ----

    def hear(self, data: bytes, now_mono: float) -> None:
        """Byte by byte: `$` begins anew, what is longer than the buffer is dropped."""
        for byte in data:
            char = bytes((byte,))
            if char == b"$":
                self._buffer = char
            elif char == b"\r" and self._buffer:
                line, self._buffer = self._buffer, b""
                self._obey(line.decode("ascii", "replace"), now_mono)
            elif self._buffer:
                self._buffer += char
                if len(self._buffer) >= BUFFER_BYTES:
                    self._buffer = b""
        self._tell_changes()

    def _obey(self, line: str, now_mono: float) -> None:
        body, mark, digits = line.partition("^")
        if mark and digits.upper() != f"{_xor(body):02X}":
            self._send("NK")
            return
        words = body[1:].split(" ")
        sequence = f" {words.pop()}" if len(words) > 1 and words[-1].startswith(":") else ""
        answer = None if len(words) > MOST_WORDS else self._answer(words[0], words[1:], now_mono)
        self._send(f"{'NK' if answer is None else answer}{sequence}")

    def _answer(self, command: str, words: list[str], now_mono: float) -> str | None:
        """`OK ...` or `NK ...`; None for a command that it does not have, or has differently."""
        if command in self.lacks:
            return None
        if command.startswith("G"):
            return self._answer_get(command, now_mono)
        match [command, *words]:
            case ["FE"]:
                self._enable()
            case ["FS"]:
                self._sleep(now_mono)
            case ["FD"]:
                self._disable(now_mono)
            case ["FR"]:
                self.power_on(now_mono)
            case ["FF", check, "0" | "1" as on] if check in CHECK_BITS:
                self.flags = self.flags & ~CHECK_BITS[check] if on == "1" else self.flags | CHECK_BITS[check]
            case ["SB"]:
                self._flag(BOOT_LOCK, False)
                return "OK 0"
            case ["SC", amps] | ["SC", amps, "V"] if amps.isdigit():
                return f"{'OK' if self._set_amps(int(amps)) else 'NK'} {self.amps}"
            case ["S3", quarters] if quarters.isdigit() and self.state in (B, C):
                self._set_limit(int(quarters))
            case ["SY", *rest] if len(rest) <= 2 and all(word.isdigit() for word in rest):
                return self._answer_heartbeat([int(word) for word in rest], now_mono)
            case _:
                return None
        return "OK"

    def _answer_get(self, command: str, now_mono: float) -> str | None:
        match command:
            case "GS":
                return f"OK {self.state:02x} {self._elapsed_s:.0f} {self.state:02x} {self.vflags:04x}"
            case "G3":
                return f"OK {self.limit_s // 900}"
            case "GC":
                return f"OK {LEAST_AMPS} {self.most_amps} {self.amps} {self.most_amps}"
            case "GE":
                return f"OK {self.amps} {self.flags:04x}"
            case "GV":
                return f"OK {FIRMWARE} {self.protocol}"
            case "GG":
                return f"OK {self.evse.meter_values(now_mono).amps[0] * 1000:.0f} 240000"
            case "GP":
                return f"OK {self.evse.celsius(now_mono) * 10:.0f} -2560 -2560"
            case "GY":
                return f"OK {self.heartbeat_s} {self.fallback_amps} {self.beat_missed}"
            case _:
                return None

    def _answer_heartbeat(self, numbers: list[int], now_mono: float) -> str:
        good = True
        if len(numbers) == 2:
            self.heartbeat_s, self.fallback_amps = numbers
            self.beat_missed = NEVER_MISSED
            self._beat_mono = now_mono
        elif numbers:
            good = numbers == [ACKNOWLEDGE]
            if good and self.beat_missed == MISSED:
                self.beat_missed = ACKNOWLEDGED
                self._set_amps(self.most_amps)
        else:
            good = self.beat_missed != MISSED
            self._beat_mono = now_mono
        return f"{'OK' if good else 'NK'} {self.heartbeat_s} {self.fallback_amps} {self.beat_missed}"

    def _tell_changes(self) -> None:
        now = (self.state, self.amps, self.vflags & CHANGES_TOLD)
        if now != self._told and self._boot_until_mono is None and self.state != STARTING:
            self._told = now
            self._send(f"AT {self.state:02x} {self.state:02x} {self.amps} {self.vflags:04x}")

    def _send(self, text: str) -> None:
        body = f"${text}"
        self._say(f"{body}^{_xor(body):02X}\r".encode("ascii"))


def _xor(text: str) -> int:
    value = 0
    for byte in text.encode("ascii", "replace"):
        value ^= byte
    return value
