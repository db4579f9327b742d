"""How two policies differ in what they declare, where it bounds what a CA does and no sign-in of today shows it.

That is so of rotas, labels and limits, and of sentences (``[[never]]``), which bound the policies that come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sshjit.durations import show
from sshjit.policy import Policy, words
from sshjit.policy.model import HostLabels, Label, Never
from sshjit_client.policy.term_changes import Change, Direction


@dataclass(frozen=True, slots=True)
class Declared:
    """A declaration that differs. ``what``: ``rota primary``, ``label env``, ``rule database``, ``never "no root"``."""

    what: str
    change: Change


def declared(old: Policy, new: Policy) -> Iterator[Declared]:
    """The differences in rotas and labels that both have, labels that fleets may give, new limits, and sentences."""
    for name in sorted(old.rotas.keys() & new.rotas.keys()):
        was, is_now = old.rotas[name].lifetime, new.rotas[name].lifetime
        if was != is_now:
            direction: Direction = "wider" if is_now > was else "narrower"
            yield Declared(f"rota {name}", Change("lifetime", show(was), show(is_now), direction))
    for name in sorted(new.labels):
        before = old.labels.get(name, Label(name, None, required=False))
        yield from _label(before, new.labels[name], both=name in old.labels)
    gone = sorted(old.limited - new.named.keys())
    for name in sorted(new.limited - old.named.keys()):
        counted = f"what {words.listed(gone, 'or')} granted" if gone else "nothing"
        yield Declared(f"rule {name}", Change("limits count", counted, "from nothing on", "wider" if gone else "other"))
    yield from _sentences(old, new)


def _sentences(old: Policy, new: Policy) -> Iterator[Declared]:
    """Sentences by name: one that is gone binds no policy that follows."""
    before, after = ({never.name: never for never in policy.nevers} for policy in (old, new))
    for name in sorted(before.keys() | after.keys()):
        was, is_now, what = before.get(name), after.get(name), f'never "{name}"'
        if is_now is None:
            yield Declared(what, Change("proved", "yes", "no more", "wider"))
        elif was is None:
            yield Declared(what, Change("proved", "no", "yes", "narrower"))
        else:
            earlier, later = _clauses(was), _clauses(is_now)
            for clause in earlier:
                if earlier[clause] != later[clause]:
                    yield Declared(what, Change(clause, earlier[clause], later[clause], "other"))


def _clauses(never: Never) -> dict[str, str]:
    """What a sentence is about, as it is written in a policy."""
    return {
        "hosts": "any" if never.hosts is None else _hosts(never),
        "login": ", ".join(never.logins) or "any",
        "action": ", ".join(never.actions) or "any",
        "break_glass": "either" if never.break_glass is None else _yes(never.break_glass),
        "unless_role": ", ".join(never.unless_roles) or "none",
        "without": ", ".join(never.without) or "nothing",
        "within": "any time" if never.within is None else str(never.within),
    }


def _hosts(never: Never) -> str:
    left_out = never.all_but or ((),) * len(never.hosts or ())
    alternatives = zip(never.hosts or (), left_out, strict=True)
    return " or ".join(" ".join(_pairs(labels, dict(unless))) or "any" for labels, unless in alternatives)


def _pairs(labels: HostLabels, unless: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for label, values in labels:
        yield f"{label}=not {','.join(unless[label])}" if label in unless else f"{label}={','.join(values)}"


def _label(old: Label, new: Label, *, both: bool) -> Iterator[Declared]:
    what = f"label {new.name}"
    direction: Direction
    if old.by_token != new.by_token:
        direction = "wider" if new.by_token else "narrower"
        yield Declared(what, Change("by_token", _yes(old.by_token), _yes(new.by_token), direction))
    if both and old.required != new.required:
        direction = "narrower" if new.required else "wider"
        yield Declared(what, Change("required", _yes(old.required), _yes(new.required), direction))
    if both and old.values != new.values:
        wider = new.values is None or (old.values is not None and old.values <= new.values)
        narrower = old.values is None or (new.values is not None and new.values <= old.values)
        direction = "wider" if wider else "narrower" if narrower else "other"
        yield Declared(what, Change("values", _values(old), _values(new), direction))


def _yes(flag: bool) -> str:  # noqa: FBT001 - a value that is shown
    return "yes" if flag else "no"


def _values(label: Label) -> str:
    return "any" if label.values is None else ", ".join(sorted(label.values))
