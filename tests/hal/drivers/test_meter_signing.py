"""The signing meters over a pseudo-terminal; the test verifies their signatures over what came through."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hal.drivers.meter_signing import LONGEST_PHASE_S
from hal.types import DeviceSilent, HalError, SignedKind, Signing, SigningPhase
from tests.hal.drivers.signing_bench import NOW, USER, Bench, bench_of, verified
from tests.hal.drivers.signing_books import BOOKS


@pytest.fixture(params=BOOKS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(request.param, tmp_path) as made:
        yield made


def test_a_session_ends_in_a_document_whose_signature_is_right(bench: Bench) -> None:
    meter = bench.meter
    assert meter.signing() == Signing()
    bench.world.evse.ev_pause()
    bench.world.charge(5)
    meter.begin(USER, NOW)
    assert meter.signing() == Signing(SigningPhase.BEGINNING)
    begin = bench.until(SigningPhase.ACTIVE)[-1]
    bench.world.evse.ev_ready()
    bench.world.charge(30)
    bench.world.evse.ev_pause()
    bench.world.charge(5)
    meter.end(NOW + timedelta(minutes=1))
    assert meter.signing() == Signing(SigningPhase.ENDING)
    *samples, last = bench.until(SigningPhase.IDLE)
    assert last.signed is not None
    assert last.signed == meter.signed(SignedKind.END)
    assert all(sample.signed is None for sample in samples)
    payload = verified(last.signed, meter.public_key())
    assert (payload["ID"], payload["MV"]) == (USER, "Zähler")
    registers = [reading.get("XV", reading["RV"]) for reading in payload["RD"]]
    assert registers[-1] == pytest.approx(last.energy_wh, abs=1)  # whole watt-hours
    assert last.energy_wh > begin.energy_wh
    assert meter.read().signed is None


def test_each_second_has_a_sample_of_its_own_while_the_meter_signs(bench: Bench) -> None:
    bench.meter.begin(USER, NOW)
    begin_mono = bench.world.mono
    samples = bench.until(SigningPhase.ACTIVE)
    assert len(samples) > 1
    assert [sample.at_mono for sample in samples] == [begin_mono + n for n in range(len(samples))]
    assert all(sample.volts[0] > 220 for sample in samples)


def test_the_next_session_has_a_document_of_its_own(bench: Bench) -> None:
    documents = []
    for user in ("FIRST", "SECOND"):
        bench.meter.begin(user, NOW)
        assert bench.meter.signed(SignedKind.END) is None
        bench.until(SigningPhase.ACTIVE)
        bench.meter.end(NOW)
        bench.until(SigningPhase.IDLE)
        documents.append(verified(bench.meter.signed(SignedKind.END) or b"", bench.meter.public_key())["ID"])
    assert documents == ["FIRST", "SECOND"]


@pytest.mark.parametrize("text", ["", "a|b", 'a"b', "a\\b", "Zähler", "a\n", "x" * 300])
def test_a_text_that_would_break_a_document_is_refused(bench: Bench, text: str) -> None:
    with pytest.raises(HalError, match="the meter signs 1 to"):
        bench.meter.begin(text, NOW)
    assert bench.meter.signing() == Signing()


def test_sessions_do_not_overlap(bench: Bench) -> None:
    bench.meter.begin(USER, NOW)
    with pytest.raises(HalError, match="session is beginning"):
        bench.meter.begin(USER, NOW)
    with pytest.raises(HalError, match="session is beginning"):
        bench.meter.end(NOW)
    bench.until(SigningPhase.ACTIVE)
    with pytest.raises(HalError, match="session is active already: end it first"):
        bench.meter.begin(USER, NOW)


def test_a_meter_that_will_not_sign_is_told_and_still_measures(bench: Bench) -> None:
    bench.meter.begin(USER, NOW)
    bench.until(SigningPhase.ACTIVE)
    bench.book.trouble = {"bauer_bsm_ws36a": 4, "carlo_gavazzi_em580": 3, "iskra_wm3m4": 254}[bench.book.map_name]
    bench.meter.end(NOW)
    bench.until(SigningPhase.FAILED)
    assert bench.meter.signing().why in {
        "the meter made no snapshot because the meter's enable signal is missing",
        "the meter calls its document corrupted",
        "the meter did not sign: status 254",
    }
    assert bench.meter.signed(SignedKind.END) is None
    assert bench.meter.read().volts[0] > 220


def test_an_answer_that_is_lost_does_not_lose_the_session(bench: Bench) -> None:
    bench.meter.begin(USER, NOW)
    bench.meter.read()
    bench.world.evse.fault("stall_meter")
    with pytest.raises(DeviceSilent):
        bench.meter.read()
    bench.world.evse.clear_fault("stall_meter")
    bench.until(SigningPhase.ACTIVE)


def test_a_meter_that_stays_silent_fails_the_session_in_bounded_time(bench: Bench) -> None:
    bench.meter.begin(USER, NOW)
    bench.world.evse.fault("stall_meter")
    bench.world.wait(LONGEST_PHASE_S + 1)
    with pytest.raises(DeviceSilent):
        bench.meter.read()
    assert bench.meter.signing() == Signing(SigningPhase.FAILED, "no signature within 30 s")


@pytest.mark.parametrize("name", BOOKS)
def test_a_session_from_before_a_restart_can_be_ended(name: str, tmp_path: Path) -> None:
    with bench_of(name, tmp_path) as before:
        before.meter.begin(USER, NOW)
        before.until(SigningPhase.ACTIVE)
    with bench_of(name, tmp_path, before.book, before.world) as bench:
        bench.meter.end(NOW)
        bench.until(SigningPhase.IDLE)
        assert verified(bench.meter.signed(SignedKind.END) or b"", bench.meter.public_key())["ID"] == USER


@pytest.mark.parametrize("name", ["carlo_gavazzi_em580", "iskra_wm3m4"])
def test_a_new_session_does_not_overwrite_what_the_meter_still_holds(name: str, tmp_path: Path) -> None:
    with bench_of(name, tmp_path) as before:
        before.meter.begin(USER, NOW)
        before.until(SigningPhase.ACTIVE)
    with bench_of(name, tmp_path, before.book, before.world) as bench:
        bench.meter.begin("ANOTHER", NOW)
        bench.until(SigningPhase.FAILED)
        assert "end it first" in bench.meter.signing().why
