import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.sim.faults import FAULTS, Fault, PlantRefusal
from hal.sim.grid import POWER_FACTOR, SOURCE_OHMS
from hal.sim.plant import CONTACTOR_CLOSE_S, CONTACTOR_OPEN_S, LOCK_S
from hal.sim.vehicle import Quirk
from hal.types import EvseFacts, PilotMode, TokenKind
from tests.hal.plants import World, charging

ONE_PHASE = EvseFacts(max_amps=16, phases=1, connector_type="cType2", tethered=True)


def watts(amps: float, phases: int = 3, volts: float = 230.0) -> float:
    return phases * (volts - SOURCE_OHMS * amps) * amps * POWER_FACTOR


# ---- pilot ----


@pytest.mark.parametrize(
    "mode, plugged, peaks",
    [
        (PilotMode.STEADY_HIGH, False, (12, 12)),
        (PilotMode.STEADY_HIGH, True, (9, 9)),
        (PilotMode.PWM, False, (12, -12)),
        (PilotMode.PWM, True, (9, -12)),
        (PilotMode.STEADY_LOW, True, (-12, -12)),
    ],
)
def test_the_pilot_shows_generator_and_vehicle(mode: PilotMode, plugged: bool, peaks: tuple[float, float]) -> None:
    world = World()
    if plugged:
        world.evse.plug_in()
    world.pilot.set(mode, 20.0)
    assert world.peaks() == peaks


def test_a_charging_vehicle_shows_state_c() -> None:
    assert charging().peaks() == (6, -12)


def test_a_vehicle_that_needs_ventilation_shows_state_d() -> None:
    assert charging(quirks=("ventilation",)).peaks() == (3, -12)


@pytest.mark.parametrize(
    "fault, peaks",
    [("cut_pilot", (12, -12)), ("short_pilot", (0, 0)), ("no_diode", (6, -6))],
)
def test_a_pilot_fault_shows_in_the_peaks_at_once(fault: str, peaks: tuple[float, float]) -> None:
    world = charging()
    world.evse.fault(fault)
    assert world.peaks() == peaks


@pytest.mark.parametrize("fault", ["cut_pilot", "short_pilot"])
def test_a_vehicle_that_sees_no_pilot_stops_within_3_s(fault: str) -> None:
    world = charging()
    world.evse.fault(fault)
    for _ in range(150):
        world.relays.hold(True, 1.0)
        world.wait(0.02)
    assert world.amps() == (0, 0, 0)


def test_a_fault_without_vehicle_does_not_mirror_the_pilot() -> None:
    world = World()
    world.evse.fault("no_diode")
    world.pilot.set(PilotMode.PWM, 20.0)
    assert world.peaks() == (12, -12)


def test_a_glitch_reads_at_random_and_ends_by_itself() -> None:
    world = World(noise=1.0)
    world.evse.fault("glitch", 200)
    seen = []
    for _ in range(10):
        seen.append(world.peaks()[0])
        world.wait(0.02)
    assert len({round(volts) for volts in seen}) > 3
    world.wait(0.01)
    assert world.peaks()[0] == pytest.approx(12, abs=0.2)
    assert world.plant.state().evses[0].faults == {}


def test_noise_stays_small_and_the_seed_decides_it() -> None:
    readings: list[list[float]] = []
    for seed in (1, 1, 2):
        world = World(noise=1.0, seed=seed)
        readings.append([])
        for _ in range(500):
            world.wait(0.02)
            readings[-1].append(world.peaks()[0])
    assert readings[0] == readings[1] != readings[2]
    assert all(11.9 <= volts <= 12.1 for volts in readings[0])
    assert len(set(readings[0])) > 400


# ---- contactor and its lease ----


def test_the_contactor_needs_some_hundredths_of_a_second() -> None:
    world = World()
    world.relays.hold(True, 1.0)
    assert world.closed() is False
    world.wait(CONTACTOR_CLOSE_S)
    assert world.closed() is True
    world.relays.hold(False, 0.0)
    assert world.closed() is True
    world.wait(CONTACTOR_OPEN_S)
    assert world.closed() is False


def test_a_lease_that_is_not_renewed_opens_the_contactor() -> None:
    world = World()
    world.relays.hold(True, 1.0)
    world.wait(1.0 + CONTACTOR_OPEN_S - 0.001)
    assert world.closed() is True
    world.wait(0.001)
    assert world.closed() is False


def test_a_renewed_lease_counts_from_its_renewal() -> None:
    world = World()
    for _ in range(20):
        world.relays.hold(True, 1.0)
        world.wait(0.9)
        assert world.closed() is True


