"""From a blank device to one that can prove who it is: each step, repeated, interrupted, and with the wrong thing."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chargerd.identity import IdentityError
from chargerd.keys import Keys
from chargerd.provisioned import Provisioned
from chargerd.provisioning_steps import PASSWORD_LENGTH, Refused, Steps, hand_out_password, new_password
from tests.chargerd.key_stands import KINDS, ClientAuthority, settings

NOW = datetime.now(UTC)


class Device:
    """A device on the maker's desk, with the maker's CA beside it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.folder = folder
        self.keys = Keys(settings(kind), folder / "keys", trial="provision.trial")
        self.provisioned = Provisioned(folder / "provisioned")
        self.steps = Steps(self.keys, self.provisioned)
        self.authority = ClientAuthority(folder)

    def request(self, *, replace: bool = False) -> str:
        return self.steps.request("SN-1", "Example", "NL", replace=replace).csr_pem

    def take(self, chain: str, *roots: str) -> None:
        self.steps.chain(chain, roots or (self.authority.root,), NOW)

    def is_ready(self) -> bool:
        """Whether the provisioned identity does in OpenSSL what it has to."""
        client = self.provisioned.read().client
        assert client is not None
        self.keys.load_into(ssl.create_default_context(), client)
        self.keys.settled()
        return True


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device("file", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_blank_device_gets_an_identity(kind: str, tmp_path: Path) -> None:
    device = Device(kind, tmp_path)
    device.take(device.authority.sign(device.request()))
    assert device.is_ready()
    assert device.provisioned.read().request is None


def test_the_request_is_the_same_one_until_it_is_answered(device: Device) -> None:
    assert device.request() == device.request()
    assert len(device.keys.describe()) == 1


def test_an_open_request_for_another_name_is_said(device: Device) -> None:
    device.request()
    with pytest.raises(Refused, match="an open request names SN-1 of Example"):
        device.steps.request("SN-2", "Example", "NL", replace=False)


def test_an_interruption_while_the_key_is_made_costs_nothing_but_a_new_key(device: Device) -> None:
    with pytest.raises(IdentityError):
        device.steps.request("SN-1", "Example", "Netherlands", replace=False)
    assert device.provisioned.read().request is not None
    device.take(device.authority.sign(device.request()))
    assert device.is_ready()


def test_the_chain_may_be_given_twice(device: Device) -> None:
    chain = device.authority.sign(device.request())
    device.take(chain)
    before = device.provisioned.read()
    device.take(chain)
    assert device.provisioned.read() == before


def test_a_chain_that_brings_its_root_is_kept_without_it(device: Device) -> None:
    chain = device.authority.sign(device.request())
    device.steps.chain(chain + device.authority.root, (), NOW)
    client = device.provisioned.read().client
    assert client is not None
    assert client.chain_pem == chain


def test_an_identity_is_not_replaced_unless_that_is_asked_for(device: Device) -> None:
    device.take(device.authority.sign(device.request()))
    with pytest.raises(Refused, match=r"there is an identity already.*--replace"):
        device.request()
    old = device.provisioned.read().client
    chain = device.authority.sign(device.request(replace=True))
    assert device.provisioned.read().client == old, "the old one stays until the new one has been checked"
    device.take(chain)
    new = device.provisioned.read().client
    assert new is not None
    assert new != old
    assert device.is_ready()


def test_a_chain_without_a_request_is_refused(device: Device) -> None:
    (device.folder / "other").mkdir()
    csr = Device("file", device.folder / "other").request()
    with pytest.raises(Refused, match="no open request"):
        device.take(device.authority.sign(csr))


def test_the_certificate_of_another_device_is_refused(device: Device) -> None:
    (device.folder / "other").mkdir()
    other = Device("file", device.folder / "other")
    device.request()
    with pytest.raises(Refused, match="the certificate of another key"):
        device.take(device.authority.sign(other.request()))


def test_a_certificate_that_reaches_no_root_is_refused(device: Device) -> None:
    (device.folder / "other").mkdir()
    stranger = ClientAuthority(device.folder / "other", "Other root")
    with pytest.raises(Refused, match="cannot be used"):
        device.take(stranger.sign(device.request()))


def test_a_certificate_that_has_expired_is_refused(device: Device) -> None:
    with pytest.raises(Refused, match="expired"):
        device.take(device.authority.sign(device.request(), days=-2))


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(device: Device, text: str) -> None:
    device.request()
    with pytest.raises(Refused, match="no certificates can be read"):
        device.take(text)
    with pytest.raises(Refused, match="no certificates can be read"):
        device.steps.csms_roots(text, NOW)


def test_roots_alone_are_no_chain(device: Device) -> None:
    device.request()
    with pytest.raises(Refused, match="roots only"):
        device.take(device.authority.root)


def test_A00_FR_509_a_certificate_without_an_organization_is_refused(device: Device) -> None:
    with pytest.raises(Refused, match="no organization"):
        device.take(device.authority.sign(device.request(), organization=False))


def test_A00_FR_511_a_certificate_for_another_serial_number_is_refused(device: Device) -> None:
    with pytest.raises(Refused, match="issued to SN-2 rather than SN-1"):
        device.take(device.authority.sign(device.request(), common_name="SN-2"))


def test_roots_are_added_to_those_that_are_there(device: Device) -> None:
    assert len(device.steps.csms_roots(device.authority.root, NOW)) == 1
    assert device.steps.csms_roots(device.authority.root, NOW) == ()
    other = ClientAuthority(device.folder, "Other root")
    device.steps.csms_roots(other.root + device.authority.root, NOW)
    device.steps.manufacturer_roots(other.root, NOW)
    record = device.provisioned.read()
    assert record.csms_roots_pem == (device.authority.root, other.root)
    assert record.manufacturer_roots_pem == (other.root,)


def test_what_is_no_root_is_not_trusted(device: Device) -> None:
    with pytest.raises(Refused, match="cannot be a root"):
        device.steps.csms_roots(device.authority.sign(device.request()), NOW)
    with pytest.raises(Refused, match=r"cannot be a root.*expired"):
        device.steps.csms_roots(device.authority.root, NOW + timedelta(days=400))
    assert device.provisioned.read().csms_roots_pem == ()


def test_every_device_gets_a_password_of_its_own() -> None:
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(password) == PASSWORD_LENGTH and password.isalnum() for password in passwords)


