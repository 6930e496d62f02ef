"""The thread that talks to one EVSE module: told at once what has changed, asked how it is as often as it can bear.

The control loop leaves its wishes here and takes what was seen last. An offer is a permission, since the module closes
by itself; it ends when the loop has not called for a second, when the lease of the contactor was not renewed, and when
the process ends in order. Against a process that is killed only the board helps: the module itself goes on.
"""

import contextlib
import math
import threading
from collections.abc import Callable

from hal.drivers.evse_modules import Module, Seen, Wish
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError

PACE_S = 0.1
"""Between two rounds; with the silence before each request a round takes about a quarter of a second at 9600 baud."""

STALE_S = 1.5
"""What was seen longer ago is not told any more: two rounds may be lost to a meter that is silent on the same line."""

LOOP_ALIVE_S = 1.0
"""A control loop that has not called for this long hangs: what it offered has lapsed."""

REPEAT_S = 1.0
"""What is wanted is said again this often, for a module that was restarted."""

OBEY_S = 3.0
"""How long a module may offer more than it was told last."""

OBEY_AMPS = 0.5
BEGIN_TRIES = 3
FORGET_S = 2.0
"""After silence of this length another module may be there: it is looked at anew."""

STOP_BOUND_S = 3.0
"""How long `leave` waits for the last words; the thread is a daemon and keeps no process alive."""

ASKING = frozenset("CD")
KINDS: tuple[type[HalError], ...] = (DeviceMissing, DeviceSilent, DeviceGarbled)


class ModuleLink:
    """Shared by the devices of one module. But for `start` and the last `leave` its methods return at once."""

    def __init__(
        self, device: str, module: Module, give_back: Callable[[], None], monotonic: Callable[[], float]
    ) -> None:
        self._device = device
        self._module = module
        self._give_back = give_back
        self._monotonic = monotonic
        self._users = 0
        # Written by the control loop only.
        self._offer_amps = 0.0
        self._permit_until_mono = -math.inf
        self._loop_mono = -math.inf
        # Written by the thread only.
        self._seen: tuple[Seen, float] | None = None
        self._error: HalError | None = None
        self._crash: Exception | None = None
        # The thread's own.
        self._ended_mono = -math.inf
        self._cut = False
        self._told: Wish | None = None
        self._told_mono = -math.inf
        self._works_mono = -math.inf
        self._obeys_mono = -math.inf
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"module {device}", daemon=True)

    @property
    def step_amps(self) -> float:
        """The module takes multiples of this."""
        return self._module.step_amps

    def start(self) -> None:
        """Get to know the module, put it to rest and begin to talk. Raises HalError when it is not there or not fit."""
        try:
            self._get_to_know()
        except HalError:
            self._give_back()
            raise
        self._thread.start()

    # ---- for the control loop ----

    def offer(self, amps: float) -> None:
        """Offer so much from now on; 0: nothing."""
        self._loop_mono = self._monotonic()
        if amps != self._offer_amps:
            self._offer_amps = amps
            self._wake.set()

    def permit(self, until_mono: float | None) -> None:
        """The contactor may be closed until then; None: it has to be open if it was permitted before."""
        self._loop_mono = now_mono = self._monotonic()
        if until_mono is not None:
            self._permit_until_mono = until_mono
        elif now_mono < self._permit_until_mono:
            self._permit_until_mono = now_mono
            self._wake.set()

    def look(self) -> tuple[Seen, float]:
        """What was seen last, and when. HalError when that is longer ago than STALE_S."""
        self._loop_mono = now_mono = self._monotonic()
        if self._crash is not None:
            raise RuntimeError(f"the link of {self._device} ended: {self._crash!r}") from self._crash
        seen, error = self._seen, self._error
        if seen is not None and now_mono - seen[1] <= STALE_S:
            return seen
        if error is not None:
            kind = next((kind for kind in KINDS if isinstance(error, kind)), HalError)
            raise kind(self._device, error.why)
        raise DeviceSilent(self._device, f"the module has not been seen for {STALE_S:g} s")

    def join(self) -> None:
        """One more device uses the link."""
        self._users += 1

    def leave(self) -> None:
        """A device is done with the link; the last one puts the module to rest and gives the line back."""
        self._users -= 1
        if self._users > 0:
            return
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_BOUND_S)
        self._give_back()

    # ---- the thread ----

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.wait(PACE_S)
                self._wake.clear()
                if not self._stopping:
                    self._go_round()
        except Exception as crash:  # noqa: BLE001  `look` raises it in the control loop: no link just vanishes
            self._crash = crash
        with contextlib.suppress(HalError):
            self._module.tell(Wish(0.0, cut=True))

    def _go_round(self) -> None:
        now_mono = self._monotonic()
        try:
            if now_mono - self._works_mono > FORGET_S:
                self._meet()
            self._talk(now_mono)
        except HalError as error:
            self._error = error
            self._told = None  # nothing said before is taken for known

    def _get_to_know(self) -> None:
        """A line that drops a frame or is not open yet is asked again; a refusal is one."""
        for left in reversed(range(BEGIN_TRIES)):
            try:
                self._meet()
                self._talk(self._monotonic())
            except KINDS:
                if not left:
                    raise
                self._wake.wait(PACE_S)
            else:
                return

    def _meet(self) -> None:
        """Put whoever is there to rest, fit or not, and see whether it is fit."""
        self._module.tell(Wish(0.0, cut=True))
        self._module.begin()

    def _talk(self, now_mono: float) -> None:
        wish = self._wish(now_mono)
        if wish != self._told or now_mono - self._told_mono >= REPEAT_S:
            self._told = None
            self._module.tell(wish)
            self._told, self._told_mono = wish, now_mono
        seen = self._module.look()
        at_mono = self._monotonic()
        self._check_obedience(seen, wish, at_mono)
        self._seen = (seen, at_mono)
        self._works_mono = at_mono
        self._error = None

    def _wish(self, now_mono: float) -> Wish:
        """What the module is to do now.

        A contactor that was permitted and is no longer opens at once, under an offer too, until the vehicle has stopped
        asking or the offer is over. Otherwise an offer goes on without a permission: the vehicle asks only then.
        """
        alive = now_mono - self._loop_mono < LOOP_ALIVE_S
        until_mono = self._permit_until_mono
        held = now_mono < until_mono
        offer_amps = self._offer_amps if alive else 0.0
        if not held and until_mono != self._ended_mono:  # it has ended since the last round, however short it was
            self._ended_mono = until_mono
            self._cut = True
        asks = self._seen is not None and self._seen[0].letter in ASKING
        if held or not offer_amps or not asks:
            self._cut = False
        amps = 0.0 if self._cut else self._module.step_amps * math.floor(offer_amps / self._module.step_amps + 1e-6)
        return Wish(amps, cut=amps == 0.0 and not held)

    def _check_obedience(self, seen: Seen, wish: Wish, at_mono: float) -> None:
        exceeds = seen.pwm is True if wish.amps == 0.0 else (seen.offered_amps or 0.0) > wish.amps + OBEY_AMPS
        if not exceeds:
            self._obeys_mono = at_mono
        elif at_mono - self._obeys_mono > OBEY_S:
            offers = f"{seen.offered_amps:g} A" if seen.offered_amps is not None else "current"
            raise DeviceGarbled(self._device, f"the module offers {offers}, it was told {wish.amps:g} A")
