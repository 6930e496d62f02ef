"""Block M through a whole station: what the CSMS asks, and what it is told."""

from datetime import timedelta
from typing import Any

import pytest

from chargerd.certificates import HASH_ALGORITHMS, hash_data
from chargerd.clock import ManualClock
from chargerd.ocpp.certificate_book import MAX_CERTIFICATES, NAMESPACE, root_row, v2g_row
from chargerd.ocpp.certificate_management import on_wire
from chargerd.ocpp.effects import ClientCertificate
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.settings import NetworkSlot
from chargerd.store import Store, StoreError
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.pki import NOON, Pair, made, root, rsa_key, sub

CSMS, MANUFACTURER = "CSMSRootCertificate", "ManufacturerRootCertificate"
V2G, MO, CHAIN = "V2GRootCertificate", "MORootCertificate", "V2GCertificateChain"
CHECKED = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
TLS: dict[str, Any] = {"network": NetworkSlot(url="wss://csms.invalid", security_profile=2)}

FIRST = root("First root")
SECOND = sub("Second root", FIRST)
THIRD = sub("Third root", FIRST)
OTHER = root("Other root")
V2G_ROOT = root("V2G root")
CPO_SUB = sub("CPO sub", V2G_ROOT)
SECC = made("SECC", CPO_SUB)


def rig(settings: dict[str, str] | None = None, *, store: Store | None = None, **config: Any) -> Rig:
    config = {"vehicle_stack": True} | config
    made_rig = Rig(settings, clock=ManualClock(utc=NOON), store=store, changes=config, online=False)
    made_rig.csms.answers["BootNotification"] = lambda _request: {
        "currentTime": made_rig.clock.now().utc.isoformat().replace("+00:00", "Z"),
        "interval": 86400,
        "status": "Accepted",
    }
    made_rig.link_up()
    return made_rig


def install(rig: Rig, pair: Pair, kind: str = CSMS) -> str:
    return str(rig.call("InstallCertificate", certificateType=kind, certificate=pair.pem)["status"])


def hash_of(pair: Pair, issuer: Pair | None = None, algorithm: str = "SHA256") -> dict[str, str]:
    named = on_wire(hash_data(pair.read, (issuer or pair).read, algorithm))
    return {
        "hashAlgorithm": str(named.hash_algorithm),
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash,
        "serialNumber": named.serial_number,
    }


def delete(rig: Rig, named: dict[str, str]) -> dict[str, Any]:
    return rig.call("DeleteCertificate", certificateHashData=named)


def installed(rig: Rig, *kinds: str) -> list[tuple[str, dict[str, str]]]:
    answer = rig.call("GetInstalledCertificateIds", **({"certificateType": list(kinds)} if kinds else {}))
    return [
        (each["certificateType"], each["certificateHashData"]) for each in answer.get("certificateHashDataChain", [])
    ]


def entries(rig: Rig) -> str:
    wanted = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "CertificateEntries"}}
    return str(rig.call("GetVariables", getVariableData=[wanted])["getVariableResult"][0]["attributeValue"])


def connected_by(rig: Rig, pair: Pair) -> None:
    with rig.store.transaction():
        rig.station.certificate_book.csms_root_worked(pair.read.sha256)


def with_chain(rig: Rig) -> None:
    rig.station.certificate_book.put(root_row(Kind.V2G_ROOT_CERTIFICATE, V2G_ROOT.read))
    rig.station.certificate_book.put(v2g_row((SECC.read, CPO_SUB.read, V2G_ROOT.read), "key-1"))


# ---- M03 -----------------------------------------------------------------------------------------------------------


def test_M03_FR_01_M03_FR_02_nothing_of_the_kind_is_not_found() -> None:
    rigged = rig()
    assert rigged.call("GetInstalledCertificateIds") == {"status": "NotFound"}
    install(rigged, FIRST)
    assert rigged.call("GetInstalledCertificateIds", certificateType=[MANUFACTURER, MO]) == {"status": "NotFound"}


