"""Secrets in what we keep under version control and in what we ship: none; and none in what a value shows of itself."""

import dataclasses
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chargerd.ocpp.messages.wire import Wire
from tests.tidy import CODE, ROOT, committed_texts

# ---------------------------------------------------------------- what a value shows of itself

SECRET_NAME = re.compile(
    r"password|passphrase|secret|private|(^|_)(pin|auth)$|(?<!public_)key$|attribute_value|location|csms_url"
)
NO_SECRET = {"key", "location"}
"""A key in a table and a place on a screen; in the messages of the CSMS the same words are of another kind."""

SHOWS_NO_SECRET = {"chargerd.bench", "chargerd.conformance"}
"""Packages that never run on a device and make up their own passwords."""


def values_with_secrets() -> Iterator[tuple[type[Any], tuple[str, ...]]]:
    """Every struct and dataclass of ours with fields that by their name hold a secret."""
    for file in CODE:
        if file.module.startswith(tuple(SHOWS_NO_SECRET)) or file.path.endswith("__main__.py"):
            continue
        for kind in vars(importlib.import_module(file.module)).values():
            if not isinstance(kind, type) or kind.__module__ != file.module:
                continue
            if issubclass(kind, msgspec.Struct):
                fields: tuple[str, ...] = kind.__struct_fields__
            elif dataclasses.is_dataclass(kind):
                fields = tuple(field.name for field in dataclasses.fields(kind))
            else:
                continue
            secret = tuple(name for name in fields if SECRET_NAME.search(name) and not is_harmless(kind, name))
            if secret:
                yield kind, secret


def is_harmless(kind: type[Any], name: str) -> bool:
    if kind.__annotations__.get(name) is bool:  # whether there is one
        return True
    return name in NO_SECRET and not kind.__module__.startswith("chargerd.ocpp.messages")


class Anything:
    """Whatever a value's own description asks of its other fields."""

    def __getattr__(self, _name: str) -> "Anything":
        return self

    def __len__(self) -> int:
        return 0


def test_no_value_shows_a_secret_that_it_holds() -> None:
    kinds = dict(values_with_secrets())
    assert len(kinds) >= 8
    for kind, names in kinds.items():
        fields = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else kind.__dataclass_fields__
        other = None if issubclass(kind, Wire) else Anything()
        value = kind(**{name: "c4n4ry" if name in names else other for name in fields})
        assert "c4n4ry" not in repr(value) + str(value) + f"{value}", f"{kind.__qualname__} shows {names}"


# ---------------------------------------------------------------- what is committed and what is shipped

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s+(?:[A-Za-z-]+: .*\s+)*[A-Za-z0-9+/=]{16,}")
KNOWN = re.compile(r"DEADBEEFDEADBEEF|\b(?:admin|root|operator)[:/](?:admin|root|1234|password)\b", re.IGNORECASE)
TOKEN = re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[abpr]-[\w-]{10,})")
GIVEN = re.compile(
    r"""\b[\w.]*(?:password|passwd|passphrase|secret|api_?key|private_?key)\w*["\]]?  # what it is called
    \s*(?::[\w|\ ]+)?[:=]\s*["']([^"'\s{}$<]{6,})["']  # what it is""",
    re.IGNORECASE | re.VERBOSE,
)
DEFAULT_NAMES = re.compile(r"basicauthpassword", re.IGNORECASE)
NAMES_ANOTHER = re.compile(r"\w+_VARIABLE\b")
"""What says in which variable of the environment a secret is to be found."""

REFUSES_KNOWN = "chargerd/config.py"
"""Passwords that stand in manuals stand here too, to be refused."""


def secrets_in(path: str, text: str) -> Iterator[str]:
    """What looks like a secret that was written down. Tests may give their own chargers a password, and no key."""
    patterns = (
        [PRIVATE_KEY, TOKEN] if path.startswith(("tests/", "benchmarks/")) else [PRIVATE_KEY, TOKEN, KNOWN, GIVEN]
    )
    for pattern in patterns:
        if pattern is KNOWN and path == REFUSES_KNOWN:
            continue
        for match in pattern.finditer(text):
            if pattern is GIVEN and NAMES_ANOTHER.match(match[0]):
                continue
            line = text.count("\n", 0, match.start()) + 1
            if not (pattern is GIVEN and DEFAULT_NAMES.fullmatch(match[1])):
                yield f"{path}:{line}: {match[0][:60]!r} looks like a secret"


def test_no_secret_is_committed() -> None:
    assert [found for path, text in committed_texts() for found in secrets_in(path, text)] == []


def test_no_secret_is_in_the_wheel_and_nothing_but_the_packages(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        if name.startswith(("chargerd/", "hal/", "firmware/")) or "/" not in name:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=tree, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) > 100
        assert {name.split("/")[0] for name in names} <= {"chargerd", "hal", "firmware"} | {
            name.split("/")[0] for name in names if ".dist-info/" in name
        }
        found = [hit for name in names for hit in secrets_in(name, archive.read(name).decode("utf-8", "replace"))]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN |PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n",
        "-----BEGIN |EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\n",
        'password = "hunter2|hunter2"',
        "csms_password: str = 'sixteen|characters'",
        '{"apiKey": "0123|456789abcdef"}',
        "AKIA|ABCDEFGHIJKLMNOP",
        "login with admin|:admin",
    ],
)
def test_the_scanner_finds_a_secret(text: str) -> None:
    """The bar keeps each from being one where it is written."""
    assert list(secrets_in("chargerd/x.py", text.replace("|", "")))


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----",
        "password: str | None = None",
        'password = service.credential("csms-password")',
        "BASIC_AUTH_PASSWORD = string(",
        '"password": "$PASSWORD"',
        "the password of the CSMS: a credential",
        'PASSPHRASE_VARIABLE = "EXAMPLE_PASSPHRASE"',
    ],
)
def test_the_scanner_leaves_words_about_secrets_alone(text: str) -> None:
    assert not list(secrets_in("chargerd/x.py", text))
