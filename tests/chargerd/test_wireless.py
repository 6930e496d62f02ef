"""/proc/net/wireless, as kernels write it and as they do not."""

from pathlib import Path

import pytest

from chargerd.wireless import signal_dbm

HEAD = """Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
"""


@pytest.mark.parametrize(
    "lines, dbm",
    [
        ("", None),
        (" wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0\n", -56.0),
        (" wlan0: 0000   54.  -86.  -256  0 0 0 0 0 0\n wlan1: 0000   40.  -61.  -256  0 0 0 0 0 0\n", -61.0),
        (" wlan0: 0000   54.   44.  -256  0 0 0 0 0 0\n", None),  # a driver that counts in percent
        (" wlan0: 0000\n", None),
        (" wlan0: 0000 a b c\n", None),
    ],
)
def test_the_best_level_is_found_where_there_is_one(tmp_path: Path, lines: str, dbm: float | None) -> None:
    path = tmp_path / "wireless"
    path.write_text(HEAD + lines)
    assert signal_dbm(path) == dbm


def test_a_kernel_without_radio_has_no_such_file(tmp_path: Path) -> None:
    assert signal_dbm(tmp_path / "wireless") is None
