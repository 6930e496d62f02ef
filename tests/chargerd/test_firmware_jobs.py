"""Both signatures over one file, and the updater asked over a real socket."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd import codec
from chargerd.bench.machine import FIRST_SECURITY_VERSION, Machine
from chargerd.bench.maker import OTHER_HARDWARE, Release
from chargerd.config import FirmwareSettings
from chargerd.downloads import Folder
from chargerd.firmware_jobs import FirmwareJobs
from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import Activate, Check, Finding, Stage, Verified
from chargerd.slot_facts import slot_facts
from chargerd.updater_client import UpdaterClient
from firmware.slots import Name, State
from firmware.updater import Updater

AT = datetime(2026, 6, 1, tzinfo=UTC)


class Bay:
    """A machine whose updater serves, and the jobs of the station beside it."""

    def __init__(self, path: Path) -> None:
        self.machine = Machine(path / "machine", "1.0.0")
        facts = slot_facts(FirmwareSettings(settings=str(self.machine.settings_file)), "boot")
        assert facts is not None
        self.folder = Folder(path / "firmware")
        self.folder.keep_only(None)
        self.jobs = FirmwareJobs(self.folder, facts.device, UpdaterClient(self.machine.socket))
        listener = self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(self.machine.socket))
        listener.listen()
        self._updater = Updater(self.machine.place(), lambda _line: None)
        self._thread = threading.Thread(target=self._updater.run, args=(listener, 0.5), daemon=True)
        self._thread.start()

    def put(self, content: bytes) -> None:
        self.folder.file("key").write_bytes(content)

    def check(self, release: Release, **changes: Any) -> Check:
        given = Check(
            key="key",
            certificate_pem=release.certificate_pem,
            signature=release.signature,
            roots_pem=(self.machine.maker.root_pem,),
            revocations_pem=(),
            at_utc=AT,
        )
        return msgspec.structs.replace(given, **changes)

    def verify(self, check: Check) -> Verified:
        result = asyncio.run(self.jobs.verify(msgspec.Raw(codec.encode(check))))
        return codec.decode(Verified, result.encode(), max_bytes=4096)

    def stage(self, check: Check, sha256: str) -> None:
        order = Stage(check=check, manifest_sha256=sha256)
        asyncio.run(self.jobs.stage(msgspec.Raw(codec.encode(order))))

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


@pytest.fixture
def bay(tmp_path: Path) -> Iterator[Bay]:
    found = Bay(tmp_path)
    yield found
    found.close()


def finding(work: Any) -> str:
    with pytest.raises(JobFailed) as failure:
        work()
    return failure.value.result


def test_a_good_file_goes_all_the_way(bay: Bay) -> None:
    release = bay.machine.maker.release("2.0.0", FIRST_SECURITY_VERSION)
    bay.put(release.file.read_bytes())
    found = bay.verify(bay.check(release))
    assert found.version == "2.0.0"
    bay.stage(bay.check(release), found.manifest_sha256)
    assert bay.machine.place().record().slot(Name.B).state is State.STAGED
    order = Activate(manifest_sha256=found.manifest_sha256)
    asyncio.run(bay.jobs.activate(msgspec.Raw(codec.encode(order))))
    assert bay.machine.start().version == "2.0.0"
    asyncio.run(bay.jobs.mark_good(msgspec.Raw(b"{}")))
    assert bay.machine.place().record().slot(Name.B).state is State.GOOD


def test_each_wrong_thing_has_its_own_finding_and_reaches_no_slot(bay: Bay) -> None:
    maker = bay.machine.maker
    release, other = maker.release("2.0.0", FIRST_SECURITY_VERSION), maker.release("2.0.1", FIRST_SECURITY_VERSION)
    bay.put(release.file.read_bytes())
    assert finding(lambda: bay.verify(bay.check(other))) == Finding.INVALID_SIGNATURE
    assert finding(lambda: bay.verify(bay.check(release, signature=""))) == Finding.INVALID_SIGNATURE
    assert finding(lambda: bay.verify(bay.check(release, signature="?"))) == Finding.INVALID_SIGNATURE
    late = datetime(2050, 1, 1, tzinfo=UTC)
    assert finding(lambda: bay.verify(bay.check(release, at_utc=late))) == Finding.INVALID_CERTIFICATE
    assert finding(lambda: bay.verify(bay.check(release, roots_pem=()))) == Finding.INVALID_CERTIFICATE
    assert finding(lambda: bay.verify(bay.check(release, roots_pem=("x",)))) == Finding.INVALID_CERTIFICATE
    for bad in (
        maker.release("2.0.0", FIRST_SECURITY_VERSION, hardware=OTHER_HARDWARE),
        maker.release("0.9.0", FIRST_SECURITY_VERSION - 1),
    ):
        bay.put(bad.file.read_bytes())
        assert finding(lambda bad=bad: bay.verify(bay.check(bad))) == Finding.REFUSED
        assert finding(lambda bad=bad: bay.stage(bay.check(bad), "0" * 64)) == Finding.REFUSED
    assert bay.machine.place().record().slot(Name.B).state is not State.STAGED


def test_a_file_that_was_exchanged_after_it_was_verified_is_not_staged(bay: Bay) -> None:
    maker = bay.machine.maker
    first, second = maker.release("2.0.0", FIRST_SECURITY_VERSION), maker.release("2.0.1", FIRST_SECURITY_VERSION)
    bay.put(first.file.read_bytes())
    found = bay.verify(bay.check(first))
    bay.put(second.file.read_bytes())
    assert finding(lambda: bay.stage(bay.check(first), found.manifest_sha256)) == Finding.INVALID_SIGNATURE
    assert finding(lambda: bay.stage(bay.check(second), found.manifest_sha256)) == Finding.REFUSED


def test_without_a_file_nothing_is_done(bay: Bay) -> None:
    release = bay.machine.maker.release("2.0.0", FIRST_SECURITY_VERSION)
    assert finding(lambda: bay.verify(bay.check(release))) == ""


def test_where_a_laboratory_allows_it_the_bundle_alone_is_judged(bay: Bay) -> None:
    release = bay.machine.maker.release("2.0.0", FIRST_SECURITY_VERSION)
    bay.put(release.file.read_bytes())
    assert bay.verify(bay.check(release, certificate_pem="", signature="")).version == "2.0.0"
    bay.put(release.file.read_bytes()[:-1] + b"?")
    assert finding(lambda: bay.verify(bay.check(release, certificate_pem="", signature=""))) == Finding.REFUSED
