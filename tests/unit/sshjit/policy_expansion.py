"""A policy said again without owners, terms, several kinds of hosts and "all but", to count the lines that these save.

What the language could not say at all without an addition (dates, limits, escalation, networks) stays as it is.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

Rule = dict[str, Any]
Document = dict[str, Any]
KINDS = ("deny", "allow", "break_glass")


def lines(document: Document) -> int:
    """Lines of a policy in a form of its own: one for each header, and one for each key of such a table."""
    count = 1  # the version
    for key, value in document.items():
        tables = value if key in (*KINDS, "never") else value.values() if key in ("terms", "owners", "actions") else ()
        count += sum(1 + len(table) for table in tables)
        if key in ("labels", "roles", "permissions", "calendars", "files", "rotas", "tickets"):
            count += 1 + len(value)
    return count


def parsed(text: str) -> Document:
    """A policy as it is written."""
    return tomllib.loads(text)


def written(document: Document) -> str:
    """TOML of a policy: tables in lines of their own, everything inside of them in one line each."""
    text = f"version = {document['version']}\n"
    for key, value in document.items():
        if isinstance(value, dict):
            text += f"[{key}]\n" + "".join(f"{_quoted(name)} = {_inline(each)}\n" for name, each in value.items())
        elif isinstance(value, list):
            for table in value:
                text += f"[[{key}]]\n" + "".join(f"{name} = {_inline(each)}\n" for name, each in table.items())
    return text


def _quoted(name: str) -> str:
    return f'"{name}"'


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_quoted(name)} = {_inline(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value) if isinstance(value, str | bool | int) else str(value)


def without_additions(text: str) -> Document:
    """The same policy in the language of before, as far as that could say it."""
    document: Document = tomllib.loads(text)
    terms, owners = document.pop("terms", {}), document.pop("owners", {})
    labels = {name: label.get("values", []) for name, label in document.get("labels", {}).items()}
    for kind in KINDS:
        rules = [each for rule in document.get(kind, []) for each in _by_hosts(_with_terms(rule, terms), labels)]
        rules = [each for rule in rules for each in _by_owner(rule, owners, labels, deny=kind == "deny")]
        document[kind] = [{**rule, "name": f"{rule['name']}-{number}"} for number, rule in enumerate(rules)]
    return document


def _with_terms(rule: Rule, terms: dict[str, Rule]) -> Rule:
    taken = rule.get("terms", [])
    merged: Rule = {}
    for name in [taken] if isinstance(taken, str) else taken:
        merged |= terms[name]
    return {**merged, **{key: value for key, value in rule.items() if key != "terms"}}


def _by_owner(rule: Rule, owners: dict[str, Any], labels: dict[str, list[str]], *, deny: bool) -> Iterator[Rule]:
    """A rule for each owner, about the hosts of that one. What a deny is about and nobody owns is everybody's."""
    name = next((name for name in owners if f"@{name}" in str(rule)), None)
    if name is None:
        yield _replaced(rule, "", "")
        return
    label, owned = owners[name]["label"], owners[name]["roles"]
    hosts = rule.get("hosts", {})
    wanted = _listed(hosts.get(label, labels[label]))
    for role in dict.fromkeys(owned.values()):
        values = [value for value in wanted if owned.get(value) == role]
        if values:
            yield {**_replaced(rule, f"@{name}", role), "hosts": {**hosts, label: values}}
    others = [value for value in wanted if value not in owned]
    if others and deny:
        yield {**{key: value for key, value in rule.items() if key != "not_roles"}, "hosts": {**hosts, label: others}}


def _replaced(rule: Rule, mark: str, role: str) -> Rule:
    changed = dict(rule)
    for key in ("roles", "not_roles"):
        if key in rule:
            changed[key] = list(dict.fromkeys(role if each == mark else each for each in rule[key]))
    if "roles" in changed and "not_roles" in changed:
        changed["roles"] = [each for each in changed["roles"] if each not in changed["not_roles"]]
    if "approvals" in rule:
        steps = ({key: value for key, value in step.items() if key != "not_own"} for step in rule["approvals"])
        changed["approvals"] = [{**step, "from": role} if step["from"] == mark else step for step in steps]
    return changed


def _by_hosts(rule: Rule, labels: dict[str, list[str]]) -> Iterator[Rule]:
    """A rule for each kind of hosts, with all values where some were left out."""
    for hosts in _listed(rule.get("hosts", {})):
        plain = {label: _values(label, value, labels) for label, value in hosts.items()}
        yield {**rule, "hosts": plain} if plain else rule


def _values(label: str, value: Any, labels: dict[str, list[str]]) -> Any:
    if not isinstance(value, dict):
        return value
    return [each for each in labels[label] if each not in _listed(value["not"])]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
