"""`chargerctl firmware`: a maker builds, signs, looks at and checks updates, on a desk, never on a device."""

import argparse
import base64
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from chargerd.ctl.asking import CtlError
from firmware import keys, maker
from firmware.bundle import MAGIC
from firmware.errors import FirmwareError
from firmware.keys import KeyList, SignedList
from firmware.maker_keys import KeyUnusableError, generate, open_key, public_of
from firmware.signatures import PublicKey, Role, key_id
from firmware.verify import Device

_READ_BYTES = 1024 * 1024


def run(options: argparse.Namespace) -> int:
    """One command of `chargerctl firmware`; 0 when it worked. Raises CtlError."""
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "keygen": _keygen,
        "keys": _keys,
        "build": _build,
        "sign": _sign,
        "inspect": _inspect,
        "verify": _verify,
        "unpack": _unpack,
        "ocpp-sign": _ocpp_sign,
    }
    try:
        commands[options.firmware_command](options)
    except FirmwareError as refused:
        raise CtlError(f"{getattr(options, 'file', '')}: {refused.refusal}: {refused.why}") from refused
    except KeyUnusableError as error:
        raise CtlError(str(error)) from error
    except OSError as error:
        raise CtlError(f"{error.filename or options.file}: {error.strerror or error}") from error
    return 0


# ---- keys ----


def _keygen(options: argparse.Namespace) -> None:
    _show_key("key", generate(options.file).public)


def _keys(options: argparse.Namespace) -> None:
    match options.keys_command:
        case "create":
            made = maker.sign_list(_first_list(options), _signers(options))
        case "next":
            old = keys.decode_file(options.old.read_bytes())
            made = maker.sign_list(_next_list(old.keys, options), _signers(options))
        case _:
            old = _one_list(options.file)
            made = maker.sign_list(old.keys, _signers(options), old.signed)
    options.file.write_bytes(made.encode())
    _show_list(made)


def _first_list(options: argparse.Namespace) -> KeyList:
    roots = maker.role(options.roots_needed or 1, map(public_of, options.root))
    releases = maker.role(options.releases_needed or 1, map(public_of, options.release))
    return KeyList(1, options.product, 1, roots, releases, ())


def _next_list(old: KeyList, options: argparse.Namespace) -> KeyList:
    revoked = {*old.revoked, *(key_id(public_of(where)) for where in options.revoke)}
    roots = _changed(old.roots, options.add_root, options.remove_root, options.roots_needed, revoked)
    releases = _changed(old.releases, options.add_release, options.remove_release, options.releases_needed, revoked)
    return KeyList(1, old.product, old.version + 1, roots, releases, tuple(sorted(revoked)))


def _changed(old: Role, add: Sequence[str], remove: Sequence[str], needed: int | None, revoked: set[str]) -> Role:
    gone = set(map(public_of, remove))
    if unknown := gone - set(old.keys):
        raise CtlError(f"--remove: {min(unknown)} is not in the list")
    kept = {*old.keys, *map(public_of, add)} - gone
    return maker.role(needed or old.threshold, (key for key in kept if key_id(key) not in revoked))


def _signers(options: argparse.Namespace) -> list[maker.Signer]:
    return [open_key(where) for where in options.key]


# ---- bundles ----


def _build(options: argparse.Namespace) -> None:
    created = options.created or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    told = maker.Build(options.product, tuple(options.hardware), options.version, options.security_version, created)
    with Meter("built", None) as meter:
        maker.build(options.source, told, options.file, meter.at)
    print(f"{options.file}: built, {options.file.stat().st_size} bytes; sign it next")


def _sign(options: argparse.Namespace) -> None:
    lists = None if options.keys is None else tuple(sorted(map(_one_list, options.keys), key=_version))
    parts = maker.sign(options.file, _signers(options), lists)
    print(f"{options.file}: signed by {', '.join(each.key_id[:16] for each in parts.signed)}")


def _device(options: argparse.Namespace) -> Device:
    trusted = keys.decode_file(options.keys.read_bytes()).keys
    return Device(trusted.product, options.hardware, trusted, options.floor)


