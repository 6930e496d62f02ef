"""Paths: what we judge is what the openssl command judges, stricter where that is meant, and nothing crashes."""

import base64
import datetime as dt
import itertools
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from chargerd.certificate_checks import MAX_PATH
from chargerd.certificates import (
    Certificate,
    CertificateError,
    path,
    read_chain,
    read_one,
    why_no_path,
    why_not_root,
    why_not_station_certificate,
)
from tests.chargerd.pki import NOON, YEAR, Pair, ec_key, made, root, rsa_key, sub

SECOND = dt.timedelta(seconds=1)


class Story(NamedTuple):
    """Certificates, and what is to be found out about the first."""

    name: str
    leaf: Pair
    intermediates: tuple[Pair, ...] = ()
    roots: tuple[Pair, ...] = ()
    at_utc: dt.datetime = NOON
    stricter: bool = False
    """We refuse what openssl accepts, and mean it."""


R = root("Root")
R2 = root("Root 2")
S = sub("Sub", R)
SS = sub("Sub sub", S)
L = made("Leaf", S)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ONLY_TEST = x509.NameConstraints([x509.DNSName("test")], None)


def with_extension(extension: x509.ExtensionType, *, critical: bool) -> dict[str, Any]:
    return {"change": lambda builder: builder.add_extension(extension, critical=critical)}


def long_chain(length: int, **of_each: Any) -> tuple[Pair, ...]:
    """Leaf first, root last, `length` certificates."""
    chain = [root("Top")]
    for number in range(length - 2):
        chain.insert(0, sub(f"Sub {number}", chain[0], **of_each))
    return (made("Leaf", chain[0]), *chain)


def same_name_sub(issuer: Pair, number: int, **more: Any) -> Pair:
    """A sub-CA that carries on the name of its issuer (self-issued), with another key."""
    return sub(issuer.x509.subject.rfc4514_string().removeprefix("CN="), issuer, key=ec_key(number), **more)


def ordinary() -> Iterator[Story]:
    yield Story("root signs leaf", made("a", R), (), (R,))
    yield Story("one sub", L, (S,), (R,))
    yield Story("two subs", made("a", SS), (S, SS), (R,))
    yield Story("subs in the other order", made("a", SS), (SS, S), (R,))
    yield Story("root among the intermediates too", L, (S, R), (R,))
    yield Story("root among the intermediates only", L, (S, R), ())
    yield Story("everything twice", L, (S, S, S), (R, R))
    yield Story("what is of no use beside it", L, (R2, made("b", R2), SS, S), (R2, R))
    yield Story("no root", L, (S,), ())
    yield Story("another root", L, (S,), (R2,))
    yield Story("no sub", L, (), (R,))
    yield Story("only the sub is trusted", L, (), (S,))
    yield Story("the sub is trusted as well", L, (S,), (R, S))
    yield Story("the leaf itself is trusted", L, (), (L,))
    yield Story("the root as leaf", R, (), (R,))
    yield Story("a root nobody knows", R2, (), (R,))
    yield Story("leaf signs leaf", made("b", L), (L, S), (R,))
    yield Story("longest", (chain := long_chain(MAX_PATH))[0], chain[1:-1], chain[-1:])
    yield Story("one too long", (chain := long_chain(MAX_PATH + 1))[0], chain[1:-1], chain[-1:], stricter=True)


def in_time() -> Iterator[Story]:
    late, early = root("Late", since=NOON), root("Early", until=NOON)
    for name, at_utc in (("before", NOON - SECOND), ("at", NOON), ("after", NOON + SECOND)):
        yield Story(f"{name} the end of the leaf", made("a", R, until=NOON), (), (R,), at_utc)
        yield Story(f"{name} the beginning of the leaf", made("a", R, since=NOON), (), (R,), at_utc)
        yield Story(f"{name} the end of the root", made("a", early), (), (early,), at_utc)
        yield Story(f"{name} the beginning of the root", made("a", late), (), (late,), at_utc)
        short = sub("Short", R, until=NOON)
        yield Story(f"{name} the end of the sub", made("a", short), (short,), (R,), at_utc)
    renewed = sub("Sub", R, key=S.key, until=NOON + YEAR)
    expired = sub("Sub", R, key=S.key, until=NOON - SECOND)
    yield Story("an expired and a renewed sub", L, (expired, renewed), (R,))
    yield Story("an expired sub only", L, (expired,), (R,))


