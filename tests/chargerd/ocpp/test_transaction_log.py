"""What every TransactionEvent carries, seen on an assembled station."""

from typing import Any

from chargerd.ocpp.transaction_log import ENDED_PLUGS, NAMESPACE
from chargerd.ocpp.transaction_machine import OpenTransaction
from chargerd.store import Store
from tests.chargerd.ocpp.building import GOOD, OTHER, Payload, Rig, board, tx_settings

WHOLE = tx_settings("EVConnected", "EVConnected")
CLASSIC = tx_settings("PowerPathClosed", "EVConnected,Authorized")


def charging(rig: Rig) -> Rig:
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def contexts(event: Payload) -> list[str]:
    return [sampled["context"] for value in event["meterValue"] for sampled in value["sampledValue"]]


def test_E01_FR_07_E02_FR_07_numbers_begin_at_zero_and_have_no_gap() -> None:
    rig = charging(Rig(WHOLE))
    rig.run(130, amps=16.0)
    rig.unplug()
    assert [event["seqNo"] for event in rig.events()] == list(range(len(rig.events())))


def test_E01_FR_08_every_transaction_has_an_id_of_its_own() -> None:
    rig = charging(Rig(WHOLE))
    rig.unplug()
    charging(rig)
    ids = {event["transactionInfo"]["transactionId"] for event in rig.events()}
    assert len(ids) == 2


def test_E01_FR_16_the_evse_is_told_once_when_a_vehicle_is_there() -> None:
    rig = Rig(tx_settings("Authorized", "Authorized"))
    rig.status()
    rig.tap()
    rig.plug_in()
    rig.charge()
    assert [event.get("evse") for event in rig.events()] == [None, {"id": 1, "connectorId": 1}, None]


def test_E01_FR_10_the_token_is_told_once() -> None:
    rig = charging(Rig(WHOLE))
    rig.run(61, amps=16.0)
    assert [event["idToken"]["idToken"] for event in rig.events() if "idToken" in event] == [GOOD]


def test_E01_FR_09_the_begin_carries_the_values_of_the_begin() -> None:
    rig = charging(Rig(WHOLE))
    assert contexts(rig.events()[0]) == ["Transaction.Begin"]


def test_a_reading_costs_two_commits_one_with_the_event_and_one_with_its_answer() -> None:
    rig = charging(Rig(WHOLE))
    rig.run(61, amps=16.0)
    commits, events = rig.store.commits, len(rig.events())
    rig.run(600, amps=16.0)
    assert len(rig.events()) == events + 10
    assert rig.store.commits == commits + 20


def test_E02_FR_10_values_are_sent_at_their_interval() -> None:
    rig = charging(Rig({**WHOLE, "SampledDataCtrlr.TxUpdatedInterval": "10"}))
    rig.run(31, amps=16.0)
    assert rig.story().count("Updated MeterValuePeriodic Charging") == 3


def test_E06_FR_11_the_end_carries_begin_and_end() -> None:
    rig = charging(Rig(WHOLE))
    rig.run(5, amps=16.0)
    rig.unplug()
    assert contexts(rig.events()[-1]) == ["Transaction.Begin", "Transaction.End"]


def test_an_end_without_fresh_meter_carries_the_last_known_register() -> None:
    rig = charging(Rig(WHOLE))
    rig.meter(1234.5)
    at = rig.clock.now().utc
    rig.advance(50)
    rig.unplug()
    last = rig.events()[-1]["meterValue"][-1]
    assert last["sampledValue"][0]["value"] == 1234.5
    assert last["timestamp"] == at.isoformat().replace("+00:00", "Z")


def test_with_sampling_switched_off_the_end_carries_no_register_either() -> None:
    rig = charging(Rig({**WHOLE, "SampledDataCtrlr.Enabled": "false"}))
    rig.run(5, amps=16.0)
    rig.unplug()
    assert rig.story()[-1].startswith("Ended")
    assert all("meterValue" not in event for event in rig.events())


def test_without_a_meter_there_are_no_values() -> None:
    rig = Rig(WHOLE)
    rig.plug_in()
    rig.unplug()
    assert all("meterValue" not in event for event in rig.events())


def test_E02_FR_18_the_phases_used_are_told_when_they_are_known_and_when_they_change() -> None:
    rig = charging(Rig({**WHOLE, "SampledDataCtrlr.TxUpdatedInterval": "10"}))
    rig.run(21, amps=16.0)
    assert [event.get("numberOfPhasesUsed") for event in rig.events()][-2:] == [3, None]


def test_the_transaction_is_on_disk_with_its_next_number_before_its_event_leaves() -> None:
    rig = charging(Rig(WHOLE))
    ((key, tx),) = rig.store.items(NAMESPACE, OpenTransaction)
    assert (key, tx.seq_no, tx.charging_state) == ("1", 3, "Charging")
    rig.unplug()
    assert rig.store.items(NAMESPACE, OpenTransaction) == []


