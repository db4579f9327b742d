"""Where a message is answered: everything that a handler may use, and the questions that all of them ask.

Handlers are functions ``(context, message) -> reply``. They look first and record last: whatever can be refused is
refused before the first event, so that nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from sshjit import ca_protocol, canonical, sshkey
from sshjit.approvals import Person, PersonDirectory
from sshjit.errors import Failed, Invalid, Refused
from sshjit.events import Event
from sshjit.policy import Bastion, Policy, permissions_of, role_ends, roles_of
from sshjit.policy import Host as PolicyHost
from sshjit.policy import Subject as PolicySubject
from sshjit.providers import Provider
from sshjit.requests import Request
from sshjit.workloads import WorkloadIssuer
from sshjit_ca.accounts import Accounts
from sshjit_ca.config import Config
from sshjit_ca.ephemeral import (
    BundleCache,
    Challenges,
    GroupClaims,
    PasskeyOffers,
    ProbePauses,
    RefusalThrottle,
    ReplayCache,
    SessionBudget,
    TakenOnce,
)
from sshjit_ca.keys.active_keys import ActiveKeys
from sshjit_ca.log.history import History
from sshjit_ca.log.journal import Journal
from sshjit_ca.machine.clock import Clock
from sshjit_ca.machine.reserve import Reserve
from sshjit_ca.oidc.provider_keys import ProviderKeys
from sshjit_ca.question import Question
from sshjit_ca.sockets import Socket
from sshjit_ca.sources.tickets import Tickets
from sshjit_ca.state import Host, Login, State, locks
from sshjit_ca.state.hosts import by_id
from sshjit_ca.storage.store import Store
from sshjit_ca.witness.witnesses import Witnesses

P = TypeVar("P")
LATELY = 30 * 24 * 3600
"""Seconds since the last sign-in within which somebody counts as known."""
_ID_BYTES = 10


@dataclass(slots=True)
class Context:
    """What handlers work with. ``now`` is the batch's time; ``random`` gives as many random bytes as asked."""

    config: Config
    providers: dict[str, Provider]
    workloads: dict[str, WorkloadIssuer]
    """Where jobs and machines get their tokens; no id is a provider's as well."""
    published: dict[str, ProviderKeys]
    keys: ActiveKeys
    journal: Journal
    store: Store
    history: History
    policy: Policy
    policy_text: str
    random: Callable[[int], bytes]
    clock: Clock
    reserve: Reserve
    witnesses: Witnesses
    started: int
    release: str = ""
    """Of this program."""
    at_start: Mapping[Path, str] = field(default_factory=dict)
    """The files that were read at the start alone, and their SHA-256 (hex)."""
    now: int = 0
    troubles: tuple[Failed, ...] = ()
    """Why nothing is signed in this batch; what takes access away goes on (``routes.DESPITE``)."""
    unwritten: Failed | None = None
    """Why the last entry or beat could not be written, until one is; it stops nobody who tries again."""
    policy_refused: bool = False
    """The policy file was changed to one that cannot be loaded; ``policy`` is the one before it."""
    socket_problems: dict[Socket, str] = field(default_factory=dict)
    """What is wrong, or was lately, with the file of a socket."""
    socket: Socket = "web"
    """Where the message came in that is being answered."""
    trace: str = ""
    """The trace id that its asker named."""
    refusals: RefusalThrottle = field(default_factory=RefusalThrottle)
    challenges: Challenges = field(default_factory=Challenges)
    passkey_offers: PasskeyOffers = field(default_factory=PasskeyOffers)
    host_replays: ReplayCache = field(default_factory=ReplayCache)
    logout_tokens: TakenOnce = field(default_factory=TakenOnce)
    """Logout tokens of providers."""
    group_claims: GroupClaims = field(default_factory=GroupClaims)
    session_budget: SessionBudget = field(default_factory=SessionBudget)
    tickets: Tickets = field(default_factory=lambda: Tickets({}))
    rota_problems: dict[str, str] = field(default_factory=dict)
    """Why the newest text of a rota is not taken, by the rota's name."""
    probe_pauses: ProbePauses = field(default_factory=ProbePauses)
    bundles: BundleCache = field(default_factory=BundleCache)
    as_if: Mapping[str, Host] = field(default_factory=dict)
    """Hosts by id as they would be, where only the effects of a change are asked for."""
    _prepared: object = None
    _directory: tuple[State, tuple[int | str | None, ...], int, Policy, PersonDirectory] | None = None

    @property
    def state(self) -> State:
        """What the CA knows."""
        return self.journal.state

    def record(self, event: Event) -> None:
        """Writes an event down; it counts at once and becomes durable with the batch."""
        self.journal.record(event, self.now)

    def new_id(self, kind: str) -> str:
        """A new id ``kind-…``, 80 random bits in 16 letters and digits."""
        number = int.from_bytes(self.random(_ID_BYTES), "big")
        return f"{kind}-" + "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))

    # ------------------------------------------------------------------------------------- what is being answered

    def begin(self, question: Question) -> None:
        """Turns to the next question of the batch."""
        self.socket, self._prepared, self.trace = question.socket, question.prepared, question.trace

    def prepared_or_none(self, kind: type[P]) -> P | None:
        """The same, where it may be that nothing had to be prepared."""
        return self._prepared if isinstance(self._prepared, kind) else None

    def prepared(self, kind: type[P]) -> P:
        """What the route's preparation made for this question (``preparations.py``)."""
        if not isinstance(self._prepared, kind):
            raise TypeError(f"no {kind.__name__} was prepared for this message")
        return self._prepared

    # ------------------------------------------------------------------------------------------------ who is asking

    def person_or_operator(self, login_id: str | None) -> Login | None:
        """The login that asks; ``None`` is the operator, who comes by the admin socket and needs none.

        Raises:
            Refused: ``login_over``, ``locked``; ``not_permitted``, where neither is true.

        """
        if login_id is not None:
            return self.login(login_id)
        if self.socket != "admin":
            raise Refused("not_permitted", "this message needs a sign-in on this socket")
        return None

    def login(self, login_id: str) -> Login:
        """The login with this id, which must be alive.

        Raises:
            Refused: ``locked``; ``login_over``, also when there never was one: who guesses learns nothing.

        """
        login = self.state.logins.get(login_id)
        if login is not None and self.now < login.opened.expires:
            locks.refuse_login(self.state, login_id, login)
        if login is None or not login.alive(self.now):
            raise Refused("login_over", "your sign-in has ended", hint="ssh-jit login")
        if login.opened.provider not in (self.workloads if login.opened.workload else self.providers):
            why = f"your sign-in has ended: the provider {login.opened.provider} is not trusted here any more"
            raise Refused("login_over", why, hint="ssh-jit login")
        return login

    def newest_login(self, subject: str) -> Login:
        """The newest login of a subject, alive or not: what is known of the person now."""
        return self.state.logins[self.state.newest_login[subject]]

    @property
    def accounts(self) -> Accounts:
        """The accounts that are known, under the policy of now."""
        return Accounts(self.policy, self.state, self.providers, self.workloads)

    def policy_subject(self, login: Login) -> PolicySubject:
        """The login's person as policy sees them: by what this sign-in said and the person's newest one still says."""
        return self.accounts.policy_subject(login)

    def roles(self, login: Login) -> frozenset[str]:
        """The login's roles under the policy of now."""
        return roles_of(self.policy, self.policy_subject(login), self.now)

    def role_ends(self, subject: str) -> dict[str, int | None]:
        """The roles of a subject's newest login under the policy of now, and when each ends."""
        return role_ends(self.policy, self.policy_subject(self.newest_login(subject)), self.now)

    def permitted(self, login: Login, permission: str) -> bool:
        """Whether the login's person has a permission."""
        return permission in permissions_of(self.policy, self.policy_subject(login), self.now)

    def person(self, subject: str) -> Person:
        """A subject as approvals see it: every address ever seen of the person, and the roles of the newest login.

        The addresses are those of every account that they link to this one, however long ago it was seen.
        Whoever was forgotten has no role, nor a workload, nor whoever is locked: what they approved does not count.
        """
        newest, bars = self.state.logins.get(self.state.newest_login.get(subject, "")), self.policy.barring
        decides = newest is not None and not newest.opened.workload and not locks.person_locked(self.state, subject)
        roles = self.roles(newest) if newest is not None and decides else frozenset[str]()
        accounts = self.accounts
        return Person(
            subject, accounts.addresses(subject), roles, had=accounts.had(subject) if bars else frozenset[str]()
        )

    def person_directory(self) -> PersonDirectory:
        """Everybody who signed in lately, with the roles of now. Kept until a sign-in, a lock or the next second."""
        state, now, rules = self.state, self.now, self.policy
        size = (len(state.newest_login), next(reversed(state.logins), None), *state.locks)
        kept = self._directory
        if kept is not None and kept[0] is state and kept[1:3] == (size, now) and kept[3] is rules:
            return kept[4]
        lately = (who for who, login in state.newest_login.items() if now - state.logins[login].time < LATELY)
        found = PersonDirectory(self.person(who) for who in lately)
        self._directory = (state, size, now, rules, found)
        return found

    # ------------------------------------------------------------------------------------------- what is asked about

    def request(self, request_id: str) -> Request:
        """The request with this id.

        Raises:
            Invalid: ``unknown_request``.

        """
        request = self.state.requests.get(request_id)
        if request is None:
            raise Invalid("unknown_request", "there is no such request", hint="ssh-jit requests")
        return request

    def hosts_of(self, request: Request) -> tuple[Host, ...]:
        """The hosts of a request, as they are enrolled now.

        Raises:
            Refused: ``host_gone``, if one is not the machine that was asked for any more.

        """
        asked = request.asked
        hosts = tuple(self.state.hosts.get(name) for name in asked.hosts)
        enrolled = tuple(host for host in hosts if host is not None)
        if tuple(host.id for host in enrolled) != asked.host_ids:
            raise Refused("host_gone", "a host of this request is no longer enrolled", hint="ask again")
        return enrolled

    def bastion_of(self, host: Host) -> Host | None:
        """The bastion through which people reach a host; ``None``: they reach it directly.

        Raises:
            Refused: ``bastion_gone``.

        """
        if not host.via:
            return None
        bastion = self.as_if.get(host.via) or by_id(self.state, host.via)
        if bastion is None:  # one that others are behind stays a bastion until it is removed (``bastions.Ways``)
            text = f"{host.name} is reached through {host.via}, which is not enrolled any more"
            raise Refused("bastion_gone", text, hint="the operator has to name another bastion")
        return bastion

    def bastions(self, hosts: Iterable[Host]) -> tuple[Host, ...]:
        """The bastions before these hosts, each once. Raises ``Refused``: ``bastion_gone``."""
        found = {bastion.id: bastion for host in hosts if (bastion := self.bastion_of(host)) is not None}
        return tuple(found.values())

    def on_the_way(self, request: Request) -> frozenset[str]:
        """The ids of a request's hosts, of the bastions before them, and of those that a certificate was drawn for."""
        state = self.state
        hosts = (by_id(state, host_id) for host_id in request.asked.host_ids)
        drawn = (state.certificates[serial].bastion for serial in state.certificates_of.get(request.id, ()))
        bastions = (*(host.via for host in hosts if host is not None), *drawn)
        return frozenset((*request.asked.host_ids, *(bastion for bastion in bastions if bastion)))

    def policy_hosts(self, hosts: Iterable[Host]) -> tuple[PolicyHost, ...]:
        """Hosts as policy sees them, with their bastions. Raises ``Refused``: ``bastion_gone``."""
        return tuple(_policy_host(host, self.bastion_of(host)) for host in hosts)

    def key_of(self, login: Login) -> sshkey.PublicKey:
        """The key that a native login is bound to.

        Raises:
            Refused: ``not_native``.

        """
        if login.opened.key_line is None:
            raise Refused(
                "not_native",
                "a browser's sign-in gets no certificates, because it is not bound to a key",
                hint="use ssh-jit on your own machine",
            )
        return _checked(login.opened.key_line)


