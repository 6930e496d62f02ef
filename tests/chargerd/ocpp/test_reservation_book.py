"""Whom each EVSE is kept for, by the numbers alone."""

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chargerd.ocpp.messages.enums import Connector, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.news import ReservationsChanged
from chargerd.ocpp.reservation_book import RESERVATION_ENABLED, Reservation, ReservationBook
from chargerd.store import Store
from hal.types import BoardFacts, EvseFacts
from tests.chargerd.ocpp.peer import Peer, config

SOCKET, CABLE = Connector.S_TYPE2, Connector.C_TYPE2


def token(text: str) -> IdToken:
    return IdToken(id_token=text, type=IdTokenEnum.ISO14443)


HOLDER, OTHER, STRANGER, FLEET = token("HOLDER"), token("OTHER"), token("STRANGER"), token("FLEET")


class Desk:
    """A book for EVSEs with these connectors, all of them free."""

    def __init__(self, *connectors: Connector, store: Store | None = None) -> None:
        evses = tuple(EvseFacts(max_amps=32.0, phases=3, connector_type=connector) for connector in connectors)
        facts = BoardFacts(vendor="V", model="M", serial="S", evses=evses, simulated=True)
        self.peer = Peer(settings=config(board=facts), store=store)
        self.peer.ctx.variables.declare((RESERVATION_ENABLED,))
        self.book = ReservationBook(self.peer.ctx)
        self.book.reload()
        self.connectors = connectors
        self.evse_ids = range(1, len(connectors) + 1)
        self.see()

    def reserve(self, number: int, holder: IdToken = HOLDER, **fields: Any) -> None:
        now = self.peer.now
        self.book.put(
            Reservation(
                reservation_id=number,
                made_utc=now.utc + timedelta(seconds=number),
                expiry_utc=now.utc + timedelta(hours=1),
                id_token=holder,
                **fields,
            )
        )
        self.see(self.free, self.waiting)

    def see(self, free: Iterable[int] | None = None, waiting: Iterable[int] = ()) -> None:
        self.free = tuple(self.evse_ids if free is None else free)
        self.waiting = tuple(waiting)
        self.book.review(self.free, self.waiting)

    def kept(self) -> list[int]:
        return [evse_id for evse_id in self.evse_ids if self.book.is_kept(evse_id)]

    def may(self, evse_id: int, who: IdToken, group: IdToken | None = None) -> bool:
        return self.book.why_not(evse_id, who, group) is None


def test_nothing_is_kept_without_a_reservation() -> None:
    desk = Desk(SOCKET, SOCKET)
    assert desk.kept() == []
    assert desk.may(1, STRANGER)


def test_H03_FR_01_a_named_evse_is_kept_for_its_holder_and_no_other_is() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7, evse_id=2)
    assert desk.kept() == [2]
    assert desk.may(2, HOLDER)
    assert not desk.may(2, STRANGER)
    assert desk.may(1, STRANGER)


def test_a_named_evse_is_kept_whatever_stands_there() -> None:
    desk = Desk(SOCKET)
    desk.reserve(7, evse_id=1)
    for free, waiting in (((), ()), ((), (1,))):
        desk.see(free, waiting)
        assert desk.kept() == [1]


@pytest.mark.parametrize("group, allowed", [(FLEET, True), (token("fleet"), True), (OTHER, False), (None, False)])
def test_H03_FR_04_the_group_of_the_reservation_may_use_it(group: IdToken | None, allowed: bool) -> None:
    desk = Desk(SOCKET)
    desk.reserve(7, evse_id=1, group_id_token=FLEET)
    assert desk.may(1, STRANGER, group) is allowed


def test_a_reservation_without_a_group_is_not_for_those_without_one() -> None:
    desk = Desk(SOCKET)
    desk.reserve(7, evse_id=1)
    assert not desk.may(1, STRANGER, token(""))