def of_authorities() -> Iterator[Story]:
    for name, issuer in (
        ("not a CA", made("x", R, usage=["key_cert_sign"])),
        ("a CA that may not sign certificates", sub("x", R, usage=["digital_signature", "crl_sign"])),
        ("a CA without key usage", sub("x", R, usage=[])),
        ("a CA that may do everything", sub("x", R, usage=["digital_signature", "key_cert_sign", "crl_sign"])),
    ):
        yield Story(f"{name} as sub", made("a", issuer), (issuer,), (R,))
    for name, top in (
        ("not a CA", made("Top", usage=["key_cert_sign"])),
        ("a CA that may not sign certificates", root("Top", usage=["crl_sign"])),
        ("a CA without key usage", root("Top", usage=[])),
    ):
        yield Story(f"{name} as root", made("a", top), (), (top,))
    for allowed, subs in itertools.product((0, 1, 2), (0, 1, 2, 3)):
        top = root("Top", path_length=allowed)
        chain = [top]
        for number in range(subs):
            chain.insert(0, sub(f"Sub {number}", chain[0]))
        yield Story(f"{subs} subs where {allowed} may be", made("a", chain[0]), tuple(chain[:-1]), (top,))
    narrow = sub("Narrow", R, path_length=0)
    below = sub("Below", narrow)
    yield Story("a sub under one that allows none", made("a", below), (below, narrow), (R,))
    yield Story("a leaf under one that allows no subs", made("a", narrow), (narrow,), (R,))
    top = root("Top", path_length=0)
    rolled = same_name_sub(top, 501)
    yield Story("a sub that carries on the name does not count", made("a", rolled), (rolled,), (top,))


def of_signatures() -> Iterator[Story]:
    forged = Pair(R.x509, ec_key(502))
    yield Story("signed by another key of that name", made("a", forged), (), (R,))
    yield Story("two roots of one name", made("a", R), (), (root("Root", key=ec_key(503)), R))
    yield Story("two subs of one name", L, (sub("Sub", R, key=ec_key(504)), S), (R,))
    yield Story("a sub signed by another key", made("a", (x := sub("Sub", forged))), (x,), (R,))
    one, other = root("One"), root("Other")
    crossed = [sub("One", other, key=one.key), sub("Other", one, key=other.key)]
    yield Story("two authorities that vouch for each other", made("a", one), tuple(crossed), ())
    yield Story("the same with a root", made("a", one), tuple(crossed), (other,))
    wrong = x509.AuthorityKeyIdentifier(b"\x01" * 20, None, None)
    named = made("a", R, change=lambda builder: _replaced(builder, wrong))
    yield Story("another key is named as the issuer's", named, (), (R,))
    for kind, key in (("Ed25519", ed25519.Ed25519PrivateKey.generate()), ("Ed448", ed448.Ed448PrivateKey.generate())):
        yield Story(f"a leaf with {kind}", made("a", R, key=key), (), (R,))


def of_strength() -> Iterator[Story]:
    for bits in (1024, 2048, 3072):
        strong = root("RSA root", key=rsa_key(bits))
        yield Story(f"a root with RSA {bits}", made("a", strong), (), (strong,))
        yield Story(f"a leaf with RSA {bits}", made("a", R, key=rsa_key(bits)), (), (R,))
    for curve in (ec.SECP192R1, ec.SECP224R1, ec.SECP384R1, ec.SECP521R1, ec.BrainpoolP256R1, ec.BrainpoolP384R1):
        yield Story(f"a leaf with {curve.name}", made("a", R, key=ec_key(505, curve)), (), (R,))
    yield Story("a curve that no BSI names", made("a", R, key=ec_key(505, ec.SECP256K1)), (), (R,), stricter=True)
    for digest in (hashes.SHA224(), hashes.SHA384(), hashes.SHA512()):
        yield Story(f"signed with {digest.name}", made("a", R, digest=digest), (), (R,))


def of_extensions() -> Iterator[Story]:
    odd = sub("Odd", R, **with_extension(UNKNOWN, critical=True))
    bound = sub("Bound", R, **with_extension(ONLY_TEST, critical=True))
    for critical in (False, True):
        leaf = made("a", R, **with_extension(UNKNOWN, critical=critical))
        yield Story(f"an unknown extension, critical {critical}", leaf, (), (R,))
    yield Story("a critical unknown extension of a sub", made("a", odd), (odd,), (R,))
    yield Story("names are constrained", made("a", bound), (bound,), (R,), stricter=True)
    named = x509.SubjectAlternativeName([x509.DNSName("a.test")])
    leaf = made("a", R, **with_extension(named, critical=True))
    yield Story("a critical alternative name", leaf, (), (R,))


