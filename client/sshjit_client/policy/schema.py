"""The JSON Schema (2020-12) of policy files, for editors.

The keys, and which are required, come from the reader's own table (``sshjit.policy.fields``); this file adds the form
of each. ``ssh-jit policy check`` checks what a schema cannot: that a role exists, that durations fit.
"""

from __future__ import annotations

import json
from typing import Any

from sshjit.passkeys import SIGNED
from sshjit.policy import fields
from sshjit.policy.model import BREAK_GLASS_REASON, CLAIM, CLIENT, COMMAND, FORWARDING, OWN, REQUIREMENTS, SHELL
from sshjit.policy.rule_approvals import MOST_APPROVERS, MOST_EXTENSIONS, MOST_GRANTS
from sshjit.policy.rules import HOURS, MOST_HOSTS
from sshjit.policy.schedule import DAYS
from sshjit.policy.tickets import DOWN

Schema = dict[str, Any]
_NAME = "^[a-z][a-z0-9_-]{0,63}$"
_LOGIN = r"^([A-Za-z_][A-Za-z0-9._-]{0,31}\$?|@own)$"
_LENGTH = "^(?=.)([0-9]{1,8}d)?([0-9]{1,8}h)?([0-9]{1,8}m)?([0-9]{1,8}s)?$"
_PROVIDER = "[a-z][a-z0-9-]{0,31}"
_SOURCE = f"^({_PROVIDER}/(group:.+|email:[!-?A-~][!-~]*@[!-?A-~]+)|rota:[a-z][a-z0-9_-]{{0,63}})$"
_LABEL_NAME = "^[a-z][a-z0-9_-]{0,31}$"
_LABEL_VALUE = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ssh-jit policy",
        "description": "Who may have access to which hosts, on which terms.",
        **_table(fields.TOP, _TOP),
    }


def _table(known: fields.Fields, shapes: dict[str, Schema], **more: Any) -> Schema:
    """A table with the reader's keys. A key without a shape is a ``KeyError``: it was forgotten here."""
    return {
        "type": "object",
        "properties": {key: shapes[key] for key in known},
        "required": [key for key, needed in known.items() if needed],
        "additionalProperties": False,
        **more,
    }


def _text(description: str, pattern: str = r"\S", **more: Any) -> Schema:
    return {"type": "string", "pattern": pattern, "description": description, **more}


def _list(item: Schema, description: str, *, least: int = 1) -> Schema:
    some: Schema = {"type": "array", "items": item, "description": description, "uniqueItems": True}
    return {**some, "minItems": least} if least else some


def _length(description: str) -> Schema:
    return _text(f"{description} Like 8h, 30m or 1h30m.", _LENGTH)


def _count(most: int, description: str) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _named(item: Schema, description: str, pattern: str = _NAME) -> Schema:
    """A table whose keys are names of one's own."""
    return {
        "type": "object",
        "propertyNames": {"pattern": pattern},
        "additionalProperties": item,
        "description": description,
    }


_ROLE = {"type": "string", "pattern": _NAME}
_ROLE_WORD = {"type": "string", "pattern": "^@?[a-z][a-z0-9_-]{0,63}$"}
"""A role, or the role that owns a host by a table of owners."""
_VALUE = {"type": "string", "pattern": _LABEL_VALUE}
_FROM = _text('"<provider>/group:<name>", "<provider>/email:<verified address>" or "rota:<name>".', _SOURCE)
_LABEL = _table(
    fields.LABEL,
    {
        "values": _list(_VALUE, "The values that it may have; any, if left out."),
        "required": _flag("No host is enrolled without it."),
        "by_token": _flag("A fleet's invitation may give it, to hosts that no operator named."),
    },
)


def _date(description: str) -> Schema:
    return {
        "description": f"{description} A TOML date, like 2026-12-31.",
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    }