def test_H01_FR_07_of_several_evses_one_is_kept_when_it_is_the_last() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    assert desk.kept() == []
    assert desk.may(1, STRANGER)
    desk.see(free=(2,))
    assert desk.kept() == [2]
    assert not desk.may(2, STRANGER)
    assert desk.may(2, HOLDER)


def test_H01_FR_20_as_many_reservations_as_evses_keep_them_all() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    desk.reserve(8, OTHER)
    assert desk.kept() == [1, 2]
    assert desk.may(1, OTHER)


def test_H01_FR_09_a_connector_type_keeps_evses_of_that_type_only() -> None:
    desk = Desk(SOCKET, CABLE, SOCKET)
    desk.reserve(7, connector_type=CABLE)
    assert desk.kept() == [2]
    assert desk.may(2, HOLDER)
    assert desk.may(1, STRANGER)


def test_H03_FR_02_of_a_type_with_two_evses_either_serves() -> None:
    desk = Desk(SOCKET, CABLE, SOCKET)
    desk.reserve(7, connector_type=SOCKET)
    assert desk.kept() == []
    desk.see(free=(2, 3))
    assert desk.kept() == [3]


def test_a_holder_who_has_a_choice_may_not_take_what_only_one_evse_can_give_another() -> None:
    desk = Desk(SOCKET, CABLE)
    desk.reserve(7, HOLDER, connector_type=CABLE)
    desk.reserve(8, OTHER)
    assert desk.kept() == [1, 2]
    assert desk.may(1, OTHER)
    assert not desk.may(2, OTHER)
    assert desk.may(2, HOLDER)


def test_a_named_evse_does_not_count_for_the_others() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7, evse_id=1)
    desk.reserve(8, OTHER)
    assert desk.kept() == [1, 2]
    assert not desk.may(1, OTHER)


def test_G03_FR_09_a_vehicle_that_waits_at_a_kept_evse_changes_nothing() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    desk.see(free=(2,), waiting=(1,))
    assert desk.kept() == [2]
    desk.see(free=(), waiting=(1, 2))
    assert desk.kept() == [2]


def test_when_nothing_else_is_left_an_evse_is_kept_although_a_vehicle_waits_there() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    desk.see(free=(), waiting=(1,))
    assert desk.kept() == [1]


def test_if_a_fault_leaves_too_few_every_holder_may_still_use_what_is_there() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    desk.reserve(8, OTHER)
    desk.see(free=(2,))
    assert desk.kept() == [2]
    assert desk.may(2, HOLDER)
    assert desk.may(2, OTHER)
    assert not desk.may(2, STRANGER)


def test_H03_FR_09_using_a_reservation_ends_it() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7, evse_id=2)
    desk.reserve(8)
    assert desk.book.use(2, HOLDER, None) == 7
    assert [reservation.reservation_id for reservation in desk.book.all()] == [8]
    assert desk.peer.ctx.drain_news() == [ReservationsChanged()]


def test_the_most_particular_reservation_is_the_one_that_is_used() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(1)
    desk.reserve(2, connector_type=SOCKET)
    desk.reserve(3, evse_id=2)
    assert [desk.book.use(2, HOLDER, None) for _ in range(3)] == [3, 2, 1]


def test_a_stranger_uses_none_but_those_who_keep_count_hear_of_it() -> None:
    desk = Desk(SOCKET, SOCKET)
    assert desk.book.use(1, STRANGER, None) is None
    assert desk.peer.ctx.drain_news() == []
    desk.reserve(7)
    assert desk.book.use(1, STRANGER, None) is None
    assert desk.peer.ctx.drain_news() == [ReservationsChanged()]


def test_of_more_than_can_be_served_the_newest_has_to_go() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    desk.reserve(8, OTHER)
    assert desk.book.surplus((1, 2)) is None
    surplus = desk.book.surplus((2,))
    assert surplus is not None
    assert surplus.reservation_id == 8


