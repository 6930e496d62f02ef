"""A few hundred stories in every test run; and proof that the watch over them can bark."""

from pathlib import Path

import msgspec
import pytest

from chargerd.evse.types import Status
from chargerd.limits import Limit
from hal.sim.faults import Fault
from tests.sim.invariants import BrokenInvariant, Watch, check_transaction, transactions
from tests.sim.story import tell_story
from tests.sim.world import World

STORIES = 40
AT_A_TIME = 8
SEEDS = Path(__file__).with_name("seeds.txt")


@pytest.mark.parametrize("first", range(1, STORIES, AT_A_TIME))
def test_whatever_happens_the_invariants_hold(first: int) -> None:
    for seed in range(first, first + AT_A_TIME):
        tell_story(seed)


def test_every_story_that_once_went_wrong_ends_well() -> None:
    for line in SEEDS.read_text().splitlines():
        if line[:1].isdigit():
            tell_story(int(line.split()[0]))


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = tell_story(4), tell_story(4)
    assert first.diary == second.diary
    assert first.messages_out == second.messages_out
    assert first.csms.told


# ---------------------------------------------------------------------- the watch barks


@pytest.fixture
def world() -> World:
    world = World(1)
    world.run(10.0)
    return world


def charging(world: World) -> Watch:
    """A car that charges at EVSE 1, properly."""
    watch = Watch(world)
    evse = world.plant.evses[0]
    evse.plug_in()
    evse.ev_ready()
    world.run(2.0, watch.look)
    evse.present_token("04A1B2C3")
    world.run(10.0, watch.look)
    assert evse.contacts_closed
    return watch


def test_contacts_that_nothing_allows_are_noticed(world: World) -> None:
    watch = charging(world)
    world.plant.evses[0].present_token("04A1B2C3")
    world.run(3.0, watch.look)
    assert not world.plant.evses[0].contacts_closed
    world.plant.evses[0].fault(Fault.WELD_RELAY)
    world.run(10.0, watch.look)
    world.plant.evses[0].faults.clear()
    world.plant.evses[0].hold_coil(True, world.clock.monotonic(), 100.0)
    world.kill_control()
    with pytest.raises(BrokenInvariant, match="contacts closed"):
        world.run(5.0, watch.look)


def test_an_offer_above_what_the_csms_said_is_noticed(world: World) -> None:
    watch = charging(world)
    watch.cap(1, 10.0)
    with pytest.raises(BrokenInvariant, match=r"although the CSMS said 10\.0 A"):
        world.run(5.0, watch.look)


def test_an_offer_above_a_row_of_the_table_is_noticed(world: World) -> None:
    watch = charging(world)
    assert world.status is not None
    evse = world.status.evses[0]
    assert evse.offered_amps > 20
    world.status = with_row(world.status, Limit("nobody", 7.0))
    with pytest.raises(BrokenInvariant, match="nobody"):
        watch.look()


def with_row(status: Status, limit: Limit) -> Status:
    """The same status with one more row in the first EVSE's table."""
    first, *others = status.evses
    first = msgspec.structs.replace(first, limits=(*first.limits, limit))
    return msgspec.structs.replace(status, evses=(first, *others))


def test_a_second_reply_to_one_call_is_noticed(world: World) -> None:
    watch = Watch(world)
    world.messages_out += ['[3,"csms-9",{}]', '[3,"csms-9",{}]']
    with pytest.raises(BrokenInvariant, match="two replies"):
        watch.look()


def test_a_reply_to_nothing_is_noticed(world: World) -> None:
    watch = Watch(world)
    world.csms.receive('[3,"never-asked",{}]', world.clock.monotonic(), world.clock.now().utc)
    with pytest.raises(BrokenInvariant, match="never-asked"):
        watch.look()


def test_an_invalid_message_is_noticed(world: World) -> None:
    watch = Watch(world)
    world.messages_out.append('[2,"1","StatusNotification",{"evseId":1}]')
    with pytest.raises(BrokenInvariant, match="invalid StatusNotification"):
        watch.look()


EVENTS = [("Started", 0, 100.0), ("Updated", 1, 110.0), ("Ended", 2, 120.0)]


@pytest.mark.parametrize(
    "events,rule",
    [
        (EVENTS[1:], "Updated"),
        (EVENTS[:2], "Started"),
        ([EVENTS[0], EVENTS[2]], "seqNo"),
        ([EVENTS[0], ("Updated", 1, 90.0), EVENTS[2]], "backwards"),
        ([*EVENTS[:2], ("Ended", 2, 105.0)], "ends at"),
        ([*EVENTS, ("Ended", 3, 130.0)], "Ended"),
    ],
)
def test_a_transaction_that_is_not_whole_is_noticed(
    world: World, events: list[tuple[str, int, float]], rule: str
) -> None:
    told = [
        {
            "eventType": kind,
            "seqNo": number,
            "transactionInfo": {"transactionId": "t"},
            "meterValue": [{"sampledValue": [{"value": register}]}],
        }
        for kind, number, register in events
    ]
    with pytest.raises(BrokenInvariant, match=rule):
        check_transaction(world, "t", transactions(told)["t"])


def test_a_repeated_event_counts_once_even_if_it_became_offline_meanwhile() -> None:
    event = {"eventType": "Started", "seqNo": 0, "transactionInfo": {"transactionId": "t"}}
    assert len(transactions([event, event | {"offline": True}])["t"]) == 1
