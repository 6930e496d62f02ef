"""The offer of everything: servers of every age understand it, and whatever they answer does no harm."""

import asyncio
import ssl
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd import tls_probe
from chargerd.tls_probe import Choice, client_hello, probe, server_choice
from tests.chargerd.certificates import sign
from tests.tls.servers import HostileServer, Serve, alert, says, server_hello, tls

LEAF = sign(sign(), "localhost")
V1_0, V1_1, V1_2, V1_3 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def answer(serve: Serve, host: str = "127.0.0.1") -> Choice | None:
    with HostileServer(serve) as port:
        return asyncio.run(probe(host, port))


@pytest.mark.parametrize(
    "oldest,newest,suites,choice",
    [
        (V1_0, V1_0, "ALL", Choice(0x0301, 0xC00A)),
        (V1_0, V1_1, "ALL", Choice(0x0302, 0xC00A)),
        (V1_2, V1_2, "ECDHE-ECDSA-AES128-SHA256", Choice(0x0303, 0xC023)),
        (V1_2, V1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", Choice(0x0303, 0xC02B)),
        (V1_3, V1_3, "ALL", Choice(0x0304, 0x1302)),
    ],
)
def test_real_servers_say_what_they_prefer(
    oldest: ssl.TLSVersion, newest: ssl.TLSVersion, suites: str, choice: Choice
) -> None:
    assert answer(tls(LEAF, oldest=oldest, newest=newest, suites=suites)) == choice


def test_a_server_of_ssl_3_is_understood() -> None:
    assert answer(says(server_hello(0x0300, 0x000A))) == Choice(0x0300, 0x000A)


@pytest.mark.parametrize(
    "serve",
    [
        says(),
        says(alert(40)),
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        says(b"\x16\x03\x03\xff\xff" + b"x" * 9),
        says(b"\x16\x03\x03\x00\x02\x02\x00"),
    ],
    ids=["nothing", "alert", "http", "too long", "too short"],
)
def test_who_says_nothing_of_use_has_no_choice(serve: Serve) -> None:
    assert answer(serve) is None


def test_nobody_there_and_nobody_who_answers_have_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_probe, "WITHIN_S", 0.2)
    assert answer(says(then="wait")) is None
    assert asyncio.run(probe("127.0.0.1", 9)) is None
    assert asyncio.run(probe("nowhere.invalid", 9)) is None


def test_a_host_is_named_and_an_address_is_not() -> None:
    assert b"csms.example" in client_hello("csms.example")
    assert b"127.0.0.1" not in client_hello("127.0.0.1")
    assert b"xn--bcher-kva" in client_hello("b\u00fccher")


@given(st.binary(max_size=200), st.sampled_from([lambda data: data, lambda data: b"\x02\x00\x00\x50" + data]))
def test_no_bytes_break_the_reading(data: bytes, dressed: Callable[[bytes], bytes]) -> None:
    try:
        choice = server_choice(dressed(data))
    except ValueError:
        return
    assert 0 <= choice.version <= 0xFFFF
    assert 0 <= choice.suite <= 0xFFFF
