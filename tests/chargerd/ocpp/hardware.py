"""A value of a physical component, asked for as the CSMS does."""

from typing import Any

from tests.chargerd.ocpp.building import Rig


def ask(rig: Rig, component: str, variable: str, instance: str | None = None, **where: Any) -> str | None:
    """The value as text; None: there is no such component or variable. `attribute`: another one than Actual."""
    attribute = where.pop("attribute", None)
    evse = {"id": where.pop("evse", 1)} | ({"connectorId": where.pop("connector")} if "connector" in where else {})
    named = {"name": variable} | ({} if instance is None else {"instance": instance})
    data = {"component": {"name": component, "evse": evse}, "variable": named}
    if attribute is not None:
        data["attributeType"] = attribute
    (result,) = rig.call("GetVariables", getVariableData=[data])["getVariableResult"]
    if result["attributeStatus"] != "Accepted":
        assert result["attributeStatus"] in {"UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"}
        return None
    value: str = result["attributeValue"]
    return value
