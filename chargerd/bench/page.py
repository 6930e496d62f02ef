"""The bench page on loopback: the car and the card on one side, the CSMS on the other, what the station makes of it
between.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chargerd.bench.history import History, Sample
from chargerd.bench.rig import Rig
from chargerd.bench.verbs import BenchError

REFRESH_S = 0.5
PHASE_COLOURS = ("#b45309", "#64748b", "#15803d")
LIMIT_COLOUR, OFFERED_COLOUR, DUTY_COLOUR = "#dc2626", "#2563eb", "#a855f7"
STATE_COLOURS = {
    "Available": "green",
    "Occupied": "blue",
    "Charging": "blue",
    "Faulted": "red",
    "Unavailable": "grey",
    "SuspendedEV": "orange",
    "SuspendedEVSE": "orange",
    "EVConnected": "teal",
}


async def serve_page(rig: Rig, port: int, stop: asyncio.Event) -> None:
    """Serve the page on 127.0.0.1:`port` until `stop` is set. Raises BenchError when the port is taken."""
    history = History(rig)
    faults = sorted((await rig.do("faults", {}))["faults"])
    await history.look()
    app = FastAPI()
    # A page of some other site must not reach the bench through a name that points to loopback.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    ui.page("/", title="chargerd bench")(lambda: _Page(rig, history, faults).build())
    ui.run_with(app, favicon="⚡")
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws_ping_interval=None))
    watching = asyncio.create_task(history.keep_watching())
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    print(f"the bench is running; open http://127.0.0.1:{port}/ in a browser, Ctrl-C ends it", flush=True)
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            raise BenchError(f"--page {port}: the port cannot be used; name a free one, e.g. --page {port + 1}")
    finally:
        watching.cancel()
        server.should_exit = server.force_exit = True
        await asyncio.gather(watching, serving, return_exceptions=True)


class _Server(uvicorn.Server):
    """Signals belong to the bench, and a taken port is an error of ours to tell, not a reason to leave the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: Any = None) -> None:
        with contextlib.suppress(SystemExit):
            await super().serve(sockets)


