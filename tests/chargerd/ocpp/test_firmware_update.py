"""The update as a value: whatever happens, in whatever order and with a restart at any point, the CSMS hears statuses
in their order and one end, and "Installed" of nothing that does not run.
"""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargerd.ocpp import firmware_update as fu
from chargerd.ocpp.firmware_update import CANCELLABLE, FINAL, FOLLOWS, MAX_RESUMES, Moved, Slots, Step, Update
from chargerd.ocpp.messages.enums import FirmwareStatus as Status
from chargerd.ocpp.messages.firmware_management import Firmware, UpdateFirmware

AT = datetime(2026, 1, 1, tzinfo=UTC)
NEW_SHA = "1" * 64


def update(**changes: object) -> Update:
    firmware = Firmware(location="http://x/", retrieve_date_time=AT, signing_certificate="pem", signature="AAAA")
    made = fu.accepted("key", UpdateFirmware(request_id=7, firmware=firmware))
    return msgspec.structs.replace(made, **changes)


class Machine:
    """Slots with a mind of their own: what the launcher takes next is known to the machine alone."""

    def __init__(self) -> None:
        self.slot, self.starts = "a", 1
        self.content = {"a": "0" * 64, "b": ""}
        self.next_slot = "a"

    @property
    def running(self) -> Slots:
        return Slots(slot=self.slot, manifest_sha256=self.content[self.slot], start_id=f"boot {self.starts}")

    def stage(self) -> None:
        """The slot that does not run is written; until it is activated, what runs is started next."""
        self.next_slot = self.slot
        self.content["b" if self.slot == "a" else "a"] = NEW_SHA

    def activate(self) -> None:
        self.next_slot = "b" if self.slot == "a" else "a"

    def start(self, *, works: bool) -> None:
        """`works` false: the launcher gives the new slot up and takes the old one."""
        self.starts += 1
        if self.next_slot != self.slot and works:
            self.slot = self.next_slot
        else:
            self.next_slot = self.slot


class Run:
    """One update in one machine, and all that the CSMS heard of it."""

    def __init__(self, *, signed: bool) -> None:
        changes = {} if signed else {"certificate_pem": "", "signature": ""}
        self.update: Update | None = update(retries=2, **changes)
        self.machine = Machine()
        self.told: list[Status] = []
        self.verified = False
        self.staged_unverified = False

    def take(self, moved: Moved) -> None:
        for status in moved.tell:
            assert status in FOLLOWS[self.told[-1] if self.told else None]
            self.told.append(status)
            if status is Status.INSTALLED:
                assert self.machine.running.manifest_sha256 == NEW_SHA
        self.update = moved.update

    def happen(self, luck: bool, what: int) -> None:
        """The next thing that can happen at this step; `luck`: it goes well."""
        now = self.update
        assert now is not None
        match now.step:
            case Step.SCHEDULED:
                self.take(fu.downloading(now) if luck else fu.postponed(now))
            case Step.DOWNLOADING if now.told in {None, Status.DOWNLOAD_PAUSED}:
                self.take(fu.downloading(now))
            case Step.DOWNLOADING:
                self.take(fu.downloaded(now) if luck else (fu.attempt_failed, fu.paused)[what % 2](now))
            case Step.VERIFYING:
                self.verified = luck
                bad = (fu.bundle_refused(now), fu.failed(Status.INVALID_SIGNATURE))[what % 2]
                self.take(fu.verified(now, NEW_SHA, "2.0.0") if luck else bad)
            case Step.WAITING:
                self.take(fu.installing(now, self.machine.running) if luck else fu.waiting(now))
            case Step.STAGING:
                self.staged_unverified = self.staged_unverified or not self.verified
                if luck:
                    self.machine.stage()
                self.take(fu.staged(now) if luck else fu.failed(Status.INSTALL_VERIFICATION_FAILED))
            case Step.ACTIVATING:
                if luck or what % 2:
                    self.machine.activate()
                refused = not luck and not what % 2
                self.take(fu.failed(Status.INSTALLATION_FAILED) if refused else fu.activated(now))
            case Step.REBOOTING:
                self.machine.start(works=luck)
                self.restart()
            case Step.CONFIRMING if luck:
                self.take(fu.confirmed())
            case Step.CONFIRMING:
                self.machine.slot = "a" if self.machine.slot == "b" else "b"  # its tries ran out
                self.machine.starts += 1
                self.machine.next_slot = self.machine.slot
                self.restart()

    def restart(self) -> None:
        if self.update is not None:
            self.take(fu.restarted(self.update, self.machine.running))


@settings(max_examples=400)
@given(st.booleans(), st.lists(st.tuples(st.sampled_from("++++-rpc"), st.integers(0, 1)), min_size=1, max_size=60))
def test_every_story_is_told_in_order_with_one_true_end(signed: bool, story: list[tuple[str, int]]) -> None:
    run = Run(signed=signed)
    for sign, what in story:
        if run.update is None:
            break
        if sign == "r":  # the process dies, at any step, and what it had ordered may have been done
            if run.update.step is Step.ACTIVATING and what:
                run.machine.activate()
            run.restart()
        elif sign == "p":  # the power goes
            if run.update.step is Step.ACTIVATING and what:
                run.machine.activate()
            run.machine.start(works=bool(what))
            run.restart()
        elif sign == "c" and run.update.step in CANCELLABLE and run.told:
            run.take(fu.cancelled(run.update))
        else:
            run.happen(sign == "+", what)
    for _ in range(200):  # and then everything goes well
        if run.update is None:
            break
        run.happen(True, 0)
    assert run.update is None
    assert [status for status in run.told if status in FINAL] == run.told[-1:]
    assert not run.staged_unverified


@pytest.mark.parametrize("step", [Step.DOWNLOADING, Step.VERIFYING, Step.STAGING])
def test_an_update_that_ends_its_process_each_time_is_given_up(step: Step) -> None:
    under_way = update(step=step, told=Status.DOWNLOADING, before=Slots(slot="a", manifest_sha256="", start_id="1"))
    for _ in range(MAX_RESUMES):
        moved = fu.restarted(under_way, Slots(slot="a", manifest_sha256="0" * 64, start_id="1"))
        assert moved.update is not None
        under_way = moved.update
    assert fu.restarted(under_way, None).tell[-1] in FINAL


def test_waiting_for_its_hour_survives_any_number_of_restarts() -> None:
    for step in (Step.SCHEDULED, Step.WAITING):
        under_way = update(step=step)
        for _ in range(5 * MAX_RESUMES):
            moved = fu.restarted(under_way, None)
            assert moved == Moved(under_way)


def test_a_bundle_over_itself_counts_only_when_it_runs_in_the_other_slot() -> None:
    before = Slots(slot="a", manifest_sha256=NEW_SHA, start_id="1")
    under_way = update(step=Step.REBOOTING, before=before, manifest_sha256=NEW_SHA)
    assert fu.restarted(under_way, before).update == msgspec.structs.replace(under_way, resumes=MAX_RESUMES - 1)
    again = msgspec.structs.replace(before, start_id="2")
    assert fu.restarted(under_way, again).tell == (Status.INSTALLATION_FAILED,)
    other = msgspec.structs.replace(again, slot="b")
    moved = fu.restarted(under_way, other)
    assert moved.update is not None
    assert moved.update.step is Step.CONFIRMING


def test_each_final_status_is_followed_by_nothing() -> None:
    assert not FINAL & FOLLOWS.keys()
    assert {status for after in FOLLOWS.values() for status in after} == set(Status) - {Status.IDLE}
