"""The orders desk: complete snapshots that end by themselves, and a change that is never missed."""

from chargerd.clock import ManualClock
from chargerd.evse.types import ORDERS_LEASE_S, EvseOrders, EvseStatus, Status
from chargerd.limits import Limit
from chargerd.ocpp.desk import OrdersDesk
from hal.types import Indication
from tests.chargerd.ocpp.building import board

NOW = ManualClock().now()


def status(*unlock_seqs: int) -> Status:
    evses = tuple(EvseStatus(evse_id=i + 1, unlock_seq=seq) for i, seq in enumerate(unlock_seqs))
    return Status(run_id="r", seq=1, at_mono=0.0, board=board(len(evses)), evses=evses)


def test_a_new_desk_permits_nothing_and_its_first_snapshot_is_a_change() -> None:
    desk = OrdersDesk(2)
    assert desk.changed()
    orders = desk.snapshot(NOW)
    assert orders.evses == (EvseOrders(), EvseOrders())
    assert not any(evse.permit for evse in orders.evses)
    assert not desk.changed()


def test_a_snapshot_holds_for_the_lease_and_its_number_grows() -> None:
    desk = OrdersDesk(1)
    first, second = desk.snapshot(NOW), desk.snapshot(NOW)
    assert first.valid_until_mono == NOW.mono + ORDERS_LEASE_S
    assert second.seq == first.seq + 1


def test_each_wish_belongs_to_its_evse_and_is_seen_as_a_change() -> None:
    desk = OrdersDesk(2)
    desk.snapshot(NOW)
    desk.set_permit(2, True)
    assert desk.changed()
    desk.set_available(1, False)
    desk.set_indication(2, Indication.CHARGING)
    desk.set_limit(2, "csms", Limit("csms", 10.0))
    one, two = desk.snapshot(NOW).evses
    assert one == EvseOrders(available=False)
    assert two == EvseOrders(permit=True, indication=Indication.CHARGING, limits=(Limit("csms", 10.0),))
    assert (desk.is_permitted(1), desk.is_permitted(2)) == (False, True)
    assert (desk.is_available(1), desk.is_available(2)) == (False, True)
    desk.set_permit(2, True)
    assert not desk.changed()


def test_a_limit_has_one_row_for_each_source_and_none_removes_it() -> None:
    desk = OrdersDesk(1)
    desk.set_limit(1, "csms", Limit("csms", 10.0))
    desk.set_limit(1, "site", Limit("site", 16.0))
    desk.set_limit(1, "csms", Limit("csms", 8.0))
    assert set(desk.snapshot(NOW).evses[0].limits) == {Limit("csms", 8.0), Limit("site", 16.0)}
    desk.set_limit(1, "csms", None)
    desk.set_limit(1, "nobody", None)
    assert desk.snapshot(NOW).evses[0].limits == (Limit("site", 16.0),)


def test_an_unlock_is_a_number_that_goes_on_from_what_the_control_process_has_dealt_with() -> None:
    desk = OrdersDesk(2)
    desk.adopt(status(0, 5))
    assert desk.request_unlock(2) == 6
    assert desk.request_unlock(1) == 1
    desk.adopt(status(0, 0))
    assert [evse.unlock_seq for evse in desk.snapshot(NOW).evses] == [1, 6]


def test_a_control_process_that_starts_is_told_no_more_than_the_one_before_until_it_has_noted_it() -> None:
    desk = OrdersDesk(1)
    desk.adopt(status(4))
    desk.adopt(status(-1))
    assert desk.request_unlock(1) == 5
    told = [desk.snapshot(NOW).evses[0].unlock_seq]
    desk.adopt(status(4))
    told.append(desk.snapshot(NOW).evses[0].unlock_seq)
    assert told == [4, 5]
