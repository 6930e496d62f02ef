"""Serving the page: on loopback, for loopback names only, on a port that is free."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chargerd.bench.running import ROOT, Bench, running_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running_bench(tmp_path_factory.mktemp("page"), page=True) as bench:
        yield bench


def get(port: int, host: str, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_page_is_there(bench: Bench) -> None:
    status, text = get(bench.port, f"127.0.0.1:{bench.port}")
    assert status == 200
    assert "chargerd bench" in text


def test_the_page_needs_nothing_from_elsewhere(bench: Bench) -> None:
    _, text = get(bench.port, "localhost")
    assert 'src="http' not in text
    assert 'href="http' not in text


def test_a_name_that_only_points_to_loopback_is_refused(bench: Bench) -> None:
    assert get(bench.port, "evil.example")[0] == 400


def test_it_listens_on_loopback_only(bench: Bench) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    ours = [line.split()[1] for line in listening.splitlines() if f":{bench.port:04X} 00000000" in line]
    assert ours == [f"0100007F:{bench.port:04X}"]


@pytest.mark.parametrize("taken", [True, False])
def test_a_port_that_cannot_be_used_is_one_line_with_the_remedy(tmp_path: Path, taken: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        page = str(other.getsockname()[1]) if taken else "eighty"
        command = [sys.executable, "-m", "chargerd", "bench", "--control", str(tmp_path / "control"), "--page", page]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"chargerd bench: --page {page}: ")
    assert ("Address already in use; name a free port" if taken else "expected a port number or 'none'") in last


def test_the_port_is_free_again_afterwards(tmp_path: Path) -> None:
    with running_bench(tmp_path, page=True) as bench:
        port = bench.port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
