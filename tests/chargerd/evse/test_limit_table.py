"""Each row of the limit table: when it stands, what it allows, and that what is missing never widens the table."""

import math
from typing import Any

import msgspec
import pytest

from chargerd.evse.limit_table import (
    EXTERNAL_STALE_S,
    HYSTERESIS_KELVIN,
    RELEASE_S,
    Derating,
    LimitTable,
)
from chargerd.evse.situation import Situation
from chargerd.evse.supervision import FOLLOW_S, OVERDRAW_WARNING_S
from chargerd.evse.types import EvseOrders
from chargerd.limits import Limit
from hal.types import DeratePoint, EvseFacts, ExternalLimit, MeterSample
from tests.chargerd.evse.plant_rig import PlantRig
from tests.chargerd.evse.rig import SOCKET, TICK_S, Rig

BARE = EvseFacts(max_amps=32.0, phases=3)
FULL = EvseFacts(
    max_amps=32.0,
    phases=3,
    contactor_amps=40.0,
    has_proximity=True,
    has_thermometer=True,
    has_plug_thermometer=True,
    has_external_limit=True,
    external_fallback_amps=8.0,
    unbalance_amps=20.0,
)
CURVE = (DeratePoint(40.0, 32.0), DeratePoint(50.0, 16.0), DeratePoint(60.0, 0.0))
BOARD = Limit("board", 32.0)
CSMS = Limit("csms", 16.0)


def table(
    facts: EvseFacts = BARE,
    external: ExternalLimit | None = None,
    orders: EvseOrders | None = None,
    **situation: Any,
) -> LimitTable:
    made = LimitTable(facts)
    made.update(Situation(facts=facts, **({"now_mono": 100.0} | situation)), external, orders)
    return made


def sources(made: LimitTable) -> list[str]:
    return [row.source for row in made.rows]


# ---- The EVSE's own rows -----------------------------------------------------------------------------------------


def test_the_board_is_always_a_row_and_alone_where_nothing_else_is_known() -> None:
    assert table().rows == (BOARD,)
    assert table().limit == BOARD


def test_the_contactors_rating_is_a_row_where_the_board_names_it() -> None:
    weak = msgspec.structs.replace(BARE, contactor_amps=25.0)
    assert table(weak).limit == Limit("contactor", 25.0)


def test_the_cable_is_a_row_as_soon_as_its_rating_is_known() -> None:
    socket = msgspec.structs.replace(BARE, has_proximity=True)
    assert sources(table(socket)) == ["board"]
    assert table(socket, cable_amps=20.0).limit == Limit("cable", 20.0)
    assert sources(table(BARE, cable_amps=20.0)) == ["board"]


def test_the_stations_rows_come_last_and_the_own_ones_in_their_order() -> None:
    made = table(
        FULL,
        ExternalLimit(14.0, 99.9),
        EvseOrders(limits=(CSMS, Limit("site fuse", 25.0))),
        cable_amps=20.0,
        celsius=63.0,
        plug_celsius=78.0,
        vehicle_phases=1,
    )
    own = ["board", "contactor", "cable", "temperature", "plug temperature", "external", "unbalance"]
    assert sources(made) == [*own, "csms", "site fuse"]


def test_orders_that_lapsed_take_only_the_stations_rows_away() -> None:
    assert table(FULL, ExternalLimit(14.0, 99.9), None).limit == Limit("external", 14.0)


# ---- Temperature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "celsius, amps",
    [(-40.0, 32.0), (40.0, 32.0), (42.5, 28.0), (45.0, 24.0), (50.0, 16.0), (55.0, 8.0), (60.0, 0.0), (90.0, 0.0)],
)
def test_the_current_follows_the_straight_lines_of_the_curve(celsius: float, amps: float) -> None:
    row = Derating("temperature", CURVE).row(celsius, 80.0)
    assert row == Limit("temperature", pytest.approx(amps))  # type: ignore[arg-type]


def test_a_curve_of_one_corner_ends_everything_there_and_before() -> None:
    row = Derating("temperature", (DeratePoint(60.0, 0.0),)).row(20.0, 32.0)
    assert row == Limit("temperature", 0.0)


