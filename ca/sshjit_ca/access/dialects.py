"""By which CA a certificate is signed: the classical one, the post-quantum one, or one by each.

What a host takes is its own signed word, and the operator's; what a laptop shows was said at its sign-in. Nobody gets
the post-quantum certificate alone for a host that is not known to take it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sshjit.api.views import PostQuantumWord
from sshjit.errors import Refused
from sshjit.sshkey import MLDSA44_ED25519, PublicKey
from sshjit_ca.context import Context
from sshjit_ca.state import Host, State
from sshjit_ca.state import keys as folded

CLASSICAL, POST_QUANTUM = False, True
"""The dialects, as ``ActiveKeys.active`` is asked for them."""
_UPGRADE = "OpenSSH 10.6 or newer on this machine, then ssh-jit login again"


def read_types(types: tuple[str, ...]) -> tuple[str, ...]:
    """What somebody says that its OpenSSH reads, of what is known here: nothing else counts, or is written down."""
    return (MLDSA44_ED25519,) if MLDSA44_ED25519 in types else ()


def word_of(state: State, host: Host) -> PostQuantumWord:
    """Whether a host takes post-quantum certificates, as far as it or the operator said."""
    if host.post_quantum_only:
        return "only"
    if folded.active(state, "user_ca", post_quantum=True) is None:
        return "no"
    report = state.reports.get(host.id)
    if report is None:
        return "unknown"
    return "yes" if report.reads is not None and MLDSA44_ED25519 in report.reads else "no"


class Demand(Protocol):
    """What the rule wants: terms, or the request that was made under them."""

    @property
    def post_quantum(self) -> bool:
        """Whether certificates are by the post-quantum CA alone."""

    @property
    def post_quantum_key(self) -> bool:
        """Whether the login's key must be of that kind too."""


def of(
    context: Context, hosts: Iterable[Host], key: PublicKey, reads: tuple[str, ...], demand: Demand
) -> tuple[bool, ...]:
    """The dialects in which a certificate for these hosts is drawn, the classical one first.

    ``reads``: the types that the laptop's ssh shows besides those that all do.

    Raises:
        Refused: ``post_quantum_only``, ``post_quantum_key``, ``post_quantum_needed``.

    """
    words = {host.name: word_of(context.state, host) for host in hosts}
    only = [name for name, word in words.items() if word == "only"]
    others = [name for name, word in words.items() if word not in ("yes", "only")]
    shown = MLDSA44_ED25519 in reads
    if only and not shown:
        raise Refused(
            "post_quantum_only",
            f"{only[0]} takes post-quantum certificates alone, and the ssh of this sign-in does not show them",
            hint=_UPGRADE,
        )
    if key.post_quantum and others:
        raise Refused(
            "post_quantum_key",
            f"{others[0]} is not known to take keys of the type {MLDSA44_ED25519}, and the key of this sign-in is one",
            hint="sign in with an Ed25519 key: ssh-jit login --new-key ed25519",
        )
    if demand.post_quantum:
        _require(context, others, shown=shown)
        if demand.post_quantum_key and not key.post_quantum:
            text = "this rule asks for a post-quantum login key, and the key of this sign-in is not one"
            raise Refused("post_quantum_needed", text, hint="ssh-jit login --new-key mldsa44-ed25519")
        return (POST_QUANTUM,)
    if not shown or (words and all(word == "no" for word in words.values())):
        return (CLASSICAL,)
    return (CLASSICAL, POST_QUANTUM) if others else (POST_QUANTUM,)


def _require(context: Context, others: list[str], *, shown: bool) -> None:
    """That a post-quantum certificate alone gets somebody in, which the rule demands."""
    code, rule = "post_quantum_needed", "this rule asks for a post-quantum certificate"
    if folded.active(context.state, "user_ca", post_quantum=True) is None:
        hint = f"the operator adds one: ssh-jit-ca keys add user_ca --new {MLDSA44_ED25519.removeprefix('ssh-')}"
        raise Refused(code, f"{rule}, and this CA has no such key", hint=hint)
    if not shown:
        raise Refused(code, f"{rule}, and the ssh of this sign-in does not show one", hint=_UPGRADE)
    if others:
        text = f"{rule}, and {others[0]} is not known to take one"
        raise Refused(code, text, hint="the host needs OpenSSH 10.6 or newer; ssh-jit-host status says what is missing")
