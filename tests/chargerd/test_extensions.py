import json
import re
from pathlib import Path

import pytest

from chargerd.config import ConfigError
from chargerd.extensions import load_vendors
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.ocpp.vendors import Echo

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "vendors.md"


def test_what_the_site_names_is_loaded_and_nothing_else() -> None:
    assert load_vendors([]) == ()
    (vendor,) = load_vendors(["tests.chargerd.ocpp.vendors:Echo"])
    assert isinstance(vendor, Echo)


@pytest.mark.parametrize(
    "names, told",
    [
        (["nonsense"], 'expected "module:Class"'),
        (["../evil:Class"], 'expected "module:Class"'),
        (["no_such_module_here:Class"], "cannot be loaded (ModuleNotFoundError"),
        (["tests.chargerd.ocpp.vendors:Nobody"], "cannot be loaded (AttributeError"),
        (["tests.chargerd.ocpp.building:Csms"], "is no chargerd.ocpp.vendor.Vendor"),
        (["chargerd.ocpp.vendor:Vendor"], "vendor_id has to have 1 to 50 characters"),
        (["tests.chargerd.ocpp.vendors:Echo"] * 2, "two extensions are of the same vendor (org.example, org.example)"),
        (["tests.chargerd.ocpp.vendors:Echo"] * 9, "9 extensions, 8 at most"),
    ],
)
def test_what_cannot_be_loaded_is_told(names: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_vendors(names)
    assert told in str(caught.value)


def test_the_extension_of_the_page_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (named,) = re.findall(r'vendors = \["(.*?)"\]', PAGE.read_text())
    (tmp_path / f"{named.partition(':')[0]}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    rig = Rig(vendors=load_vendors([named]))
    rig.csms.answers["DataTransfer"] = {"status": "Accepted"}
    rig.status(celsius=20.0)
    rig.advance(2.0)
    assert rig.sent("DataTransfer") == []
    rig.status(celsius=51.0, plug_count=1)
    rig.advance(2.0)
    rig.status(celsius=30.0, plug_count=2)
    rig.advance(2.0)
    assert [message["data"] for message in rig.sent("DataTransfer")] == [{"warm": True}, {"warm": False}]
    answer = rig.call("DataTransfer", vendorId="com.example.enclosure", messageId="longest", data=["a", "abc", "ab"])
    assert answer == {"status": "Accepted", "data": {"line": "abc"}}
    assert (
        rig.call("DataTransfer", vendorId="com.example.enclosure", data=json.dumps({}))["status"] == "UnknownMessageId"
    )