class _Page:
    """One browser's view. All of them share the rig and the history."""

    def __init__(self, rig: Rig, history: History, faults: list[str]) -> None:
        self._rig = rig
        self._history = history
        self._faults = faults
        self._refreshers: list[Callable[[], None]] = []
        self._shown_frame: dict[str, Any] | None = None

    def build(self) -> None:
        """Lay everything out and keep it fresh."""
        ui.colors(primary="#1e3a5f")
        self._header()
        with ui.row().classes("w-full no-wrap items-start gap-4 p-2"):
            with ui.column().classes("grow gap-4"):
                for evse in (self._history.status or {"evses": ()})["evses"]:
                    self._evse(evse["evse_id"])
            with ui.column().classes("w-96 shrink-0 gap-4"):
                self._csms_side()
                self._frames()
        ui.timer(REFRESH_S, self._refresh)

    def _refresh(self) -> None:
        for refresh in self._refreshers:
            refresh()

    # ------------------------------------------------------------------ header

    def _header(self) -> None:
        with ui.header().classes("items-center gap-4 py-2"):
            ui.label("⚡ chargerd bench").classes("text-lg font-bold")
            who = ui.label().classes("text-sm").mark("who")
            link = ui.badge().mark("link")
            queued = ui.label().classes("text-sm")
            problem = ui.label().classes("text-sm text-amber-300")
            ui.space()
            ui.label("simulated: no real power anywhere").classes("text-xs opacity-70")

        def refresh() -> None:
            status = self._history.status
            problem.set_text(self._history.problem)
            if status is None:
                return
            who.set_text(f"{status['vendor']} {status['model']} · {status['link']['identity']}")
            up = status["link"]["open"]
            link.set_text(f"CSMS {status['link']['registration']}" if up else "CSMS not connected")
            link.props(f"color={'green' if up and status['link']['registration'] == 'Accepted' else 'red'}")
            queued.set_text(f"{status['link']['queued']} queued")

        self._refreshers.append(refresh)

    # ------------------------------------------------------------------ one EVSE

    def _evse(self, evse_id: int) -> None:
        with ui.card().classes("w-full gap-2"):
            self._evse_head(evse_id)
            self._plot(evse_id)
            self._car(evse_id)
            with ui.row().classes("w-full no-wrap gap-8"):
                self._reasons(evse_id)
                self._limit_table(evse_id)

    def _evse_head(self, evse_id: int) -> None:
        with ui.row().classes("items-center gap-3 w-full"):
            ui.label(f"EVSE {evse_id}").classes("text-lg font-bold")
            connector = ui.badge().mark(f"connector-{evse_id}")
            state = ui.badge().mark(f"state-{evse_id}")
            facts = ui.label().classes("text-sm font-mono").mark(f"facts-{evse_id}")

        def refresh() -> None:
            evse = self._evse_status(evse_id)
            if evse is None or evse["charging"] is None:
                facts.set_text("the control process is silent")
                return
            charging, transaction = evse["charging"], evse["transaction"]
            connector.set_text(evse["connector_status"])
            connector.props(f"color={STATE_COLOURS.get(evse['connector_status'], 'grey')}")
            state.set_text(transaction["charging_state"] if transaction else "no transaction")
            state.props(f"color={STATE_COLOURS.get(transaction['charging_state'], 'grey') if transaction else 'grey'}")
            facts.set_text(facts_line(charging))

        self._refreshers.append(refresh)

    def _plot(self, evse_id: int) -> None:
        chart = ui.echart(_chart_options()).classes("w-full h-64").mark(f"plot-{evse_id}")

        def refresh() -> None:
            samples = list(self._history.samples.get(evse_id, ()))
            for series, data in zip(chart.options["series"], series_data(samples), strict=True):
                series["data"] = data
            chart.update()

        self._refreshers.append(refresh)

    def _car(self, evse_id: int) -> None:
        with ui.row().classes("items-center gap-2"):
            for text, verb in (
                ("Plug in", "plug_in"),
                ("Ready", "ev_ready"),
                ("Pause", "ev_pause"),
                ("Resume", "ev_resume"),
                ("Unplug", "plug_out"),
            ):
                self._button(text, verb, lambda: {"evse": evse_id}, mark=f"{verb}-{evse_id}")
            uid = ui.input("card", value="04A1B2C3").props("dense").classes("w-32")
            self._button("Tap", "present_token", lambda: {"evse": evse_id, "uid": uid.value}, mark=f"tap-{evse_id}")
        with ui.row().classes("items-center gap-2"):
            ui.label("the car draws").classes("text-sm")
            draw = ui.slider(min=0, max=80, value=32, step=1).props("label").classes("w-48")
            self._button("Set draw", "ev_draw", lambda: {"evse": evse_id, "amps": float(draw.value)})
            fault = (
                ui.select(self._faults, label="fault", value=next(iter(self._faults), None))
                .props("dense")
                .classes("w-48")
            )
            fault.mark(f"fault-{evse_id}")
            self._button(
                "Raise", "fault", lambda: {"evse": evse_id, "name": fault.value}, mark=f"raise-{evse_id}", colour="red"
            )
            self._button(
                "Clear", "clear_fault", lambda: {"evse": evse_id, "name": fault.value}, mark=f"clear-{evse_id}"
            )

    def _reasons(self, evse_id: int) -> None:
        with ui.column().classes("gap-0 w-1/2"):
            ui.label("Why no energy").classes("text-sm font-bold")
            reasons = ui.column().classes("gap-0").mark(f"reasons-{evse_id}")
        shown: list[str] | None = None

        def refresh() -> None:
            nonlocal shown
            lines = reason_lines(self._evse_status(evse_id))
            if lines == shown:
                return
            shown = lines
            reasons.clear()
            with reasons:
                for line in lines:
                    ui.label(line).classes("text-sm")

        self._refreshers.append(refresh)

    def _limit_table(self, evse_id: int) -> None:
        with ui.column().classes("gap-0 w-1/2"):
            ui.label("Limits (the smallest wins)").classes("text-sm font-bold")
            rows = ui.column().classes("gap-0").mark(f"limits-{evse_id}")
        shown: list[tuple[str, bool]] | None = None

        def refresh() -> None:
            nonlocal shown
            lines = limit_rows(self._evse_status(evse_id))
            if lines == shown:
                return
            shown = lines
            rows.clear()
            with rows:
                for text, wins in lines:
                    ui.label(text).classes("text-sm font-mono" + (" font-bold text-red-700" if wins else ""))

        self._refreshers.append(refresh)

    # ------------------------------------------------------------------ the CSMS

    def _csms_side(self) -> None:
        with ui.card().classes("w-full gap-2"):
            ui.label("CSMS").classes("text-lg font-bold")
            with ui.row().classes("gap-2"):
                self._button("Cut link", "link_down", dict, mark="link-down", colour="red")
                self._button("Mend link", "link_up", dict, mark="link-up")
            if self._rig.csms is None:
                ui.label("An external CSMS is connected; operate it there.").classes("text-sm")
                return
            evse_ids = sorted(self._history.samples)
            evse = ui.select(evse_ids, label="EVSE", value=next(iter(evse_ids), None)).props("dense").classes("w-24")
            with ui.row().classes("gap-2"):
                self._button("Remote start", "remote_start", lambda: {"evse": evse.value}, mark="remote-start")
                self._button("Remote stop", "remote_stop", lambda: {"evse": evse.value}, mark="remote-stop")
            with ui.row().classes("items-center gap-2"):
                amps = (
                    ui.number("limit, A", value=10, min=0, max=80, step=1)
                    .props("dense")
                    .classes("w-24")
                    .mark("limit-amps")
                )
                self._button(
                    "Set limit", "limit", lambda: {"evse": evse.value, "amps": float(amps.value)}, mark="set-limit"
                )
                self._button("No limit", "no_limit", lambda: {"evse": evse.value}, mark="no-limit")

    def _frames(self) -> None:
        with ui.card().classes("w-full gap-1"):
            ui.label("OCPP frames").classes("text-lg font-bold")
            log = ui.log(max_lines=200).classes("w-full h-96 text-xs").mark("frames")

        def refresh() -> None:
            for frame in unshown(list(self._history.frames), self._shown_frame):
                log.push(frame_line(frame))
                self._shown_frame = frame

        self._refreshers.append(refresh)

    # ------------------------------------------------------------------ pieces

    def _button(
        self, text: str, verb: str, arguments: Callable[[], dict[str, Any]], *, mark: str = "", colour: str = "primary"
    ) -> None:
        async def act() -> None:
            try:
                reply = await self._rig.do(verb, arguments())
            except BenchError as error:
                ui.notify(str(error), type="negative", multi_line=True)
                return
            refused = reply.get("status", "Accepted") not in {"Accepted", "Scheduled"}
            ui.notify(
                f"{text}: {reply['status']}" if "status" in reply else text, type="warning" if refused else "positive"
            )

        button = ui.button(text, on_click=_as_handler(act), color=colour).props("dense no-caps size=sm").classes("px-3")
        if mark:
            button.props(f'data-testid="{mark}"')

    def _evse_status(self, evse_id: int) -> dict[str, Any] | None:
        evses = (self._history.status or {"evses": ()})["evses"]
        return next((evse for evse in evses if evse["evse_id"] == evse_id), None)


