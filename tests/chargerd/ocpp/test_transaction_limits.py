"""Energy and time that a site allows one transaction."""

from tests.chargerd.ocpp.building import GOOD, Rig, tx_settings


def charging(rig: Rig) -> Rig:
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def test_E07_FR_06_the_energy_of_a_site_limit_ends_the_transaction() -> None:
    rig = charging(Rig(tx_settings("PowerPathClosed", "Authorized", MaxEnergyPerTransaction="500")))
    rig.meter(1499.0, 16.0)
    assert rig.orders().permit
    rig.meter(1500.0, 16.0)
    assert not rig.orders().permit
    rig.evse_pauses()
    assert rig.story()[-1] == "Ended EnergyLimitReached EVConnected EnergyLimitReached"


def test_the_time_of_a_site_limit_ends_the_authorization_and_unplugging_the_transaction() -> None:
    rig = charging(Rig(tx_settings("PowerPathClosed", "EVConnected", MaxTimePerTransaction="600")))
    rig.advance(599)
    assert rig.orders().permit
    rig.advance(2)
    assert not rig.orders().permit
    assert rig.story()[-1] == "Updated TimeLimitReached Charging"
    rig.evse_pauses()
    rig.unplug()
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle TimeLimitReached"


def test_the_time_goes_on_while_the_station_process_is_away() -> None:
    settings = tx_settings("PowerPathClosed", "Authorized", MaxTimePerTransaction="600")
    rig = charging(Rig(settings))
    rig.advance(400)
    again = Rig(settings, store=rig.store, clock=rig.clock, first_id=1000)
    again.evses = list(rig.evses)
    again.status()
    again.advance(199)
    assert again.orders().permit
    again.advance(2)
    assert not again.orders().permit


def test_a_new_authorization_in_a_transaction_that_has_had_its_energy_ends_at_once() -> None:
    rig = charging(Rig(tx_settings("EVConnected", "EVConnected", MaxEnergyPerTransaction="500")))
    rig.meter(1500.0, 16.0)
    rig.evse_pauses()
    rig.tap(GOOD)
    rig.meter(1500.0)
    assert not rig.orders().permit


def test_without_limits_a_transaction_goes_on() -> None:
    rig = charging(Rig(tx_settings("PowerPathClosed", "Authorized")))
    rig.meter(1_000_000.0, 16.0)
    rig.advance(4 * 3600)
    assert rig.orders().permit
