from datetime import UTC
from pathlib import Path

import pytest

from hal.types import HalError, SigningPhase
from tests.hal.drivers.signing_bench import NOW, USER, bench_of


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


@pytest.mark.parametrize("words", [0, 2032])
def test_a_document_of_an_impossible_length_is_refused(tmp_path: Path, words: int) -> None:
    with bench_of("carlo_gavazzi_em580", tmp_path) as bench:
        bench.book.words |= {0x7100: 2, 0x7101: words}
        bench.meter.end(NOW)
        bench.until(SigningPhase.FAILED)
        assert f"document has {words} registers" in bench.meter.signing().why


def test_an_end_without_a_session_is_refused_by_the_meter(tmp_path: Path) -> None:
    with bench_of("carlo_gavazzi_em580", tmp_path) as bench:
        bench.meter.end(NOW)
        bench.until(SigningPhase.FAILED)
        assert "exception 3" in bench.meter.signing().why


def test_a_meter_without_a_key_says_so(tmp_path: Path) -> None:
    with bench_of("carlo_gavazzi_em580", tmp_path) as bench:
        bench.book.words[0x24FF] = 2
        with pytest.raises(HalError, match="the meter has no key"):
            bench.meter.public_key()
