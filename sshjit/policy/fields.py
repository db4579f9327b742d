"""Which keys each table of a policy file may have, and whether each must be there.

The reader takes these and nothing else, and the JSON Schema for editors is made from them, so the two cannot drift.
"""

from __future__ import annotations

from collections.abc import Mapping

from sshjit.policy.model import PERMISSIONS

Fields = Mapping[str, bool]
"""Key -> whether it must be there."""

TOP: Fields = {
    "version": True,
    **dict.fromkeys(("labels", "roles", "permissions", "actions", "calendars", "files", "terms", "owners"), False),
    **dict.fromkeys(("tickets", "rotas"), False),
    **dict.fromkeys(("deny", "allow", "break_glass", "never"), False),
}
LABEL: Fields = {"values": False, "required": False, "by_token": False}
SOURCE: Fields = {"from": True, "claims": False, "until": False}
ALLOWED_TO: Fields = dict.fromkeys(sorted(PERMISSIONS), False)
ACTION: Fields = {"command": True, "title": False}
CHECKER: Fields = {"title": False, "expect": True}
ROTA: Fields = {"lifetime": True}
NEVER: Fields = dict.fromkeys(
    ("name", "hosts", "login", "action", "break_glass", "unless_role", "without", "within"), False
)
ALL_BUT: Fields = {"not": True}
CALENDAR: Fields = {"file": True}
CALENDAR_FILE: Fields = {"dates": True}
DATES: Fields = {"from": True, "until": True}

TIMES = ("days", "not_days", "hours", "from", "until")
"""The matchers on time, each of which needs a zone."""
MATCHERS: Fields = dict.fromkeys(("roles", "not_roles", "hosts", "logins", "actions", *TIMES, "zone"), False)
_REQUIREMENTS = dict.fromkeys(
    (
        *("reason", "ticket", "ticket_down", "fresh_login", "mfa", "hardware_key", "signed_request", "use_by"),
        *("post_quantum", "post_quantum_key"),
        *("max_hosts", "networks", "source", "forwarding", "keep_open", "limits"),
    ),
    False,
)
_GRANTING = {
    "name": True,
    **MATCHERS,
    **dict.fromkeys(("roles", "hosts", "logins"), True),
    "terms": False,
    **_REQUIREMENTS,
    **dict.fromkeys(("grant", "certificate"), True),
}
DENY_MATCHERS: Fields = {**MATCHERS, "networks": False, "not_networks": False}
"""What a deny must have one of. In a rule that allows ``networks`` is a requirement."""
DENY: Fields = {"name": True, **DENY_MATCHERS, "unless_break_glass": False}
ALLOW: Fields = {**_GRANTING, "approvals": True, "pending": False, "extend": False}
BREAK_GLASS: Fields = {**_GRANTING, "notify": False, "review_within": True}
TERMS: Fields = {
    **dict.fromkeys((key for key in _REQUIREMENTS if key != "keep_open"), False),
    **dict.fromkeys(("grant", "certificate", "approvals", "pending", "extend"), False),
}
"""What a set of terms may say: what makes a rule give less, the less of it there is."""
REASON: Fields = {"pattern": False, "prompt": False}
LIMITS: Fields = {"person": False, "rule": False}
LIMIT: Fields = {"open": False, "week": False}
EXTEND: Fields = {"count": True, "by": True}
STEP: Fields = {"from": True, "count": True, "signed": False, "not_own": False, "escalate": False}
ESCALATE: Fields = {"to": True, "after": True, "tell": False}
OWNERS: Fields = {"label": True, "roles": True}