def _replaced(builder: x509.CertificateBuilder, extension: x509.AuthorityKeyIdentifier) -> x509.CertificateBuilder:
    builder._extensions = [each for each in builder._extensions if each.oid != extension.oid]
    return builder.add_extension(extension, critical=False)


STORIES = [*ordinary(), *in_time(), *of_authorities(), *of_signatures(), *of_strength(), *of_extensions()]


def openssl_accepts(story: Story, directory: Path) -> bool:
    """`openssl verify` with 112 bits of security, every certificate of `roots` being trusted by itself."""
    files = {"leaf": (story.leaf,), "intermediates": story.intermediates, "roots": story.roots}
    for name, pairs in files.items():
        (directory / f"{name}.pem").write_text("".join(pair.pem for pair in pairs))
    command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-auth_level", "2"]
    command += ["-attime", str(int(story.at_utc.timestamp()))]
    command += ["-CAfile", "roots.pem"] if story.roots else ["-no-CAfile"]
    command += ["-untrusted", "intermediates.pem"] if story.intermediates else []
    done = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode == 0


def verdict(story: Story) -> str | None:
    intermediates, roots = ([pair.read for pair in pairs] for pairs in (story.intermediates, story.roots))
    return why_no_path(story.leaf.read, intermediates, roots, story.at_utc)


@pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
def test_A00_FR_308_A00_FR_501_A00_FR_502_A00_FR_504_a_path_is_judged_as_openssl_does(
    story: Story, tmp_path: Path
) -> None:
    reason = verdict(story)
    assert (reason is None) == (openssl_accepts(story, tmp_path) and not story.stricter), reason


def test_the_corpus_is_large_and_has_both_verdicts() -> None:
    refused = [story.name for story in STORIES if verdict(story) is not None]
    assert len({story.name for story in STORIES}) == len(STORIES) >= 80
    assert 30 <= len(refused) <= len(STORIES) - 30


@pytest.mark.parametrize(
    "name, reason",
    [
        ("no root", "no certificate of CN=Root is known"),
        ("no sub", "no certificate of CN=Sub is known"),
        ("before the beginning of the leaf", "CN=a: not valid before 2026-06-01 12:00:00 UTC"),
        ("after the end of the root", "CN=Early: expired on 2026-06-01 12:00:00 UTC"),
        ("not a CA as sub", "CN=x: it is not a certificate authority"),
        ("2 subs where 1 may be", "CN=Top: it allows 1 sub-CAs under it"),
        ("signed by another key of that name", "CN=Root: its key is not the one that is named as the issuer's"),
        ("one too long", f"more than {MAX_PATH} certificates from the leaf to a root"),
        ("a leaf with RSA 1024", "CN=a: a key of this kind or length is not accepted (RSA 1024)"),
        ("an unknown extension, critical True", "CN=a: it has a critical extension that is not understood (1.2.3.4)"),
    ],
)
def test_a_refusal_says_why(name: str, reason: str) -> None:
    assert verdict(next(story for story in STORIES if story.name == name)) == reason


def test_a_path_goes_from_the_leaf_to_the_root() -> None:
    found = path(L.read, [R2.read, SS.read, S.read], [R2.read, R.read], NOON)
    assert [each.common_name for each in found] == ["Leaf", "Sub", "Root"]


def test_a_signature_by_pss_counts_as_any_other() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    top = root("RSA root", key=rsa_key(2048))
    builder = x509.CertificateBuilder(
        top.x509.subject, top.x509.subject, top.key.public_key(), 5, NOON - YEAR, NOON + YEAR, list(top.x509.extensions)
    )
    signed = builder.sign(rsa_key(2048), hashes.SHA256(), rsa_padding=pss)
    assert why_not_root(read_one(signed.public_bytes(Encoding.PEM).decode()), NOON) is None


