"""How events of the CA itself change the state."""

from __future__ import annotations

from sshjit import events
from sshjit.addresses import mailbox
from sshjit_ca.state import locks, people
from sshjit_ca.state.model import State
from sshjit_ca.state.records import BoundProvider, Emergency, RotaRecord

MORE_BUNDLES = 2**20
"""How far a restored log skips: more bundles than can have been signed and forgotten since the newest checkpoint."""


def started(state: State, event: events.Started, _: int) -> None:
    """A writer took over."""
    state.epoch = event.epoch


def policy_loaded(state: State, event: events.PolicyLoaded, time: int) -> None:
    """Another policy decides."""
    state.policy, state.policy_since = event.digest, time


def rota_taken(state: State, event: events.RotaTaken, _: int) -> None:
    """A rota says something new."""
    state.rotas[event.rota] = RotaRecord(event.digest, event.issued, event.text, state.size)


def provider_bound(state: State, event: events.ProviderBound, _: int) -> None:
    """A provider was used for the first time."""
    state.providers[event.provider] = BoundProvider(event.issuer, event.subject_claim)


def forgotten(state: State, event: events.Forgot, time: int) -> None:
    """Whoever was last here before, has nothing open, is not locked and links no others, is a stranger again.

    Tables that hold details are put in order: whether erased entries stood in them before must make no difference.
    """
    locked = {subject for lock in state.locks.values() for subject in lock.subjects}
    locked.update(key.subject for key in state.hardware_keys.values())
    locked.update(passkey.subject for passkey in state.passkeys.values())
    gone = [
        subject
        for subject, newest in state.newest_login.items()
        if (login := state.logins[newest]).time < event.before
        and not (login.alive(time) or subject in state.requests_of or subject in locked)
    ]
    for subject in _linking_nobody(state, gone):
        del state.newest_login[subject]
        for address in state.emails.pop(subject, frozenset()):
            del state.seen_in[f"{subject} {address}"]
    known = state.newest_login.keys()
    state.subjects = {name: subject for name, subject in sorted(state.subjects.items()) if subject in known}
    state.own_names = dict(sorted(people.own_names(state, known).items()))
    state.emails, state.seen_in = dict(sorted(state.emails.items())), dict(sorted(state.seen_in.items()))
    state.accounts_at = _accounts_at(state)
    state.bound_keys = {key: subject for key, subject in state.bound_keys.items() if subject in known}
    state.rotas = dict(sorted(state.rotas.items()))
    state.session_events = dict(sorted(state.session_events.items()))
    used = {certificate.login_id for certificate in state.certificates.values()}
    state.logins = {
        name: login for name, login in state.logins.items() if login.opened.subject in known or name in used
    }


def _linking_nobody(state: State, gone: list[str]) -> list[str]:
    """Those of ``gone`` by whose addresses no two accounts that stay are one person."""
    leaving = set(gone)
    return [subject for subject in gone if len(set(locks.accounts_of(state, subject)) - leaving) < 2]


def _accounts_at(state: State) -> dict[str, frozenset[str]]:
    """``accounts_at``, in order, from the addresses that are still known."""
    owners: dict[str, set[str]] = {}
    for subject, addresses in state.emails.items():
        for address in addresses:
            owners.setdefault(mailbox(address), set()).add(subject)
    return {box: frozenset(subjects) for box, subjects in sorted(owners.items())}


def bundle_signed(state: State, event: events.BundleSigned, _: int) -> None:
    """A bundle was signed."""
    state.sequence = event.sequence


def emergency_issued(state: State, event: events.EmergencyIssued, _: int) -> None:
    """A certificate was drawn past every rule."""
    state.emergencies[event.serial] = Emergency(event.emergency, event.serial, event.valid_before)


def restored(state: State, event: events.Restored, _: int) -> None:
    """What came after an older copy is given up. Hosts hold bundles from then and take only a higher number."""
    state.epoch = event.epoch
    state.sequence += event.lost + MORE_BUNDLES
