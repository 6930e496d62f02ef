"""The shell's part of firmware updates, put together: the kinds of jobs, what the core is told, and how the machine is
started anew.
"""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chargerd.config import FirmwareSettings
from chargerd.downloads import FOLDER, Downloader, Folder, Progress
from chargerd.jobs import Work
from chargerd.ocpp.jobs import ACTIVATE, DISCARD, DOWNLOAD, MARK_GOOD, STAGE, VERIFY
from chargerd.ocpp.settings import FirmwareConfig

if TYPE_CHECKING:
    from chargerd.slot_facts import SlotFacts

RESTART_WISH = "restart-machine"
"""In the run directory: the station wants the machine to be started anew (systemd/chargerd-restart-machine.path)."""


class Updates:
    """What there is to be done with firmware on this machine; without slots, nothing."""

    def __init__(
        self,
        site: FirmwareSettings,
        state_dir: Path,
        run_dir: Path,
        boot_id: str,
        trust: Callable[[tuple[str, ...]], ssl.SSLContext],
    ) -> None:
        """`boot_id`: of this start of the machine. `trust`: roots -> a context for servers of files."""
        self._facts: SlotFacts | None = None
        if Path(site.settings).exists():
            from chargerd.slot_facts import slot_facts  # noqa: PLC0415  9 MB for those with slots only

            self._facts = slot_facts(site, boot_id)
        self._updater = Path(site.updater)
        self._folder = Folder(state_dir / FOLDER)
        self._wish = run_dir / RESTART_WISH
        self._downloader = None
        if self._facts is not None:
            self._downloader = Downloader(self._folder, trust, self._facts.most_bytes)
            self._wish.unlink(missing_ok=True)

    @property
    def config(self) -> FirmwareConfig | None:
        """For the core."""
        return None if self._facts is None else self._facts.config

    def version(self, otherwise: str) -> str:
        """Of what the launcher has started; `otherwise`: where there is no launcher."""
        return otherwise if self._facts is None else self._facts.version

    @property
    def progress(self) -> Progress | None:
        """Of the download that runs."""
        return None if self._downloader is None else self._downloader.progress

    def kinds(self) -> Mapping[str, Work]:
        """The jobs that can be done here."""
        if self._facts is None or self._downloader is None:
            return {}
        from chargerd.firmware_jobs import FirmwareJobs  # noqa: PLC0415  as above
        from chargerd.updater_client import UpdaterClient  # noqa: PLC0415

        jobs = FirmwareJobs(self._folder, self._facts.device, UpdaterClient(self._updater))
        return {
            DOWNLOAD: self._downloader,
            DISCARD: self._downloader.discard,
            VERIFY: jobs.verify,
            STAGE: jobs.stage,
            ACTIVATE: jobs.activate,
            MARK_GOOD: jobs.mark_good,
        }

    def restart_machine(self) -> None:
        """Say so; somebody who may does it. Raises OSError."""
        self._wish.touch(mode=0o600)