def test_a_temperature_that_costs_nothing_is_no_row() -> None:
    assert Derating("temperature", CURVE).row(40.0, 32.0) is None
    assert Derating("temperature", CURVE).row(49.9, 16.0) is None
    assert Derating("temperature", CURVE).row(40.1, 32.0) is not None


def test_the_current_comes_back_only_when_it_is_1_kelvin_cooler_and_goes_down_at_once() -> None:
    derating = Derating("temperature", CURVE)

    def amps(celsius: float) -> float:
        row = derating.row(celsius, 80.0)
        assert row is not None
        return row.amps

    assert amps(50.0) == 16.0
    assert amps(50.0 - HYSTERESIS_KELVIN) == 16.0
    assert amps(48.0) == pytest.approx(17.6)  # as at 49
    assert amps(48.9) == pytest.approx(17.6)
    assert amps(49.1) == pytest.approx(17.44)


def test_enclosure_and_plug_have_curves_of_their_own() -> None:
    facts = msgspec.structs.replace(FULL, has_external_limit=False, derating=CURVE)
    made = table(facts, celsius=50.0, plug_celsius=75.0)
    assert Limit("temperature", 16.0) in made.rows
    assert Limit("plug temperature", 20.0) in made.rows
    assert made.limit.source == "temperature"


def test_a_missing_temperature_is_no_row_and_changes_nothing_of_what_was() -> None:
    facts = msgspec.structs.replace(BARE, has_thermometer=True, derating=CURVE)
    made = table(facts, celsius=50.0)
    made.update(Situation(facts=facts, now_mono=101.0), None, None)
    assert made.rows == (BOARD,)
    made.update(Situation(facts=facts, now_mono=102.0, celsius=49.5), None, None)
    assert made.limit == Limit("temperature", 16.0)


def test_a_thermometer_that_is_not_fitted_makes_no_row() -> None:
    assert table(BARE, celsius=64.0, plug_celsius=79.0).rows == (BOARD,)


def test_a_hot_plug_on_the_plant_gets_less_current_and_no_interruption() -> None:
    rig = PlantRig(msgspec.structs.replace(SOCKET, has_plug_thermometer=True))
    rig.charge()
    rig.evse.fault("hot_plug", 77.0)
    rig.run(2.0)
    assert rig.status.limit == Limit("plug temperature", 12.0)
    assert rig.status.offered_amps == pytest.approx(12.0, abs=0.02)
    rig.evse.fault("hot_plug", 79.5)
    rig.run(8.0)
    assert "limit:plug temperature" in rig.status.why_not
    assert not rig.is_closed()
    rig.evse.clear_fault("hot_plug")
    rig.run(15.0)
    assert rig.is_closed()


# ---- The outside limit -----------------------------------------------------------------------------------------------


def test_an_outside_limit_that_asks_for_nothing_is_no_row() -> None:
    assert "external" not in sources(table(FULL, ExternalLimit(None, 99.9)))


def test_an_outside_limit_that_is_not_fitted_is_not_listened_to() -> None:
    assert table(BARE, ExternalLimit(7.0, 99.9)).rows == (BOARD,)


@pytest.mark.parametrize(
    "external", [None, ExternalLimit(None, 94.9), ExternalLimit(16.0, 94.9), ExternalLimit(16.0, 101.0)]
)
def test_an_outside_limit_that_was_never_heard_or_is_stale_falls_back(external: ExternalLimit | None) -> None:
    assert table(FULL, external).limit == Limit("external", 8.0, fallback=True)


def test_an_outside_limit_holds_for_5_seconds_without_another_word() -> None:
    made = table(FULL, ExternalLimit(14.0, 100.0))
    made.update(Situation(facts=FULL, now_mono=100.0 + EXTERNAL_STALE_S), None, None)
    assert made.limit == Limit("external", 14.0)
    made.update(Situation(facts=FULL, now_mono=100.0 + EXTERNAL_STALE_S + TICK_S), None, None)
    assert made.limit == Limit("external", 8.0, fallback=True)
    made.update(Situation(facts=FULL, now_mono=106.0), ExternalLimit(None, 106.0), None)
    assert made.limit == BOARD


@pytest.mark.parametrize("amps", [math.nan, -3.0, 5.9])
def test_an_outside_limit_that_leaves_less_than_6_ampere_leaves_nothing(amps: float) -> None:
    assert table(FULL, ExternalLimit(amps, 99.9)).limit == Limit("external", 0.0)


