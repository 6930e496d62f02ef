import threading
from collections.abc import Callable, Iterator

import pytest

from hal.drivers.evse_module_link import LOOP_ALIVE_S, OBEY_S, REPEAT_S, STALE_S, ModuleLink
from hal.drivers.evse_modules import Seen, Wish
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError
from tests.hal.plants import RealWorld

NOTHING = Wish(0.0, cut=False)
CUT = Wish(0.0, cut=True)


class FakeModule:
    """A module that notes what it is told, and tells what a test says."""

    def __init__(self) -> None:
        self.step_amps = 1.0
        self.seen = Seen(letter="B")
        self.fails: HalError | None = None
        self.unfit: HalError | None = None
        self.told: list[Wish] = []
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1
        for error in (self.fails, self.unfit):
            if error is not None:
                raise error

    def tell(self, wish: Wish) -> None:
        if self.fails is not None:
            raise self.fails
        self.told.append(wish)

    def look(self) -> Seen:
        if self.fails is not None:
            raise self.fails
        return self.seen


class Bench(RealWorld):
    """A link to a fake module, and the loop's calls to it."""

    def __init__(self) -> None:
        super().__init__()
        self.module = FakeModule()
        self.given_back = 0
        self.link = ModuleLink("evse[0].pilot", self.module, self.give_back, self.monotonic)
        self.link.join()

    def give_back(self) -> None:
        self.given_back += 1

    def loop(self, seconds: float, amps: float, hold_s: float | None = None) -> None:
        """What a control loop does; `hold_s` None: the contactor is to be open."""
        end_mono = self.monotonic() + seconds
        while self.monotonic() < end_mono:
            self.link.offer(amps)
            self.link.permit(self.monotonic() + hold_s if hold_s is not None else None)
            self.wait(0.02)

    def told(self, wish: Wish) -> bool:
        return self.module.told[-1] == wish

    def fails_by(self, kind: type[HalError], bound_s: float = STALE_S + 1.0) -> HalError:
        """Wait until `look` fails so."""
        caught: list[HalError] = []

        def failed() -> bool:
            try:
                self.link.look()
            except kind as error:
                caught.append(error)
            return bool(caught)

        self.until(failed, bound_s)
        return caught[0]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    bench.link.start()
    yield bench
    bench.link.leave()


def test_it_begins_with_a_module_at_rest_and_looks_at_it(bench: Bench) -> None:
    assert bench.module.told[0] == CUT
    seen, at_mono = bench.link.look()
    assert seen.letter == "B"
    assert bench.monotonic() - at_mono < 0.5


def test_an_offer_gets_there_and_ends_there(bench: Bench) -> None:
    bench.loop(0.3, 13.0)
    assert bench.told(Wish(13.0, cut=False))
    bench.loop(0.3, 10.0)
    assert bench.told(Wish(10.0, cut=False))
    bench.loop(0.3, 0.0, hold_s=1.0)
    assert bench.told(NOTHING)  # a soft stop: the contactor may stay closed while the vehicle stops
    bench.loop(0.3, 0.0)
    assert bench.told(CUT)


@pytest.mark.parametrize("step, amps, told", [(1.0, 13.9, 13.0), (0.01, 13.996, 13.99), (0.1, 13.3, 13.3)])
def test_an_offer_is_rounded_down_to_the_step(bench: Bench, step: float, amps: float, told: float) -> None:
    bench.module.step_amps = step
    bench.loop(0.3, amps)
    assert bench.module.told[-1].amps == pytest.approx(told)


def test_only_the_latest_of_many_wishes_is_told(bench: Bench) -> None:
    before = len(bench.module.told)
    for amps in range(6, 32):
        bench.link.offer(float(amps))
    bench.until(lambda: bench.told(Wish(31.0, cut=False)))
    assert len(bench.module.told) - before < 10


def test_a_loop_that_hangs_ends_the_offer_within_its_bound(bench: Bench) -> None:
    bench.loop(0.3, 13.0)
    begin = bench.monotonic()
    bench.until(lambda: bench.told(CUT))
    assert LOOP_ALIVE_S - 0.1 < bench.monotonic() - begin < LOOP_ALIVE_S + 0.4


def test_a_lease_that_is_not_renewed_opens_under_the_offer_and_stays_open(bench: Bench) -> None:
    bench.module.seen = Seen(letter="C")
    bench.loop(0.3, 13.0, hold_s=0.5)
    begin = bench.monotonic()
    while not bench.told(CUT):
        bench.link.offer(13.0)  # the loop lives, and has forgotten the contactor
        bench.wait(0.02)
        assert bench.monotonic() - begin < 0.9
    bench.until(lambda: bench.link.look()[0].letter == "C")
    for _ in range(20):
        bench.link.offer(13.0)
        bench.wait(0.02)
    assert bench.told(CUT)


def test_opening_under_an_offer_cuts_and_a_new_permission_offers_again(bench: Bench) -> None:
    bench.module.seen = Seen(letter="C")
    bench.loop(0.3, 13.0, hold_s=1.0)
    bench.loop(0.3, 13.0)
    assert bench.told(CUT)
    bench.loop(0.3, 13.0, hold_s=1.0)
    assert bench.told(Wish(13.0, cut=False))