def test_M03_FR_03_M03_FR_04_what_is_installed_is_told_by_its_hashes() -> None:
    rigged = rig()
    for pair, kind in ((FIRST, CSMS), (OTHER, CSMS), (FIRST, MANUFACTURER), (OTHER, MO), (FIRST, V2G)):
        assert install(rigged, pair, kind) == "Accepted"
    assert rigged.call("GetInstalledCertificateIds")["status"] == "Accepted"
    assert sorted(kind for kind, _named in installed(rigged)) == [CSMS, CSMS, MO, MANUFACTURER, V2G]
    assert installed(rigged, MANUFACTURER, MO) == [(MO, hash_of(OTHER)), (MANUFACTURER, hash_of(FIRST))]


def test_M03_FR_05_sub_cas_are_children_of_the_leaf_and_the_root_is_not_among_them() -> None:
    rigged = rig()
    with_chain(rigged)
    assert rigged.call("GetInstalledCertificateIds", certificateType=[CHAIN])["certificateHashDataChain"] == [
        {
            "certificateType": CHAIN,
            "certificateHashData": hash_of(SECC, CPO_SUB),
            "childCertificateHashData": [hash_of(CPO_SUB, V2G_ROOT)],
        }
    ]


# ---- M04 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", HASH_ALGORITHMS)
def test_M04_FR_01_M04_FR_02_M04_FR_07_what_is_named_is_deleted_whatever_the_algorithm(algorithm: str) -> None:
    rigged = rig()
    install(rigged, FIRST, MANUFACTURER)
    named = hash_of(FIRST, algorithm=algorithm)
    assert delete(rigged, named) == {"status": "Accepted"}
    assert installed(rigged) == []
    assert delete(rigged, named) == {"status": "NotFound"}


def test_M04_FR_02_hashes_in_capitals_and_a_number_with_zeros_name_the_same() -> None:
    rigged = rig()
    install(rigged, FIRST, MANUFACTURER)
    named = {key: value if key == "hashAlgorithm" else value.upper() for key, value in hash_of(FIRST).items()}
    named["serialNumber"] = named["serialNumber"].rjust(40, "0")
    assert delete(rigged, named)["status"] == "Accepted"


def test_M04_FR_04_what_is_not_installed_is_not_found() -> None:
    rigged = rig()
    install(rigged, FIRST)
    assert delete(rigged, hash_of(OTHER)) == {"status": "NotFound"}
    wrong_key = hash_of(FIRST) | {"issuerKeyHash": "00" * 32}
    assert delete(rigged, wrong_key) == {"status": "NotFound"}
    assert len(installed(rigged)) == 1


def test_M04_FR_03_the_last_root_that_verifies_the_csms_stays() -> None:
    rigged = rig(**TLS)
    install(rigged, FIRST)
    install(rigged, OTHER)
    assert delete(rigged, hash_of(OTHER))["status"] == "Accepted"
    refused = delete(rigged, hash_of(FIRST))
    assert refused["status"] == "Failed"
    assert refused["statusInfo"]["additionalInfo"] == "it is the last CSMS root"
    assert installed(rigged) == [(CSMS, hash_of(FIRST))]


def test_M04_FR_03_without_tls_the_last_csms_root_may_go_and_so_may_that_of_the_manufacturer() -> None:
    rigged = rig()
    install(rigged, FIRST)
    install(rigged, FIRST, MANUFACTURER)
    assert delete(rigged, hash_of(FIRST))["status"] == "Accepted"
    assert delete(rigged, hash_of(FIRST))["status"] == "Accepted"
    assert installed(rigged) == []


def test_M04_FR_03_where_the_site_has_named_roots_those_of_the_system_never_take_their_place() -> None:
    rigged = rig(csms_roots_pem=(FIRST.pem,))
    assert delete(rigged, hash_of(FIRST))["status"] == "Failed"
    install(rigged, OTHER)
    assert delete(rigged, hash_of(FIRST))["status"] == "Accepted"
    assert installed(rigged) == [(CSMS, hash_of(OTHER))]


