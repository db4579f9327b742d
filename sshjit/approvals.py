"""Who may approve, and what is still missing: nobody for themselves, nobody twice.

Accounts that share an e-mail address, seen at any time and verified or not, are one person here, and so are accounts
linked through a third one. This file only ever forbids by that; it never gives anybody a role. Roles come from
``sshjit.policy.roles_of``, signatures are the CA's to check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from sshjit import passkeys
from sshjit.addresses import mailbox


@dataclass(frozen=True, slots=True)
class Step:
    """One approval step of a rule: ``count`` different people of ``role``, each by a signature if ``signed``.

    That is by the key of a sign-in, or by such a ``passkey`` as well (``sshjit/passkeys.py``).
    Nobody counts who may have one of the roles ``but``. Once a request has waited for ``after`` seconds, people of
    ``instead`` count as well; ``tell`` are channels that are notified then.
    """

    role: str
    count: int
    signed: bool = False
    but: tuple[str, ...] = ()
    instead: str = ""
    after: int = 0
    tell: tuple[str, ...] = ()
    passkey: passkeys.Accepted = ""

    def at(self, waited: int) -> Step:
        """The step once a request has waited for so many seconds: ``instead`` counts at once, or not at all."""
        return replace(self, instead=self.instead if waited >= self.after else "", after=0)

    @property
    def roles(self) -> tuple[str, ...]:
        """Whose people count at once."""
        return (self.role, self.instead) if self.instead and not self.after else (self.role,)


@dataclass(frozen=True, slots=True)
class Person:
    """An account as far as approvals care.

    ``subject_id`` is the CA's id of (provider, subject); ``emails`` is every address ever seen for it and for accounts
    that these link to it, in any spelling (``sshjit.addresses.mailbox``); ``roles`` are those it holds now, ``had``
    those that count against it (``sshjit.policy.roles.denied_roles``).
    """

    subject_id: str
    emails: frozenset[str]
    roles: frozenset[str]
    had: frozenset[str] = field(default=frozenset(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Approver(Person):
    """An account that said yes; ``signed`` if with an SSHSIG that the CA has verified, ``passkey`` if by one."""

    signed: bool = False
    passkey: passkeys.Kind = ""


class AskedStep(Protocol):
    """What a step asks for: ``Step``, what the log holds of one, or a view of one."""

    @property
    def role(self) -> str:
        """The role of its approvers."""

    @property
    def count(self) -> int:
        """How many different people."""

    @property
    def signed(self) -> bool:
        """Whether only signed approvals count."""

    @property
    def passkey(self) -> passkeys.Accepted:
        """Which passkeys count then."""

    @property
    def but(self) -> tuple[str, ...]:
        """The roles whose people do not count."""

    @property
    def instead(self) -> str:
        """The role whose people count as well after a while; empty: none."""

    @property
    def after(self) -> int:
        """After how many seconds."""


P = TypeVar("P", bound=Person)
_IdentityKey = tuple[str, str]


class PersonDirectory:
    """Accounts that were looked through once for what links them, for any number of questions about them."""

    __slots__ = ("_root", "people")

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = tuple(people)
        links = _Links()
        for person in self.people:
            links.join(_identity_keys(person))
        self._root = {key: links.find(key) for person in self.people for key in _identity_keys(person)}

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people)

    def roots(self, person: Person) -> frozenset[_IdentityKey]:
        """What stands for the people of the directory whom an account's keys belong to, and the keys that are new."""
        return frozenset(self._root.get(key, key) for key in _identity_keys(person))

    def root(self, account: Person) -> _IdentityKey:
        """What stands for the one whom an account belongs to."""
        key = ("id", account.subject_id)
        return self._root.get(key, key)

    @staticmethod
    def of(people: Iterable[Person]) -> PersonDirectory:
        """The people as a directory."""
        return people if isinstance(people, PersonDirectory) else PersonDirectory(people)


@dataclass(frozen=True, slots=True)
class StepStanding:
    """How far a step is: ``people`` (subject ids) count for it, ``missing`` more are needed."""

    step: Step
    people: tuple[str, ...]
    missing: int


def same_person(a: Person, b: Person) -> bool:
    """Whether two accounts are one person by what they themselves show: one id, or any e-mail address in common."""
    return bool(_identity_keys(a) & _identity_keys(b))


