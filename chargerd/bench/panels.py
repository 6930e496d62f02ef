"""The parts of the bench page. Each builds its elements once and adds a function that keeps them fresh.

What a part shows it takes from the history, what its buttons do they ask of the rig, verb by verb.
"""

import html
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nicegui import ui

from chargerd.bench.frames import FrameView
from chargerd.bench.history import FRAMES_KEPT, History
from chargerd.bench.plot import chart_options, series_data, window_ms
from chargerd.bench.rig import Rig
from chargerd.bench.updates import KINDS
from chargerd.bench.verbs import BenchError
from chargerd.bench.wording import (
    SILENT_STATION,
    facts_line,
    fault_lines,
    light_text,
    limit_rows,
    next_step,
    reason_lines,
)
from hal.sim.vehicle import Quirk

STATE_COLOURS = {
    "Available": "green",
    "Occupied": "blue",
    "Charging": "blue",
    "Faulted": "red",
    "SuspendedEV": "orange",
    "SuspendedEVSE": "orange",
    "EVConnected": "teal",
}
KIND_CLASSES = {"error": "text-red-700", "garbage": "text-red-700", "result": "text-slate-500"}
ACCEPTED = frozenset({"Accepted", "Scheduled"})

_T = TypeVar("_T")


class Panels:
    """One browser's view; all of them share the rig and the history. `faults`: name -> what it does."""

    def __init__(self, rig: Rig, history: History, faults: Mapping[str, str]) -> None:
        self._rig = rig
        self._history = history
        self._faults = faults
        self._refreshers: list[Callable[[], None]] = []

    def refresh(self) -> None:
        """Bring everything up to date."""
        for refresh in self._refreshers:
            refresh()

    # ------------------------------------------------------------------ header

    def header(self) -> None:
        """Which station this is, whether its CSMS listens, and which process is silent."""
        with ui.header().classes("items-center gap-x-4 gap-y-1 py-2"):
            ui.label("⚡ chargerd bench").classes("text-lg font-bold")
            who = _text("who", "text-sm")
            link = _badge("link")
            queued = _text("queued", "text-sm")
            problem = _badge("problem", "red")
            ui.space()
            ui.label("simulated: no real power anywhere").classes("text-xs opacity-70")

        def refresh() -> None:
            status = self._history.status
            problem.set_text(self._history.problem)
            problem.set_visibility(bool(self._history.problem))
            link.set_visibility(status is not None)
            queued.set_visibility(status is not None)
            if status is None:
                return
            who.set_text(f"{status['vendor']} {status['model']} · {status['link']['identity']}")
            up, registration = status["link"]["open"], status["link"]["registration"]
            _show_badge(
                link,
                f"CSMS {registration}" if up else "CSMS not connected",
                "green" if up and registration == "Accepted" else "red",
            )
            queued.set_text(f"{status['link']['queued']} messages wait" if status["link"]["queued"] else "")

        self._refreshers.append(refresh)

    # ------------------------------------------------------------------ one EVSE

    def evse(self, evse_id: int, *, tall: bool) -> None:
        """One EVSE: state, plot (`tall` where there is room), the car and the card, faults, reasons and limits."""
        self._head(evse_id)
        self._plot(evse_id, "h-80" if tall else "h-64")
        self._car(evse_id)
        with ui.row().classes("items-center gap-x-4 gap-y-2"):
            self._draw(evse_id)
            self._trouble(evse_id)
        with ui.element().classes("w-full grid grid-cols-1 sm:grid-cols-5 gap-3"):
            with ui.column().classes("gap-0 sm:col-span-3"):
                self._reasons(evse_id)
            with ui.column().classes("gap-0 sm:col-span-2"):
                self._limits(evse_id)

    def _head(self, evse_id: int) -> None:
        with ui.row().classes("items-center gap-x-3 gap-y-1 w-full"):
            ui.label(f"EVSE {evse_id}").classes("text-lg font-bold")
            connector = _badge(f"connector-{evse_id}")
            state = _badge(f"state-{evse_id}")
            advice = _text(f"next-{evse_id}", "text-sm text-blue-900 italic")
        with ui.row().classes("items-baseline gap-x-4 gap-y-0 w-full"):
            facts = _text(f"facts-{evse_id}", "text-xs font-mono")
            light = _text(f"light-{evse_id}", "text-xs")

        def refresh() -> None:
            evse = self._evse_status(evse_id)
            advice.set_text(next_step(evse, has_csms=self._rig.csms is not None))
            connector.set_visibility(evse is not None)
            state.set_visibility(evse is not None)
            facts.set_text(SILENT_STATION if evse is None else facts_line(evse["charging"]))
            light.set_text(light_text(self._plant(evse_id)))
            if evse is None:
                return
            _show_badge(connector, evse["connector_status"], STATE_COLOURS.get(evse["connector_status"], "grey"))
            running = evse["transaction"]
            name = running["charging_state"] if running else "no transaction"
            _show_badge(state, name, STATE_COLOURS.get(name, "grey"))

        self._refreshers.append(refresh)

    def _plot(self, evse_id: int, height: str) -> None:
        chart = ui.echart(chart_options()).classes(f"w-full {height}").props(f'data-testid="plot-{evse_id}"')

        def refresh() -> None:
            samples = list(self._history.samples.get(evse_id, ()))
            chart.options["xAxis"]["min"], chart.options["xAxis"]["max"] = window_ms(samples)
            for series, data in zip(chart.options["series"], series_data(samples), strict=True):
                series["data"] = data
            chart.update()

        self._refreshers.append(refresh)

    def _car(self, evse_id: int) -> None:
        with ui.row().classes("items-center gap-2"):
            habits = ui.select([str(quirk) for quirk in Quirk], label="habits", multiple=True, value=[])
            habits.props(f'dense data-testid="habits-{evse_id}"').classes("w-32")
            self._button(
                "Plug in",
                "plug_in",
                lambda: {"evse": evse_id, "quirks": tuple(habits.value)},
                mark=f"plug_in-{evse_id}",
                about="a car with these habits is plugged in",
            )
            for text, verb, about in (
                ("Ready", "ev_ready", "the car asks for energy (state C)"),
                ("Pause", "ev_pause", "the car wants none for now (state B)"),
                ("Resume", "ev_resume", "the car asks again"),
                ("Unplug", "plug_out", "the plug is pulled, if the lock lets go"),
            ):
                self._button(text, verb, lambda: {"evse": evse_id}, mark=f"{verb}-{evse_id}", about=about)
            uid = ui.input("card", value="04A1B2C3").props("dense").classes("w-28")
            self._button(
                "Tap",
                "present_token",
                lambda: {"evse": evse_id, "uid": uid.value},
                mark=f"tap-{evse_id}",
                about="the card is held to the reader",
            )
            self._button(
                "Contract",
                "show_contract",
                lambda: {"evse": evse_id},
                mark=f"contract-{evse_id}",
                about="the car shows its contract certificate (ISO 15118)",
            )

    def _draw(self, evse_id: int) -> None:
        with ui.row().classes("items-center gap-2"):
            amps = ui.number("car wants, A", value=32, min=0, max=80, step=1).props("dense").classes("w-24")
            phases = ui.select({3: "3 phases", 1: "1 phase"}, value=3).props("dense").classes("w-24")
            self._button(
                "Set draw",
                "ev_draw",
                lambda: {"evse": evse_id, "amps": float(amps.value or 0), "phases": phases.value},
                mark=f"draw-{evse_id}",
                about="what this car draws if it is offered as much",
            )
        amps.props(f'data-testid="draw-amps-{evse_id}"')

    def _trouble(self, evse_id: int) -> None:
        """Choose a fault, read what it does, raise it; those that stand are chips which a click clears."""
        names = sorted(self._faults)
        with ui.row().classes("items-center gap-2"):
            fault = ui.select(names, label="fault", value=names[0] if names else None).props("dense").classes("w-40")
            value = ui.number("value").props("dense clearable").classes("w-20")
            chosen: Callable[[], dict[str, Any]] = lambda: {"evse": evse_id, "name": fault.value}  # noqa: E731

            def raised() -> dict[str, Any]:
                return chosen() | ({} if value.value is None else {"value": float(value.value)})

            self._button("Raise", "fault", raised, mark=f"raise-{evse_id}", colour="red")
            self._button("Clear", "clear_fault", chosen, mark=f"clear-{evse_id}")
        fault.props(f'data-testid="fault-{evse_id}"')
        value.props(f'data-testid="fault-value-{evse_id}"')
        help_text = _text(f"fault-help-{evse_id}", "text-xs text-slate-600 w-full")
        help_text.bind_text_from(fault, "value", lambda name: f"{name}: {self._faults.get(name, '')}")
        standing = ui.row().classes("items-center gap-1").props(f'data-testid="standing-{evse_id}"')

        def draw(broken: list[str]) -> None:
            for name in broken:
                chip = ui.chip(name, icon="close", color="red-2", on_click=self._doing("clear_fault", evse_id, name))
                chip.props("dense square").tooltip(f"{self._faults.get(name, '')}: click to clear")

        self._keep_drawn(standing, lambda: sorted(self._plant(evse_id).get("faults", ())), draw)

    def _reasons(self, evse_id: int) -> None:
        ui.label("Why no energy").classes("text-sm font-bold")
        box = ui.column().classes("gap-0").props(f'data-testid="reasons-{evse_id}"')

        def look() -> tuple[list[str], list[str]]:
            evse = self._evse_status(evse_id)
            return fault_lines(evse), reason_lines(evse)

        def draw(lines: tuple[list[str], list[str]]) -> None:
            faults, reasons = lines
            for line in faults:
                colour = "text-red-700" if line.startswith("FAULT") else "text-orange-700"
                ui.label(line).classes(f"text-sm font-bold {colour}")
            for line in reasons:
                ui.label(f"• {line}").classes("text-sm")
            if not reasons:
                ui.label("energy may flow").classes("text-sm text-green-700")

        self._keep_drawn(box, look, draw)

    def _limits(self, evse_id: int) -> None:
        ui.label("Limits: the smallest wins").classes("text-sm font-bold")
        box = ui.column().classes("gap-0").props(f'data-testid="limits-{evse_id}"')

        def draw(rows: list[tuple[str, float, bool, str]]) -> None:
            for source, amps, wins, note in rows:
                with ui.row().classes("no-wrap gap-2 text-sm font-mono" + (" font-bold text-red-700" if wins else "")):
                    ui.label(source).classes("w-20 truncate")
                    ui.label(f"{amps:.1f} A").classes("w-14 text-right whitespace-nowrap")
                    ui.label("◀ wins" if wins else "").classes("whitespace-nowrap")
                    ui.label(note).classes("whitespace-nowrap")

        self._keep_drawn(box, lambda: limit_rows(self._evse_status(evse_id)), draw)
        with ui.row().classes("items-center gap-2"):
            amps = ui.number("user, A", value=8, min=0, max=80, step=1).props("dense").classes("w-16")
            amps.props(f'data-testid="user-amps-{evse_id}"')
            self._button(
                "Limit",
                "user_limit",
                lambda: {"evse": evse_id, "amps": float(amps.value or 0)},
                mark=f"user-limit-{evse_id}",
                about="as chargerctl limit does it on the spot",
            )
            self._button("None", "user_limit", lambda: {"evse": evse_id}, mark=f"no-user-limit-{evse_id}")

    # ------------------------------------------------------------------ the CSMS

    def csms_side(self, evse_ids: list[int]) -> None:
        """What the CSMS can do, the link to it, and the two processes."""
        ui.label("CSMS").classes("text-lg font-bold")
        if self._rig.csms is None:
            ui.label(f"Operate it there: {self._rig.settings.csms_url}").classes("text-sm break-all")
        else:
            self._csms_buttons(evse_ids)
        with ui.row().classes("gap-2"):
            self._button("Cut link", "link_down", dict, mark="link-down", colour="red", about="until it is mended")
            self._button("Mend link", "link_up", dict, mark="link-up")
        with ui.row().classes("gap-2"):
            self._kill_button("control")
            self._kill_button("station")

        self._update_buttons()

    def _update_buttons(self) -> None:
        """Firmware that the CSMS offers, and the machine under the station."""
        with ui.row().classes("items-center gap-2"):
            kind = ui.select(list(KINDS), value="good").props('dense data-testid="update-kind"').classes("w-40")
            self._button("Update", "update", lambda: {"kind": kind.value}, mark="update", about="new firmware, by OCPP")
            about = "both processes die at once, and the machine is started anew"
            self._button("Power cut", "power_cut", dict, mark="power-cut", colour="red", about=about)

    def _kill_button(self, process: str) -> None:
        about = f"SIGKILL to the {process} process; it is started again, as systemd would"
        self._button(
            f"Kill {process}", "kill", lambda: {"process": process}, mark=f"kill-{process}", colour="red", about=about
        )

    def _csms_buttons(self, evse_ids: list[int]) -> None:
        evse = ui.select({number: f"EVSE {number}" for number in evse_ids}, value=evse_ids[0]).props("dense")
        evse.classes("w-24").props('data-testid="csms-evse"').set_visibility(len(evse_ids) > 1)
        chosen: Callable[[], dict[str, Any]] = lambda: {"evse": evse.value}  # noqa: E731
        with ui.row().classes("gap-2"):
            self._button("Remote start", "remote_start", chosen, mark="remote-start")
            self._button("Remote stop", "remote_stop", chosen, mark="remote-stop")
        with ui.row().classes("items-center gap-2"):
            amps = ui.number("limit, A", value=10, min=0, max=80, step=1).props("dense").classes("w-20")
            amps.props('data-testid="limit-amps"')
            self._button("Set limit", "limit", lambda: chosen() | {"amps": float(amps.value or 0)}, mark="set-limit")
            self._button("No limit", "no_limit", chosen, mark="no-limit")

    def frames(self) -> None:
        """The OCPP frames as they pass, the newest on top; a click opens one."""
        with ui.row().classes("items-baseline gap-3"):
            ui.label("OCPP frames").classes("text-lg font-bold")
            ui.label("→ to the CSMS · ← from it · click to open").classes("text-xs text-slate-500")
        box = ui.column().classes("w-full gap-0 overflow-auto h-96 flex-nowrap").props('data-testid="frames"')
        shown_count = 0

        def refresh() -> None:
            nonlocal shown_count
            new = self._history.frames_after(shown_count)
            shown_count = self._history.frame_count
            for frame in new:
                with box:
                    line = ui.html(frame_html(frame), sanitize=False).classes("w-full text-xs font-mono")
                line.move(box, 0)
            for old in list(box.default_slot.children)[FRAMES_KEPT:]:
                box.remove(old)

        self._refreshers.append(refresh)

    # ------------------------------------------------------------------ pieces

    def _button(
        self,
        text: str,
        verb: str,
        arguments: Callable[[], dict[str, Any]],
        *,
        mark: str,
        colour: str = "primary",
        about: str = "",
    ) -> None:
        async def act() -> None:
            await self._act(text, verb, arguments())

        button = ui.button(text, on_click=act, color=colour).props("dense no-caps size=sm unelevated").classes("px-3")
        button.props(f'data-testid="{mark}"')
        if about:
            button.tooltip(about)

    def _doing(self, verb: str, evse_id: int, name: str) -> Callable[[], Any]:
        async def act() -> None:
            await self._act(f"clear {name}", verb, {"evse": evse_id, "name": name})

        return act

    async def _act(self, text: str, verb: str, arguments: dict[str, Any]) -> None:
        """Do it, and tell what came of it: done, refused by the CSMS's or station's own word, or why it cannot be."""
        try:
            reply = await self._rig.do(verb, arguments)
        except BenchError as error:
            ui.notify(str(error), type="negative", multi_line=True, position="top-right")
            return
        said = reply.get("status")
        ui.notify(
            text if said is None else f"{text}: {said}",
            type="positive" if said is None or said in ACCEPTED else "warning",
            timeout=1500,
            position="top-right",
        )

    def _keep_drawn(self, box: ui.element, look: Callable[[], _T], draw: Callable[[_T], None]) -> None:
        """Draw the content of `box` anew whenever what `look` returns has changed."""
        shown: list[_T] = []

        def refresh() -> None:
            seen = look()
            if shown == [seen]:
                return
            shown[:] = [seen]
            box.clear()
            with box:
                draw(seen)

        self._refreshers.append(refresh)

    def _evse_status(self, evse_id: int) -> dict[str, Any] | None:
        evses = (self._history.status or {"evses": ()})["evses"]
        return next((evse for evse in evses if evse["evse_id"] == evse_id), None)

    def _plant(self, evse_id: int) -> dict[str, Any]:
        """The simulated world of one EVSE; empty while nobody can say."""
        evses = (self._history.status or {}).get("plant", {}).get("evses", ())
        return next((evse for evse in evses if evse["evse"] == evse_id), {})


def frame_html(frame: FrameView) -> str:
    """One frame as a line that opens. All text of it is from the wire and is escaped."""
    arrow = "→" if frame.direction == "out" else "←"
    kind = "" if frame.kind == "call" else f" {frame.kind}"
    head = html.escape(f"{frame.time} {arrow} {frame.action}{kind}")
    return (
        f'<details><summary class="cursor-pointer truncate {KIND_CLASSES.get(frame.kind, "text-blue-900")}">'
        f"<b>{head}</b> {html.escape(frame.short)}</summary>"
        f'<pre class="whitespace-pre-wrap break-all bg-slate-100 p-2">{html.escape(frame.whole)}</pre></details>'
    )


def _text(mark: str, classes: str) -> ui.label:
    return ui.label().classes(classes).props(f'data-testid="{mark}"')


def _badge(mark: str, colour: str = "grey") -> ui.badge:
    return ui.badge(color=colour).props(f'data-testid="{mark}"')


def _show_badge(badge: ui.badge, text: str, colour: str) -> None:
    badge.set_text(text)
    badge.props(f"color={colour}")
