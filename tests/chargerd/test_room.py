import os
from pathlib import Path

import pytest

from chargerd.room import measured, ram_used

PAGES = 4096


def machine(
    tmp_path: Path, *, limit: str | None = "268435456", cgroup: str = "0::/system.slice/chargerd.service\n"
) -> tuple[Path, Path]:
    """A control group with this limit, and a process that holds PAGES pages in it."""
    root, proc = tmp_path / "cgroup", tmp_path / "self"
    group = root / "system.slice" / "chargerd.service"
    group.mkdir(parents=True)
    proc.mkdir()
    if limit is not None:
        (group / "memory.max").write_text(f"{limit}\n")
    (proc / "cgroup").write_text(cgroup)
    (proc / "statm").write_text(f"99999 {PAGES} 1 1 0 1 0\n")
    return root, proc


def test_what_the_process_holds_is_measured_against_the_limit_of_its_unit(tmp_path: Path) -> None:
    assert ram_used(*machine(tmp_path)) == PAGES * os.sysconf("SC_PAGE_SIZE") / 268435456


@pytest.mark.parametrize(
    "limit, cgroup",
    [
        ("max", "0::/system.slice/chargerd.service\n"),
        (None, "0::/system.slice/chargerd.service\n"),
        ("1", "4:memory:/x\n"),
    ],
)
def test_without_a_limit_nothing_is_said(tmp_path: Path, limit: str | None, cgroup: str) -> None:
    assert ram_used(*machine(tmp_path, limit=limit, cgroup=cgroup)) is None


def test_the_disk_is_that_of_the_state_directory(tmp_path: Path) -> None:
    free = measured(tmp_path).disk_free_bytes
    assert free is not None
    assert free > 0
    assert measured(tmp_path / "gone").disk_free_bytes is None