def test_E04_FR_01_E04_FR_02_E04_FR_03_events_made_offline_follow_marked_when_the_link_is_back() -> None:
    rig = Rig({**WHOLE, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    charging(rig)
    assert rig.events() == []
    rig.link_up()
    rig.unplug()
    assert [event.get("offline", False) for event in rig.events()] == [True, True, True, False]
    assert [event["seqNo"] for event in rig.events()] == [0, 1, 2, 3]


def test_E12_FR_01_E12_FR_02_a_whole_transaction_made_offline_arrives_in_order() -> None:
    rig = Rig({**WHOLE, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    charging(rig)
    rig.run(65, amps=16.0)
    rig.unplug()
    rig.link_up()
    assert [event["seqNo"] for event in rig.events()] == list(range(len(rig.events())))
    assert all(event["offline"] for event in rig.events())
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle EVDisconnected"


def test_the_register_is_kept_each_seventy_seconds_for_the_case_of_a_power_loss() -> None:
    rig = charging(Rig({**WHOLE, "SampledDataCtrlr.TxUpdatedInterval": "0"}))
    rig.run(71, amps=16.0)
    ((_, tx),) = rig.store.items(NAMESPACE, OpenTransaction)
    assert tx.register_wh is not None
    assert tx.register_wh > 1150.0


def test_two_evses_have_transactions_of_their_own() -> None:
    rig = Rig(WHOLE, facts=board(evses=2))
    rig.plug_in(1)
    rig.plug_in(2)
    rig.tap(OTHER, evse_id=2)
    assert rig.orders(2).permit
    assert not rig.orders(1).permit
    assert [event["seqNo"] for event in rig.events()] == [0, 0, 1]


def test_begin_and_end_are_lines_in_the_log() -> None:
    rig = charging(Rig(WHOLE))
    rig.unplug()
    lines = [note for note in rig.notes() if note.startswith("transactions:")]
    assert [line.split()[2] for line in lines] == ["started", "ended"]


def test_E11_FR_01_E11_FR_02_E11_FR_07_what_happens_while_the_link_is_lost_follows_in_order_marked_offline() -> None:
    rig = charging(Rig(WHOLE))
    rig.csms.answers["TransactionEvent"] = None
    rig.ev_pauses()
    rig.link_down()
    rig.charge()
    rig.csms.answers["TransactionEvent"] = {}
    rig.link_up()
    rig.unplug()
    unanswered, *after = rig.events()[3:]
    assert "offline" not in unanswered
    assert [(event["seqNo"], event.get("offline", False)) for event in after] == [(3, True), (4, True), (5, False)]


def test_E08_FR_04_E08_FR_05_E08_FR_06_E08_FR_07_a_stop_by_token_works_offline() -> None:
    rig = charging(Rig(tx_settings("EVConnected", "Authorized")))
    rig.link_down()
    rig.tap()
    assert not rig.orders().permit
    rig.evse_pauses()
    rig.link_up()
    assert rig.story()[-1] == "Ended StopAuthorized EVConnected Local"
    assert rig.events()[-1]["offline"] is True


# ---- What another version wrote --------------------------------------------------------------------------------------


def of_another_version(store: Store) -> str:
    """Makes the stored transaction one that this version cannot read; gives its id."""
    tx = store.get(NAMESPACE, "1", OpenTransaction)
    assert tx is not None
    tree = store.get(NAMESPACE, "1", dict[str, Any])
    assert tree is not None
    store.put(NAMESPACE, "1", {**tree, "charging_state": "Levitating"})
    return tx.transaction_id


def again(rig: Rig) -> Rig:
    new = Rig(WHOLE, store=rig.store, clock=rig.clock, first_id=1000)
    new.evses = list(rig.evses)
    return new


def test_a_transaction_of_another_version_ends_honestly_and_gives_no_energy() -> None:
    rig = charging(Rig(WHOLE))
    transaction_id = of_another_version(rig.store)
    new = again(rig)
    new.status()
    assert new.story()[0] == "Ended AbnormalCondition Idle Reboot"
    (ended, *_) = new.events()
    assert ended["transactionInfo"]["transactionId"] == transaction_id
    assert ended["seqNo"] == rig.events()[-1]["seqNo"] + 1
    assert not any(orders[0].permit for orders in new.all_orders)
    assert len(again(new).story()) == 0


def test_one_of_which_not_even_the_id_is_known_is_set_aside_and_the_station_starts() -> None:
    rig = charging(Rig(WHOLE))
    rig.store.put(NAMESPACE, "1", {"colour": "green"})
    new = again(rig)
    new.status()
    assert not new.orders().permit
    assert new.store.get(f"{NAMESPACE}.unreadable", "1", dict[str, str]) == {"colour": "green"}
    assert any("transactions/1 was set aside" in text for text in new.notes())


def test_an_ended_plug_of_another_version_is_forgotten() -> None:
    rig = charging(Rig(CLASSIC))
    rig.tap()
    rig.evse_pauses()
    rig.store.put(ENDED_PLUGS, "1", {"colour": "green"})
    new = again(rig)
    new.status()
    assert new.station.transactions.running(1) is not None
