"""One thread per slow device: read, stamp, keep the latest. The loop looks at a slot and never waits.

There are no locks: each slot has one writer (its thread) and holds an immutable value, so a reader sees the old one or
the new one and nothing in between. A device error is a value in the slot. These threads are scheduled like the loop
(SCHED_FIFO): one put behind busy processes while it holds the interpreter would stop the loop as well.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from chargerd.evse.types import MeterSession, SelfTest, SignFor, TokenSeen
from hal.interfaces import ResidualCurrent, SigningMeter, TokenReader
from hal.types import DeviceSwapped, HalError, MeterSample, SignedKind, SigningPhase

METER_PERIOD_S = 1.0
THERMOMETER_PERIOD_S = 5.0
WRITE_AGAIN_S = 60.0
LIMIT_PERIOD_S = 0.5
"""Half of the second that an external limit may take to the pilot."""

ON_CALL_PERIOD_S = 5.0
"""A thread that is called when there is something to do looks this often by itself."""

READER_PERIOD_S = 0.1
"""A reader's `read` may wait for a token by itself or answer at once (hal/interfaces.py); people notice 0.2 s."""

RETRY_S = 10.0
"""A meter that would not open a session is asked again after this long."""

MISSES_TO_STALE = 3
"""So many failures in a row and the last good value is no longer shown; its own age may condemn it earlier."""

MIN_BACK_OFF_S = 0.1
MAX_BACK_OFF_S = 4.0
"""A dead device is asked again after this long at most, so it is back in use soon after a repair."""

JOIN_BOUND_S = 1.0
"""How long a stop waits for a read in progress. The threads are daemons: one that hangs keeps no process alive."""

log = logging.getLogger("poll")

T = TypeVar("T")


class Polled(msgspec.Struct, frozen=True, gc=False):
    """How a slot fares. `error`: the last failure, empty while the device works; `misses`: failures in a row.

    `failing_since_mono`: when the present run of failures began. `reads`: good reads since start. `swapped`: what tells
    that another device answers in its place, empty while none does.
    """

    error: str = ""
    misses: int = 0
    failing_since_mono: float = 0.0
    reads: int = 0
    swapped: str = ""


class Poller(Generic[T]):
    """Calls `read` every `period_s`, and when it is called for, in a thread of its own; None from it means: nothing
    new, keep the latest.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], T | None],
        period_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.latest: T | None = None
        self.polled = Polled()
        self.crash: BaseException | None = None
        self._read = read
        self._period_s = period_s
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._called = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poll {name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def call(self) -> None:
        """Read now rather than when it is due."""
        self._called.set()

    @property
    def called(self) -> bool:
        """Whether a read was called for that has not begun yet."""
        return self._called.is_set()

    def ask_to_stop(self) -> None:
        """No further read begins."""
        self._stopping.set()
        self._called.set()

    def stop(self, bound_s: float = JOIN_BOUND_S) -> bool:
        """Stop and wait for the read in progress, `bound_s` at most. False: it hangs and is left behind."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(bound_s)
        return not self._thread.is_alive()

    def poll_once(self) -> float:
        """Read once into the slot; returns the seconds until the next read is due."""
        self._called.clear()
        try:
            value = self._read()
        except HalError as error:
            return self._on_failure(error)
        if value is not None:
            self.latest = value
        if self.polled.misses:
            log.warning("%s: works again after %d failures", self.name, self.polled.misses)
        self.polled = Polled(reads=self.polled.reads + 1)
        return self._period_s

    def _on_failure(self, error: HalError) -> float:
        old = self.polled
        misses = old.misses + 1
        since_mono = old.failing_since_mono if old.misses else self._monotonic()
        swapped = error.why if isinstance(error, DeviceSwapped) else ""
        self.polled = Polled(str(error), misses, since_mono, old.reads, swapped)
        if misses >= MISSES_TO_STALE:
            self.latest = None
        if misses == 1 or str(error) != old.error:
            log.warning("%s (failure %d in a row)", error, misses)
        return back_off_s(misses, self._period_s)

    def _run(self) -> None:
        try:
            due = self._monotonic()
            while not self._stopping.is_set():
                began = self._monotonic()
                wait_s = self.poll_once()
                # Counted from when it was due, so that the reading time does not stretch the period; never in the past.
                due = max(min(due, began) + wait_s, self._monotonic())
                if not self._stopping.is_set():  # a stop before this is seen here, one after it ends the wait
                    self._called.wait(max(0.0, due - self._monotonic()))
        except BaseException as crash:  # noqa: BLE001  the loop ends the process: no poller just vanishes
            self.crash = crash


class Presentations:
    """A token reader's `read` with each presentation numbered, so that the same card shown twice is seen twice."""

    def __init__(self, reader: TokenReader) -> None:
        self._reader = reader
        self._seq = 0

    def read(self) -> TokenSeen | None:
        """The token presented since the last call. Raises HalError."""
        token = self._reader.read()
        if token is None:
            return None
        self._seq += 1
        return TokenSeen(token, self._seq)


