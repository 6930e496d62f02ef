"""A wire across everything a process can do to its machine: what is touched is written down, by Python's audit events.

`laid` puts a sitecustomize in the way of both processes of a bench. It notes each event that starts something, writes,
renames, removes or binds, and whatever event at all has a word in it that the CSMS planted.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

PLANTED = "c4n4ry"
"""Stands in every text that the hostile CSMS sends."""

STARTS = ("subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "pty.")
CHANGES = (
    "socket.bind", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown",
    "os.truncate", "os.setxattr", "os.utime", "shutil.", "sqlite3.connect", "ctypes.dlopen",
)  # fmt: skip

_HOOK = """
import json, os, sys
wire = os.open(os.environ["CHARGERD_TRIPWIRE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
process = next((word for word in sys.orig_argv if word in ("control", "station")), "another")
starts, changes, planted = {starts}, {changes}, {planted!r}
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def hook(event, values):
    kind = None
    if event == "open":
        kind = "write" if isinstance(values[2], int) and values[2] & writing else None
    elif event.startswith(starts):
        kind = "start"
    elif event.startswith(changes):
        kind = "change"
    told = repr(values)
    if planted in told:
        kind = "planted"
    if kind is not None:
        paths = [os.fsdecode(value) for value in values if isinstance(value, (str, bytes, os.PathLike))]
        if event == "open":  # its second is the mode; a number is a file that is open already
            paths = paths[:1] if isinstance(values[0], (str, bytes, os.PathLike)) else []
        if event == "socket.bind":
            paths = [values[1]] if isinstance(values[1], str) else [repr(values[1])]
        line = dict(process=process, kind=kind, event=event, paths=paths, told=told[:500])
        os.write(wire, json.dumps(line).encode() + b"\\n")

sys.addaudithook(hook)
"""


class Touch(msgspec.Struct, frozen=True):
    """One thing that a process did. `kind`: start, write, change or planted."""

    process: str
    kind: str
    event: str
    paths: list[str]
    told: str


class Wire:
    """What has been touched so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def touches(self) -> list[Touch]:
        return [msgspec.convert(json.loads(line), Touch) for line in self._path.read_text().splitlines()]

    def of(self, *kinds: str) -> list[Touch]:
        return [touch for touch in self.touches() if touch.kind in kinds and touch.process != "another"]


@contextmanager
def laid(folder: Path) -> Iterator[Wire]:
    """Lay the wire for every Python process started meanwhile; `folder` is a place of our own."""
    trap = folder / "trap"
    trap.mkdir()
    hook = _HOOK.format(starts=STARTS, changes=CHANGES, planted=PLANTED)
    (trap / "sitecustomize.py").write_text(hook)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(trap), prepend=os.pathsep)
        environment.setenv("CHARGERD_TRIPWIRE", str(folder / "touched"))
        environment.setenv("PYTHONDONTWRITEBYTECODE", "1")
        yield Wire(folder / "touched")


def nasty(longest: int, number: int) -> Any:
    """A text of at most so many characters that a shell, a path, a format or a log would choke on."""
    word = PLANTED
    texts = (
        f"$({word})", f"`{word}`", f";{word};", f"| {word}", f"&& {word} &", f"'{word}", f'"{word}"', f"\n{word}\n",
        f"../{word}", f"../../../../../tmp/{word}", f"/etc/{word}", f"/proc/self/{word}", f"~root/{word}",
        f"file:///etc/{word}", f"http://{word}.invalid/../{word}", f"-o{word}", f"--{word}", f"%s%n{word}",
        f"{{0}}{word}", f"{word}\x00.pem", f"{word}\r\nPRIORITY=0", f"\x1b[2J{word}", f"C:\\{word}",
        f"${{IFS}}{word}", f"$({word}>/tmp/{word})", f"__import__('os').system('{word}')",
        f"!!python/object/apply:os.system [{word}]", f"{word}.service",
    )  # fmt: skip
    fitting = [text for text in texts if len(text) <= longest]
    return fitting[number % len(fitting)] if fitting else texts[number % len(texts)][:longest]