def standing(
    steps: Sequence[Step], requester: Person, approvers: Iterable[Approver], *, others: Iterable[Person] = ()
) -> tuple[StepStanding, ...]:
    """How far each step is, when the approvals are shared out as well as can be.

    One person counts once over all steps, so this is an assignment: as many steps as possible are filled, earlier
    steps first. The requester and everybody linked to the requester never count. ``others`` are further accounts that
    the CA knows: they do not approve, but may link two accounts that do.
    """
    directory = PersonDirectory.of(others)
    people = _people_but(requester, tuple(approvers), directory)
    barred = [_barred(step, directory) for step in steps]
    able = [
        [
            any(_fills(member, step) for member in person) and not _is_barred(person, step, out, directory)
            for person in people
        ]
        for step, out in zip(steps, barred, strict=True)
    ]
    seat_of: dict[int, int] = {}
    """Person (index) -> step (index)."""

    def seat(step: int, tried: set[int]) -> bool:
        """Find somebody for ``step``, moving others to another step where that frees somebody."""
        for person in range(len(people)):
            if able[step][person] and person not in tried:
                tried.add(person)
                if person not in seat_of or seat(seat_of[person], tried):
                    seat_of[person] = step
                    return True
        return False

    result = []
    for number, step in enumerate(steps):
        filled = 0
        while filled < step.count and seat(number, set()):
            filled += 1
        result.append(step.count - filled)
    return tuple(
        StepStanding(step, tuple(_name(people[p], step) for p in sorted(seat_of) if seat_of[p] == number), missing)
        for number, (step, missing) in enumerate(zip(steps, result, strict=True))
    )


def complete(
    steps: Sequence[Step], requester: Person, approvers: Iterable[Approver], *, others: Iterable[Person] = ()
) -> bool:
    """Whether every step has everybody that it needs. No steps are complete at once."""
    return all(step.missing == 0 for step in standing(steps, requester, approvers, others=others))


def covers(given: Iterable[AskedStep], wanted: Iterable[AskedStep]) -> bool:
    """Whether any approvals that complete the steps ``given`` complete those ``wanted`` as well.

    Each person that is wanted is set against another one who is given, so that who fills the one fills the other.
    """
    seats = [step for step in given for _ in range(step.count)]
    taken: dict[int, AskedStep] = {}

    def place(step: AskedStep, tried: set[int]) -> bool:
        for number, seat in enumerate(seats):
            if number not in tried and _as_strict(seat, step):
                tried.add(number)
                if number not in taken or place(taken[number], tried):
                    taken[number] = step
                    return True
        return False

    return all(place(step, set()) for step in wanted for _ in range(step.count))


def _as_strict(given: AskedStep, wanted: AskedStep) -> bool:
    """Whether whoever fills a seat of the one step fills, at that time, one of the other."""

    def accepted(role: str, after: int) -> bool:
        return role == wanted.role or (role == wanted.instead and after >= wanted.after)

    instead = not given.instead or accepted(given.instead, given.after)
    signed = passkeys.asked(given) >= passkeys.asked(wanted)
    return accepted(given.role, 0) and instead and signed and set(wanted.but) <= set(given.but)


def may_approve(step: Step, requester: Person, person: Person, *, others: Iterable[Person] = ()) -> bool:
    """Whether ``person`` could say yes to ``step``: right role, and by no link the requester. Signing is not asked."""
    directory = PersonDirectory.of(others)
    return fits(person, step, directory) and bool(_people_but(requester, (person,), directory))


def fits(person: Person, step: Step, known: Iterable[Person] = ()) -> bool:
    """Whether the step asks for such people at once; ``known`` may link them to an account that may not answer."""
    directory = PersonDirectory.of(known)
    barred = _is_barred((person,), step, _barred(step, directory), directory)
    return not barred and any(role in person.roles for role in step.roles)


def able(steps: Sequence[Step], requester: Person, known: Iterable[Person]) -> tuple[tuple[Person, ...], ...]:
    """For each step those of ``known`` who could say yes to it, as ``may_approve``, all at once."""
    directory = PersonDirectory.of(known)
    own = directory.roots(requester) | {directory.root(requester)}
    others = [person for person in directory if directory.root(person) not in own]
    return tuple(tuple(person for person in others if fits(person, step, directory)) for step in steps)


