"""A maker's day: from keys to a bundle that a device takes, over a change of keys, and every wrong way to do it."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from chargerd.ctl.commands import main
from chargerd.ctl.firmware_commands import Meter
from firmware import keys
from firmware.ocpp_signature import FileSignature
from firmware.verify import Device, Verifier
from tests.firmware.certificates import rsa_key


class Desk:
    """A directory with keys and a tree, and `chargerctl firmware` on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        (folder / "tree/bin").mkdir(parents=True)
        (folder / "tree/bin/chargerd").write_text("#!/usr/bin/python3 -I\n")
        (folder / "tree/bin/chargerd").chmod(0o755)

    def run(self, *words: str, code: int = 0) -> str:
        """What it says; `@name` stands for a file of the desk."""
        arguments = [word.replace("@", f"{self.folder}/") for word in words]
        assert main(["firmware", *arguments]) == code
        said = self._capsys.readouterr()
        return said.err if code else said.out

    def begin(self) -> None:
        for name in ("root", "other-root", "release", "new-release"):
            self.run("keygen", f"@{name}.pem")
        self.run(
            "keys", "create", "@keys-1", "--product", "acme", "--root", "@root.pem", "--root", "@other-root.pem",
            "--release", "@release.pem", "--key", "@root.pem",
        )  # fmt: skip

    def build(self, name: str = "bundle", **changes: str) -> None:
        told = {"version": "2.0.0", "security-version": "2", "created": "2026-11-26T00:00:00Z", **changes}
        words = [word for option, value in told.items() for word in (f"--{option}", value)]
        self.run("build", "@tree", f"@{name}", "--product", "acme", "--hardware", "rev-b", *words)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_from_new_keys_to_a_bundle_that_a_device_takes(desk: Desk) -> None:
    desk.begin()
    desk.build()
    assert "signed by nobody" in desk.run("inspect", "@bundle")
    desk.run("sign", "@bundle", "--key", "@release.pem")
    shown = desk.run("inspect", "@bundle")
    assert shown.startswith("acme 2.0.0 for rev-b\n  security version 2, created 2026-11-26T00:00:00Z\n  tree of ")
    said = desk.run("verify", "@bundle", "--keys", "@keys-1", "--hardware", "rev-b")
    assert said.endswith("bundle: good, acme 2.0.0, security version 2\n")
    trusted = keys.decode_file((desk.folder / "keys-1").read_bytes()).keys
    verifier = Verifier(Device("acme", "rev-b", trusted, 0))
    verifier.feed((desk.folder / "bundle").read_bytes())
    assert verifier.finish().version == "2.0.0"


def test_the_same_inputs_give_the_same_bytes(desk: Desk) -> None:
    desk.begin()
    for name in ("one", "two"):
        desk.build(name)
        desk.run("sign", f"@{name}", "--key", "@release.pem")
    assert (desk.folder / "one").read_bytes() == (desk.folder / "two").read_bytes()


def test_a_release_key_is_replaced_and_the_old_one_revoked(desk: Desk) -> None:
    desk.begin()
    told = desk.run(
        "keys", "next", "@keys-1", "@keys-2", "--add-release", "@new-release.pem", "--revoke", "@release.pem",
        "--key", "@other-root.pem",
    )  # fmt: skip
    assert told.startswith("key list 2 of acme\n")
    assert "revoked" in told
    desk.build("new")
    desk.run("sign", "@new", "--key", "@new-release.pem", "--keys", "@keys-2")
    assert "carries key list 2" in desk.run("inspect", "@new")
    for trusted in ("@keys-1", "@keys-2"):
        desk.run("verify", "@new", "--keys", trusted, "--hardware", "rev-b")
    desk.build("old")
    desk.run("sign", "@old", "--key", "@release.pem")
    desk.run("verify", "@old", "--keys", "@keys-1", "--hardware", "rev-b")
    assert "revoked-signer" in desk.run("verify", "@old", "--keys", "@keys-2", "--hardware", "rev-b", code=1)


def test_two_holders_of_root_keys_sign_one_list_after_the_other(desk: Desk) -> None:
    desk.begin()
    both = ("keys", "next", "@keys-1", "@keys-2", "--roots-needed", "2", "--key", "@root.pem")
    desk.run(*both)
    assert "too-few-signatures" in desk.run("keys", "next", "@keys-2", "@keys-3", "--key", "@root.pem", code=1)
    desk.run("keys", "sign", "@keys-2", "--key", "@other-root.pem")
    desk.run("keys", "next", "@keys-2", "@keys-3", "--key", "@root.pem")
    desk.build()
    desk.run("sign", "@bundle", "--key", "@release.pem", "--keys", "@keys-2")
    desk.run("verify", "@bundle", "--keys", "@keys-1", "--hardware", "rev-b")


