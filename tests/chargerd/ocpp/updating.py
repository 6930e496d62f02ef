"""A station in a machine with slots, whose shell is played by the test: it sees each job and says how it ended."""

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chargerd import codec
from chargerd.ocpp.effects import Reboot, StartJob
from chargerd.ocpp.events import JobDone
from chargerd.ocpp.firmware_update import Slots
from chargerd.ocpp.jobs import ACTIVATE, DISCARD, DOWNLOAD, MARK_GOOD, STAGE, VERIFY, Verified
from chargerd.ocpp.settings import FirmwareConfig
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig, board
from tests.chargerd.pki import Pair, made, root

MAKER = root("Maker", organization="Acme")
SIGNER = made("Firmware", MAKER)
OLD = Slots(slot="a", manifest_sha256="0" * 64, start_id="boot 1")
NEW = Slots(slot="b", manifest_sha256="1" * 64, start_id="boot 2")
VERIFIED = Verified(manifest_sha256=NEW.manifest_sha256, version="2.0.0")
URL = "https://user:secret@files.example/new?token=secret"


class Station(Rig):
    """`evses`: how many. `running`: what the launcher has started. `plugged`: how EVSE 1 is found."""

    def __init__(
        self, store: Store | None = None, running: Slots = OLD, *, evses: int = 1, online: bool = True, **more: Any
    ) -> None:
        config = msgspec.structs.replace(
            FirmwareConfig(running=running, healthy_s=10.0, offline_grace_s=100.0, give_up_s=300.0),
            **more.pop("firmware", {}),
        )
        changes = {"firmware": config, "manufacturer_roots_pem": (MAKER.pem,), **more.pop("changes", {})}
        plugged = more.pop("plugged", {})
        super().__init__(store=store, facts=board(evses), online=online, changes=changes, **more)
        self.evses[0] = msgspec.structs.replace(self.evses[0], **plugged)
        for evse_id in range(1, evses + 1):
            self.status(evse_id)

    def update(
        self, request_id: int = 7, signer: Pair = SIGNER, *, asked: Payload | None = None, **more: Any
    ) -> Payload:
        """UpdateFirmware. `asked`: of the request; `more`: of what is in `firmware`, None: without it."""
        firmware = {
            "location": URL,
            "retrieveDateTime": stamp(self.clock.now().utc - timedelta(hours=2)),
            "signingCertificate": signer.pem,
            "signature": "AAAA",
        } | more
        given = {name: value for name, value in firmware.items() if value is not None}
        return self.call("UpdateFirmware", requestId=request_id, firmware=given, **(asked or {}))

    def in_s(self, seconds: float) -> str:
        return stamp(self.clock.now().utc + timedelta(seconds=seconds))

    @property
    def jobs(self) -> list[StartJob]:
        return [effect for effect in self.effects if isinstance(effect, StartJob)]

    @property
    def running_kind(self) -> str:
        """The kind of the job that was started last."""
        return next((job.kind for job in reversed(self.jobs) if job.kind != DISCARD), "none")

    def done(self, kind: str, problem: str | None = None, result: str = "") -> None:
        """The last job of this kind ends."""
        job = next(job for job in reversed(self.jobs) if job.kind == kind)
        self.feed(JobDone(job.job_id, problem, result))

    def verified(self) -> None:
        self.done(VERIFY, None, codec.encode(VERIFIED).decode())

    def until(self, kind: str) -> None:
        """Everything goes well, up to a job of this kind, which is left open."""
        for each in (DOWNLOAD, VERIFY, STAGE, ACTIVATE):
            if each == kind:
                return
            if each == VERIFY:
                self.verified()
            else:
                self.done(each)

    def activated(self) -> None:
        """Everything goes well, until the machine is started anew."""
        self.until(ACTIVATE)
        self.done(ACTIVATE)
        self.advance(1.0)

    @property
    def reboots(self) -> list[Reboot]:
        return [effect for effect in self.effects if isinstance(effect, Reboot)]

    @property
    def told(self) -> list[str]:
        """The statuses, a request's in order; each must carry its id."""
        return [each["status"] for each in self.sent("FirmwareStatusNotification")]

    @property
    def ids(self) -> list[int | None]:
        return [each.get("requestId") for each in self.sent("FirmwareStatusNotification")]

    @property
    def security_events(self) -> list[str]:
        return [each["type"] for each in self.sent("SecurityEventNotification")]

    def restarted(self, running: Slots = OLD, **more: Any) -> "Station":
        """A new process on the same disk, in the same machine or after it was started anew."""
        return Station(self.store, running, clock=self.clock, first_id=1000 * (len(self.effects) + 1), **more)

    def confirmed(self) -> None:
        """The new version runs well for long enough, and the updater keeps it."""
        self.advance(11.0)
        self.done(MARK_GOOD)


def stamp(utc: datetime) -> str:
    return utc.isoformat().replace("+00:00", "Z")


def frames(rig: Rig) -> list[Any]:
    return [json.loads(text) for text in rig.frames]