def test_sha1_is_too_weak_below_a_root_and_says_nothing_of_a_root(tmp_path: Path) -> None:
    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", "-sha1", *new_key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Old root")
    run("req", *new_key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=Leaf")
    signed_by_root = ("x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key")
    for digest in ("sha1", "sha256"):
        run(*signed_by_root, f"-{digest}", "-out", f"{digest}.pem")
    old, weak, strong = (read_one((tmp_path / f"{name}.pem").read_text()) for name in ("root", "sha1", "sha256"))
    at_utc = dt.datetime.now(dt.UTC)
    assert why_no_path(strong, [], [old], at_utc) is None
    assert why_no_path(weak, [], [old], at_utc) == "CN=Leaf: its signature uses sha1, which is too weak"
    assert "its signature uses sha1" in str(why_not_root(old, at_utc))


def test_a_bundle_made_to_mislead_is_given_up_on() -> None:
    """Each of many subs of one name could have signed each other."""
    one = root("One", key=ec_key(601))
    tangle = [sub("One", one, key=one.key, serial=number + 1).read for number in range(15)]
    leaf = made("a", one).read
    began = time.perf_counter()
    assert why_no_path(leaf, tangle, [R2.read], NOON) is not None
    assert time.perf_counter() - began < 0.5  # 15 * 14 * 13 * 12 * 11 ways would take a minute


# ---- Whatever comes in ---------------------------------------------------------------------------------------------

GENUINE = (L, S, R, made("RSA", R, key=rsa_key(2048)))
DER = tuple(pair.x509.public_bytes(Encoding.DER) for pair in GENUINE)


def as_pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"


def judged(text: str) -> None:
    """Read and judged in every way; nothing but CertificateError may come out."""
    try:
        chain = read_chain(text)
    except CertificateError:
        return
    for each in chain:
        why_not_root(each, NOON)
        assert len(each.serial_number) <= 40
    reason = why_not_station_certificate(chain, [R.read], NOON)
    genuine = {pair.read.sha256 for pair in GENUINE}
    # Whatever was changed in it: what is accepted is what was signed.
    assert reason is not None or chain[0].sha256 in genuine


@given(st.sampled_from(DER), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_certificate_with_other_bytes_is_unreadable_or_refused(der: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(der)
    for at, value in changes:
        changed[at % len(changed)] = value
    judged(as_pem(bytes(changed)) + S.pem)


@given(st.sampled_from(DER), st.integers(0, 2000), st.integers(0, 2000), st.binary(max_size=40))
def test_a_certificate_with_a_part_cut_out_or_put_in_is_unreadable_or_refused(
    der: bytes, at: int, to: int, put_in: bytes
) -> None:
    start, end = sorted((at % len(der), to % len(der)))
    judged(as_pem(der[:start] + put_in + der[end:]) + S.pem)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    judged(text)
    judged(L.pem + text)


@given(st.lists(st.sampled_from([L, S, SS, R, R2, made("b", R2), sub("Sub", R2)]), min_size=1, max_size=8))
def test_any_mixture_of_certificates_is_accepted_only_with_what_it_needs(pairs: list[Pair]) -> None:
    chain = tuple(pair.read for pair in pairs)
    reason = why_not_station_certificate(chain, [R.read], NOON)
    if pairs[0] is L:
        assert (reason is None) == (S in pairs)
    else:
        assert reason is not None


def test_a_story_of_random_authorities_never_accepts_what_openssl_refuses(tmp_path: Path) -> None:
    """Random graphs of names, keys, lengths and times; stricter than openssl only where a path is too long."""
    chance = random.Random(94)
    for _ in range(60):
        story = _random_story(chance)
        reason = verdict(story)
        accepted = openssl_accepts(story, tmp_path)
        assert reason is None or not accepted or "more than" in reason, (story, reason)
        assert reason is not None or accepted, story


def _random_story(chance: random.Random) -> Story:
    authorities = [root("A", key=ec_key(701)), root("B", key=ec_key(702))]
    for _ in range(chance.randint(0, 5)):
        issuer = chance.choice(authorities)
        until = NOON + chance.choice([YEAR, YEAR, YEAR, -SECOND])
        lengths = chance.choice([None, None, 0, 1])
        key = ec_key(chance.randint(701, 704))
        authorities.append(sub(chance.choice("ABCD"), issuer, key=key, until=until, path_length=lengths))
    leaf = made("Leaf", chance.choice(authorities))
    intermediates = chance.sample(authorities, chance.randint(0, len(authorities)))
    roots = chance.sample(authorities, chance.randint(1, 2))
    return Story("random", leaf, tuple(intermediates), tuple(roots))


def test_certificates_are_values() -> None:
    assert L.read == L.read
    assert isinstance(hash(L.read), int)
    assert Certificate is type(L.read)
