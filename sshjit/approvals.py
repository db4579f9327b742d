"""Who may approve, and what is still missing: nobody for themselves, nobody twice.

Accounts that share an e-mail address, seen at any time and verified or not, are one person here, and so are accounts
linked through a third one. This file only ever forbids by that; it never gives anybody a role. Roles come from
``sshjit.policy.roles_of``, signatures are the CA's to check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sshjit.addresses import mailbox


@dataclass(frozen=True, slots=True)
class Step:
    """One approval step of a rule: ``count`` different people of ``role``, each by a signature if ``signed``."""

    role: str
    count: int
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """An account as far as approvals care.

    ``subject_id`` is the CA's id of (provider, subject); ``emails`` is every address ever seen for it and for accounts
    that these link to it, in any spelling (``sshjit.addresses.mailbox``); ``roles`` are those it holds now.
    """

    subject_id: str
    emails: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Approver(Person):
    """An account that said yes; ``signed`` if with an SSHSIG that the CA has verified."""

    signed: bool = False


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
    people = _people_but(requester, tuple(approvers), PersonDirectory.of(others))
    able = [[any(_fills(member, step) for member in person) for person in people] for step in steps]
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
    """Whether any approvals that complete the steps ``given`` complete those ``wanted`` as well."""
    by_role = {step.role: step for step in given}
    return all(
        step.role in by_role
        and step.count <= by_role[step.role].count
        and (by_role[step.role].signed or not step.signed)
        for step in wanted
    )


def may_approve(step: Step, requester: Person, person: Person, *, others: Iterable[Person] = ()) -> bool:
    """Whether ``person`` could say yes to ``step``: right role, and by no link the requester. Signing is not asked."""
    return step.role in person.roles and bool(_people_but(requester, (person,), PersonDirectory.of(others)))


def able(steps: Sequence[Step], requester: Person, known: Iterable[Person]) -> tuple[tuple[Person, ...], ...]:
    """For each step those of ``known`` who could say yes to it, as ``may_approve``, all at once."""
    directory = PersonDirectory.of(known)
    own = directory.roots(requester) | {directory.root(requester)}
    others = [person for person in directory if directory.root(person) not in own]
    return tuple(tuple(person for person in others if step.role in person.roles) for step in steps)


def lacking(steps: Sequence[Step], requester: Person, known: Iterable[Person]) -> tuple[int, ...]:
    """How many people each step lacks even if everybody ``known`` who may says yes, and signs it."""
    directory = PersonDirectory.of(known)
    everybody = [Approver(person.subject_id, person.emails, person.roles, signed=True) for person in directory]
    return tuple(stands.missing for stands in standing(steps, requester, everybody, others=directory))


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
    seen lately only at the requester (or at accounts linked to the requester). A role that has sources, but of which
    nobody signed in lately, is not refused: its people are unknown, not absent, and one of them may sign in any minute.
    Nor is a step refused that needs more people than are known.
    """
    seen = PersonDirectory.of(known)
    for step in steps:
        members = tuple(person for person in (requester, *seen) if step.role in person.roles)
        if step.role in empty_roles or (members and not _people_but(requester, members, seen)):
            return step
    return None


def _identity_keys(person: Person) -> frozenset[_IdentityKey]:
    """What makes two accounts one person when they share it."""
    return frozenset({("id", person.subject_id)} | {("email", mailbox(address)) for address in person.emails})


def _fills(account: Approver, step: Step) -> bool:
    return step.role in account.roles and (account.signed or not step.signed)


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
