"""Every target in every test run: its whole corpus, and that again with random damage. `make fuzz` goes on from it."""

from random import Random

import pytest

from tests.fuzz.__main__ import CORPUS, GROWTH_MB, told
from tests.fuzz.targets import TARGETS, FindingError, expect, parts_of

DAMAGED = 400
MOST_BYTES = 4096


def corpus(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def damaged(data: bytes, rng: Random) -> bytes:
    """Some bytes changed, left out, repeated or put in."""
    some = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(some) + 1)
        match rng.randrange(4):
            case 0 if at < len(some):
                some[at] ^= 1 << rng.randrange(8)
            case 1:
                del some[at : at + rng.randrange(1, 9)]
            case 2:
                some[at:at] = some[at : at + rng.randrange(1, 65)]
            case _:
                some[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(some[:MOST_BYTES])


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_comes_in_does_harm(name: str) -> None:
    run, inputs, rng = TARGETS[name](), corpus(name), Random(name)
    assert inputs, "a target has examples of what is right"
    run(b"")
    for data in inputs:
        run(data)
    for _ in range(DAMAGED):
        run(damaged(rng.choice(inputs), rng))


def test_every_corpus_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()


def test_an_answer_that_cannot_be_right_is_a_finding() -> None:
    with pytest.raises(FindingError, match="two answers"):
        expect(condition=False, what="two answers")


def test_pieces_are_all_there_is_in_order() -> None:
    assert list(parts_of(b"\x01ab\x00c" + bytes(60)))[:2] == [b"ab", b"c"]
    assert list(parts_of(b"")) == []


STATUS = "#{}\tpulse  cov: {} ft: 10 corp: 1/1b lim: 4 exec/s: 100 rss: {}Mb\n"


def test_what_a_fuzzer_says_is_understood() -> None:
    quiet = told("rapi", 0, STATUS.format(10, 5, 40) + STATUS.format(2000, 7, 41), 10.0)
    assert (quiet.runs, quiet.covered, quiet.rss_mb, quiet.finding) == (2000, 7, 41, "")
    grown = told("rapi", 0, "".join(STATUS.format(n, 7, 40 + n * (GROWTH_MB + 1)) for n in (1, 2, 3)), 10.0)
    assert "it grew by" in grown.finding
    broken = told("rapi", 77, f"{STATUS.format(9, 5, 40)}ValueError: no\nTest unit written to x.finding-crash-1\n", 1.0)
    assert broken.finding == "ValueError: no; x.finding-crash-1"
    assert told("rapi", 1, "", 0.1).finding == "exit code 1"
