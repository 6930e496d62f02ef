"""Secrets that occur nowhere else, and a search for them in whatever a charger leaves behind.

A canary is found as it is, and in the forms in which it could get out unnoticed: base64 at each of the three places it
can begin, hexadecimal, percent-encoded, UTF-16.
"""

import base64
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Canary(msgspec.Struct, frozen=True):
    """A secret. `may_be_in`: the beginnings of the places that are there to hold it."""

    name: str
    text: str
    may_be_in: tuple[str, ...] = ()

    def forms(self) -> set[bytes]:
        """What to look for."""
        found = {quote(self.text).encode(), self.text.encode("utf-16-le"), self.text.encode("utf-16-be")}
        return found | forms_of(self.text.encode())


class KeyCanary(Canary, frozen=True):
    """A private key: `text` is its number in hexadecimal digits, however it is written down in a file."""

    def forms(self) -> set[bytes]:
        """What to look for: the number itself is in every form of a key."""
        return super().forms() | forms_of(bytes.fromhex(self.text))


def key_canary(pem: str, *may_be_in: str) -> KeyCanary:
    """The secret of a private key in PEM."""
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")
    return KeyCanary("private key", number.hex(), may_be_in)


def forms_of(raw: bytes) -> set[bytes]:
    """As it is, in hexadecimal digits, and in base64 wherever it begins."""
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for before in range(3):
        # What of the code does not depend on the letters before and after it, in lines of a PEM file or in one.
        code = base64.b64encode(b"x" * before + raw + b"xx")
        inner = code[4 if before else 0 : len(code) - 8]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_"), inner[:24], inner[-24:]}
    return found


def plant(name: str, *may_be_in: str) -> Canary:
    """A new one, which is fit to be a Basic auth password."""
    return Canary(name, f"{name[:8]}.{secrets.token_hex(14)}", may_be_in)


def found_in(canaries: Iterable[Canary], places: Mapping[str, bytes]) -> list[str]:
    """Where which canary is, and is not to be."""
    return [
        f"{canary.name} in {place}"
        for canary in canaries
        for place, content in places.items()
        if not place.startswith(canary.may_be_in) and any(form in content for form in canary.forms())
    ]


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file there is, by its path."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seen_of_process(pid: int) -> dict[str, bytes]:
    """What the machine's process list shows of a process (of the environment only to root and to nobody else)."""
    shown = {name: Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ", "comm", "status")}
    return {str(path): path.read_bytes() for path in shown.values() if os.access(path, os.R_OK)}
