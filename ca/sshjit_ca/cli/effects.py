"""What a change of policy or labels closes, as lines for the operator: in the terminal, and in the ordinary log."""

from __future__ import annotations

from collections.abc import Sequence

from sshjit import ca_protocol as m
from sshjit.terminal_text import inert, wrap
from sshjit_ca.cli.show import count, instant, table

_WIDTH = 80


def effects(
    closes: Sequence[m.AffectedView],
    ask_again: Sequence[m.AffectedView],
    ended: Sequence[m.AffectedView] = (),
    sooner: Sequence[m.AffectedView] = (),
    *,
    would: bool = False,
) -> str:
    """The lists, each under a sentence. ``would``: nothing was changed yet."""
    parts = []
    if ended:
        is_ = "would be" if would else "was" if len(ended) == 1 else "were"
        parts.append(f"{count(len(ended), 'open grant')} {is_} revoked:\n{_table(ended)}")
    if closes:
        gives = "would give" if would else "gives" if len(closes) == 1 else "give"
        parts.append(f"{count(len(closes), 'open grant')} {gives} no further certificate:\n{_table(closes)}")
    if sooner:
        ends = "would end" if would else "ends" if len(sooner) == 1 else "end"
        parts.append(f"{count(len(sooner), 'open grant')} {ends} sooner:\n{_table(sooner)}")
    if ask_again:
        has = "would have" if would else "has" if len(ask_again) == 1 else "have"
        parts.append(f"{count(len(ask_again), 'waiting request')} {has} to be made again:\n{_table(ask_again)}")
    return "\n".join(parts) or f"{'it would close' if would else 'it closes'} no open grant and no waiting request"


def _table(affected: Sequence[m.AffectedView]) -> str:
    """Some lines for each, so that they fit into 80 columns: what it is, and below whose and why."""
    rows = [(view.request, _what(view), instant(view.until)) for view in affected]
    head, *lines = table(("REQUEST", "ACCESS", "UNTIL (UTC)"), rows).split("\n")
    text = [head]
    for line, view in zip(lines, affected, strict=True):
        text.append(line)
        text += [f"    {part}" for part in wrap(inert(f"{_who(view.requester)}: {view.why}"), _WIDTH - 4)]
    return "\n".join(text)


def _who(person: m.PersonView) -> str:
    return f"{person.name} <{person.email}>" if person.email and person.email != person.name else person.name


def _what(view: m.AffectedView) -> str:
    action = "" if view.action == "shell" else f" {view.action}"
    return f"{view.login}@{','.join(view.hosts)}{action}"