def _unpack(options: argparse.Namespace) -> None:
    manifest = maker.unpack(options.file, _device(options), options.slots_dir).finish()
    print(f"{options.slots_dir}/a: {manifest.product} {manifest.version}")


def _verify(options: argparse.Namespace) -> None:
    device = _device(options)
    with Meter("verified", options.file.stat().st_size) as meter:
        manifest = maker.verify(options.file, device, meter.at).finish()
    print(f"{options.file}: good, {manifest.product} {manifest.version}, security version {manifest.security_version}")


def _ocpp_sign(options: argparse.Namespace) -> None:
    whole = hashlib.sha256()
    with options.file.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            whole.update(piece)
    print(base64.b64encode(_ocpp_signature(options.key, whole.digest())).decode())


def _ocpp_signature(where: str, digest: bytes) -> bytes:
    key = None
    if not where.startswith("pkcs11:"):
        passphrase = os.environ.get("CHARGERD_PASSPHRASE")
        try:
            text = Path(where).read_bytes()
            key = serialization.load_pem_private_key(text, passphrase.encode() if passphrase else None)
        except (ValueError, TypeError) as error:
            raise CtlError(f"{where}: {error}") from error
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return key.sign(digest, pss, Prehashed(hashes.SHA256()))
    return encode_dss_signature(*open_key(where).sign(digest))


# ---- showing ----


def _inspect(options: argparse.Namespace) -> None:
    with options.file.open("rb") as file:
        mark = file.read(max(len(MAGIC), len(keys.MAGIC)))
        if mark.startswith(keys.MAGIC):
            _show_list(_one_list(options.file))
            return
        if not mark.startswith(MAGIC):
            raise CtlError(f"{options.file}: is neither an update nor a list of keys: it begins like none of them")
        file.seek(0)
        parts = maker.read_parts(file)
    manifest = parts.manifest
    rest = options.file.stat().st_size - parts.payload_at
    print(f"{manifest.product} {manifest.version} for {', '.join(manifest.hardware)}")
    print(f"  security version {manifest.security_version}, created {manifest.created}")
    print(f"  {manifest.kind} of {manifest.payload_bytes} bytes in {manifest.chunks} chunks")
    if rest != manifest.payload_bytes:
        print(f"  but {rest} bytes are here")
    print(f"  signed by {', '.join(each.key_id[:16] for each in parts.signed) or 'nobody'}")
    for each in parts.key_lists:
        print(f"  carries key list {each.keys.version}")


def _show_list(one: SignedList) -> None:
    print(f"key list {one.keys.version} of {one.keys.product}")
    for name, role in (("root", one.keys.roots), ("release", one.keys.releases)):
        print(f"  {role.threshold} of these {name} keys must sign:")
        for key in role.keys:
            _show_key("    " + name, key)
    for revoked in one.keys.revoked:
        print(f"  revoked {revoked[:16]}")
    print(f"  signed by {', '.join(each.key_id[:16] for each in one.signed)}")


def _show_key(what: str, key: PublicKey) -> None:
    print(f"{what} {key_id(key)[:16]}  {key}")


class Meter:
    """How far it is, on a terminal only. `whole`: bytes, None where nobody knows."""

    def __init__(self, what: str, whole: int | None) -> None:
        self._what, self._whole = what, whole
        self._shown = -1
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")

    def at(self, done: int) -> None:
        """So many bytes are done; a line for each 8 MiB."""
        step = done >> 23
        if self._live and step != self._shown:
            self._shown = step
            percent = "" if self._whole is None else f", {100 * done // self._whole} %"
            sys.stderr.write(f"\r{self._what} {done >> 20} MiB{percent}\x1b[K")


def _one_list(path: Path) -> SignedList:
    found = keys.decode_section(path.read_bytes())
    if len(found) != 1:
        raise CtlError(f"{path}: holds {len(found)} key lists, expected one")
    return found[0]


def _version(one: SignedList) -> int:
    return one.keys.version