@lru_cache(maxsize=4096)
def _checked(line: str) -> sshkey.PublicKey:
    """Keys of logins were checked when they came; checking a point on its curve again costs more than a signature."""
    return sshkey.parse_line(line, post_quantum=True)


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32, lower-case: no letter that looks like another one or like a digit."""


def _policy_host(host: Host, bastion: Host | None) -> PolicyHost:
    passed = None if bastion is None else Bastion(_policy_host(bastion, None), bastion.jump_login)
    return PolicyHost(host.id, host.name, host.labels, passed)


def person_of(state: State, login_id: str, subject: str) -> ca_protocol.PersonView:
    """Who signed in by a login, as is known of them: by that login, by the newest one, or by their id alone."""
    login = state.logins.get(login_id) or state.logins.get(state.newest_login.get(subject, ""))
    return ca_protocol.PersonView(subject, "", subject, None) if login is None else person_view(login)


def person_view(login: Login) -> ca_protocol.PersonView:
    """The login's person, as pages and terminals show them."""
    opened = login.opened
    return ca_protocol.PersonView(opened.subject, opened.provider, opened.name, opened.email)


def token_digest(token: str) -> str:
    """What is kept of an ID token, so that it is taken once: of what was signed.

    Not of the signature: ECDSA has two that fit, and anybody can make one out of the other.
    """
    return canonical.digest(token.rpartition(".")[0])