_UNTIL = _date("The last day on which it counts, in UTC.")
_CLAIM_VALUE = {"type": "string", "pattern": "^[^*]+$"}
_CLAIMS = {
    **_named(_CLAIM_VALUE, "Claims that a workload must all have, letter by letter.", f"^{CLAIM.pattern}$"),
    "minProperties": 1,
}
_WORKLOAD_FROM = _text('"<issuer>/workload", with claims.', f"^{_PROVIDER}/workload$")
_DATED_SOURCE = _table(
    fields.SOURCE,
    {"from": _text("Where the role comes from."), "claims": _CLAIMS, "until": _UNTIL},
    anyOf=[
        {"properties": {"from": _FROM}, "not": {"required": ["claims"]}},
        {"properties": {"from": _WORKLOAD_FROM}, "required": ["claims"]},
    ],
)
_SPAN = _table(fields.DATES, {"from": _date("The first day."), "until": _date("The last day.")})
_DATES: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [_date("A day."), _SPAN]},
    "description": "Days, and spans of days.",
}
_FILE = {"pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\.toml$"}
_CALENDAR = {
    "anyOf": [
        _DATES,
        _table(fields.CALENDAR, {"file": {"type": "string", **_FILE, "description": "A TOML file beside the policy."}}),
    ]
}
_DAYS = {"type": "string", "pattern": _NAME}
_ACTION = _table(
    fields.ACTION,
    {
        "command": _text("What the certificate forces.", maxLength=1000),
        "title": _text("What people see."),
    },
)
_CHECKER = _table(
    fields.CHECKER,
    {
        "title": _text("What people see."),
        "expect": {
            "type": "object",
            "minProperties": 1,
            "description": "Values of the answer, in tables as its objects are; a list means any of its values.",
        },
    },
)
_STEP = _table(
    fields.STEP,
    {
        "from": {**_ROLE_WORD, "description": "The role whose people may approve; @team: the owner of the host."},
        "count": _count(MOST_APPROVERS, "How many different people."),
        "signed": {
            "enum": [True, False, *SIGNED],
            "description": "true: only approvals by ssh-jit approve count, which are signed with the login's key; "
            "passkey: approvals by a registered passkey count too; device-bound-passkey: by one that cannot be synced.",
        },
        "not_own": _text("By these owners: nobody counts who may be of the requester's own team.", _NAME),
        "escalate": _table(
            fields.ESCALATE,
            {
                "to": {**_ROLE_WORD, "description": "The role whose people may approve as well."},
                "after": _length("How long nobody else may answer; shorter than pending."),
                "tell": _list({"type": "string"}, "Channels that are notified then."),
            },
            description="Who may answer as well after a while.",
        ),
    },
)
_VALUES = _list(_VALUE, "Any of these values.")
_ALL_BUT = {"not": {"anyOf": [_VALUE, _VALUES], "description": "The values that a host must not have."}}
_HOST_LABELS = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": _LABEL_NAME},
    "additionalProperties": {"anyOf": [_VALUE, _VALUES, _table(fields.ALL_BUT, _ALL_BUT)]},
    "description": "Hosts with all of these labels; a list means any of its values.",
}
_MATCHERS: dict[str, Schema] = {
    "roles": _list(_ROLE_WORD, "People with any of these roles; @team: the role that owns the host."),
    "not_roles": _list(_ROLE_WORD, "Not people with any of these roles."),
    "hosts": {
        "anyOf": [_HOST_LABELS, _list(_HOST_LABELS, "Hosts that any of these is about.")],
        "description": "Hosts with all of these labels, or that any of several such tables is about.",
    },
    "logins": _list(
        {"type": "string", "pattern": _LOGIN}, 'Unix accounts; "@own" is the person\'s own name, where there is one.'
    ),
    "actions": _list(
        {"type": "string", "pattern": _NAME},
        f'"{SHELL}", names of actions, or "{COMMAND}" for an exact one. In a deny any, else "{SHELL}", if not said.',
    ),
    "days": _list(_DAYS, f"On which days: {', '.join(DAYS)}, and names of calendars."),
    "not_days": _list(_DAYS, "On which days not, as for days."),
    "from": _date("The first day."),
    "until": _date("The last day."),
    "hours": _text(
        'From when to when, like "09:00-18:00"; past midnight they belong to the day they began.', f"^{HOURS}$"
    ),
    "zone": _text('The time zone of days and hours, like "Europe/Berlin".'),
}


