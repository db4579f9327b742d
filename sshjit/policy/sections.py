"""Reads what a policy declares before its rules: labels, roles, permissions, actions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time, timedelta

from sshjit import addresses, canonical, names
from sshjit.errors import Invalid
from sshjit.policy import fields
from sshjit.policy.model import CLAIM, COMMAND, OWN, PERMISSIONS, ROTA, SHELL, WORKLOAD, Action, Label, Rota, Source
from sshjit.policy.owners import MARK, Owners
from sshjit.policy.problems import Path, did_you_mean
from sshjit.policy.reader import NAME, Table, kind

MOST_ROTAS = 16
_SOURCE = re.compile(r"([^/]*)/(group|email):(.+)", re.DOTALL)
_DOMAIN_HINT = "write an international domain as the provider sends it, in the form xn--"
_ROTA = re.compile(r"rota:(.+)", re.DOTALL)
_SOURCE_HINT = 'write "<provider>/group:<name>" or "<provider>/email:<address>"'
_WORKLOAD = re.compile(r"([^/]*)/workload")
_CLAIMS_HINT = 'write { from = "<issuer>/workload", claims = { repository = "acme/app", ref = "refs/heads/main" } }'


def read_labels(top: Table) -> dict[str, Label]:
    """``[labels]``: the labels that hosts may carry."""
    labels = {}
    for name, path, value in top.entries("labels"):
        table = Table(value, path, top.report, fields.LABEL)
        table.checked((), _label_name, name)
        values = table.names("values", None, "value")
        for number, text in enumerate(values or ()):
            table.checked(("values", number), _label_value, text)
        by_token = table.flag("by_token")
        labels[name] = Label(name, None if values is None else frozenset(values), table.flag("required"), by_token)
    return labels


def _label_name(text: str) -> None:
    names.label(text, "any")


def _label_value(text: str) -> None:
    names.label("any", text)


def read_rotas(top: Table) -> dict[str, Rota]:
    """``[rotas.primary]``: the rotas that roles may come from."""
    rotas = {}
    for name, path, value in top.entries("rotas"):
        table = Table(value, path, top.report, fields.ROTA)
        if not NAME.fullmatch(name):
            table.wrong((), "is not a name: use lower-case letters, digits, '-' and '_'")
        rotas[name] = Rota(name, table.duration("lifetime") or 0)
    if len(rotas) > MOST_ROTAS:
        top.report.add(("rotas",), f"are {len(rotas)}; {MOST_ROTAS} are the most")
    return rotas


def check_rota_roles(top: Table, roles: Mapping[str, tuple[Source, ...]]) -> None:
    """Reports rules that would forbid by a rota: one that is stale names nobody, and would open what they close."""
    named = {role for role, sources in roles.items() if any(source.kind == ROTA for source in sources)}
    for kind_of_rule, key in (("deny", "roles"), ("allow", "not_roles"), ("break_glass", "not_roles")):
        rules = top.any(kind_of_rule)
        for at, value in enumerate(rules if isinstance(rules, list) else ()):
            listed = value.get(key) if isinstance(value, dict) else None
            for number, role in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(role, str) and role in named:
                    message = f'"{role}" comes from a rota, which names nobody once it is stale'
                    path = (kind_of_rule, at, key, number)
                    top.report.add(path, message, "a rota gives rights; it cannot take any away")


def read_roles(top: Table, rotas: Collection[str] = ()) -> dict[str, tuple[Source, ...]]:
    """``[roles]``: where each role comes from. A role may have no source; then nobody holds it."""
    roles = {}
    for name, path, value in top.entries("roles"):
        if not NAME.fullmatch(name):
            top.report.add(path, "is not a role's name: use lower-case letters, digits, '-' and '_'")
        if not isinstance(value, list):
            top.report.add(path, f"must be a list, is {kind(value)}", _SOURCE_HINT)
            continue
        sources = [_source(top, (*path, number), item, rotas) for number, item in enumerate(value)]
        roles[name] = tuple(source for source in sources if source is not None)
    return roles


def _source(top: Table, path: Path, value: object, rotas: Collection[str]) -> Source | None:
    """``"acme/group:SRE"``, ``"rota:primary"`` or ``{ from = "acme/group:SRE", until = 2026-12-31 }``, or claims."""
    if isinstance(value, str) and _WORKLOAD.fullmatch(value):
        top.report.add(path, f"{names.show(value)} says no claims, so it would be every workload there", _CLAIMS_HINT)
        return None
    if isinstance(value, str):
        return _of_rota(top, path, value, None, rotas) or read_source(top, path, value, None)
    table = Table(value, path, top.report, fields.SOURCE)
    text = table.text("from")
    until = table.date("until")
    # The date itself still counts: the source ends with that day, in UTC.
    ends = None if until is None else int(datetime.combine(until + timedelta(days=1), time(), UTC).timestamp())
    if text is None or not table.sound:
        return None
    workload = _WORKLOAD.fullmatch(text)
    if workload is not None:
        return _workload_source(table, workload[1], ends)
    if "claims" in table:
        table.wrong(("claims",), "only workloads have claims", _CLAIMS_HINT)
        return None
    at = (*path, "from")
    return _of_rota(top, at, text, ends, rotas) or read_source(top, at, text, ends)


def _workload_source(table: Table, issuer: str, ends: int | None) -> Source | None:
    """Claims that a workload must all have, letter by letter."""
    table.checked(("from",), names.provider_id, issuer)
    given = table.get("claims", dict)
    if not given:
        table.wrong(("claims",), "at least one claim must be there: else it would be every workload", _CLAIMS_HINT)
    for name, value in (given or {}).items():
        if not CLAIM.fullmatch(name):
            table.wrong(("claims", name), "is not the name of a claim")
        elif not isinstance(value, str) or not value or not value.isprintable():
            table.wrong(("claims", name), f"must be the whole text of the claim, is {kind(value)}", _CLAIMS_HINT)
        elif "*" in value:
            table.wrong(("claims", name), "claims are compared letter by letter: '*' stands for itself", _CLAIMS_HINT)
    if not table.sound or given is None:
        return None
    claims = frozenset(f"{name}={value}" for name, value in given.items())
    return Source(issuer, WORKLOAD, canonical.dumps(sorted(claims)).decode("ascii"), ends, claims)


def _of_rota(top: Table, path: Path, text: str, ends: int | None, rotas: Collection[str]) -> Source | None:
    rota = _ROTA.fullmatch(text)
    if rota is None:
        return None
    if rota[1] not in rotas:
        top.report.add(path, f"there is no rota {names.show(rota[1])}", did_you_mean(rota[1], rotas))
    return Source("", ROTA, rota[1], ends)


def read_source(top: Table, path: Path, text: str, ends: int | None) -> Source | None:
    """A group or a verified address of a provider; what is wrong with it is reported at ``path``."""
    match = _SOURCE.fullmatch(text)
    if match is None:
        top.report.add(path, f"{names.show(text)} is not a source of a role", _SOURCE_HINT)
        return None
    provider, sort, name = match.groups()
    try:
        names.provider_id(provider)
    except Invalid as error:
        top.report.add(path, error.message, _SOURCE_HINT)
        return None
    if sort == "email":
        exact = addresses.exact(name)
        if exact is None:
            top.report.add(path, f"{names.show(name)} is not ASCII, so it gives nobody a role", _DOMAIN_HINT)
            return None
        name = exact
        local, _, domain = name.rpartition("@")
        if not local or not domain or name.split() != [name]:
            top.report.add(path, f"{names.show(name)} is not an e-mail address")
            return None
    return Source(provider, sort, name, ends)


def read_owners(top: Table, labels: Mapping[str, Label], roles: Mapping[str, tuple[Source, ...]]) -> dict[str, Owners]:
    """``[owners.team]``: which role owns the hosts with each value of a label; by ``@team``."""
    every = {}
    for name, path, value in top.entries("owners"):
        table = Table(value, path, top.report, fields.OWNERS)
        if not NAME.fullmatch(name) or name == OWN.removeprefix(MARK):
            table.wrong((), "is not a name for owners: use lower-case letters, digits, '-' and '_', and not \"own\"")
        label, listed = table.get("label", str), table.get("roles", dict) or {}
        if label is not None and label not in labels:
            table.wrong(("label",), f'there is no label "{label}"', did_you_mean(label, labels))
        if "roles" in table and not listed:
            table.wrong(("roles",), "must not be empty: nobody would own a host")
        for owned, role in listed.items():
            problem = check_label(labels, label, owned) if label is not None and label in labels else None
            if problem is not None:
                table.wrong(("roles", owned), *problem)
            if (wrong := _owner_problem(role, roles)) is not None:
                table.wrong(("roles", owned), *wrong)
        if table.sound:
            owners = Owners(name, label or "", listed)
            every[owners.role] = owners
    return every


def _owner_problem(role: object, roles: Mapping[str, tuple[Source, ...]]) -> tuple[str, str] | None:
    """What is wrong with a role that owns hosts, and a suggestion; denies may be for owners."""
    if not isinstance(role, str):
        return f"must be a string, is {kind(role)}", ""
    if role not in roles:
        return f'there is no role "{role}"', did_you_mean(role, roles)
    if any(source.kind == ROTA for source in roles[role]):
        return f'"{role}" comes from a rota, which names nobody once it is stale', ""
    return None


def read_permissions(top: Table, roles: Collection[str]) -> dict[str, tuple[str, ...]]:
    """``[permissions]``: which roles may do what besides asking for access."""
    if "permissions" not in top:
        return {}
    table = Table(top.any("permissions"), ("permissions",), top.report, fields.ALLOWED_TO)
    return {name: table.names(name, roles, "role") or () for name in sorted(PERMISSIONS) if name in table}


def read_actions(top: Table) -> dict[str, Action]:
    """``[actions.<name>]``: the commands that have a name."""
    actions = {}
    for name, path, value in top.entries("actions"):
        table = Table(value, path, top.report, fields.ACTION)
        if name in (SHELL, COMMAND):
            table.wrong((), f'"{name}" is the name of a built-in action')
        elif not NAME.fullmatch(name):
            table.wrong((), "is not an action's name: use lower-case letters, digits, '-' and '_'")
        command = table.text("command")
        if command is not None:
            table.checked(("command",), names.command, command)
        actions[name] = Action(name, command or "", table.text("title") or name)
    return actions


def check_label(labels: Mapping[str, Label], label: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a host's label, as a message and a suggestion; ``None`` if it is declared like that."""
    declared = labels.get(label)
    if declared is None:
        return f'there is no label "{label}"', did_you_mean(label, labels)
    if declared.values is not None and value not in declared.values:
        return f'the label "{label}" has no value "{value}"', did_you_mean(value, declared.values)
    try:
        names.label(label, value)
    except Invalid as error:
        return error.message, error.hint  # no host could have it, and a deny on it would match none
    return None