def test_an_outside_limit_reaches_the_duty_in_the_next_tick() -> None:
    rig = Rig(msgspec.structs.replace(BARE, has_external_limit=True))
    rig.external = ExternalLimit(None, 0.0)
    rig.charge()
    rig.external = ExternalLimit(7.0, 0.0)
    rig.tick()
    assert rig.outputs.duty_percent == 11.66
    assert rig.status.limit == Limit("external", 7.0)


def test_a_silent_outside_limit_on_the_plant_leaves_the_fallback_and_recovers() -> None:
    rig = PlantRig(msgspec.structs.replace(SOCKET, has_external_limit=True, external_fallback_amps=6.0))
    rig.charge()
    rig.evse.fault("stall_external")
    rig.run(4.5)
    assert rig.status.limit == CSMS
    rig.run(1.5)
    assert rig.status.limit == Limit("external", 6.0, fallback=True)
    assert rig.is_closed()
    rig.evse.clear_fault("stall_external")
    rig.run(1.0)
    assert rig.status.limit == CSMS


# ---- Unbalance -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phases, used, held", [(3, None, False), (3, 3, False), (3, 2, True), (3, 1, True), (1, None, True)]
)
def test_a_vehicle_that_loads_fewer_than_three_phases_is_held_to_the_unbalance_limit(
    phases: int, used: int | None, held: bool
) -> None:
    facts = msgspec.structs.replace(BARE, unbalance_amps=20.0)
    made = table(facts, phases=phases, vehicle_phases=used)
    assert made.rows == ((BOARD, Limit("unbalance", 20.0)) if held else (BOARD,))
    assert table(BARE, phases=phases, vehicle_phases=used).rows == (BOARD,)


# ---- Overdraw --------------------------------------------------------------------------------------------------------


class Vehicle:
    """Draws what it likes from a table with the row csms; the pilot signals what the table says at once."""

    def __init__(self) -> None:
        self.table = LimitTable(BARE)
        self.now_mono = 100.0
        self.amps = 15.0
        self.csms_amps = 16.0
        self.connected = self.closed = self.offered = self.metered = True
        self.run(1.0)

    def run(self, seconds: float) -> Limit | None:
        """The row overdraw after so many seconds of this."""
        for _ in range(round(seconds / TICK_S)):
            self.now_mono += TICK_S
            situation = Situation(
                facts=BARE,
                now_mono=self.now_mono,
                connected=self.connected,
                open_since_mono=math.inf if self.closed else 0.0,
                offered_amps=self.table.limit.amps if self.offered else 0.0,
                unreduced_amps=self.table.unreduced_amps,
                meter=MeterSample(self.now_mono, 0.0, 0.0, (0.0, self.amps, 0.0), (230.0,)) if self.metered else None,
            )
            self.table.update(situation, None, EvseOrders(limits=(Limit("csms", self.csms_amps),)))
        return next((row for row in self.table.rows if row.source == "overdraw"), None)


def test_a_vehicle_that_takes_too_much_for_3_and_a_half_seconds_is_signalled_less_by_the_excess() -> None:
    vehicle = Vehicle()
    vehicle.amps = 19.0
    assert vehicle.run(OVERDRAW_WARNING_S) is None
    row = vehicle.run(2 * TICK_S)
    assert row is not None
    assert row.amps == pytest.approx(13.0)
    assert vehicle.table.limit is row
    assert vehicle.table.unreduced_amps == 16.0


def test_what_the_margin_allows_is_no_overdraw() -> None:
    vehicle = Vehicle()
    vehicle.amps = 16.0 * 1.10 + 0.5
    assert vehicle.run(10.0) is None


def test_a_blink_below_starts_the_time_anew() -> None:
    vehicle = Vehicle()
    for _ in range(4):
        vehicle.amps = 19.0
        assert vehicle.run(OVERDRAW_WARNING_S - 0.5) is None
        vehicle.amps = 15.0
        vehicle.run(TICK_S)