class Writer(Generic[T]):
    """Hands the latest wish to a slow device, from a thread of its own: the loop leaves it here and goes on.

    `apply` is called with every wish that differs from the one before, again after it failed, and once a minute, for
    a device that lost its power meanwhile or is another at night.
    """

    def __init__(
        self, name: str, apply: Callable[[T], None], first: T, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._apply = apply
        self._monotonic = monotonic
        self._wish = first
        self._applied: T | None = None
        self._applied_mono = 0.0
        self.poller: Poller[None] = Poller(name, self._pass_on, ON_CALL_PERIOD_S)

    def want(self, wish: T) -> None:
        """From now on."""
        if wish != self._wish:
            self._wish = wish
            self.poller.call()

    def _pass_on(self) -> None:
        wish = self._wish
        if wish != self._applied or self._monotonic() - self._applied_mono >= WRITE_AGAIN_S:
            self._applied = None
            self._apply(wish)
            self._applied, self._applied_mono = wish, self._monotonic()


class SelfTester:
    """Runs the residual monitor's own test, which takes up to a second, once for each new number; 0 asks for none.

    A device that does not answer has failed the test.
    """

    def __init__(self, residual: ResidualCurrent, name: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._residual = residual
        self._monotonic = monotonic
        self._wanted_seq = self._done_seq = 0
        self.poller = Poller(name, self._run, ON_CALL_PERIOD_S)

    def want(self, seq: int) -> None:
        """The test of this number, if it was not done yet."""
        if seq != self._wanted_seq:
            self._wanted_seq = seq
            self.poller.call()

    def _run(self) -> SelfTest | None:
        seq = self._wanted_seq
        if seq == self._done_seq:
            return None
        self._done_seq = seq
        try:
            passed = self._residual.self_test()
        except HalError:
            self.poller.latest = SelfTest(seq, False, self._monotonic())
            raise
        return SelfTest(seq, passed, self._monotonic())


def back_off_s(misses: int, period_s: float) -> float:
    """How long to wait after `misses` failures in a row: MIN_BACK_OFF_S, then twice as long each time, never above
    MAX_BACK_OFF_S or the period. One lost answer costs little: a meter is to be heard of every 3 s.
    """
    return min(MIN_BACK_OFF_S * 2.0 ** min(misses - 1, 10), max(MAX_BACK_OFF_S, period_s))


class MeterSessions:
    """A signing meter's `read`, which opens and closes the sessions that are wanted along with it.

    `session`: what there is to know of the latest one. A session that fails is tried again every RETRY_S, after an end:
    the meter may have one open from before a restart.
    """

    def __init__(
        self,
        meter: SigningMeter,
        monotonic: Callable[[], float] = time.monotonic,
        local_time: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self.session = MeterSession()
        self._meter = meter
        self._monotonic = monotonic
        self._local_time = local_time
        self._wanted: SignFor | None = None
        self._open: SignFor | None = None
        self._closing = False
        self._retry_mono = 0.0

    def want(self, sign_for: SignFor | None) -> None:
        """The session that is to be open; None: none."""
        self._wanted = sign_for

    def read(self) -> MeterSample:
        """One sample of the meter. Raises HalError."""
        sample = self._meter.read()
        try:
            self._drive()
        except HalError as error:
            self._fail(error.why)
        return sample

    def _drive(self) -> None:
        state = self._meter.signing()
        if state.phase is SigningPhase.FAILED and self.session.phase is not SigningPhase.FAILED:
            self._fail(state.why)
        self._look(state.phase)
        if state.phase in {SigningPhase.BEGINNING, SigningPhase.ENDING} or self._wanted == self._open:
            return
        if self._open is not None or self._closing:
            self._end()
        elif self._wanted is not None and self._monotonic() >= self._retry_mono:
            self._begin(self._wanted)

    def _begin(self, sign_for: SignFor) -> None:
        self._open = sign_for
        self.session = MeterSession(sign_for=sign_for, phase=SigningPhase.BEGINNING, public_key=self.session.public_key)
        self._meter.begin(sign_for.text, self._local_time())

    def _end(self) -> None:
        self._open, self._closing = None, False
        self._meter.end(self._local_time())
        self._look(SigningPhase.ENDING)

    def _look(self, phase: SigningPhase) -> None:
        """Take over what the meter says of the session that it was told to open last."""
        if self.session.sign_for is None or self.session.phase is SigningPhase.FAILED:
            return
        key = self.session.public_key
        if phase is SigningPhase.ACTIVE and self.session.phase is SigningPhase.BEGINNING and not key:
            with contextlib.suppress(HalError):  # it can be had from the meter's label as well
                key = self._meter.public_key()
        self.session = msgspec.structs.replace(
            self.session,
            phase=phase,
            public_key=key,
            begin=self._meter.signed(SignedKind.BEGIN),
            end=self._meter.signed(SignedKind.END),
        )

    def _fail(self, why: str) -> None:
        """What was asked for did not come; whatever the meter has open is closed before the next try."""
        log.warning("meter session: %s", why)
        self.session = msgspec.structs.replace(self.session, phase=SigningPhase.FAILED, why=why)
        self._closing = self._open is not None
        self._open = None
        self._retry_mono = self._monotonic() + RETRY_S