@pytest.mark.parametrize("ends", [None, 0.001])
def test_a_permission_too_short_to_be_seen_cuts_when_it_ends(bench: Bench, ends: float | None) -> None:
    bench.module.seen = Seen(letter="C")
    bench.loop(0.3, 13.0)
    assert bench.told(Wish(13.0, cut=False))
    bench.link.permit(bench.monotonic() + (ends or 1.0))
    if ends is None:
        bench.link.permit(None)
    bench.until(lambda: bench.told(CUT), 0.5)


def test_a_vehicle_that_paused_is_offered_current_all_the_same(bench: Bench) -> None:
    bench.module.seen = Seen(letter="C")
    bench.loop(0.3, 13.0, hold_s=1.0)
    bench.module.seen = Seen(letter="B")
    bench.loop(0.5, 13.0)  # the core opens when the vehicle has left C, and goes on offering
    assert bench.told(Wish(13.0, cut=False))


def test_what_is_wanted_is_said_again(bench: Bench) -> None:
    bench.loop(0.3, 13.0)
    before = len(bench.module.told)
    bench.loop(2 * REPEAT_S + 0.5, 13.0)
    assert 2 <= len(bench.module.told) - before <= 4


# ---- what goes wrong ----


@pytest.mark.parametrize("kind", [DeviceMissing, DeviceSilent, DeviceGarbled])
def test_a_failure_is_told_when_the_last_sight_is_stale_and_forgotten_when_it_is_over(
    bench: Bench, kind: type[HalError]
) -> None:
    bench.module.fails = kind("other", "as on the wire")
    begin = bench.monotonic()
    error = bench.fails_by(kind)
    assert bench.monotonic() - begin > STALE_S - 0.5  # what was seen is good for so long
    assert (error.device, error.why) == ("evse[0].pilot", "as on the wire")
    bench.module.fails = None
    bench.loop(0.5, 13.0)
    assert bench.link.look()[0].letter == "B"
    assert bench.told(Wish(13.0, cut=False))


def test_a_module_that_was_away_for_long_is_got_to_know_anew(bench: Bench) -> None:
    assert bench.module.begun == 1
    bench.module.fails = DeviceMissing("x", "unplugged")
    bench.wait(3.0)
    bench.module.fails = None
    bench.module.unfit = HalError("x", "register 2000 is 32")
    bench.until(lambda: bench.fails_by(HalError).why == "register 2000 is 32")
    assert bench.told(CUT)  # fit or not, it is at rest
    bench.module.unfit = None

    def is_seen() -> bool:
        try:
            return bench.link.look()[0].letter == "B"
        except HalError:
            return False

    bench.until(is_seen)


@pytest.mark.parametrize("seen", [Seen(letter="C", offered_amps=32.0), Seen(letter="C", offered_amps=10.6)])
def test_a_module_that_offers_more_than_it_was_told_is_found_out(bench: Bench, seen: Seen) -> None:
    bench.module.seen = seen
    bench.loop(OBEY_S - 1.0, 10.0, hold_s=1.0)
    bench.link.look()  # it has some time to follow
    bench.loop(STALE_S + 2.0, 10.0, hold_s=1.0)
    with pytest.raises(DeviceGarbled, match=f"the module offers {seen.offered_amps:g} A, it was told 10 A"):
        bench.link.look()


def test_a_module_that_offers_unasked_is_found_out(bench: Bench) -> None:
    bench.module.seen = Seen(letter="C", pwm=True)
    assert "the module offers current, it was told 0 A" in bench.fails_by(DeviceGarbled, OBEY_S + STALE_S + 1).why


def test_a_module_that_is_not_there_at_the_start_is_given_back() -> None:
    bench = Bench()
    bench.module.fails = DeviceSilent("evse[0].pilot", "no answer")
    before = threading.active_count()
    with pytest.raises(DeviceSilent, match="no answer"):
        bench.link.start()
    assert (bench.given_back, threading.active_count()) == (1, before)


def test_one_lost_frame_at_the_start_is_no_failure() -> None:
    bench = Bench()
    look: Callable[[], Seen] = bench.module.look
    failures = [True]

    def look_once_in_vain() -> Seen:
        if failures:
            failures.clear()
            raise DeviceGarbled("evse[0].pilot", "damaged")
        return look()

    bench.module.look = look_once_in_vain  # type: ignore[method-assign]
    bench.link.start()
    assert bench.link.look()[0].letter == "B"
    bench.link.leave()


def test_the_last_to_leave_puts_the_module_to_rest_and_gives_the_line_back() -> None:
    bench = Bench()
    bench.link.start()
    bench.link.join()
    bench.loop(0.3, 13.0, hold_s=1.0)
    bench.link.leave()
    assert bench.given_back == 0
    bench.link.leave()
    assert bench.told(CUT)
    assert bench.given_back == 1


def test_a_thread_that_ends_is_no_quiet_death() -> None:
    bench = Bench()
    bench.link.start()
    bench.module.look = lambda: 1 / 0  # type: ignore[assignment, return-value]

    def ended() -> bool:
        try:
            bench.link.look()
        except RuntimeError as error:
            return "the link of evse[0].pilot ended: ZeroDivisionError" in str(error)
        return False

    bench.until(ended)
    bench.link.leave()