def test_a_welded_contactor_stays_closed_whatever_is_ordered() -> None:
    world = charging()
    world.evse.fault("weld_relay")
    world.relays.hold(False, 0.0)
    world.wait(1.0)
    assert world.closed() is True
    world.evse.clear_fault("weld_relay")
    assert world.closed() is False


def test_a_stuck_contactor_does_not_close() -> None:
    world = World()
    world.evse.fault("relay_stuck_open")
    world.relays.hold(True, 1.0)
    world.wait(0.5)
    assert world.closed() is False


# ---- current and energy ----


def test_a_vehicle_draws_what_is_offered_and_the_meter_shows_it() -> None:
    world = charging()
    sample = world.meter.read()
    assert sample.amps == pytest.approx((32, 32, 32), abs=0.01)
    assert sample.power_w == pytest.approx(watts(31.998))
    assert sample.volts == pytest.approx([230 - SOURCE_OHMS * 32] * 3, abs=0.01)
    assert (sample.at_mono, sample.frequency_hz) == (world.mono, 50.0)


@pytest.mark.parametrize("phases, amps", [(1, (16, 0, 0)), (2, (16, 16, 0)), (3, (16, 16, 16))])
def test_a_vehicle_draws_on_the_phases_it_has(phases: int, amps: tuple[float, ...]) -> None:
    world = charging(appetite_amps=16)
    world.evse.ev_draw(16, phases)
    assert world.amps() == amps


def test_a_single_phase_evse_gives_one_phase_to_any_vehicle() -> None:
    world = World(ONE_PHASE)
    world.evse.plug_in(32, 3)
    world.evse.ev_ready()
    world.charge(10, 26.66)
    sample = world.meter.read()
    assert sample.amps == pytest.approx((16,), abs=0.01)
    assert len(sample.volts) == 1
    assert world.evse.cable_ohms() > 1e5


def test_a_lower_limit_is_followed_within_5_s() -> None:
    world = charging()
    world.charge(5, 16.66)
    assert world.amps()[0] == pytest.approx(10, abs=0.01)


def test_steady_pilot_ends_the_current_within_a_second_and_then_opens_s2() -> None:
    world = charging()
    world.pilot.set(PilotMode.STEADY_HIGH, 100)
    world.wait(1.0)
    assert world.amps() == (0, 0, 0)
    world.wait(0.5)
    assert world.peaks() == (9, 9)


@pytest.mark.parametrize("quirk, amps", [(Quirk.NEVER_STOPS, 32), (Quirk.STOPS_SLOWLY, 14)])
def test_a_vehicle_with_a_quirk_still_draws_after_6_s(quirk: Quirk, amps: float) -> None:
    world = charging(quirks=(quirk,))
    world.pilot.set(PilotMode.STEADY_HIGH, 100)
    for _ in range(300):
        world.relays.hold(True, 1.0)
        world.wait(0.02)
    assert world.amps()[0] == pytest.approx(amps, abs=0.1)
    world.relays.hold(False, 0.0)
    world.wait(CONTACTOR_OPEN_S)
    assert world.amps() == (0, 0, 0)


def test_a_vehicle_that_ignores_the_limit_takes_its_appetite() -> None:
    world = charging(quirks=("ignores_limit",), appetite_amps=25)
    world.charge(5, 10)
    assert world.amps()[0] == 25


def test_a_pause_of_the_vehicle_shows_as_state_b_under_pwm() -> None:
    world = charging()
    world.evse.ev_pause()
    world.wait(1.0)
    world.relays.hold(True, 1.0)
    world.wait(0.2)
    assert world.peaks() == (9, -12)
    world.evse.ev_resume()
    world.charge(20)
    assert world.amps()[0] == pytest.approx(32, abs=0.01)


def test_energy_is_power_times_time() -> None:
    world = charging()
    before = world.meter.read().energy_wh
    world.charge(3600)
    assert world.meter.read().energy_wh - before == pytest.approx(watts(31.998), rel=1e-6)


def test_without_vehicle_no_energy_flows_through_a_closed_contactor() -> None:
    world = World()
    world.evse.fault("weld_relay")
    before = world.meter.read().energy_wh
    world.wait(3600)
    assert world.meter.read().energy_wh == before


@given(looks=st.lists(st.floats(0.001, 2.0), max_size=30))
def test_how_often_one_looks_changes_nothing(looks: list[float]) -> None:
    curious, patient = World(), World()
    for world in (curious, patient):
        world.evse.plug_in()
        world.evse.ev_ready()
        world.evse.fault("weld_relay")
        world.pilot.set(PilotMode.PWM, 40.0)
    end = curious.mono + 60
    for look in looks:
        curious.wait(min(look, end - curious.mono))
        curious.meter.read()
    for world in (curious, patient):
        world.mono = end
    seen, unseen = curious.meter.read(), patient.meter.read()
    assert seen.energy_wh == pytest.approx(unseen.energy_wh, abs=1e-6)
    assert seen.amps == pytest.approx(unseen.amps)