def test_people_are_told_when_the_roots_of_the_system_count_no_longer() -> None:
    told = []
    for config in (TLS, {}):
        rigged = rig(**config)
        install(rigged, FIRST)
        install(rigged, OTHER)
        told.append(sum("not the system's" in note for note in rigged.notes()))
    assert told == [1, 0]


def test_M04_FR_06_the_certificate_of_the_station_stays() -> None:
    issuer = sub("CSO sub", FIRST)
    client = made("CS-1", issuer)
    rigged = rig(client=ClientCertificate("key", client.pem + issuer.pem))
    for algorithm in HASH_ALGORITHMS:
        assert delete(rigged, hash_of(client, issuer, algorithm))["status"] == "Failed"
    assert delete(rigged, hash_of(made("CS-2", issuer), issuer))["status"] == "NotFound"


def test_M04_FR_06_a_client_certificate_that_cannot_be_read_is_not_what_is_asked_for() -> None:
    rigged = rig(client=ClientCertificate("key", "nonsense"))
    assert delete(rigged, hash_of(FIRST))["status"] == "NotFound"


def test_M04_FR_08_a_v2g_chain_goes_as_a_whole_by_any_of_its_names() -> None:
    rigged = rig()
    for named in (hash_of(SECC, CPO_SUB), hash_of(CPO_SUB, V2G_ROOT)):
        with_chain(rigged)
        assert delete(rigged, named)["status"] == "Accepted"
        assert [kind for kind, _named in installed(rigged)] == [V2G]


# ---- M05 -----------------------------------------------------------------------------------------------------------


def test_M05_FR_01_M05_FR_02_roots_of_every_kind_are_installed_and_stay() -> None:
    store = Store(":memory:")
    rigged = rig(store=store)
    for kind in (CSMS, MANUFACTURER, V2G, MO):
        assert install(rigged, FIRST, kind) == "Accepted"
        assert install(rigged, OTHER, kind) == "Accepted"
    assert entries(rigged) == "8"
    again = rig(store=store)
    assert (entries(again), installed(again)) == ("8", installed(rigged))


def test_M05_FR_02_roots_of_vehicles_are_of_no_use_without_a_stack() -> None:
    rigged = rig(vehicle_stack=False)
    for kind in (V2G, MO):
        answer = rigged.call("InstallCertificate", certificateType=kind, certificate=FIRST.pem)
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NotEnabled")
    assert install(rigged, FIRST, MANUFACTURER) == "Accepted"


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "nonsense",
        FIRST.pem.replace("M", "N", 1),
        FIRST.key_pem,
        FIRST.pem + OTHER.pem,
        SECOND.pem,
        made("Leaf").pem,
        root("Weak", key=rsa_key(1024)).pem,
        root("Past", until=NOON - timedelta(seconds=1)).pem,
        root("Future", since=NOON + timedelta(seconds=1)).pem,
    ],
)
def test_M05_FR_07_what_is_no_valid_root_is_rejected_with_the_reason(pem: str) -> None:
    rigged = rig()
    answer = rigged.call("InstallCertificate", certificateType=CSMS, certificate=pem)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidCertificate")
    assert answer["statusInfo"]["additionalInfo"]
    assert installed(rigged) == []


def test_M05_FR_06_no_more_than_maxLimit_are_installed() -> None:
    rigged = rig()
    for number in range(MAX_CERTIFICATES):
        assert install(rigged, root(f"Root {number}", key=FIRST.key), MANUFACTURER) == "Accepted"
    answer = rigged.call("InstallCertificate", certificateType=CSMS, certificate=FIRST.pem)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "OutOfStorage")
    assert entries(rigged) == str(MAX_CERTIFICATES)
    kept = rigged.station.certificate_book.all()[0]
    again = rigged.call("InstallCertificate", certificateType=MANUFACTURER, certificate=kept.pem)
    assert again["status"] == "Accepted"  # M05.FR.17: it takes no more room


class FullStore(Store):
    """A disk that has no room for certificates."""

    def put(self, namespace: str, key: str, value: object) -> None:
        if namespace == NAMESPACE:
            raise StoreError("state.db", "the disk is full", "free space")
        super().put(namespace, key, value)