def _limit(description: str) -> Schema:
    counts = {"open": _count(MOST_GRANTS, "At once."), "week": _count(MOST_GRANTS, "In any seven days.")}
    return _table(fields.LIMIT, counts, minProperties=1, description=description)


_RULE: dict[str, Schema] = {
    "name": {"type": "string", "pattern": _NAME, "description": "Unique among all rules."},
    **_MATCHERS,
    "reason": _table(
        fields.REASON,
        {
            "pattern": _text("A regular expression that must be found somewhere in the reason."),
            "prompt": _text("How to ask for it."),
        },
        description=f"A reason must be given; by break-glass of {BREAK_GLASS_REASON} characters at least in any case.",
    ),
    "ticket": {**_ROLE, "description": "The checker that must accept the ticket that reason.pattern matches."},
    "ticket_down": {
        "enum": list(DOWN),
        "description": "What counts while the checker does not answer; refuse, if not said.",
    },
    "fresh_login": _length("The greatest age of the sign-in."),
    "mfa": _flag("The provider must have said that a second factor was used."),
    "hardware_key": _flag("Only for a registered hardware key, touched or unlocked each time."),
    "signed_request": _flag("Only a request by ssh-jit counts, which is signed with the login's key."),
    "post_quantum": _flag("Certificates are by the post-quantum CA alone: host and laptop need OpenSSH 10.6."),
    "post_quantum_key": _flag("The login's key must be a post-quantum one too."),
    "use_by": _length("An approved request that is unused for this long lapses; at most the grant."),
    "max_hosts": _count(MOST_HOSTS, "Hosts of one request."),
    "networks": _list({"type": "string"}, "Networks that requests come from, like 10.0.0.0/8."),
    "not_networks": _list({"type": "string"}, "A deny is about requests from elsewhere than these networks."),
    "source": {
        "anyOf": [{"const": CLIENT}, _list({"type": "string"}, "Networks, like 10.0.0.0/8.")],
        "description": f'Where certificates work from: "{CLIENT}", the address that asks, or networks.',
    },
    "forwarding": _list({"enum": list(FORWARDING)}, "What may be forwarded; nothing, if not said.", least=0),
    "keep_open": _flag("What was granted keeps this rule, whatever becomes of the rule and of the hosts' labels."),
    "grant": _length("How long the window is at most."),
    "certificate": _length("How long each certificate lives; at most the grant."),
    "approvals": {"type": "array", "items": _STEP, "description": "All of these steps; [] if nobody has to approve."},
    "pending": _length("A request that is unanswered for this long expires."),
    "extend": _table(
        fields.EXTEND,
        {"count": _count(MOST_EXTENSIONS, "How often."), "by": _length("By how much each time.")},
        description="A grant may be extended, each time by a new review.",
    ),
    "limits": _table(
        fields.LIMITS,
        {
            "person": _limit("Grants of one person under this rule."),
            "rule": _limit("Grants of all people under this rule."),
        },
        minProperties=1,
        description="How many grants there may be; one more is refused.",
    ),
    "notify": _list({"type": "string"}, "Channels that are notified at once."),
    "review_within": _length("Another person must review it within this time."),
    "terms": {
        "anyOf": [_ROLE, _list(_ROLE, "Several sets, of which each must be met.")],
        "description": "Sets of requirements and clocks that this rule takes, and may only tighten.",
    },
    "unless_break_glass": _flag("Does not apply to break-glass access."),
}
_SPELL = {"dependentSchemas": {"zone": {"anyOf": [{"required": [key]} for key in fields.TIMES]}}}
_ZONED = {"dependentRequired": {key: ["zone"] for key in fields.TIMES}, **_SPELL}
_SOMETHING = {"anyOf": [{"required": [key]} for key in fields.DENY_MATCHERS]}


