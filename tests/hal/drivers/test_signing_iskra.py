from datetime import timedelta
from pathlib import Path

import pytest

from hal.drivers.signing_iskra import head_of
from hal.types import SignedKind, SigningPhase
from tests.hal.drivers.signing_bench import NOW, USER, bench_of, verified


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


def test_the_head_is_one_line_of_json_with_the_order_of_the_format() -> None:
    head = head_of("04A2", "DE*1").decode()
    assert head.startswith('{"FV":"1.0","GI":"chargerd",')
    assert head.endswith('"IS":true,"IF":[],"IT":"UNDEFINED","ID":"04A2","CT":"EVSEID","CI":"DE*1","RD":[]}')
    assert len(head_of("x" * 200, "y" * 37)) <= 2 * (7612 - 7100)


def test_an_end_without_a_session_fails(tmp_path: Path) -> None:
    with bench_of("iskra_wm3m4", tmp_path) as bench:
        bench.meter.end(NOW)
        bench.until(SigningPhase.FAILED)
        assert bench.meter.signing().why == "the meter has no session open"


@pytest.mark.parametrize("length", [0, 129])
def test_a_signature_of_an_impossible_length_is_refused(tmp_path: Path, length: int) -> None:
    with bench_of("iskra_wm3m4", tmp_path) as bench:
        bench.meter.begin(USER, NOW)
        bench.until(SigningPhase.ACTIVE)
        bench.book.signature_length = length
        bench.meter.end(NOW)
        bench.until(SigningPhase.FAILED)
        assert f"has {length} bytes" in bench.meter.signing().why
