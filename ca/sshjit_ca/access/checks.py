"""Which parts of the CA are well, each by its name: for ``/readyz``, ``status`` and whoever watches."""

from __future__ import annotations

from sshjit.ca_protocol.operating import CheckView
from sshjit.errors import Failed
from sshjit_ca.context import Context
from sshjit_ca.public_errors import public_message

_PARTS = {"clock": "clock", "disk_full": "disk"}
"""Codes of failures, and whose they are; all others are the database's, or the log's in it."""


def ready(context: Context) -> bool:
    """Whether something can be signed, as far as is known: nothing is where the log cannot be written."""
    return not context.troubles and context.unwritten is None


def look(context: Context) -> tuple[CheckView, ...]:
    """Every part, with what is wrong with it in words for anybody; empty if nothing is.

    What a provider or a policy file lacks stops nothing that goes on already: the CA stays ready.
    """
    problems: dict[str, str] = dict.fromkeys(("database", "clock", "disk"), "")
    for trouble in _troubles(context):
        problems[_PARTS.get(trouble.code, "database")] = public_message(trouble)
    problems["policy"] = "the policy file cannot be loaded" if context.policy_refused else ""
    away = sorted(name for name, keys in context.published.items() if keys.age() is None)
    problems["provider_keys"] = f"no keys yet of {', '.join(away)}" if away else ""
    problems["sockets"] = "; ".join(context.socket_problems.values())
    return tuple(CheckView(name, problem) for name, problem in problems.items())


def _troubles(context: Context) -> list[Failed]:
    return [*context.troubles, *([] if context.unwritten is None else [context.unwritten])]
