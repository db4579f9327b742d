"""Reads ``[[never]]``: what a policy must never give, however its rules are changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sshjit import names
from sshjit.policy import fields
from sshjit.policy.model import COMMAND, OWN, REQUIREMENTS, SHELL, HostLabels, Label, Never
from sshjit.policy.reader import Table
from sshjit.policy.rules import read_hosts


def read_nevers(
    top: Table, labels: Mapping[str, Label], roles: Collection[str], actions: Collection[str]
) -> tuple[Never, ...]:
    """``[[never]]``: sentences that ``ssh-jit policy prove`` decides."""
    nevers = []
    for path, value in top.tables("never"):
        table = Table(value, path, top.report, fields.NEVER)
        if not any(key in table for key in fields.NEVER if key != "name"):
            table.wrong((), "forbids everything", "say what nobody must have, by hosts, login, action or break_glass")
        logins = table.one_or_more("login", None, "login") if "login" in table else ()
        for login in logins or ():
            if login != OWN:
                table.checked(("login",), names.login_name, login)
        known = [SHELL, COMMAND, *actions]
        nevers.append(
            Never(
                name=table.name("name") or f"never-{path[-1]}",
                hosts=read_hosts(table, labels),
                logins=logins or (),
                actions=(table.one_or_more("action", known, "action") if "action" in table else ()) or (),
                break_glass=table.get("break_glass", bool),
                unless_roles=(table.one_or_more("unless_role", roles, "role") if "unless_role" in table else ()) or (),
                without=(table.one_or_more("without", REQUIREMENTS, "requirement") if "without" in table else ()) or (),
                within=table.date("within"),
                all_but=_all_but(table),
            )
        )
        earlier = [never.name for never in nevers[:-1]]
        if nevers[-1].name in earlier:
            table.wrong(("name",), f'"{nevers[-1].name}" is the name of a sentence already', "give it another name")
    return tuple(nevers)


def _all_but(table: Table) -> tuple[HostLabels, ...]:
    """For each alternative of ``hosts`` the values that ``{ not = … }`` names; empty: there is no such."""
    wanted = table.any("hosts")
    alternatives = wanted if isinstance(wanted, list) else [wanted]
    left_out = tuple(
        tuple((label, _texts(value.get("not"))) for label, value in alternative.items() if isinstance(value, dict))
        for alternative in alternatives
        if isinstance(alternative, dict)
    )
    return left_out if any(left_out) else ()


def _texts(value: object) -> tuple[str, ...]:
    """One text or several, as a table has them; what is anything else was reported."""
    return tuple(str(each) for each in (value if isinstance(value, list) else [value]))
