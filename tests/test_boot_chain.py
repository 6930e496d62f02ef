"""The lines of docs/boards-secure-boot.md make a chain, and one changed byte breaks it wherever it is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs/boards-secure-boot.md"

pytestmark = pytest.mark.skipif(
    shutil.which("veritysetup", path="/usr/sbin:/sbin:/usr/bin") is None or shutil.which("mksquashfs") is None,
    reason="veritysetup or mksquashfs missing: tools/setup.sh dev",
)


def blocks() -> list[str]:
    """What is indented on the page: the chain, and its check."""
    found = re.findall(r"(?:^    .*\n)+", PAGE.read_text(), re.MULTILINE)
    return [re.sub(r"^    ", "", each, flags=re.MULTILINE) for each in found]


def run(folder: Path, lines: str) -> bool:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines], cwd=folder, check=False, capture_output=True, text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    return done.returncode == 0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    (folder / "root").mkdir()
    (folder / "root/init").write_bytes(bytes(range(256)) * 400)
    keys = "openssl genrsa -out boot.key 2048 && openssl rsa -in boot.key -pubout -out boot.pub"
    assert run(folder, keys)
    assert run(folder, blocks()[0])
    return folder


def test_the_chain_holds(chain: Path) -> None:
    assert len(blocks()) == 2
    assert run(chain, blocks()[1])


@pytest.mark.parametrize("name", ["boot.img", "boot.sig", "system.squashfs", "system.verity"])
def test_a_changed_byte_breaks_it(chain: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "chain"
    shutil.copytree(chain, copy)
    content = bytearray((copy / name).read_bytes())
    content[5000 if len(content) > 5000 else 100] ^= 1
    (copy / name).write_bytes(content)
    assert not run(copy, blocks()[1])


def test_a_root_hash_that_was_put_in_breaks_the_signature(chain: Path, tmp_path: Path) -> None:
    copy = tmp_path / "chain"
    shutil.copytree(chain, copy)
    (copy / "root/init").write_bytes(b"another")
    signed = (copy / "boot.sig").read_bytes()
    assert run(copy, blocks()[0])
    assert run(copy, blocks()[1])
    (copy / "boot.sig").write_bytes(signed)
    assert not run(copy, blocks()[1])
