"""What a change of policy or labels closes, as lines for the operator: in the terminal, and in the ordinary log."""

from __future__ import annotations

from collections.abc import Sequence

from sshjit import ca_protocol as m
from sshjit_ca.cli.show import count, instant, table


def effects(closes: Sequence[m.AffectedView], ask_again: Sequence[m.AffectedView], *, would: bool = False) -> str:
    """Both lists, each under a sentence. ``would``: nothing was changed yet."""
    parts = []
    if closes:
        gives = "would give" if would else "gives" if len(closes) == 1 else "give"
        parts.append(f"{count(len(closes), 'open grant')} {gives} no further certificate:\n{_table(closes)}")
    if ask_again:
        has = "would have" if would else "has" if len(ask_again) == 1 else "have"
        parts.append(f"{count(len(ask_again), 'waiting request')} {has} to be made again:\n{_table(ask_again)}")
    return "\n".join(parts) or f"{'it would close' if would else 'it closes'} no open grant and no waiting request"


def _table(affected: Sequence[m.AffectedView]) -> str:
    rows = [
        (each.request, _who(each.requester), _what(each), each.rule, instant(each.until), each.why) for each in affected
    ]
    return table(("REQUEST", "PERSON", "ACCESS", "RULE", "UNTIL (UTC)", "WHY"), rows)


def _who(person: m.PersonView) -> str:
    return f"{person.name} <{person.email}>" if person.email and person.email != person.name else person.name


def _what(each: m.AffectedView) -> str:
    action = "" if each.action == "shell" else f" {each.action}"
    return f"{each.login}@{','.join(each.hosts)}{action}"