def _as_handler(act: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    return act


# ---------------------------------------------------------------------- text and figures


def facts_line(charging: dict[str, Any]) -> str:
    """Pilot, contactor and meter in one line."""
    relay = {True: "closed", False: "open", None: "?"}[charging["relay_closed"]]
    line = f"pilot {charging['pilot_state']}  offered {charging['offered_amps']:.1f} A  contactor {relay}"
    meter = charging["meter"]
    if meter is not None:
        amps = "/".join(f"{amps:.1f}" for amps in meter["amps"])
        line += f"  {amps} A  {meter['power_w'] / 1000:.2f} kW  {meter['energy_wh'] / 1000:.3f} kWh"
    return line


def reason_lines(evse: dict[str, Any] | None) -> list[str]:
    """Every reason for no energy, faults first."""
    if evse is None:
        return ["the station process is silent"]
    faults = (evse["charging"] or {"faults": ()})["faults"]
    standing = [f"FAULT {fault['code']} {fault['detail']}".rstrip() for fault in faults]
    return standing + list(evse["why_not"]) or ["energy may flow"]


def limit_rows(evse: dict[str, Any] | None) -> list[tuple[str, bool]]:
    """The limit table as (text, wins)."""
    if evse is None or evse["charging"] is None:
        return []
    charging = evse["charging"]
    winner = charging["limit"]["source"]
    return [
        (f"{limit['source']:<14} {limit['amps']:5.1f} A", limit["source"] == winner) for limit in charging["limits"]
    ]


def frame_line(frame: dict[str, Any]) -> str:
    """A frame in one line: time, direction, action or kind of answer, and the beginning of its content."""
    arrow = "→" if frame["direction"] == "out" else "←"
    try:
        message = json.loads(frame["text"])
        kind = message[2] if message[0] == 2 else {3: "result", 4: "ERROR"}[message[0]]
        content = json.dumps(message[3] if message[0] == 2 else message[2:], separators=(",", ":"))
    except (ValueError, KeyError, IndexError, TypeError):
        kind, content = "garbage", frame["text"]
    return f"{frame['at_utc'][11:19]} {arrow} {kind} {content[:160]}"


def unshown(frames: list[dict[str, Any]], last: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The frames after `last`; all of them when it is no longer there."""
    for index, frame in enumerate(frames):
        if frame is last:
            return frames[index + 1 :]
    return frames


def series_data(samples: list[Sample]) -> list[list[list[float | None]]]:
    """Limit, offered, L1, L2, L3 and duty as [time, value] points, in the order of the chart's series."""
    limit = [[sample.at_ms, sample.limit_amps] for sample in samples]
    offered = [[sample.at_ms, sample.offered_amps] for sample in samples]
    phases = [
        [[sample.at_ms, sample.amps[phase] if sample.amps and phase < len(sample.amps) else None] for sample in samples]
        for phase in range(3)
    ]
    duty = [[sample.at_ms, sample.duty_percent] for sample in samples]
    return [limit, offered, *phases, duty]  # type: ignore[list-item]


def _chart_options() -> dict[str, Any]:
    def line(name: str, colour: str, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "type": "line",
            "showSymbol": False,
            "data": [],
            "lineStyle": {"width": 2, "color": colour} | more.pop("style", {}),
            "itemStyle": {"color": colour},
            **more,
        }

    return {
        "animation": False,
        "grid": {"left": 45, "right": 45, "top": 35, "bottom": 25},
        "legend": {"top": 0},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "time"},
        "yAxis": [
            {"type": "value", "name": "A", "min": 0},
            {"type": "value", "name": "%", "min": 0, "max": 100, "splitLine": {"show": False}},
        ],
        "series": [
            line("limit", LIMIT_COLOUR, step="end", style={"type": "dashed"}),
            line("offered", OFFERED_COLOUR, step="end"),
            *(line(f"L{number + 1}", colour) for number, colour in enumerate(PHASE_COLOURS)),
            line("duty", DUTY_COLOUR, step="end", yAxisIndex=1, style={"type": "dotted", "width": 1}),
        ],
    }