def test_a_clock_that_seems_to_go_back_does_no_harm() -> None:
    world = charging()
    before = world.meter.read()
    world.mono -= 5
    assert world.meter.read().energy_wh == before.energy_wh
    assert world.closed() is True


# ---- pilot and phases as the vehicle sees them ----


@pytest.mark.parametrize("mode, wakes", [(PilotMode.STEADY_LOW, True), (PilotMode.STEADY_HIGH, False)])
def test_a_vehicle_sees_what_the_generator_shows(mode: PilotMode, wakes: bool) -> None:
    world = World()
    world.evse.plug_in(quirks=["sleeps_deep"])
    world.evse.ev_ready()
    for shown, seconds in ((PilotMode.PWM, 5), (mode, 4), (PilotMode.PWM, 1)):
        world.pilot.set(shown, 40.0)
        world.wait(seconds)
    assert world.plant.state().evses[0].s2_closed is wakes
    assert world.plant.state().evses[0].asleep is not wakes


def test_a_vehicle_behind_a_cut_wire_does_not_see_minus_12_volts() -> None:
    world = World()
    world.evse.plug_in(quirks=["sleeps_deep"])
    world.evse.ev_ready()
    world.evse.fault("cut_pilot")
    world.pilot.set(PilotMode.STEADY_LOW, 100.0)
    world.wait(4)
    world.evse.clear_fault("cut_pilot")
    world.pilot.set(PilotMode.PWM, 40.0)
    world.wait(1)
    assert world.plant.state().evses[0].asleep


def test_a_phase_contactor_that_drops_out_leaves_one_phase_until_it_is_mended() -> None:
    world = charging()
    world.evse.fault("phases_drop")
    assert world.evse.phases == 1
    assert world.amps()[1:] == (0, 0)
    world.evse.clear_fault("phases_drop")
    assert world.evse.phases == 3
    assert world.amps()[1] > 0


# ---- grid, cable, lock, heat ----


def test_a_wrong_pilot_level_reads_as_it_is_set() -> None:
    world = charging()
    world.evse.fault("pilot_volts", 14.0)
    assert world.peaks() == (14, -12)


def test_a_distorted_meter_shows_another_power_and_counts_the_true_energy() -> None:
    world, honest = charging(), charging()
    world.evse.fault("distort_meter", 0.5)
    world.charge(60, 20)
    honest.charge(60, 20)
    values, true = world.meter.read(), honest.meter.read()
    assert values.power_w == pytest.approx(true.power_w / 2, rel=0.01)
    assert values.amps == true.amps
    assert values.energy_wh == pytest.approx(true.energy_wh)


def test_a_stray_current_flows_on_l1_past_the_open_contactor_and_is_counted() -> None:
    world = World()
    before = world.meter.read()
    world.evse.fault("stray_current", 10.0)
    world.wait(36.0)
    after = world.meter.read()
    assert after.amps == (10.0, 0.0, 0.0)
    assert after.power_w == pytest.approx(2280, abs=20)
    assert after.energy_wh - before.energy_wh == pytest.approx(22.9, abs=0.2)
    world.evse.fault("grid_loss", 0.0)
    assert world.meter.read().amps == (0.0, 0.0, 0.0)


def test_a_lost_phase_has_no_voltage_and_no_current() -> None:
    world = charging()
    world.evse.fault("grid_loss", 2)
    sample = world.meter.read()
    assert (sample.volts[1], sample.amps[1]) == (0, 0)
    assert sample.amps[0] == pytest.approx(32, abs=0.01)
    assert sample.power_w == pytest.approx(watts(31.998, phases=2))


@pytest.mark.parametrize("phase", [0, 1])
def test_a_vehicle_without_l1_stops(phase: float) -> None:
    world = charging()
    world.evse.fault("grid_loss", phase)
    assert world.amps() == (0, 0, 0)


@pytest.mark.parametrize("amps, ohms", [(13, 1500), (20, 680), (32, 220), (63, 100)])
def test_a_cable_has_the_resistor_of_its_rating(amps: float, ohms: float) -> None:
    world = World()
    world.evse.plug_in(amps)
    assert world.evse.cable_ohms() == ohms
    world.evse.fault("cable_resistor", 47)
    assert world.evse.cable_ohms() == 47


