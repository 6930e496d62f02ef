"""The words of a maker: what must be said, and what may be said more than once."""

import argparse
from pathlib import Path

import pytest

from chargerd.ctl.firmware_options import add_firmware


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_firmware(parser)
    return parser.parse_args(words)


def test_a_bundle_may_be_for_several_kinds_of_hardware_and_signed_by_several_keys() -> None:
    built = parsed(
        "build", "tree", "bundle", "--product", "a", "--hardware", "b", "--hardware", "c", "--version", "1",
        "--security-version", "3",
    )  # fmt: skip
    assert (built.hardware, built.security_version, built.created) == (["b", "c"], 3, None)
    signed = parsed("sign", "bundle", "--key", "one", "--key", "two", "--keys", "list-2")
    assert (signed.key, signed.keys) == (["one", "two"], [Path("list-2")])


def test_a_list_may_gain_and_lose_several_keys_at_once() -> None:
    told = parsed("keys", "next", "old", "new", "--add-root", "a", "--add-root", "b", "--revoke", "c", "--key", "d")
    assert (told.add_root, told.remove_root, told.revoke, told.roots_needed) == (["a", "b"], [], ["c"], None)


@pytest.mark.parametrize(
    "words", [(), ("build",), ("keys",), ("sign", "x"), ("verify", "x"), ("keys", "next", "a", "b")]
)
def test_what_must_be_said_must_be_said(words: tuple[str, ...]) -> None:
    with pytest.raises((SystemExit, argparse.ArgumentError)):
        parsed(*words)