def lacking(steps: Sequence[Step], requester: Person, known: Iterable[Person]) -> tuple[int, ...]:
    """How many people each step lacks even if everybody ``known`` who ever may says yes, and signs it."""
    directory = PersonDirectory.of(known)
    everybody = [Approver(one.subject_id, one.emails, one.roles, signed=True, had=one.had) for one in directory]
    ever = [step.at(step.after) for step in steps]
    return tuple(stands.missing for stands in standing(ever, requester, everybody, others=directory))


def others(requester: Person, accounts: Sequence[P], known: Iterable[Person]) -> tuple[P, ...]:
    """Those of ``accounts`` who are by no link the requester; ``known`` may link them, as in ``standing``."""
    return tuple(
        account for person in _people_but(requester, accounts, PersonDirectory.of(known)) for account in person
    )


def unfillable(
    steps: Sequence[Step], requester: Person, known: Iterable[Person], empty_roles: frozenset[str]
) -> Step | None:
    """The first step that, as far as known, nobody can fill; ``None`` if there is no such step.

    ``known`` are the accounts seen lately with their roles; ``empty_roles`` are those without any source that is still
    in force (``sshjit.policy.empty_roles``). Nobody can fill a step whose role is empty, nor one whose role has been
    seen lately only at the requester, at accounts linked to the requester, or at people who do not count for it. A role
    that has sources, but of which nobody signed in lately, is not refused: its people are unknown, not absent, and one
    of them may sign in any minute. Nor is a step refused that needs more people than are known.
    """
    seen = PersonDirectory.of(known)

    def nobody(role: str, step: Step) -> bool:
        members = tuple(person for person in (requester, *seen) if role in person.roles)
        barred = _barred(step, seen)
        others = (one for one in _people_but(requester, members, seen) if not _is_barred(one, step, barred, seen))
        return role in empty_roles or (bool(members) and next(others, None) is None)

    return next((step for step in steps if all(nobody(role, step) for role in step.at(step.after).roles)), None)


def _identity_keys(person: Person) -> frozenset[_IdentityKey]:
    """What makes two accounts one person when they share it."""
    return frozenset({("id", person.subject_id)} | {("email", mailbox(address)) for address in person.emails})


def _fills(account: Approver, step: Step) -> bool:
    return any(role in account.roles for role in step.roles) and passkeys.given(account) >= passkeys.asked(step)


def _barred(step: Step, directory: PersonDirectory) -> frozenset[_IdentityKey]:
    """What stands for the people of the directory who do not count for a step, by whichever account."""
    if not step.but:
        return frozenset()
    return frozenset(directory.root(person) for person in directory if not person.had.isdisjoint(step.but))


def _is_barred(
    person: Sequence[Person], step: Step, barred: frozenset[_IdentityKey], directory: PersonDirectory
) -> bool:
    return bool(step.but) and any(
        not account.had.isdisjoint(step.but) or not directory.roots(account).isdisjoint(barred) for account in person
    )


def _name(person: Sequence[Approver], step: Step) -> str:
    """The account by which ``person`` fills ``step``."""
    return next(account.subject_id for account in person if _fills(account, step))


def _people_but(requester: Person, accounts: Sequence[P], directory: PersonDirectory) -> list[list[P]]:
    """``accounts`` grouped into people, in order of first appearance, without whoever is linked to the requester."""
    links = _Links()
    asked: tuple[Person, ...] = (requester, *accounts)
    for person in asked:
        links.join(directory.roots(person))
    forbidden = links.find(directory.root(requester))
    people: dict[_IdentityKey, list[P]] = {}
    for account in accounts:
        people.setdefault(links.find(directory.root(account)), []).append(account)
    return [members for key, members in people.items() if key != forbidden]


class _Links:
    """Marks that belong to one person, joined as they are found (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[_IdentityKey, _IdentityKey] = {}

    def find(self, key: _IdentityKey) -> _IdentityKey:
        """The key that stands for everything joined with ``key``."""
        parent = self._parent.setdefault(key, key)
        while parent != key:
            self._parent[key] = self._parent[parent]
            key, parent = parent, self._parent[parent]
        return key

    def join(self, keys: frozenset[_IdentityKey]) -> None:
        """Make ``keys`` one."""
        first, *rest = keys
        for key in rest:
            self._parent[self.find(key)] = self.find(first)
