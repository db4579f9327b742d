"""Who is on call by the rotas of the log, as far as the policy lets them count."""

from __future__ import annotations

from functools import lru_cache

from sshjit.api.views import TurnView
from sshjit.events import RotaSaid
from sshjit.policy import Policy, PolicyError, Subject
from sshjit.policy.model import Rota
from sshjit.policy.rota import RotaText, parse_rota
from sshjit_ca.state import State


def rotas_of(policy: Policy, state: State) -> list[tuple[Rota, RotaText]]:
    """The rotas of a policy that say something, stale or not."""
    known = ((rota, state.rotas.get(rota.name)) for rota in policy.rotas.values())
    read = ((rota, _read(record.text)) for rota, record in known if record is not None)
    return [(rota, text) for rota, text in read if text is not None]


def counting(policy: Policy, state: State, now: int) -> frozenset[str]:
    """The names of the rotas that are not stale."""
    return frozenset(rota.name for rota, text in rotas_of(policy, state) if now < text.issued + rota.lifetime)


def rotas_said(policy: Policy, state: State, subject: Subject, now: int) -> tuple[RotaSaid, ...]:
    """What each rota of the policy says of somebody now, for the log."""
    until = {turn.rota: turn.end for turn in turns_now(subject, now)}
    fresh = counting(policy, state, now) if policy.rotas else frozenset()
    return tuple(
        RotaSaid(name, state.rotas[name].digest if name in fresh else "", until.get(name)) for name in policy.rotas
    )


def turns_now(subject: Subject, now: int) -> tuple[TurnView, ...]:
    """The turns that somebody is in."""
    turns = (turn for turn in subject.on_call if turn.begin <= now < turn.end)
    return tuple(TurnView(turn.rota, turn.begin, turn.end) for turn in turns)


@lru_cache(maxsize=64)
def _read(text: str) -> RotaText | None:
    """What a rota's text says; ``None``: it says nothing to this release, and names nobody."""
    try:
        return parse_rota(text)
    except PolicyError:
        return None
