"""Site settings: what is right loads, what is wrong is named with its place and its remedy."""

from pathlib import Path

import pytest

from chargerd.config import EXAMPLE_PASSWORDS, ConfigError, IdentitySettings, check_password, load_site

RIGHT = """
[csms]
url = "wss://csms.example/ocpp"

[station]
identity = "CS-1"
fuse_amps = 32.0

[variables]
"OCPPCommCtrlr.HeartbeatInterval" = 60
"AuthCtrlr.Enabled" = true
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "chargerd.toml"
    path.write_text(text)
    return path


def test_a_right_file_loads_with_defaults_and_overrides_as_the_device_model_writes_them(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, RIGHT))
    assert site.csms.security_profile == 2
    assert site.station.state_dir == "/var/lib/chargerd"
    assert site.overrides() == {"OCPPCommCtrlr.HeartbeatInterval": "60", "AuthCtrlr.Enabled": "true"}


def test_keys_live_in_files_unless_the_site_says_tpm(tmp_path: Path) -> None:
    assert load_site(written(tmp_path, RIGHT)).identity == IdentitySettings(keys="file", tpm="device:/dev/tpmrm0")
    other = load_site(written(tmp_path, RIGHT + '[identity]\nkeys = "tpm"\ntpm = "device:/dev/tpmrm1"\n')).identity
    assert (other.keys, other.tpm) == ("tpm", "device:/dev/tpmrm1")


@pytest.mark.parametrize(
    "text,place,remedy",
    [
        ('[csms]\nurll = "wss://c/o"', "csms.urll", "did you mean 'url'?"),
        ('[csms]\nurl = "wss://c/o"\n[csm]\nx = 1', "csm", "did you mean 'csms'?"),
        ("[csms]\nurl = 5", "csms.url", "str"),
        ("[station]", "csms", "required"),
        ('[csms]\nurl = "https://c/o"', "csms.url", "ws://… or wss://…"),
        ('[csms]\nurl = "wss://u:p@c/o"', "csms.url", "credential"),
        ('[csms]\nurl = "ws://c/o"', "csms.url", "needs wss://"),
        ('[csms]\nurl = "ws://c/o"\nsecurity_profile = 1', "csms.security_profile", "trusted_network = true"),
        ('[csms]\nurl = "wss://c/o"\nsecurity_profile = 1\ntrusted_network = true', "csms.url", "needs ws://"),
        ('[csms]\nurl = "wss://c/o"\nsecurity_profile = 7', "csms.security_profile", "1, 2 or 3"),
        ('[csms]\nurl = "wss://c/o"\nmessage_timeout_s = 0', "csms.message_timeout_s", "1 to 600"),
        ('[csms]\nurl = "wss://c/o"\n[station]\nidentity = "a:b"', "station.identity", "without a colon"),
        ('[csms]\nurl = "wss://c/o"\n[station]\nfuse_amps = 0.0', "station.fuse_amps", "above 0"),
        ('[csms]\nurl = "wss://c/o"\n[station]\nfuse_amps = nan', "station.fuse_amps", ""),
        ('[csms]\nurl = "ws://c/o"\nsecurity_profile = 3', "csms.url", "needs wss://"),
        (
            '[csms]\nurl = "wss://c/o"\n[variables]\n"SecurityCtrlr.BasicAuthPassword" = "a-secret-of-some-length"',
            "variables",
            "chargerctl provision",
        ),
        ('[csms]\nurl = "wss://c/o"\n[identity]\nkeys = "card"', "identity.keys", "card"),
        ('[csms]\nurl = "wss://c/o"\n[identity]\nkey = "tpm"', "identity.key", "did you mean 'keys'?"),
        ('[csms]\nurl = "wss://c/o"\n[identity]\ntpm = "/dev/tpmrm0"', "identity.tpm", "device:/dev/"),
        ('[csms]\nurl = "wss://c/o"\n[identity]\ntpm = "cmd:sh -c id"', "identity.tpm", "is no TPM"),
        ("[csms\nx", "line 1", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_remedy(tmp_path: Path, text: str, place: str, remedy: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_site(path)
    assert str(path) in str(refused.value)
    assert place in str(refused.value)
    assert remedy in str(refused.value)


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_site(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chargerd.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_site(path)


def test_each_security_profile_can_be_set_with_the_url_that_fits_it(tmp_path: Path) -> None:
    for text in (
        'url = "ws://c/o"\nsecurity_profile = 1\ntrusted_network = true',
        'url = "wss://c/o"\nsecurity_profile = 2',
        'url = "wss://c/o"\nsecurity_profile = 3',
    ):
        assert str(load_site(written(tmp_path, f"[csms]\n{text}")).csms.security_profile) in text


@pytest.mark.parametrize("password", ["x" * 15, "x" * 65, "", *sorted(EXAMPLE_PASSWORDS), "DEADBEEFDEADBEEF"])
def test_A00_FR_205_a_password_that_is_short_or_stands_in_manuals_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(ConfigError, match="chargerctl provision") as refused:
        check_password(password, "csms-password")
    assert str(refused.value).startswith("csms-password: ")
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize("password", ["x" * 16, "x" * 64, "kR7vP2mQ9tW4zB6n"])
def test_A00_FR_205_a_password_of_16_to_64_characters_is_taken(password: str) -> None:
    check_password(password, "csms-password")


def test_a_bench_may_use_the_passwords_of_manuals_but_no_short_ones() -> None:
    check_password("sixteen-or-more-characters", "csms-password", examples=True)
    with pytest.raises(ConfigError):
        check_password("short", "csms-password", examples=True)