def test_the_lower_signal_is_released_after_60_seconds() -> None:
    vehicle = Vehicle()
    vehicle.amps = 19.0
    vehicle.run(OVERDRAW_WARNING_S + 2 * TICK_S)
    vehicle.amps = 15.4
    assert vehicle.run(RELEASE_S - 0.1) is not None
    assert vehicle.run(0.2) is None
    assert vehicle.table.limit == CSMS
    assert vehicle.table.unreduced_amps == 0.0


def test_a_vehicle_that_goes_on_is_signalled_still_less_but_never_below_6_ampere() -> None:
    vehicle = Vehicle()
    vehicle.amps = 19.0
    seen = [row.amps for _ in range(5) if (row := vehicle.run(OVERDRAW_WARNING_S + 2 * TICK_S)) is not None]
    assert seen == pytest.approx([13.0, 10.0, 7.0, 6.0, 6.0])


def test_within_what_the_others_allow_a_vehicle_is_not_to_blame_while_it_is_signalled_less() -> None:
    vehicle = Vehicle()
    vehicle.amps = 19.0
    first = vehicle.run(OVERDRAW_WARNING_S + 2 * TICK_S)
    vehicle.amps = 17.0
    assert vehicle.run(30.0) == first


def test_table_A_6_a_vehicle_that_follows_a_cut_is_not_blamed_for_5_seconds() -> None:
    vehicle = Vehicle()
    vehicle.csms_amps = 8.0
    assert vehicle.run(FOLLOW_S - 0.1) is None
    assert vehicle.run(0.2) is not None


@pytest.mark.parametrize("knob", ["metered", "closed", "offered"])
def test_without_meter_contactor_or_offer_there_is_no_overdraw(knob: str) -> None:
    vehicle = Vehicle()
    setattr(vehicle, knob, False)
    vehicle.amps = 19.0
    assert vehicle.run(10.0) is None


def test_the_next_vehicle_starts_without_the_row() -> None:
    vehicle = Vehicle()
    vehicle.amps = 19.0
    vehicle.run(OVERDRAW_WARNING_S + 2 * TICK_S)
    vehicle.connected = vehicle.closed = False
    assert vehicle.run(TICK_S) is None


def test_a_vehicle_of_the_plant_that_takes_a_fifth_more_is_brought_within_the_limit_and_goes_on() -> None:
    rig = PlantRig()
    rig.charge("takes_more")
    rig.run(8.0)
    assert rig.status.limit.source == "overdraw"
    assert max(rig.measured_amps()) < 16.5
    rig.run(45.0)
    assert rig.is_closed()
    assert rig.status.faults == ()


# ---- The station's rows ----------------------------------------------------------------------------------------------


def test_a_row_of_the_station_that_ends_counts_what_follows_and_is_marked() -> None:
    leased = Limit("csms", 10.0, until_mono=100.5, then_amps=6.0)
    made = table(orders=EvseOrders(limits=(leased, CSMS)))
    assert made.limit is leased
    made.update(Situation(facts=BARE, now_mono=100.5), None, EvseOrders(limits=(leased, CSMS)))
    assert made.limit == Limit("csms", 6.0, fallback=True)
    gone = Limit("user", 10.0, until_mono=100.0)
    assert table(orders=EvseOrders(limits=(gone, CSMS))).rows == (BOARD, CSMS)


def test_a_row_that_ended_does_not_open_the_way_when_the_orders_lapsed_with_it() -> None:
    rig = Rig()
    rig.limits = (Limit("csms", 10.0, until_mono=rig.now_mono + 20.0),)
    rig.charge(amps=9.0)
    rig.orders_come = False
    rig.run(25.0)
    assert rig.status.limits == (BOARD,)
    assert rig.is_closed()  # the orders still hold, and they said that nothing follows
    rig.run(15.0)
    assert not rig.is_closed()
    assert "no_orders" in rig.status.why_not
    assert rig.status.offered_amps == 0.0


def test_a_row_between_0_and_6_ampere_suspends_and_names_its_owner() -> None:
    rig = Rig()
    rig.charge()
    rig.limits = (Limit("csms", 16.0, until_mono=rig.now_mono + 1.0, then_amps=5.9),)
    rig.run(1.1)
    assert rig.status.limit == Limit("csms", 0.0, fallback=True)
    assert "limit:csms" in rig.status.why_not
    assert rig.status.offered_amps == 0.0