def test_M05_FR_03_a_root_that_cannot_be_kept_is_never_said_to_be_installed() -> None:
    rigged = rig(store=FullStore(":memory:"))
    with pytest.raises(StoreError, match="the disk is full"):
        install(rigged, FIRST)
    assert not [frame for frame in rigged.frames if '"Accepted"' in frame and frame.startswith("[3")]


def test_M05_FR_17_the_same_certificate_again_is_accepted_and_there_once() -> None:
    rigged = rig()
    assert install(rigged, FIRST) == "Accepted"
    assert install(rigged, FIRST) == "Accepted"
    assert (installed(rigged), entries(rigged)) == ([(CSMS, hash_of(FIRST))], "1")


# ---- M05 with AdditionalRootCertificateCheck ------------------------------------------------------------------------


def test_M05_FR_10_M05_FR_12_a_root_signed_by_the_old_one_is_kept_beside_it() -> None:
    rigged = rig(CHECKED)
    assert install(rigged, FIRST) == "Accepted"
    assert install(rigged, SECOND) == "Accepted"
    assert [named for _kind, named in installed(rigged)].count(hash_of(FIRST)) == 1
    assert (CSMS, hash_of(SECOND, FIRST)) in installed(rigged)


@pytest.mark.parametrize("pair", [OTHER, sub("Second root", OTHER), made("Second root", FIRST)])
def test_M05_FR_11_a_root_that_the_old_one_did_not_sign_is_rejected(pair: Pair) -> None:
    rigged = rig(CHECKED)
    install(rigged, FIRST)
    assert install(rigged, pair) == "Rejected"
    assert installed(rigged) == [(CSMS, hash_of(FIRST))]


def test_M05_FR_09_there_is_one_root_and_one_to_fall_back_to() -> None:
    rigged = rig(CHECKED)
    for pair in (FIRST, SECOND, THIRD):
        assert install(rigged, pair) == "Accepted"
    assert {named["serialNumber"] for _kind, named in installed(rigged)} == {
        FIRST.read.serial_number,
        THIRD.read.serial_number,
    }


def test_M05_FR_09_a_root_that_has_not_worked_yet_vouches_for_none() -> None:
    rigged = rig(CHECKED)
    install(rigged, FIRST)
    install(rigged, SECOND)
    assert install(rigged, sub("Fourth root", SECOND)) == "Rejected"


def test_M05_FR_13_after_a_connection_by_the_new_root_it_is_the_only_one_and_vouches_for_the_next() -> None:
    store = Store(":memory:")
    rigged = rig(CHECKED, store=store)
    install(rigged, FIRST)
    install(rigged, SECOND)
    connected_by(rigged, SECOND)
    assert installed(rigged) == [(CSMS, hash_of(SECOND, FIRST))]
    again = rig(CHECKED, store=store)
    assert install(again, sub("Fourth root", SECOND)) == "Accepted"
    assert delete(again, hash_of(SECOND, FIRST))["status"] == "Accepted"


def test_M05_FR_10_installing_the_old_root_again_changes_nothing() -> None:
    rigged = rig(CHECKED)
    install(rigged, FIRST)
    install(rigged, SECOND)
    assert install(rigged, FIRST) == "Accepted"
    assert install(rigged, SECOND) == "Accepted"
    assert len(installed(rigged)) == 2
    connected_by(rigged, SECOND)
    assert len(installed(rigged)) == 1


def test_M05_FR_10_the_check_is_for_roots_of_the_csms_only() -> None:
    rigged = rig(CHECKED)
    for kind in (MANUFACTURER, V2G, MO):
        assert install(rigged, FIRST, kind) == "Accepted"
        assert install(rigged, OTHER, kind) == "Accepted"


def test_what_changes_is_in_the_security_log() -> None:
    rigged = rig()
    install(rigged, FIRST)
    delete(rigged, hash_of(FIRST))
    told = [note for note in rigged.notes() if "ReconfigurationOfSecurityParameters" in note]
    assert ["installed" in told[0], "deleted" in told[1]] == [True, True]
