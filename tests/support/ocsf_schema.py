"""What OCSF 1.5.0 says of the classes that the log is exported as: the published facts, as far as they bind us.

From its files ``events/base_event.json``, ``events/iam/{iam,authentication,entity_management,user_access}.json``,
``objects/{metadata,product,user,managed_entity}.json`` and ``dictionary.json``. An attribute that a later version
relaxed (``privileges`` of User Access Management) counts as required here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VERSION = "1.5.0"
CATEGORY = 3
"""Identity & Access Management."""
REQUIRED = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
"""Of every event (base event, classification, occurrence)."""
SEVERITIES = {0, 1, 2, 3, 4, 5, 6, 99}
STATUSES = {0, 1, 2, 99}
OTHER = 99
"""An activity that the schema has no number for; its name stands in ``activity_name``."""
AUTH_PROTOCOLS = {"OpenID": 4}


@dataclass(frozen=True, slots=True)
class Class:
    """One class: its activities by number, what it requires, and of what it requires at least one."""

    name: str
    activities: dict[int, str]
    required: frozenset[str]
    one_of: frozenset[str] = frozenset()


CLASSES = {
    3002: Class(
        "Authentication",
        {1: "Logon", 2: "Logoff", 3: "Authentication Ticket", 4: "Service Ticket Request", 5: "Service Ticket Renew"},
        frozenset({"user"}),
        frozenset({"service", "dst_endpoint"}),
    ),
    3004: Class(
        "Entity Management", {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}, frozenset({"entity"})
    ),
    3005: Class(
        "User Access Management", {1: "Assign Privileges", 2: "Revoke Privileges"}, frozenset({"user", "privileges"})
    ),
}  # fmt: skip


def check(event: dict[str, Any]) -> None:
    """Asserts that an event is one by the schema."""
    kind = CLASSES[event["class_uid"]]
    assert (REQUIRED | kind.required) <= event.keys(), (kind.name, event)
    assert not kind.one_of or kind.one_of & event.keys(), (kind.name, event)
    assert event["category_uid"] == CATEGORY == event["class_uid"] // 1000
    activity = event["activity_id"]
    assert event["type_uid"] == event["class_uid"] * 100 + activity
    assert activity == OTHER or event["activity_name"] == kind.activities[activity]
    assert event["activity_name"]
    assert event["severity_id"] in SEVERITIES
    assert event["status_id"] in STATUSES
    assert type(event["time"]) is int
    assert event["time"] > 10**12, "milliseconds"
    assert event["metadata"]["version"] == VERSION
    assert event["metadata"]["product"]["vendor_name"]
    _check_objects(event)


def _check_objects(event: dict[str, Any]) -> None:
    """The objects inside: each names what it is about, and enumerations hold numbers of theirs."""
    for user in (event.get("user"), event.get("actor", {}).get("user")):
        assert user is None or user.get("uid") or user.get("name")
    if "entity" in event:
        assert event["entity"]["uid"]
        assert event["entity"]["type"]
        assert isinstance(event["entity"].get("data", {}), dict)
    assert event.get("auth_protocol_id", 4) in AUTH_PROTOCOLS.values()
    assert all(isinstance(each, str) and each for each in event.get("privileges", ["x"]))
    assert all(each.get("uid") or each.get("name") for each in event.get("resources", []))
    assert type(event.get("session", {}).get("expiration_time", 0)) is int
