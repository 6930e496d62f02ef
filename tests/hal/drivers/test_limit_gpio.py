import pytest

from hal.drivers.limit_gpio import ContactTable, GpioLimit, Settings
from hal.types import BoardError, DeviceMissing, EvseFacts
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


def open_limit(wiring: Wiring, open_amps: float | None = None) -> GpioLimit:
    contacts = (wiring.contact(Pin.TEN_AMPS, 10.0), wiring.contact(Pin.SIX_AMPS, 6.0))
    return GpioLimit(Settings(contacts=contacts, open_amps=open_amps), wiring.slot("external_limit"))


@pytest.mark.parametrize(
    "asked, allowed", [(None, None), (32.0, None), (10.0, 10.0), (7.0, 10.0), (6.0, 6.0), (0.0, 6.0)]
)
def test_the_lowest_of_the_closed_contacts_counts(wiring: Wiring, asked: float | None, allowed: float | None) -> None:
    limit = open_limit(wiring)
    if asked is not None:
        wiring.bench.world.evse.fault("external_limit", asked)
    assert limit.read().amps == allowed


def test_a_receiver_that_always_closes_one_is_limited_when_none_is_closed(wiring: Wiring) -> None:
    limit = open_limit(wiring, open_amps=6.0)
    assert limit.read().amps == 6.0
    wiring.bench.world.evse.fault("external_limit", 10.0)
    assert limit.read().amps == 10.0


def test_a_line_that_is_gone_is_no_limit_and_no_freedom() -> None:
    kernel = FakeKernel(Bench(World()))
    limit = open_limit(gpiod_wiring(kernel.bench, kernel))
    kernel.gone = True
    with pytest.raises(DeviceMissing, match=r"evse\[0\].external_limit"):
        limit.read()


@pytest.mark.parametrize("count", [0, 9])
def test_a_number_of_contacts_that_no_receiver_has_is_refused(count: int) -> None:
    contacts = tuple(ContactTable(pi=pin, amps=6.0) for pin in range(count))
    with pytest.raises(BoardError, match=f"^contacts: found {count}; expected 1 to 8"):
        Settings(contacts=contacts).check(FACTS)