def test_of_those_for_a_type_that_is_gone_and_others_only_the_former_has_to_go() -> None:
    desk = Desk(SOCKET, CABLE, SOCKET)
    desk.reserve(7, connector_type=CABLE)
    desk.reserve(8, OTHER)
    surplus = desk.book.surplus((1, 3))
    assert surplus is not None
    assert surplus.reservation_id == 7


def test_what_was_kept_for_the_last_reservation_is_not_remembered_for_the_next() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7)
    desk.see(free=(2,), waiting=(1,))
    desk.book.remove(7)
    desk.see(free=(1,), waiting=(2,))
    desk.reserve(8)
    assert desk.kept() == [1]


@pytest.mark.parametrize("seed", range(40))
def test_whoever_may_begin_every_holder_still_finds_an_evse(seed: int) -> None:
    rng = random.Random(seed)
    desk = Desk(*rng.choices((SOCKET, CABLE), k=rng.randint(1, 5)))
    used: set[int] = set()
    waiting: set[int] = set()
    for number in range(60):
        evse_id = rng.choice(desk.evse_ids)
        is_free = evse_id not in used | waiting and not desk.book.is_kept(evse_id)
        match rng.choice(("reserve", "any", "type", "begin", "plug", "leave")):
            case "reserve" if is_free:
                desk.reserve(number, token(f"T{number}"), evse_id=evse_id)
            case "any" if is_free:
                desk.reserve(number, token(f"T{number}"))
            case "type" if is_free:
                desk.reserve(number, token(f"T{number}"), connector_type=desk.connectors[evse_id - 1])
            case "begin" if evse_id not in used:
                who = rng.choice([STRANGER, *(one.id_token for one in desk.book.all())])
                if desk.may(evse_id, who):
                    desk.book.use(evse_id, who, None)
                    used.add(evse_id)
                    waiting.discard(evse_id)
            case "plug" if evse_id not in used:
                waiting.add(evse_id)
            case "leave":
                used.discard(evse_id)
                waiting.discard(evse_id)
        desk.see(set(desk.evse_ids) - used - waiting, waiting)
        assert desk.book.surplus(set(desk.evse_ids) - used) is None, "there are fewer EVSEs left than reservations"
        for reservation in desk.book.all():
            places = [one for one in desk.evse_ids if one not in used and desk.may(one, reservation.id_token)]
            assert places, f"{reservation} has nowhere to go; used: {used}, waiting: {waiting}"
            assert reservation.evse_id in {None, *places}


def test_while_reservations_are_disabled_nothing_is_kept_and_nothing_lost() -> None:
    desk = Desk(SOCKET)
    desk.reserve(7, evse_id=1)
    desk.peer.ctx.variables.store_value(RESERVATION_ENABLED, False)
    assert desk.kept() == []
    assert desk.may(1, STRANGER)
    assert desk.book.use(1, HOLDER, None) is None
    desk.peer.ctx.variables.store_value(RESERVATION_ENABLED, True)
    assert desk.kept() == [1]


def test_H01_FR_02_the_same_id_replaces_and_a_new_one_does_not() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(7, evse_id=1)
    desk.reserve(7, OTHER, evse_id=2)
    assert desk.kept() == [2]
    assert desk.book.is_kept(2)
    assert not desk.book.is_kept(2, but_for=7)
    assert desk.may(2, OTHER)


def test_B01_FR_13_B11_FR_05_reservations_outlive_a_restart_in_their_order() -> None:
    desk = Desk(SOCKET, SOCKET)
    desk.reserve(10)
    desk.reserve(9, OTHER, evse_id=2, group_id_token=FLEET)
    later = msgspec.structs.replace(desk.book.all()[1], made_utc=desk.peer.now.utc + timedelta(minutes=1))
    desk.book.put(later)
    again = Desk(SOCKET, SOCKET, store=desk.peer.store)
    assert again.book.all() == desk.book.all()
    desk.book.remove(10)
    assert [reservation.reservation_id for reservation in Desk(SOCKET, store=desk.peer.store).book.all()] == [9]
