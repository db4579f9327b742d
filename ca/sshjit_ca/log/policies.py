"""Every policy that ever decided: its text by digest, when it came into force, and what took its place.

Requests, decisions and certificates name the digest of the policy that they were made under; here is what it said.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import astuple

from sshjit import entries, names
from sshjit.ca_protocol.operating import PolicyView, SentenceView
from sshjit.errors import Failed, Invalid
from sshjit.events import PolicyLoaded
from sshjit_ca.storage.store import Store

_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_LISTED = 5
"""Digests that are named where several begin alike."""


def text_of(store: Store, prefix: str) -> tuple[str, str]:
    """Text and digest of the one policy whose digest begins with ``prefix``.

    Raises:
        Invalid: ``bad_digest``, ``unknown_policy``, ``ambiguous_policy``.
        Failed: ``policy_altered``.

    """
    if not _PREFIX.fullmatch(prefix):
        raise Invalid(
            "bad_digest", f"{names.show(prefix)} is not a digest", hint="use 4 to 64 of the characters 0-9a-f"
        )
    matches = [(text, digest) for digest, text in store.policy_texts() if digest.startswith(prefix)]
    if not matches:
        raise Invalid(
            "unknown_policy", f"no policy {prefix[:12]} was ever in force here", hint="ssh-jit-ca policy list"
        )
    if len(matches) > 1:
        listed = ", ".join(sorted(digest[:16] for _, digest in matches)[:_LISTED])
        raise Invalid(
            "ambiguous_policy",
            f"{len(matches)} policies begin with {prefix}: {listed}",
            hint="give more characters of the digest",
        )
    text, digest = matches[0]
    if _digest(text) != digest:
        raise Failed(
            "policy_altered", f"the text stored for the policy {digest[:12]} was changed", hint="ssh-jit-ca log verify"
        )
    return text, digest


def history(store: Store) -> list[PolicyView]:
    """Each time that a policy was in force, the oldest first."""
    found = loaded(store)
    views = []
    for (entry, event), after in zip(found, [*found[1:], None], strict=True):
        replaced, by = (None, None) if after is None else (after[0].time, after[1].digest)
        decided = None if event.decided is None else tuple(SentenceView(*astuple(each)) for each in event.decided)
        row = (event.digest, event.rules, entry.index, entry.time)
        views.append(PolicyView(*row, replaced, by, event.accepted, decided))
    return views


def problems(store: Store) -> list[str]:
    """What ``log verify`` finds wrong with the texts: one that is not its digest's, one that is gone."""
    wanted = [event.digest for _, event in loaded(store)]  # first these: a text comes no later than its entry
    kept = dict(store.policy_texts())
    altered = [
        f"the text stored for the policy {name[:12]} was changed"
        for name, text in kept.items()
        if _digest(text) != name
    ]
    return [*altered, *(f"the text of the policy {name[:12]} is missing" for name in wanted if name not in kept)]


def loaded(store: Store) -> list[tuple[entries.Entry, PolicyLoaded]]:
    """Each time that a policy came into force, the oldest first."""
    found = ((entry, entries.read_erased(entry)) for entry in store.of_kinds(["policy"]))
    return [(entry, event) for entry, event in found if isinstance(event, PolicyLoaded)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