def test_the_lock_takes_its_time_and_a_jam_stops_it() -> None:
    world = World()
    world.evse.drive_lock(True, world.plant.catch_up())
    world.wait(LOCK_S)
    assert world.plant.state().evses[0].locked
    world.evse.fault("lock_jam")
    world.evse.drive_lock(False, world.plant.catch_up())
    world.wait(10)
    assert world.plant.state().evses[0].locked
    world.evse.clear_fault("lock_jam")
    assert not world.plant.state().evses[0].locked


def test_a_loaded_enclosure_is_warmer_and_a_fault_hotter_still() -> None:
    idle, loaded = World(), charging()
    assert idle.evse.celsius(idle.mono) == 22
    assert loaded.evse.celsius(loaded.mono) == pytest.approx(40, abs=0.1)
    loaded.evse.fault("over_temperature")
    assert loaded.evse.celsius(loaded.mono) == 95


# ---- verbs that cannot be obeyed ----


def test_a_cable_unplugged_at_the_vehicle_stays_in_the_socket_until_it_is_pulled() -> None:
    world = World()
    evse = world.plant.evse(1)
    evse.plug_in(20)
    ohms = evse.cable_ohms()
    evse.unplug_ev()
    assert evse.vehicle is None
    assert evse.cable_ohms() == ohms
    evse.plug_in(32)
    assert evse.cable_ohms() == ohms
    evse.unplug_ev()
    evse.plug_out()
    assert evse.cable_ohms() > ohms
    with pytest.raises(PlantRefusal, match="no vehicle"):
        evse.plug_out()


def test_a_locked_plug_stays_unless_it_is_torn_out() -> None:
    world = charging()
    world.evse.drive_lock(True, world.mono)
    world.wait(LOCK_S)
    with pytest.raises(PlantRefusal, match="locked"):
        world.evse.plug_out()
    world.evse.plug_out(force=True)
    assert world.peaks() == (12, -12)
    assert world.amps() == (0, 0, 0)


def test_what_makes_no_sense_is_refused_and_named() -> None:
    world = World()
    evse = world.evse
    attempts: list[tuple[Callable[[], object], str]] = [
        (lambda: evse.plug_in(30), "13, 20, 32 or 63 A"),
        (lambda: evse.plug_in(32, 4), "1, 2 or 3 phases"),
        (lambda: evse.plug_in(quirks=["sings"]), "unknown quirk 'sings'; known quirks: slow_to_follow"),
        (evse.plug_out, "no vehicle to plug out"),
        (evse.ev_ready, "no vehicle; plug one in first"),
        (lambda: evse.fault("rust"), "unknown fault 'rust'"),
        (lambda: evse.fault("weld_relay", 1), "takes no value"),
        (lambda: evse.present_token(""), "1 to 36 printable"),
        (lambda: evse.present_token("A" * 37), "37 were given"),
        (lambda: world.plant.evse(0), "unknown EVSE 0; this board has EVSE 1"),
        (lambda: World(ONE_PHASE, ONE_PHASE).plant.evse(3), "EVSEs 1 to 2"),
    ]
    for attempt, text in attempts:
        with pytest.raises(PlantRefusal, match=text):
            attempt()
    evse.plug_in()
    draws: list[Callable[[], None]] = [
        lambda: evse.ev_draw(81),
        lambda: evse.ev_draw(math.nan),
        lambda: evse.ev_draw(6, 4),
    ]
    for draw in (*draws, evse.plug_in):
        with pytest.raises(PlantRefusal):
            draw()


def test_tokens_wait_in_order_and_the_oldest_is_dropped_when_nobody_reads() -> None:
    world = World()
    for number in range(12):
        world.evse.present_token(f"{number:02x}ab", TokenKind.ISO15693)
    assert [token.uid for token in world.evse.tokens] == [f"{number:02X}AB" for number in range(4, 12)]


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_can_be_raised_shown_and_cleared(fault: Fault) -> None:
    world = charging()
    world.evse.fault(str(fault))
    assert world.plant.state().evses[0].faults == {str(fault): FAULTS[fault].default}
    world.evse.clear_fault(str(fault))
    assert world.plant.state().evses[0].faults == {}
    world.wait(1)
    assert world.peaks()[0] > 5


def test_each_evse_of_a_plant_lives_its_own_life() -> None:
    world = World(EvseFacts(max_amps=32, phases=3), ONE_PHASE)
    first, second = world.plant.evses
    second.plug_in()
    first.fault("grid_loss")
    state = world.plant.state()
    assert [evse.plugged for evse in state.evses] == [False, True]
    assert [len(evse.faults) for evse in state.evses] == [1, 0]
    assert second.meter_values(world.mono).volts == (230,)
