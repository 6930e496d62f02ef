"""The conversation with one OpenEVSE controller: asked 20 times a second how it is, and told what is wanted of it.

The controller closes its contactor by itself for a vehicle that asks while current is offered, so an offer is a
permission. Three things end one that nobody renews: this thread, when the control loop has not called for a second; the
controller's heartbeat supervision, which falls back to a low current when this process is gone; and the controller's
time limit, which ends the charge (docs/adr/0051-co-processors-and-their-dead-men.md).
"""

import contextlib
import math
from collections.abc import Callable, Iterator

import msgspec

from hal.drivers.rapi import (
    AT_REST,
    BAUD,
    Condition,
    Flag,
    Lines,
    News,
    RapiGarbled,
    Reply,
    State,
    celsius_of,
    condition_in,
    condition_of,
    decimal,
    decode,
    encode,
    switched_off,
)
from hal.drivers.serial_link import Port, SerialLink
from hal.types import Alarm, DeviceGarbled, DeviceSilent, EvseFacts, HalError

POLL_S = 0.05
REPLY_S = 0.5
"""How long an answer may take before the command is said again."""

BURST_S = 0.1
"""How long after a damaged line an answer may still come, or further damage of the same disturbance."""

SILENT_S = 1.8
"""Before each closing the controller tests its residual current sensor and answers nobody for up to 1.5 s; silence that
lasts longer is a fault."""

STALE_S = 2.0
"""What it told is believed for as long, so that the fault has its name before the state is missed."""

MOST_DAMAGED = 3
"""So many damaged answers to one command, and the line is not fit for use."""

LOOP_ALIVE_S = 1.0
"""A control loop that has not called for this long hangs: what it offered has lapsed, and the heartbeat stops."""

CHECK_PERIOD_S = 1.0
TEMPERATURE_PERIOD_S = 5.0
TEMPERATURE_STALE_S = 15.0
SETTINGS_PERIOD_S = 5.0
REFUSED_RETRY_S = 1.0
WITHHELD_S = 5.0
"""After a cut or a restart an offer that still stands is not made again before this: a contactor needs its rest."""

ALARM_S = 2.0
"""A missed beat is shown this long: it is acknowledged at once, and somebody has to see it."""

WAKING_BOUND_S = 3.0
START_BOUND_S = 8.0

LIMIT_STEP_S = 900
"""The controller's time limit counts charging time in quarters of an hour."""

LIMIT_AHEAD_S = 300
"""The limit is moved on when less than this is left, so a charge without us ends after 5 to 20 minutes."""

MOST_LIMIT_STEPS = 255
ACKNOWLEDGE = 165
MISSED = "2"
OLDEST_PROTOCOL = (5, 1)