@pytest.mark.parametrize("rsa", [True, False])
def test_the_signature_for_the_csms_is_what_a_station_checks(desk: Desk, rsa: bool) -> None:
    desk.begin()
    path = desk.folder / "release.pem"
    if rsa:
        form = serialization.PrivateFormat.PKCS8
        path = desk.folder / "rsa.pem"
        path.write_bytes(rsa_key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    desk.build()
    text = desk.run("ocpp-sign", "@bundle", "--key", str(path)).strip()
    public = serialization.load_pem_private_key(path.read_bytes(), None).public_key()
    checked = FileSignature(public, text)  # type: ignore[arg-type]  # the two kinds made here
    checked.feed((desk.folder / "bundle").read_bytes())
    checked.finish()


BUILD = ("build", "--hardware", "b", "--version", "1", "--security-version", "1", "--product")
NEXT = ("keys", "next", "@keys-1", "@keys-2", "--key", "@root.pem")
CREATE = ("keys", "create", "@k", "--root", "@root.pem", "--release", "@release.pem", "--key", "@root.pem")


@pytest.mark.parametrize(
    "words, said",
    [
        (("keygen", "@root.pem"), "root.pem: exists; a key is never overwritten"),
        (("inspect", "@missing"), "missing: No such file or directory"),
        (("inspect", "@root.pem"), "root.pem: is neither an update nor a list of keys: it begins like none of them"),
        (("sign", "@tree/bin/chargerd", "--key", "@release.pem"), "truncated"),
        (("sign", "@bundle", "--key", "@missing.pem"), "missing.pem: No such file"),
        (("sign", "@bundle", "--key", "@keys-1"), "keys-1: "),
        (("sign", "@bundle", "--key", "pkcs11:token=x"), "expected pkcs11:module=FILE;token=NAME;id=HEX"),
        (("verify", "@bundle", "--keys", "@keys-1", "--hardware", "rev-b"), "bundle: unknown-signer: is not signed"),
        (("verify", "@bundle", "--keys", "@bundle", "--hardware", "rev-b"), "bad-key-list"),
        ((*BUILD, "a", "@missing", "@x"), "missing: No such"),
        ((*BUILD, "A", "@tree", "@x"), "malformed"),
        (("build", "@tree", "@x", "--product", "a"), "the following arguments are required"),
        ((*NEXT, "--remove-release", "@root.pem"), "is not in the list"),
        ((*NEXT, "--releases-needed", "2"), "bad-key-list"),
        ((*CREATE, "--product", "A"), "bad-key-list"),
        (("ocpp-sign", "@bundle", "--key", "@keys-1"), "keys-1: "),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(desk: Desk, words: tuple[str, ...], said: str) -> None:
    desk.begin()
    desk.build()
    line = desk.run(*words, code=1)
    assert line.startswith("chargerctl: ")
    assert line.count("\n") == 1
    assert said in line


def test_the_first_slot_of_a_device_comes_from_a_bundle_too(desk: Desk) -> None:
    desk.begin()
    desk.build()
    desk.run("sign", "@bundle", "--key", "@release.pem")
    (desk.folder / "slots").mkdir()
    unpack = ("unpack", "@bundle", "@slots", "--keys", "@keys-1", "--hardware")
    assert desk.run(*unpack, "rev-b").endswith("slots/a: acme 2.0.0\n")
    assert (desk.folder / "slots/a/tree/bin/chargerd").read_text() == "#!/usr/bin/python3 -I\n"
    assert "wrong-hardware" in desk.run(*unpack, "rev-a", code=1)


def test_a_bundle_that_is_not_for_the_device_is_refused_by_name(desk: Desk) -> None:
    desk.begin()
    desk.build()
    desk.run("sign", "@bundle", "--key", "@release.pem")
    verify = ("verify", "@bundle", "--keys", "@keys-1", "--hardware")
    assert "wrong-hardware" in desk.run(*verify, "rev-a", code=1)
    assert "rolled-back" in desk.run(*verify, "rev-b", "--floor", "3", code=1)
    (desk.folder / "bundle").write_bytes((desk.folder / "bundle").read_bytes() + b"x")
    assert "trailing-bytes" in desk.run(*verify, "rev-b", code=1)
    assert "but " in desk.run("inspect", "@bundle")


def test_progress_is_for_people_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Meter("verified", 64 << 20) as meter:
        meter.at(32 << 20)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Meter("verified", 64 << 20) as meter:
        meter.at(32 << 20)
        meter.at((32 << 20) + 1)
    assert capsys.readouterr().err == "\rverified 32 MiB, 50 %\x1b[K\r\x1b[K"
