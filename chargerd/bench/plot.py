"""The plot of one EVSE: limit, offered and measured current per phase over pilot duty, the last three minutes.

Three phases usually carry the same current, so they are drawn as ribbons of different widths on top of each other:
all three stay visible where they overlap.
"""

from collections.abc import Sequence
from typing import Any

from chargerd.bench.history import KEEP_S, Sample

SHORTEST_S = 60.0
Point = tuple[int, float | None]

LIMIT_COLOUR, OFFERED_COLOUR, DUTY_COLOUR = "#dc2626", "#2563eb", "#a855f7"
PHASES = (("#b45309", 6.5), ("#1f2937", 3.75), ("#d1d5db", 1.5))
"""Colour and width of L1, L2, L3: brown, black and grey as the wires are (IEC 60445), the later on the earlier."""


def chart_options() -> dict[str, Any]:
    """The chart without data; the order of its series is that of `series_data`."""
    step = {"step": "end"}
    return {
        "animation": False,
        "grid": {"left": 40, "right": 44, "top": 44, "bottom": 24},
        "legend": {"top": 0, "itemWidth": 22, "itemGap": 14},
        "tooltip": {"trigger": "axis", "order": "seriesAsc"},
        "xAxis": {"type": "time", "axisLabel": {"formatter": "{HH}:{mm}:{ss}", "hideOverlap": True}, "splitNumber": 6},
        "yAxis": [
            {"type": "value", "name": "A", "min": 0, "minInterval": 1},
            {"type": "value", "name": "duty %", "min": 0, "max": 100, "splitLine": {"show": False}},
        ],
        "series": [
            _line("limit", LIMIT_COLOUR, 2, z=6, **step, dash="dashed"),
            _line("offered", OFFERED_COLOUR, 2, z=2, **step, areaStyle={"opacity": 0.12}),
            *(_line(f"L{n + 1}", colour, width, z=3 + n) for n, (colour, width) in enumerate(PHASES)),
            _line("duty", DUTY_COLOUR, 1.5, z=1, **step, dash="dotted", yAxisIndex=1),
        ],
    }


def series_data(samples: Sequence[Sample]) -> list[list[Point]]:
    """Limit, offered, L1, L2, L3 and duty as (time, value) points; value None is a gap."""
    phases = [
        [(sample.at_ms, sample.amps[n] if sample.amps and n < len(sample.amps) else None) for sample in samples]
        for n in range(len(PHASES))
    ]
    return [
        thinned([(sample.at_ms, sample.limit_amps) for sample in samples]),
        thinned([(sample.at_ms, sample.offered_amps) for sample in samples]),
        *(thinned(points) for points in phases),
        thinned([(sample.at_ms, sample.duty_percent) for sample in samples]),
    ]


def window_ms(samples: Sequence[Sample]) -> tuple[int, int]:
    """What the time axis shows: all there is, at least SHORTEST_S so that the first seconds do not race."""
    if not samples:
        return 0, int(SHORTEST_S * 1000)
    end = samples[-1].at_ms
    return max(int(end - KEEP_S * 1000), min(samples[0].at_ms, int(end - SHORTEST_S * 1000))), end


def thinned(points: Sequence[Point]) -> list[Point]:
    """The points without those that equal both neighbours: the line is the same, and a browser has less to draw."""
    last = len(points) - 1
    return [
        point
        for index, point in enumerate(points)
        if index in {0, last} or not points[index - 1][1] == point[1] == points[index + 1][1]
    ]


def _line(name: str, colour: str, width: float, *, dash: str = "solid", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "showSymbol": False,
        "data": [],
        "lineStyle": {"width": width, "color": colour, "type": dash},
        "itemStyle": {"color": colour},
        **more,
    }
