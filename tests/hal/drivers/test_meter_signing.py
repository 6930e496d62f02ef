"""The signing meters over a pseudo-terminal; the test verifies their signatures over what came through."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hal.drivers.meter_signing import LONGEST_PHASE_S, Settings, SigningModbusMeter
from hal.sim.meter_server import MeterServer
from hal.types import DeviceSilent, EvseFacts, HalError, MeterSample, SignedKind, Signing, SigningPhase
from tests.hal.drivers.signing_books import BOOKS, SigningBook
from tests.hal.plants import World, charging

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))
USER = "04A2B3C4D5E680"


@dataclass(frozen=True)
class Bench:
    world: World
    book: SigningBook
    meter: SigningModbusMeter

    def until(self, phase: SigningPhase, readings: int = 25) -> list[MeterSample]:
        """Read until the meter is so far, each second; every sample on the way."""
        samples = []
        for _ in range(readings):
            samples.append(self.meter.read())
            self.world.wait(1)
            if self.meter.signing().phase is phase:
                return samples
        raise AssertionError(f"{self.meter.signing()} after {readings} readings")


@contextmanager
def bench_of(name: str, run: Path, book: SigningBook | None = None, world: World | None = None) -> Iterator[Bench]:
    world = world or charging(EvseFacts(max_amps=32, phases=3))
    book = book or BOOKS[name]()
    server = MeterServer(world.evse, name, 1, run / "meter", book)
    settings: Any = {"map": name, "port": str(run / "meter"), "baud": 115200, "timeout_ms": 200}
    meter = SigningModbusMeter(Settings(**settings, evse_id="DE*ABC*E1"), world.slot("meter"))
    yield Bench(world, book, meter)
    meter.close()
    server.close()


def verified(document: bytes, key: bytes) -> dict[str, Any]:
    """The payload of a document whose signature is right, with the key from the meter."""
    mark, payload, signature = document.split(b"|")
    assert mark == b"OCMF"
    public = load_der_public_key(key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(bytes.fromhex(json.loads(signature)["SD"]), payload, ec.ECDSA(hashes.SHA256()))
    decoded: dict[str, Any] = json.loads(payload)
    return decoded


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
    assert registers[-1] == math.floor(last.energy_wh) or abs(registers[-1] - last.energy_wh) <= 100
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


# ---- what each meter is told ----


def test_the_bsm_gets_its_time_once_and_both_identifications(tmp_path: Path) -> None:
    with bench_of("bauer_bsm_ws36a", tmp_path) as bench:
        bench.meter.begin(USER, NOW)
        bench.until(SigningPhase.ACTIVE)
        epoch_s = bench.book.words[40260] << 16 | bench.book.words[40261]
        assert (epoch_s, bench.book.words[40262]) == (int(NOW.timestamp()), 120)
        assert (bench.book.text(40279, 70), bench.book.text(40349, 50)) == (USER, "DE*ABC*E1")
        assert verified(bench.meter.signed(SignedKind.BEGIN) or b"", bench.meter.public_key())["RD"][0]["TX"] == "B"
        bench.meter.end(NOW + timedelta(seconds=20))
        bench.until(SigningPhase.IDLE)
        assert bench.book.written.count(40260) == 1  # it was right to 20 s


def test_the_em580_gets_time_and_identification_before_it_begins(tmp_path: Path) -> None:
    with bench_of("carlo_gavazzi_em580", tmp_path) as bench:
        bench.meter.begin(USER, NOW.astimezone(UTC))
        bench.until(SigningPhase.ACTIVE)
        words = bench.book.words
        assert sum(words[0x7032 + n] << 16 * n for n in range(4)) == int(NOW.timestamp())
        assert [words[0x7000], words[0x7006], words[0x7031]] == [1, 2, 0]
        assert (bench.book.text(0x7007, 20), bench.book.text(0x701C, 20)) == (USER, "DE*ABC*E1")
        assert bench.book.written[-1] == 0x7040
        bench.meter.end(NOW)
        bench.until(SigningPhase.IDLE)
        assert bench.book.written[-1] == 0x7100  # the file was read whole before that was confirmed


def test_the_iskra_gets_time_and_head_again_after_a_power_failure(tmp_path: Path) -> None:
    with bench_of("iskra_wm3m4", tmp_path) as bench:
        bench.meter.begin(USER, NOW - timedelta(hours=1))
        bench.until(SigningPhase.ACTIVE)
        bench.book.words |= dict.fromkeys([7000, *range(7053, 7056), *range(7100, 7612)], 0)
        bench.book.words[7000] = 2
        bench.meter.end(NOW)
        bench.until(SigningPhase.IDLE)
        assert bench.book.words[7054] << 16 | bench.book.words[7055] == int(NOW.timestamp())
        assert verified(bench.meter.signed(SignedKind.END) or b"", bench.meter.public_key())["CI"] == "DE*ABC*E1"
