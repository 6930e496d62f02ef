"""The station's side of an attempt: its real link, with real roots, keys and clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chargerd.clock import Now
from chargerd.config import IdentitySettings
from chargerd.keys import Keys
from chargerd.link import Link
from chargerd.ocpp.effects import ClientCertificate, KeyUse, MakeKey, OpenLink
from chargerd.ocpp.events import Event, LinkDown
from chargerd.tls import context_for
from tests.chargerd.certificates import Issued
from tests.tls.servers import HOST, LocalNames

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Trying:
    """One attempt. `roots`: trusted. `crl`: revocation lists, PEM. `clock`: None is the machine's, right. `client`:
    the certificate the station shows, of whatever key. `broken_key`: the file of its key is damaged.
    """

    roots: tuple[Issued, ...]
    host: str = HOST
    wildcards: bool = False
    floor: datetime | None = None
    clock: datetime | None = None
    synced: bool = True
    crl: str | None = None
    client: Callable[[str], str] | None = None
    broken_key: bool = False
    timeout_s: float = 4.0
    roots_pem: tuple[str, ...] = field(default=())


def attempt(trying: Trying, port: int, folder: Path) -> tuple[LinkDown, list[Event]]:
    """Open the link and let it run into its end."""
    keys = Keys(IdentitySettings(), folder / "keys")
    order = OpenLink(
        slot=1,
        url=f"wss://{trying.host}:{port}/ocpp/CS-1",
        identity="CS-1",
        password=None if trying.client else PASSWORD,
        security_profile=3 if trying.client else 2,
        ping_interval_s=0.0,
        connect_timeout_s=trying.timeout_s,
        client=_client(trying, keys, folder),
        roots_pem=trying.roots_pem or tuple(root.pem for root in trying.roots),
        wildcards=trying.wildcards,
        clock_floor=trying.floor,
    )
    crl_file = None
    if trying.crl is not None:
        crl_file = str(folder / "revoked.pem")
        Path(crl_file).write_text(trying.crl)
    now = Now(0.0, trying.clock or datetime.now(UTC), trying.synced)
    events: list[Event] = []

    async def story() -> None:
        over = asyncio.Event()

        def feed(event: Event) -> None:
            events.append(event)
            if isinstance(event, LinkDown):
                over.set()

        link = Link(feed, lambda order: context_for(order, keys, now, crl_file))
        link.open(order)
        async with asyncio.timeout(20):
            await over.wait()
        await link.wait_closed()

    with asyncio.Runner(loop_factory=LocalNames) as runner:
        runner.run(story())
    down = events[-1]
    assert isinstance(down, LinkDown), events
    return down, events


def _client(trying: Trying, keys: Keys, folder: Path) -> ClientCertificate | None:
    if trying.client is None:
        return None
    new = keys.make(MakeKey(request_id="1", use=KeyUse.STATION, common_name="SN-1", organization="CSO"))
    if trying.broken_key:
        next(path for path in (folder / "keys").iterdir() if new.key_id in path.name).write_text("no key\n")
    return ClientCertificate(new.key_id, trying.client(new.csr_pem))
