"""What is installed is on disk, costs nothing at a start, and a provisioned root is taken over once."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chargerd.ocpp.certificate_book import MAX_CERTIFICATES, NAMESPACE, Installed, root_row, v2g_row
from chargerd.ocpp.effects import Note
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.store import Store
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.pki import NOON, YEAR, Pair, made, root, sub

CSMS = Kind.CSMS_ROOT_CERTIFICATE
MANUFACTURER = Kind.MANUFACTURER_ROOT_CERTIFICATE

FIRST = root("First root")
SECOND = sub("Second root", FIRST)
V2G_ROOT = root("V2G root")
V2G_SUB = sub("CPO sub", V2G_ROOT)


def rig(store: Store | None = None, **config: Any) -> Rig:
    return Rig(store=store, changes=config)


def row(pair: Pair, kind: Kind = CSMS, issuer: Pair | None = None, *, pending: bool = False) -> Installed:
    return root_row(kind, pair.read, None if issuer is None else issuer.read, pending=pending)


def v2g(name: str, number: int, **more: Any) -> Installed:
    leaf = made(name, V2G_SUB, **more)
    return v2g_row((leaf.read, V2G_SUB.read, V2G_ROOT.read), f"key-{number}")


def worked_in(rig: Rig, pair: Pair) -> None:
    with rig.store.transaction():
        rig.station.certificate_book.csms_root_worked(pair.read.sha256)


def test_what_is_installed_is_there_after_a_restart() -> None:
    store = Store(":memory:")
    book = rig(store).station.certificate_book
    for each in (row(FIRST), row(V2G_ROOT, Kind.V2G_ROOT_CERTIFICATE), v2g("CS", 1)):
        book.put(each)
    again = rig(store).station.certificate_book
    assert again.all() == book.all()
    assert again.roots(CSMS) == (FIRST.pem,)
    assert again.roots(MANUFACTURER) == ()
    assert again.count() == 4
    assert again.key_ids() == ("key-1",)
    again.remove(row(FIRST))
    assert rig(store).station.certificate_book.roots(CSMS) == ()


def test_a_certificate_is_found_by_each_of_its_names() -> None:
    book = rig().station.certificate_book
    book.put(row(FIRST))
    chain = v2g("CS", 1)
    book.put(chain)
    for named in row(FIRST).names:
        found = book.named(named)
        assert found is not None
        assert found.pem == FIRST.pem
    for named in (*chain.names, *chain.children[0]):
        assert book.named(named) == chain
    assert book.named(row(V2G_ROOT).names[0]) is None


def test_the_same_certificate_may_be_trusted_for_two_purposes() -> None:
    book = rig().station.certificate_book
    book.put(row(FIRST))
    book.put(row(FIRST, MANUFACTURER))
    assert (book.roots(CSMS), book.roots(MANUFACTURER), book.count()) == ((FIRST.pem,), (FIRST.pem,), 2)


def test_A02_FR_15_the_newest_v2g_chain_is_shown() -> None:
    book = rig().station.certificate_book
    assert book.v2g_chain() is None
    old, new = v2g("a", 1, since=NOON - YEAR), v2g("b", 2, since=NOON)
    book.put(new)
    book.put(old)
    assert book.v2g_chain() == new
    newest = v2g("c", 3, since=NOON + YEAR / 2)
    book.put(newest)
    assert book.all([Kind.V2G_CERTIFICATE_CHAIN]) == [newest]
    assert book.key_ids() == ("key-3",)


def test_a_v2g_chain_of_another_root_stays_beside_it() -> None:
    book = rig().station.certificate_book
    other_root = root("Other V2G root")
    book.put(v2g("a", 1))
    book.put(v2g_row((made("b", other_root).read, other_root.read), "key-2"))
    assert sorted(book.key_ids()) == ["key-1", "key-2"]


def test_a_provisioned_root_is_taken_over_once() -> None:
    store = Store(":memory:")
    config: Mapping[str, Any] = {"csms_roots_pem": (FIRST.pem,), "manufacturer_roots_pem": (V2G_ROOT.pem,)}
    book = rig(store, **config).station.certificate_book
    assert (book.roots(CSMS), book.roots(MANUFACTURER)) == ((FIRST.pem,), (V2G_ROOT.pem,))
    book.remove(row(FIRST))
    again = rig(store, **config).station.certificate_book
    assert (again.roots(CSMS), again.roots(MANUFACTURER)) == ((), (V2G_ROOT.pem,))
    third = root("Third").pem
    more = rig(store, csms_roots_pem=(FIRST.pem, third)).station.certificate_book
    assert (more.roots(CSMS), more.roots(MANUFACTURER)) == ((third,), (V2G_ROOT.pem,))


def test_a_provisioned_root_that_is_none_is_told_of_and_left_out() -> None:
    rigged = rig(csms_roots_pem=("nonsense", FIRST.pem, SECOND.pem))
    assert rigged.station.certificate_book.roots(CSMS) == (FIRST.pem,)
    notes = [each.text for each in rigged.effects if isinstance(each, Note)]
    assert sum("was not taken over" in text for text in notes) == 2


def test_M05_FR_13_the_old_root_goes_once_the_new_one_has_worked() -> None:
    rigged = rig()
    book = rigged.station.certificate_book
    book.put(row(FIRST))
    book.put(row(SECOND, issuer=FIRST, pending=True))
    worked_in(rigged, FIRST)
    assert set(book.roots(CSMS)) == {FIRST.pem, SECOND.pem}
    worked_in(rigged, SECOND)
    assert book.roots(CSMS) == (SECOND.pem,)
    worked_in(rigged, SECOND)
    assert not book.all()[0].pending


def test_M05_FR_12_a_root_that_replaces_nothing_lets_the_others_be() -> None:
    rigged = rig()
    book = rigged.station.certificate_book
    book.put(row(FIRST))
    book.put(row(V2G_ROOT))
    worked_in(rigged, V2G_ROOT)
    worked_in(rigged, root("Nobody"))
    assert len(book.roots(CSMS)) == 2


def test_M05_FR_14_M05_FR_16_old_and_new_root_verify_the_csms_that_is_known() -> None:
    book = rig().station.certificate_book
    book.put(row(FIRST))
    book.put(row(SECOND, issuer=FIRST, pending=True))
    assert set(book.csms_roots()) == {FIRST.pem, SECOND.pem}


def test_M05_FR_15_only_the_new_root_verifies_a_csms_that_is_moved_to() -> None:
    book = rig().station.certificate_book
    book.put(row(FIRST))
    assert book.csms_roots(migrating=True) == (FIRST.pem,)
    book.put(row(SECOND, issuer=FIRST, pending=True))
    assert book.csms_roots(migrating=True) == (SECOND.pem,)


KEYS = [root(f"Key {number}").key for number in range(3)]
ROWS = [
    *(row(root(f"Root {number}", key=key), kind) for number, key in enumerate(KEYS) for kind in (CSMS, MANUFACTURER)),
    *(row(sub(f"New {number}", FIRST, key=key), issuer=FIRST, pending=True) for number, key in enumerate(KEYS)),
    v2g("a", 1),
    v2g("b", 2),
]


@given(st.lists(st.tuples(st.sampled_from(["put", "remove", "worked", "restart"]), st.sampled_from(ROWS)), max_size=20))
def test_whatever_is_done_a_restart_changes_nothing_and_nothing_is_there_twice(
    story: list[tuple[str, Installed]],
) -> None:
    store = Store(":memory:")
    book = rig(store).station.certificate_book
    for deed, about in story:
        match deed:
            case "put":
                book.put(about)
            case "remove":
                book.remove(about)
            case "worked":
                book.csms_root_worked(about.sha256)
            case _:
                book = rig(store).station.certificate_book
        assert len({each.key for each in book.all()}) == len(book.all())
        assert book.count() == sum(1 + len(each.children) for each in book.all())
    assert rig(store).station.certificate_book.all() == book.all()


def test_an_unreadable_row_is_set_aside() -> None:
    store = Store(":memory:")
    rig(store).station.certificate_book.put(row(FIRST))
    store.put(NAMESPACE, "CSMSRootCertificate:x", {"kind": "Something"})
    assert rig(store).station.certificate_book.roots(CSMS) == (FIRST.pem,)
    assert store.keys(f"{NAMESPACE}.unreadable") == ["CSMSRootCertificate:x"]


def test_fifty_certificates_are_loaded_without_reading_one(tmp_path: Path) -> None:
    path = str(tmp_path / "station.sqlite")
    store = Store(path)
    book = rig(store).station.certificate_book
    for number in range(MAX_CERTIFICATES):
        book.put(row(root(f"Root {number}", key=FIRST.key)))
    store.close()
    program = (
        "import sys; from chargerd.store import Store; from tests.chargerd.ocpp.building import Rig; "
        f"book = Rig(store=Store({path!r})).station.certificate_book; "
        "print(book.count(), len(book.csms_roots()), 'cryptography' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(MAX_CERTIFICATES), str(MAX_CERTIFICATES), "False"]
