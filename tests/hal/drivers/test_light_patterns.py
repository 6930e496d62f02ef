import itertools

import pytest

from hal.drivers.light_patterns import (
    BEEPS,
    MOST_FLASHES,
    PATTERNS,
    SHADES,
    Colour,
    Pattern,
    code_rhythm,
    is_sounding,
    pattern_for,
    shade_at,
)
from hal.types import Indication

LOOK_S = 0.02


def lit(pattern: Pattern, seconds: float) -> list[bool]:
    """Whether it is lit at each look of the control loop."""
    return [shade_at(pattern, look * LOOK_S) > 0 for look in range(round(seconds / LOOK_S))]


def flashes(pattern: Pattern, seconds: float) -> int:
    return sum(now and not before for before, now in itertools.pairwise([False, *lit(pattern, seconds)]))


def test_everything_there_is_to_show_has_a_pattern() -> None:
    assert set(PATTERNS) == set(Indication)


def test_every_indication_can_be_told_by_its_rhythm_alone() -> None:
    patterns = [*PATTERNS.values(), *(pattern_for(Indication.FAULTED, code, PATTERNS) for code in range(1, 13))]
    seen = [lit(pattern, 60.0) for pattern in patterns]
    for one, other in itertools.combinations(range(len(seen)), 2):
        assert seen[one] != seen[other], f"{patterns[one]} and {patterns[other]}"


def test_no_two_rhythms_are_hard_to_tell_apart() -> None:
    """In a minute each two differ for at least two seconds together; people do not count hundredths."""
    seen = [lit(pattern, 60.0) for pattern in PATTERNS.values()]
    for one, other in itertools.combinations(seen, 2):
        assert sum(a != b for a, b in zip(one, other, strict=True)) * LOOK_S >= 2.0


@pytest.mark.parametrize("code", range(1, MOST_FLASHES + 1))
def test_a_fault_is_counted_out_in_flashes(code: int) -> None:
    pattern = pattern_for(Indication.FAULTED, code, PATTERNS)
    assert pattern.colour is Colour.RED
    round_s = sum(code_rhythm(code)) / 1000
    assert flashes(pattern, round_s) == code
    assert flashes(pattern, 2 * round_s) == 2 * code
    assert not any(lit(pattern, round_s)[-75:])  # at least 1.5 s of pause tell where counting begins


def test_a_number_too_high_to_count_is_cut_and_none_is_the_plain_pattern() -> None:
    assert code_rhythm(99) == code_rhythm(MOST_FLASHES)
    assert pattern_for(Indication.FAULTED, 0, PATTERNS) == PATTERNS[Indication.FAULTED]


def test_only_faults_are_counted() -> None:
    assert pattern_for(Indication.CHARGING, 5, PATTERNS) == PATTERNS[Indication.CHARGING]


def test_a_steady_light_is_steady_and_off_is_dark() -> None:
    assert {shade_at(Pattern(colour=Colour.GREEN), t / 7) for t in range(100)} == {1.0}
    assert {shade_at(Pattern(colour=Colour.OFF, rhythm=(100, 100)), t / 7) for t in range(100)} == {0.0}


def test_a_fade_swells_and_fades_in_few_steps() -> None:
    pattern = Pattern(colour=Colour.BLUE, rhythm=(2000, 1000), fade=True)
    assert shade_at(pattern, 0.0) == 0
    assert shade_at(pattern, 1.0) == 1
    assert shade_at(pattern, 2.5) == 0
    rising = [shade_at(pattern, t / 100) for t in range(101)]
    assert rising == sorted(rising)
    assert len(set(rising)) <= SHADES + 1


@pytest.mark.parametrize("pattern", list(PATTERNS.values()))
def test_a_pattern_repeats_and_stays_within_dark_and_bright(pattern: Pattern) -> None:
    period_s = sum(pattern.rhythm) / 1000 or 1.0
    for look in range(200):
        shade = shade_at(pattern, look * LOOK_S + 0.001)
        assert 0 <= shade <= 1
        assert shade == pytest.approx(shade_at(pattern, look * LOOK_S + 0.001 + 7 * period_s), abs=0.01)


def test_beeps_are_sounded_once() -> None:
    beeps = BEEPS[Indication.REFUSED]
    heard = [is_sounding(beeps, look * LOOK_S) for look in range(1000)]
    begins = [now for before, now in itertools.pairwise([False, *heard]) if now and not before]
    assert len(begins) == 3
    assert not any(heard[50:])
    assert is_sounding((), 0.0) is False
