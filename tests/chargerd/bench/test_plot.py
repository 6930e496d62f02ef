"""The plot: series in the order of the chart, points that matter, a window that does not race."""

from hypothesis import given
from hypothesis import strategies as st

from chargerd.bench.history import KEEP_S, Sample
from chargerd.bench.plot import Point, chart_options, series_data, thinned, window_ms

SAMPLES = [
    Sample(0, 32.0, 0.0, 100.0, (0.0, 0.0, 0.0)),
    Sample(250, 32.0, 32.0, 53.3, (16.0, 15.0, 14.0)),
    Sample(500, 10.0, 10.0, 16.7, None),
    Sample(750),
]


def test_data_comes_in_the_order_of_the_charts_series() -> None:
    data = dict(zip([one["name"] for one in chart_options()["series"]], series_data(SAMPLES), strict=True))
    assert data["limit"] == [(0, 32.0), (250, 32.0), (500, 10.0), (750, None)]
    assert data["offered"] == [(0, 0.0), (250, 32.0), (500, 10.0), (750, None)]
    assert [data[f"L{n}"][1] for n in (1, 2, 3)] == [(250, 16.0), (250, 15.0), (250, 14.0)]
    assert data["duty"][1] == (250, 53.3)


def test_a_single_phase_leaves_the_other_two_empty() -> None:
    data = series_data([Sample(0, 16.0, 16.0, 26.7, (15.9,))])
    assert data[2:5] == [[(0, 15.9)], [(0, None)], [(0, None)]]


def test_phases_stay_visible_where_they_overlap() -> None:
    widths = [one["lineStyle"]["width"] for one in chart_options()["series"] if one["name"].startswith("L")]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3


def test_the_window_starts_with_a_minute_and_grows_to_all_that_is_kept() -> None:
    assert window_ms([Sample(100_000)]) == (40_000, 100_000)
    assert window_ms([Sample(0), Sample(90_000)]) == (0, 90_000)
    end = int(KEEP_S * 1000) + 5000
    assert window_ms([Sample(0), Sample(end)]) == (5000, end)
    assert window_ms([]) == (0, 60_000)


@given(st.lists(st.sampled_from([None, 0.0, 10.0, 32.0])))
def test_thinning_keeps_every_corner(values: list[float | None]) -> None:
    points: list[Point] = list(enumerate(values))
    kept = dict(thinned(points))
    last: float | None = None
    for at, value in points:
        last = kept.get(at, last)
        assert last == value
    assert not points or {0, len(points) - 1} <= kept.keys()


def test_a_level_line_is_two_points() -> None:
    assert thinned([(n, 10.0) for n in range(700)]) == [(0, 10.0), (699, 10.0)]