def _rules(known: fields.Fields, description: str, **more: Any) -> Schema:
    """Rules of one kind. What sets of terms may say need not be there in a rule that takes one."""
    rule = _table(known, _RULE, **_ZONED, **more)
    if "terms" in known:
        needed = [key for key in rule["required"] if key in fields.TERMS]
        rule["required"] = [key for key in rule["required"] if key not in needed]
        rule["anyOf"] = [{"required": ["terms"]}, {"required": needed}]
    return {"type": "array", "description": description, "items": rule}


def _one_or_more(item: Schema, description: str) -> Schema:
    return {"anyOf": [item, _list(item, description)], "description": description}


_OWNERS = _table(
    fields.OWNERS,
    {
        "label": {"type": "string", "pattern": _LABEL_NAME, "description": "The label that says whose a host is."},
        "roles": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": _LABEL_VALUE},
            "additionalProperties": _ROLE,
            "description": "Values of the label, each with the role that owns such hosts.",
        },
    },
)
_NEVER = _table(
    fields.NEVER,
    {
        "name": {"type": "string", "pattern": _NAME, "description": "Unique among all sentences."},
        "hosts": _MATCHERS["hosts"],
        "login": _one_or_more({"type": "string", "pattern": _LOGIN}, "As these Unix accounts."),
        "action": _one_or_more(_ROLE, "For these actions."),
        "break_glass": _flag("By break-glass alone, or not by it; both, if not said."),
        "unless_role": _one_or_more(_ROLE, "Nobody but people with any of these."),
        "without": _one_or_more({"enum": list(REQUIREMENTS)}, "Without any of these; at all, if not said."),
        "within": _date("Until the end of this day, in UTC; two years ahead, if not said."),
    },
    anyOf=[{"required": [key]} for key in fields.NEVER if key != "name"],
)
_TOP: dict[str, Schema] = {
    "version": {"const": 1, "description": "The version of the policy language."},
    "labels": _named(_LABEL, "The labels that hosts may carry.", _LABEL_NAME),
    "roles": _named({"type": "array", "items": {"anyOf": [_FROM, _DATED_SOURCE]}}, "Where each role comes from."),
    "permissions": _table(
        fields.ALLOWED_TO,
        {key: _list(_ROLE, f"The roles that have the permission {key}.") for key in fields.ALLOWED_TO},
        description="What roles may do besides asking for access. None is implied by another.",
    ),
    "actions": {
        **_named(_ACTION, "Commands that have a name."),
        "propertyNames": {"pattern": _NAME, "not": {"enum": [SHELL, COMMAND]}},
    },
    "calendars": {
        **_named(_CALENDAR, "Names of days, for days and not_days."),
        "propertyNames": {"pattern": _NAME, "not": {"enum": list(DAYS)}},
    },
    "owners": {
        **_named(_OWNERS, "Whose the hosts are: @NAME stands for the role that owns a host."),
        "propertyNames": {"pattern": _NAME, "not": {"const": OWN.removeprefix("@")}},
    },
    "rotas": _named(
        _table(fields.ROTA, {"lifetime": _length("How long a text counts after it was issued.")}),
        "Who is on call, from texts that somebody signs. Roles come from them.",
    ),
    "tickets": _named(_CHECKER, "Who is asked about tickets, and what must be said."),
    "terms": {
        **_named(_table(fields.TERMS, _RULE, minProperties=1), "Sets of requirements and clocks that rules take."),
        "propertyNames": {"pattern": _NAME},
    },
    "files": {
        "type": "object",
        "propertyNames": _FILE,
        "additionalProperties": _table(fields.CALENDAR_FILE, {"dates": _DATES}),
        "description": "What the files say that calendars name; put here when a policy is loaded.",
    },
    "deny": _rules(fields.DENY, "Any of these that matches decides.", **_SOMETHING),
    "allow": _rules(fields.ALLOW, "Then the first of these that matches, in file order."),
    "never": {"type": "array", "items": _NEVER, "description": "What ssh-jit policy prove decides."},
    "break_glass": _rules(fields.BREAK_GLASS, "Access in an emergency, without approval."),
}
