"""The words of `chargerctl firmware`, as argparse knows them."""

import argparse
from pathlib import Path

KEY_HELP = "private key: a PEM file, or pkcs11:module=FILE;token=NAME;id=HEX (repeatable)"
PUBLIC_HELP = "public or private half, as file, token or hexadecimal (repeatable)"


def add_firmware(firmware: argparse.ArgumentParser) -> None:
    """All commands of a maker."""
    commands = firmware.add_subparsers(dest="firmware_command", required=True, metavar="COMMAND")
    keygen = commands.add_parser("keygen", help="a new key in a new file; a token makes its own (docs/firmware.md)")
    keygen.add_argument("file", type=Path, help="where; its owner alone can read it")
    _add_keys(commands.add_parser("keys", help="the lists of keys that devices trust"))
    build = commands.add_parser("build", help="an unsigned bundle of a directory or an image")
    build.add_argument("source", type=Path, metavar="SOURCE", help="a directory (a tree) or a file (an image)")
    build.add_argument("file", type=Path, metavar="BUNDLE", help="the bundle to make")
    build.add_argument("--product", required=True, help="as in the device's firmware.toml")
    build.add_argument("--hardware", required=True, action="append", help="which it is for (repeatable)")
    build.add_argument("--version", required=True, help="for people and the CSMS")
    build.add_argument(
        "--security-version", required=True, type=int, help="devices that have run this never run a lower one"
    )
    build.add_argument("--created", help="UTC, as 2026-11-26T12:00:00Z; default: now")
    sign = commands.add_parser("sign", help="add signatures to a bundle")
    sign.add_argument("file", type=Path, metavar="BUNDLE")
    sign.add_argument("--key", required=True, action="append", help=KEY_HELP)
    sign.add_argument(
        "--keys", action="append", type=Path, metavar="LIST", help="key list that the bundle carries (repeatable)"
    )
    inspect = commands.add_parser("inspect", help="what a bundle or a key list says; nothing is verified")
    inspect.add_argument("file", type=Path)
    verify = commands.add_parser("verify", help="would a device take this bundle?")
    verify.add_argument("file", type=Path, metavar="BUNDLE")
    unpack = commands.add_parser("unpack", help="the first slot of a new device, in its image")
    for command in (verify, unpack):
        command.add_argument("--keys", required=True, type=Path, metavar="LIST", help="the list that the device trusts")
        command.add_argument("--hardware", required=True, help="which the device is")
        command.add_argument("--floor", type=int, default=0, help="its least security version (default %(default)s)")
    unpack.add_argument("file", type=Path, metavar="BUNDLE")
    unpack.add_argument("slots_dir", type=Path, metavar="DIR", help="where the device has its slots")
    ocpp = commands.add_parser("ocpp-sign", help="the signature that a CSMS sends along with UpdateFirmware")
    ocpp.add_argument("file", type=Path, metavar="BUNDLE")
    ocpp.add_argument("--key", required=True, help="of the signing certificate: a PEM file (RSA or P-256), or pkcs11:…")


def _add_keys(keys: argparse.ArgumentParser) -> None:
    commands = keys.add_subparsers(dest="keys_command", required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="the first list of a product, which goes into its devices")
    create.add_argument("file", type=Path, metavar="LIST", help="the list to make")
    create.add_argument("--product", required=True)
    create.add_argument("--root", required=True, action="append", help=f"may sign lists: {PUBLIC_HELP}")
    create.add_argument("--release", required=True, action="append", help=f"may sign bundles: {PUBLIC_HELP}")
    follow = commands.add_parser("next", help="the list after one, with other keys")
    follow.add_argument("old", type=Path, metavar="OLD")
    follow.add_argument("file", type=Path, metavar="LIST", help="the list to make")
    for kind in ("root", "release"):
        follow.add_argument(f"--add-{kind}", action="append", default=[], metavar="KEY", help=PUBLIC_HELP)
        follow.add_argument(f"--remove-{kind}", action="append", default=[], metavar="KEY", help=PUBLIC_HELP)
    follow.add_argument(
        "--revoke", action="append", default=[], metavar="KEY", help="counts no more, nor any other time"
    )
    for command in (create, follow):
        command.add_argument("--roots-needed", type=int, metavar="N", help="signatures that a list needs")
        command.add_argument("--releases-needed", type=int, metavar="N", help="signatures that a bundle needs")
    more = commands.add_parser("sign", help="add signatures to a list, as another holder of a root key")
    more.add_argument("file", type=Path, metavar="LIST")
    for command in (create, follow, more):
        command.add_argument("--key", required=True, action="append", help=KEY_HELP)