def test_a_password_is_left_once_for_the_maker_and_once_for_the_station(tmp_path: Path) -> None:
    credential, copy = tmp_path / "credstore" / "password", tmp_path / "for-the-records"
    told = hand_out_password(credential, copy, replace=False)
    assert credential.read_text() == copy.read_text()
    assert copy.read_text().strip() not in told
    assert [path.stat().st_mode & 0o777 for path in (credential, copy)] == [0o600, 0o600]


def test_a_password_is_not_replaced_unless_that_is_asked_for(tmp_path: Path) -> None:
    credential, copy = tmp_path / "password", tmp_path / "copy"
    hand_out_password(credential, copy, replace=False)
    first = credential.read_text()
    assert "there is a password already" in hand_out_password(credential, tmp_path / "copy-2", replace=False)
    assert not (tmp_path / "copy-2").exists()
    with pytest.raises(Refused, match="no file is overwritten"):
        hand_out_password(credential, copy, replace=True)
    hand_out_password(credential, tmp_path / "copy-2", replace=True)
    assert credential.read_text() == (tmp_path / "copy-2").read_text() != first


def test_a_password_that_is_encrypted_for_this_machine_is_one_too(tmp_path: Path) -> None:
    credential = tmp_path / "credstore" / "password"
    (tmp_path / "credstore.encrypted").mkdir()
    (tmp_path / "credstore.encrypted" / "password").write_text("sealed")
    assert "there is a password already" in hand_out_password(credential, tmp_path / "copy", replace=False)
    assert not credential.exists()


def test_an_interruption_between_the_two_files_is_made_good(tmp_path: Path) -> None:
    credential, copy = tmp_path / "password", tmp_path / "copy"
    hand_out_password(credential, copy, replace=False)
    credential.unlink()
    hand_out_password(credential, copy, replace=False)
    assert credential.read_text() == copy.read_text()
