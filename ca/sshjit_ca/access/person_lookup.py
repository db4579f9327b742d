"""Finding the person whom somebody means."""

from __future__ import annotations

from sshjit import names
from sshjit.errors import Invalid
from sshjit_ca.state import State


def subject_named(state: State, text: str) -> str:
    """The subject with this id, or the one of ``provider/address`` (or ``provider/subject claim``).

    Raises:
        Invalid: ``unknown_person``, or ``which_person`` when an address belongs to several accounts.

    """
    if text in state.newest_login:
        return text
    if text in state.subjects:
        return state.subjects[text]
    provider, _, address = text.partition("/")
    found = [
        subject
        for claim, subject in state.subjects.items()
        if claim.startswith(f"{provider}/") and address.casefold() in state.emails.get(subject, frozenset())
    ]
    if not found:
        raise Invalid(
            "unknown_person", f"nobody known here is {names.show(text)}", hint="name a sub-… or provider/address"
        )
    if len(found) > 1:
        raise Invalid("which_person", f"several accounts have this address: {', '.join(found)}", hint="name one sub-…")
    return found[0]


def subject_meant(state: State, text: str) -> str:
    """As ``subject_named``, and by a name or an address alone: for questions, where a mistake does no harm.

    Raises:
        Invalid: ``unknown_person``, ``which_person``.

    """
    said = text.casefold()
    found = {subject for subject, addresses in state.emails.items() if said in addresses} & state.newest_login.keys()
    for subject, login in state.newest_login.items():
        if state.logins[login].opened.name.casefold() == said:
            found.add(subject)
    if len(found) > 1:
        several = ", ".join(sorted(found))
        raise Invalid("which_person", f"several people are called so: {several}", hint="name one sub-…")
    return found.pop() if found else subject_named(state, text)