class Supervised(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller does when the heartbeat stops: after `heartbeat_s` it offers `fallback_amps` at most."""

    heartbeat_s: int
    fallback_amps: int


class RapiLink:
    """Shared by the devices of one controller. Its methods are for the control loop and return at once."""

    def __init__(
        self, device: str, port: str, facts: EvseFacts, supervised: Supervised, monotonic: Callable[[], float]
    ) -> None:
        self.link = SerialLink(device, port, BAUD, self)
        self.device = device
        self._facts = facts
        self._supervised = supervised
        self._monotonic = monotonic
        # Written by the control loop only, read by the thread.
        self._offer_amps = 0
        self._permit_until_mono: float | None = None
        self._loop_mono = -math.inf
        # Written by the thread only.
        self._condition: tuple[Condition, float] | None = None
        self._celsius: tuple[float | None, float] | None = None
        self._refusal: tuple[int, HalError] | None = None
        self._missed_mono = -math.inf
        # The thread's own.
        self._lines = Lines()
        self._sequence = 0
        self._armed = False
        self._restarted = False
        self._set_amps: int | None = None
        self._limit_steps: int | None = None
        self._held = False
        self._withheld_until_mono = -math.inf
        self._due_mono: dict[str, float] = {}
        self._refused_until_mono = -math.inf

    # ---- for the control loop ----

    @property
    def offers(self) -> bool:
        """Whether current is to be offered."""
        return self._offer_amps > 0

    def touch(self) -> None:
        """The control loop goes round. Not for what has a thread of its own: that goes on when the loop hangs."""
        self._loop_mono = self._monotonic()

    def offer(self, amps: int) -> None:
        """Offer so many amps from now on; 0: none. It lapses when the loop does not go round for LOOP_ALIVE_S.

        Raises what stands between us and the controller, and its refusal of just this current.
        """
        self.touch()
        if amps != self._offer_amps:
            self._offer_amps = amps
            self.link.wake()
        self.link.check()
        if self._refusal is not None and self._refusal[0] == amps:
            raise self._refusal[1]

    def permit(self, until_mono: float | None) -> None:
        """The contactor may stay closed until then; None: it has to be open.

        Does not tell of a lost link, as `condition` and `offer` do: the order is the first thing said when it is back.
        """
        self.touch()
        ends = until_mono is None and self._permit_until_mono is not None
        self._permit_until_mono = until_mono
        if ends:
            self.link.wake()

    def condition(self) -> tuple[Condition, float]:
        """How the controller was last, and when it said so. HalError when that is longer ago than STALE_S."""
        self.link.check()
        told = self._condition
        if told is None or self._monotonic() - told[1] > STALE_S:
            raise DeviceSilent(self.device, f"the controller has not told its state for {STALE_S:g} s")
        return told

    def alarms(self) -> tuple[Alarm, ...]:
        """What the link found besides: a beat that the controller missed."""
        return (Alarm.HEARTBEAT_MISSED,) if self._monotonic() - self._missed_mono < ALARM_S else ()

    def celsius(self) -> tuple[float, float]:
        """The warmest sensor and when it was read. HalError: none is fitted, or nothing fresh."""
        self.link.check()
        told = self._celsius
        if told is None or self._monotonic() - told[1] > TEMPERATURE_STALE_S:
            raise DeviceSilent(self.device, "the controller has told no temperature")
        if told[0] is None:
            raise HalError(self.device, "the controller has no temperature sensor; remove this device")
        return told[0], told[1]

    # ---- the conversation, in the link's thread ----

    def begin(self, port: Port) -> None:
        """Put the controller to rest, refuse it when its safety checks are off, arm its heartbeat, then unlock it."""
        self._condition = None
        self._set_amps = self._limit_steps = None
        self._held = False
        self._due_mono.clear()
        if self._armed:
            # Whatever went wrong with hearing it, it may still hear us: open at once, then +12 V.
            port.write(encode("FD") + encode("FS"))
            self._withheld_until_mono = self._monotonic() + WITHHELD_S
        port.read(0.001)
        self._lines.clear()
        with self._no_nonsense():
            condition = self._look(port)
            self._restarted = False  # news of a start that was told before the first answer is old
            self._put_to_rest(port, condition)
            self._check_version(self._must(port, "GV"))
            self._check_settings(port)
            self._check_capacity(port)
            self._check_time_limit(port)
            self._arm_heartbeat(port)
            if Flag.BOOT_LOCK in self._look(port).flags:
                self._must(port, "SB")
            self._wait_until_known(port)
            self._read_temperature(port)

    def turn(self, port: Port) -> None:
        """One twentieth of a second: what is wanted, what is due, how it is."""
        with self._no_nonsense():
            self._take_turn(port)

    def end(self, port: Port) -> None:
        """To rest."""
        with self._no_nonsense():
            self._put_to_rest(port, self._look(port))

    def _take_turn(self, port: Port) -> None:
        now_mono = self._monotonic()
        condition = self._look(port)
        if self._restarted or (Flag.BOOT_LOCK in condition.flags and not condition.faulted):
            raise DeviceSilent(self.device, "the controller has restarted")
        permit_until_mono = self._permit_until_mono
        held = permit_until_mono is not None and now_mono < permit_until_mono
        ended, self._held = self._held and not held, held
        # A permission that nobody renewed and nobody took back: whoever gave it hangs.
        amps = self._wanted_amps(now_mono) if permit_until_mono is None or held else 0
        if condition.closed and not held and (ended or amps == 0) and not condition.faulted:
            self._cut(port)
        else:
            self._steer(port, condition, amps, now_mono)
        self._do_what_is_due(port, now_mono)
        left_s = now_mono + POLL_S - self._monotonic()
        if left_s > 0:
            self._listen(port, left_s)

    def _wanted_amps(self, now_mono: float) -> int:
        return self._offer_amps if now_mono - self._loop_mono < LOOP_ALIVE_S else 0

    def _steer(self, port: Port, condition: Condition, amps: int, now_mono: float) -> None:
        if self._offer_amps == 0:
            self._withheld_until_mono = -math.inf
            self._refusal = None
        # A fault has opened the contactor already; to rest, the controller would no longer tell which it is.
        if condition.faulted:
            return
        if amps == 0 or now_mono < self._withheld_until_mono:
            if condition.state is not State.SLEEPING:
                self._must(port, "FS")
            return
        if now_mono < self._refused_until_mono:
            return
        refusal = self._set_current(port, amps) or self._keep_limit_ahead(port, condition)
        if refusal:
            self._refusal = (amps, HalError(self.device, refusal))
            self._refused_until_mono = now_mono + REFUSED_RETRY_S
            self._must(port, "FS")
        elif condition.state in AT_REST:
            self._must(port, "FE")

    def _set_current(self, port: Port, amps: int) -> str:
        """Why the controller does not offer just so much; empty when it does."""
        if amps == self._set_amps:
            return ""
        self._set_amps = None
        reply = self._ask(port, f"SC {amps} V")
        if not reply.ok or reply.words != (str(amps),):
            return f"the controller refuses {amps} A; it is set to {' '.join(reply.words) or 'nothing'}"
        self._set_amps = amps
        self._refusal = None
        return ""

    def _keep_limit_ahead(self, port: Port, condition: Condition) -> str:
        """Why the charge would have no end; empty when the controller's time limit is where it belongs."""
        if condition.state not in (State.B, State.C):
            self._limit_steps = None  # it goes with the vehicle
            return ""
        steps = ((condition.elapsed_s or 0) + LIMIT_AHEAD_S) // LIMIT_STEP_S + 1
        if steps == self._limit_steps:
            return ""
        if steps > MOST_LIMIT_STEPS:
            return "the charge is longer than the controller's time limit can be: 63 h"
        if self._ask(port, f"S3 {steps}").ok:
            self._limit_steps = steps
        elif self._look(port).state in (State.B, State.C):
            return "the controller takes no time limit, which ends a charge when nobody supervises it"
        return ""

    def _cut(self, port: Port) -> None:
        """Open under load: `FS` would wait up to 3 s for the vehicle."""
        self._withheld_until_mono = self._monotonic() + WITHHELD_S
        self._must(port, "FD")
        self._must(port, "FS")

    def _put_to_rest(self, port: Port, condition: Condition) -> None:
        if condition.faulted:
            return
        if condition.closed:
            self._cut(port)
        elif condition.state is not State.SLEEPING:
            self._must(port, "FS")

    # ---- what is due from time to time ----

    def _do_what_is_due(self, port: Port, now_mono: float) -> None:
        alive = now_mono - self._loop_mono < LOOP_ALIVE_S
        if alive and self._is_due("beat", self._supervised.heartbeat_s / 3, now_mono):
            self._beat(port)
        elif self._is_due("check", CHECK_PERIOD_S, now_mono):
            self._check_current(port)
        elif self._is_due("temperature", TEMPERATURE_PERIOD_S, now_mono):
            self._read_temperature(port)
        elif self._is_due("settings", SETTINGS_PERIOD_S, now_mono):
            self._check_settings(port)

    def _is_due(self, task: str, period_s: float, now_mono: float) -> bool:
        if now_mono < self._due_mono.setdefault(task, now_mono + period_s):
            return False
        self._due_mono[task] = now_mono + period_s
        return True

    def _beat(self, port: Port) -> None:
        reply = self._ask(port, "SY")
        if reply.ok:
            return
        # Acknowledged, the controller goes back to its highest current by itself: to rest first, then our own again.
        self._missed_mono = self._monotonic()
        if not self._look(port).faulted:
            self._must(port, "FS")
        self._must(port, f"SY {ACKNOWLEDGE}")
        self._set_amps = None

    def _check_current(self, port: Port) -> None:
        """It may have been changed at the controller's own menu, or lowered by its own supervision."""
        capacity = [decimal(word) for word in self._must(port, "GC")]
        if len(capacity) != 4 or capacity[2] != self._set_amps:
            self._set_amps = None

    def _read_temperature(self, port: Port) -> None:
        reply = self._ask(port, "GP")
        self._celsius = (celsius_of(reply.words) if reply.ok else None, self._monotonic())

    # ---- getting to know it ----

    def _check_version(self, words: tuple[str, ...]) -> None:
        if len(words) != 2:
            raise RapiGarbled(f"the version is told in {len(words)} words, expected 2")
        numbers = tuple(decimal(part) for part in words[1].split(".")[:2])
        if numbers < OLDEST_PROTOCOL:
            raise HalError(
                self.device, f"firmware {words[0]} speaks protocol {words[1]}; expected 5.1 or later, update it"
            )

    def _check_settings(self, port: Port) -> None:
        off = switched_off(self._must(port, "GE"), self._facts.ventilated)
        if off:
            raise HalError(self.device, f"safety checks are switched off: {', '.join(off)}; switch them on ($FF)")

    def _check_capacity(self, port: Port) -> None:
        capacity = [decimal(word) for word in self._must(port, "GC")]
        if len(capacity) != 4:
            raise RapiGarbled(f"the capacity is told in {len(capacity)} words, expected 4")
        if capacity[3] < self._facts.max_amps:
            raise HalError(
                self.device,
                f"the controller is set to at most {capacity[3]} A, the board file to {self._facts.max_amps:g} A; "
                "make them agree",
            )

    def _check_time_limit(self, port: Port) -> None:
        if not self._ask(port, "G3").ok:
            why = "the controller has no time limit, which ends a charge when nobody supervises it"
            raise HalError(self.device, f"{why}; its firmware needs TIME_LIMIT")

    def _arm_heartbeat(self, port: Port) -> None:
        wanted = (str(self._supervised.heartbeat_s), str(self._supervised.fallback_amps))
        before = self._ask(port, "GY")
        reply = self._ask(port, f"SY {' '.join(wanted)}")
        if not reply.ok or reply.words[:2] != wanted:
            raise HalError(
                self.device, "the controller has no heartbeat supervision; its firmware needs HEARTBEAT_SUPERVISION"
            )
        # Before the first arming there was nobody to miss.
        if self._armed and before.words[2:] == (MISSED,):
            self._missed_mono = self._monotonic()
        self._armed = True

    def _wait_until_known(self, port: Port) -> None:
        give_up_mono = self._monotonic() + WAKING_BOUND_S
        self._listen(port, POLL_S)
        while self._look(port).state is State.STARTING:
            if self._monotonic() > give_up_mono:
                raise DeviceSilent(self.device, f"the controller has been starting for {WAKING_BOUND_S:g} s")
            self._listen(port, POLL_S)

    # ---- one command, one answer ----

    def _look(self, port: Port) -> Condition:
        condition = condition_of(self._must(port, "GS"))
        self._condition = (condition, self._monotonic())
        return condition

    def _must(self, port: Port, command: str) -> tuple[str, ...]:
        """The words of the answer to a command that the controller has no reason to refuse."""
        reply = self._ask(port, command)
        if not reply.ok:
            raise DeviceGarbled(self.device, f"the controller refuses ${command}")
        return reply.words

    def _ask(self, port: Port, command: str) -> Reply:
        """The answer; said again after REPLY_S, since every command may be. DeviceSilent, DeviceGarbled."""
        give_up_mono = self._monotonic() + SILENT_S
        damaged: list[str] = []
        while self._monotonic() < give_up_mono and len(damaged) < MOST_DAMAGED:
            self._sequence = self._sequence % 255 + 1
            port.write(encode(command, self._sequence))
            try:
                reply = self._await_reply(port, self._sequence, give_up_mono)
            except RapiGarbled as error:
                damaged.append(str(error))
                continue
            if reply is not None:
                return reply
        if damaged or self._lines.half:
            why = damaged[-1] if damaged else f"{self._lines.half!r} is half a line"
            raise DeviceGarbled(self.device, why)
        raise DeviceSilent(self.device, f"no answer to ${command} within {SILENT_S:g} s")

    def _await_reply(self, port: Port, sequence: int, give_up_mono: float) -> Reply | None:
        """RapiGarbled when a damaged line came that may have been the answer, and no other within BURST_S. A
        disturbance damages several lines and counts once.
        """
        until_mono = min(self._monotonic() + REPLY_S, give_up_mono)
        damaged: RapiGarbled | None = None
        while (left_s := until_mono - self._monotonic()) > 0:
            try:
                reply = self._hear(port, left_s)
            except RapiGarbled as error:
                until_mono = min(until_mono, self._monotonic() + BURST_S)  # from the first one on
                damaged = error
                continue
            if reply is not None and reply.sequence == sequence:
                return reply
        if damaged is not None:
            raise damaged
        return None

    def _listen(self, port: Port, for_s: float) -> None:
        """Nothing is asked: damaged news will be told again by the next state."""
        with contextlib.suppress(RapiGarbled):
            self._hear(port, for_s)

    def _hear(self, port: Port, for_s: float) -> Reply | None:
        """Take in what comes; the last reply among it. RapiGarbled when a line was damaged."""
        reply = None
        garbled: RapiGarbled | None = None
        for line in self._lines.feed(port.read(for_s)):
            try:
                said = decode(line)
                if isinstance(said, Reply):
                    reply = said
                else:
                    self._take_news(said)
            except RapiGarbled as error:
                garbled = error
        if garbled is not None and reply is None:
            raise garbled
        return reply

    @contextlib.contextmanager
    def _no_nonsense(self) -> Iterator[None]:
        """An answer that means nothing is a device that garbles."""
        try:
            yield
        except RapiGarbled as error:
            raise DeviceGarbled(self.device, str(error)) from error

    def _take_news(self, news: News) -> None:
        if news.kind == "AB":
            self._restarted = True
        elif news.kind == "AT":
            condition = condition_in(news)
            elapsed_s = self._condition[0].elapsed_s if self._condition is not None else None
            self._condition = (msgspec.structs.replace(condition, elapsed_s=elapsed_s), self._monotonic())
