"""What becomes of the station's keys when the TPM goes away, hangs, or kills the process."""

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargerd.identity import IdentityError
from chargerd.keys_tpm import TpmKeys
from chargerd.tpm import Provider
from chargerd.tpm_trial import Trial, TrialRecord
from tests.chargerd.key_stands import request
from tests.chargerd.tpm_victim import Victim
from tests.swtpm import Swtpm, free_places, shared_tpm


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[Swtpm]:
    with Swtpm(tmp_path) as software:
        yield software


def test_a_tpm_that_comes_back_is_told_from_one_that_is_gone(tpm: Swtpm, tmp_path: Path) -> None:
    with Victim(tpm.tcti, tmp_path) as victim:
        assert victim.do("make")[0] == "ok"
        assert victim.do("load")[0] == "ok"
        tpm.stop()
        assert "nothing answers at" in victim.do("load")[0]
        assert victim.do("fresh")[0] is None
        tpm.start()
        assert "answers again, but not to this process" in victim.do("load")[0]
        assert "answers again" in victim.do("fresh")[0]
        assert victim.do("fresh")[0] is None, "one restart now is enough"
    assert _loads_in_a_new_process(tpm, tmp_path)


def _loads_in_a_new_process(tpm: Swtpm, tmp_path: Path) -> bool:
    with Victim(tpm.tcti, tmp_path) as fresh:
        return bool(fresh.do("make")[0] == "ok" and fresh.do("load")[0] == "ok")


def test_a_tpm_that_comes_late_is_used_without_a_restart(tmp_path: Path) -> None:
    tpm = Swtpm(tmp_path)
    with Victim(tpm.tcti, tmp_path) as victim:
        assert "no TPM answers" in victim.do("make")[0]
        with tpm:
            assert victim.do("make")[0] == "ok"
            assert victim.do("load")[0] == "ok"


def test_a_tpm_that_hangs_costs_its_limit_once_and_is_used_again_when_it_goes_on(tpm: Swtpm, tmp_path: Path) -> None:
    with Victim(tpm.tcti, tmp_path, use_within_s=0.5) as victim:
        assert victim.do("make")[0] == "ok"
        tpm.hang()
        try:
            answer, took_s = victim.do("load")
            assert "no answer within" in answer
            assert took_s < 3.0
            answer, took_s = victim.do("load")
            assert "still has the last command" in answer
            assert took_s < 0.3
        finally:
            tpm.go_on()
        until = time.monotonic() + 10.0
        while victim.do("load")[0] != "ok":
            assert time.monotonic() < until
        assert victim.do("fresh")[0] is None


def test_a_process_that_was_told_to_stop_ends_while_the_tpm_hangs(tpm: Swtpm, tmp_path: Path) -> None:
    with Victim(tpm.tcti, tmp_path, use_within_s=0.5) as victim:
        assert victim.do("make")[0] == "ok"
        tpm.hang()
        try:
            victim.do("load")
            assert victim.process.stdin is not None
            victim.process.stdin.close()
            assert victim.process.wait(8.0) == 0
        finally:
            tpm.go_on()


def test_after_three_deaths_in_handshakes_the_station_does_without_its_tpm(tpm: Swtpm, tmp_path: Path) -> None:
    with Victim(tpm.tcti, tmp_path) as maker:
        assert maker.do("make")[0] == "ok"
    for _ in range(3):
        with Victim(tpm.tcti, tmp_path) as victim:
            assert victim.do("load")[0] == "ok"
        free_places(tpm.tcti)
    # Each was killed before its handshake was over.
    with Victim(tpm.tcti, tmp_path) as victim:
        for use in ("load", "make"):
            assert "died 3 times in a row" in victim.do(use)[0]


def test_a_death_outside_a_handshake_is_not_held_against_the_tpm(tpm: Swtpm, tmp_path: Path) -> None:
    for _ in range(4):
        with Victim(tpm.tcti, tmp_path) as victim:
            assert victim.do("make")[0] == "ok"
            assert victim.do("load")[0] == "ok"
            assert victim.do("settle")[0] == "ok"
        free_places(tpm.tcti)


def test_who_waits_for_a_tpm_that_hangs_does_not_keep_the_station_from_stopping(tmp_path: Path) -> None:
    class Hanging(Provider):
        def sign(self, pem: bytes, data: bytes) -> bytes:
            asked.set()
            gate.wait(30)
            return super().sign(pem, data)

    def use() -> None:
        with pytest.raises(IdentityError, match="the station stops"):
            keys.use(pem, ssl.create_default_context(), lambda: None)
        told.set()

    asked, gate, told = threading.Event(), threading.Event(), threading.Event()
    keys = TpmKeys(shared_tpm(), Trial(tmp_path / "trial"))
    pem, _csr = keys.make(request())
    keys._provider = Hanging(shared_tpm())
    threading.Thread(target=use, daemon=True).start()
    try:
        assert asked.wait(10)
        keys.close()
        assert told.wait(5)
    finally:
        gate.set()


def test_the_tpm_needs_no_memory_that_can_be_written_and_executed(tpm: Swtpm, tmp_path: Path) -> None:
    """MemoryDenyWriteExecute= of the unit, asked of the kernel by the process itself (PR_SET_MDWE)."""
    with Victim(tpm.tcti, tmp_path) as victim:
        assert victim.do("deny write and execute")[0] in {"ok", "this kernel cannot"}  # Linux 6.3 and newer can
        assert victim.do("make")[0] == "ok"
        assert victim.do("load")[0] == "ok"


def test_the_key_of_another_tpm_is_not_taken_for_a_lost_tpm(tpm: Swtpm, tmp_path: Path) -> None:
    with Victim(tpm.tcti, tmp_path) as victim:
        assert victim.do("make")[0] == "ok"
        (path,) = (tmp_path / "keys").glob("tpm-*.pem")
        strange = Swtpm(_folder(tmp_path / "other"))
        with strange, Victim(strange.tcti, tmp_path / "other") as other:
            assert other.do("make")[0] == "ok"
        (other_path,) = (tmp_path / "other" / "keys").glob("tpm-*.pem")
        path.write_bytes(other_path.read_bytes())
        for _ in range(5):
            assert "made in another one" in victim.do("load")[0]
        assert victim.do("fresh")[0] is None
        assert victim.do("make")[0] == "ok", "the attempts left nothing behind"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_use_that_fails_is_struck_out_at_once(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "trial")
    with pytest.raises(IdentityError):
        TpmKeys(shared_tpm(), trial).use(b"no key", ssl.create_default_context(), lambda: None)
    assert not Trial(tmp_path / "trial")._known().trying
    assert isinstance(trial._known(), TrialRecord)
