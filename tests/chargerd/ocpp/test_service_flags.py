"""What is in service, as the CSMS set it."""

from chargerd.ocpp.messages.enums import OperationalStatus
from chargerd.ocpp.messages.types import EVSE
from chargerd.ocpp.service_flags import ServiceFlags
from chargerd.store import Store

IN, OUT = OperationalStatus.OPERATIVE, OperationalStatus.INOPERATIVE
STATION, EVSE_1, CONNECTOR_1 = None, EVSE(id=1), EVSE(id=1, connector_id=1)


def again(store: Store) -> ServiceFlags:
    flags = ServiceFlags(store)
    flags.reload()
    return flags


def test_everything_is_in_service_until_told_otherwise() -> None:
    assert again(Store(":memory:")).is_operative(1)


def test_G03_FR_07_station_evse_and_connector_each_remember_their_own_flag() -> None:
    flags = again(Store(":memory:"))
    for target in (CONNECTOR_1, EVSE_1, STATION):
        flags.set(target, OUT)
    flags.set(STATION, IN)
    flags.set(EVSE_1, IN)
    assert not flags.is_operative(1)
    flags.set(CONNECTOR_1, IN)
    assert flags.is_operative(1)


def test_a_flag_of_one_evse_says_nothing_about_another() -> None:
    flags = again(Store(":memory:"))
    flags.set(EVSE_1, OUT)
    assert (flags.is_operative(1), flags.is_operative(2)) == (False, True)
    flags.set(STATION, OUT)
    assert not flags.is_operative(2)


def test_G03_FR_08_flags_outlast_a_restart() -> None:
    store = Store(":memory:")
    again(store).set(EVSE_1, OUT)
    assert not again(store).is_operative(1)
    again(store).set(EVSE_1, IN)
    assert again(store).is_operative(1)


def test_an_evse_that_leaves_later_is_in_service_until_then_and_a_restart_does_not_change_that() -> None:
    store = Store(":memory:")
    flags = again(store)
    flags.set(EVSE_1, OUT)
    flags.leave_later(1)
    assert flags.is_operative(1)
    flags = again(store)
    assert (flags.is_operative(1), flags.is_leaving(1), flags.is_wanted(1)) == (True, True, False)
    flags.leave_now(1)
    assert not flags.is_operative(1)
    assert not again(store).is_operative(1)
