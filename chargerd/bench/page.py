"""The bench page on loopback: the car and the card on one side, the CSMS on the other, what the station makes of it
between.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chargerd.bench.history import History
from chargerd.bench.panels import Panels
from chargerd.bench.rig import Rig
from chargerd.bench.verbs import BenchError

REFRESH_S = 0.5


async def serve_page(rig: Rig, port: int, stop: asyncio.Event) -> None:
    """Serve the page on 127.0.0.1:`port` until `stop` is set. Raises BenchError when the port is taken."""
    listener = _bound(port)
    history = History(rig)
    faults = (await rig.do("faults", {}))["faults"]
    await history.look()
    app = FastAPI()
    # A page of some other site must not reach the bench through a name that points to loopback.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    ui.page("/", title="chargerd bench")(lambda: lay_out(Panels(rig, history, faults), history))
    ui.run_with(app, favicon="⚡")
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws_ping_interval=None))
    watching = asyncio.create_task(history.keep_watching())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        # A server that is told to end while it starts leaves half of itself running.
        await server.listening.wait()
        print(f"the bench is running; open http://127.0.0.1:{port}/ in a browser, Ctrl-C ends it", flush=True)
        await stop.wait()
    finally:
        watching.cancel()
        server.should_exit = server.force_exit = True
        await asyncio.gather(watching, serving, return_exceptions=True)


def _bound(port: int) -> socket.socket:
    """A socket bound to loopback. Raises BenchError when the port cannot be used."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise BenchError(
            f"--page {port}: {error.strerror or error}; name a free port, e.g. --page {port + 1}"
        ) from error
    return listener


def lay_out(panels: Panels, history: History) -> None:
    """One EVSE: the CSMS beside it. Several: side by side, the CSMS below. On a narrow window all in one column."""
    evse_ids = sorted(history.samples)
    one = len(evse_ids) == 1
    ui.colors(primary="#1e3a5f")
    ui.query("body").classes("bg-slate-100")
    panels.header()
    with ui.element().classes("w-full grid grid-cols-1 gap-3 " + ("lg:grid-cols-3" if one else "lg:grid-cols-2")):
        for evse_id in evse_ids:
            with ui.card().classes("w-full gap-2 p-3 min-w-0 " + ("lg:col-span-2" if one else "")):
                panels.evse(evse_id, tall=one)
        with ui.element().classes(
            "min-w-0 grid grid-cols-1 gap-3 content-start " + ("" if one else "lg:col-span-2 lg:grid-cols-3")
        ):
            with ui.card().classes("w-full gap-2 p-3 min-w-0"):
                panels.csms_side(evse_ids)
            with ui.card().classes("w-full gap-1 p-3 min-w-0 " + ("" if one else "lg:col-span-2")):
                panels.frames()
    ui.timer(REFRESH_S, panels.refresh)


class _Server(uvicorn.Server):
    """Signals belong to the bench; `listening` is set once requests are served."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()
