"""An account as policy sees it, by what its sign-ins said and what of that counts today; and the person behind it.

To give, one account counts: that of the sign-in. To forbid, every account of the person does that an address in common
links, however long ago it signed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sshjit import names
from sshjit.policy import Policy
from sshjit.policy import Subject as PolicySubject
from sshjit.policy.roles import denied_roles
from sshjit.policy.rota import turns_of
from sshjit.providers import Provider
from sshjit.workloads import WorkloadIssuer
from sshjit_ca.oidc import workload_tokens
from sshjit_ca.sources.on_call import rotas_of
from sshjit_ca.state import Login, State, locks


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a state under a policy, and the issuers that are trusted today."""

    policy: Policy
    state: State
    providers: Mapping[str, Provider]
    workloads: Mapping[str, WorkloadIssuer]

    def policy_subject(self, login: Login) -> PolicySubject:
        """The login's person as policy sees them: by what this sign-in said and the person's newest one still says."""
        subject = self._account(login)
        if self.policy.barring and subject.claims is None:
            subject = replace(subject, had_elsewhere=self.had(subject.id))
        return subject

    def had(self, subject: str) -> frozenset[str]:
        """The roles that count against a person where a step looks at them: by any account of theirs."""
        newest = (self.state.newest_login.get(account) for account in locks.accounts_of(self.state, subject))
        logins = [self.state.logins[login_id] for login_id in newest if login_id is not None]
        return frozenset[str]().union(*(denied_roles(self.policy, self._account(login)) for login in logins))

    def _account(self, login: Login) -> PolicySubject:
        opened = login.opened
        if opened.workload:
            return workload_tokens.policy_subject(opened, self.workloads.get(opened.provider))
        groups, emails = self._vouched_for(login)
        all_groups = groups
        newest = self.state.logins.get(self.state.newest_login.get(opened.subject, ""))
        if newest is not login:
            now_groups, now_emails = ((), ()) if newest is None else self._vouched_for(newest)
            all_groups = groups.union(now_groups)
            groups, emails = groups.intersection(now_groups), emails.intersection(now_emails)
        subject = PolicySubject(
            id=opened.subject,
            provider=opened.provider,
            groups=groups,
            emails=emails,
            unix_name=opened.own
            if self.state.own_names.get(names.lowered(opened.own or "")) == opened.subject
            else None,
            auth_time=opened.auth_time,
            mfa=self.second_factor(login),
            hardware_key=self.vouched(login),
            own_listed=opened.own_listed,
            denied_groups=all_groups,
            denied_emails=self.addresses(opened.subject) if self.policy.denied_roles else frozenset(),
            said_factors=opened.said_factors,
            asked_fresh=opened.asked_fresh,
        )
        return (
            subject
            if not self.policy.rotas
            else replace(subject, on_call=turns_of(subject, rotas_of(self.policy, self.state)))
        )

    def second_factor(self, login: Login) -> bool:
        """Whether the login's provider said something that counts as a second factor today, and counted then.

        Sign-ins of release 0.1.0 do not say what it was: for those the day of the sign-in decides.
        """
        opened, provider = login.opened, self.providers.get(login.opened.provider)
        still = provider is not None and not set(opened.factors).isdisjoint(provider.mfa_values)
        return opened.mfa and (still or not opened.factors)

    def _vouched_for(self, login: Login) -> tuple[frozenset[str], frozenset[str]]:
        """Groups and addresses that a sign-in gives a role by; none once its provider is trusted no more."""
        if login.opened.provider not in self.providers:
            return frozenset(), frozenset()
        address = self.verified_address(login)
        return frozenset(login.opened.groups), frozenset(() if address is None else (address,))

    def verified_address(self, login: Login) -> str | None:
        """The address that the login's provider verified, if its domain is one of those that count today."""
        opened, provider = login.opened, self.providers.get(login.opened.provider)
        return provider.confirms(opened.email) if provider and opened.email and opened.verified else None

    def vouched(self, login: Login) -> bool:
        """Whether the login's key is a hardware key that the operator registered for this very person."""
        known = self.state.hardware_keys.get(login.opened.key or "")
        return known is not None and known.subject == login.opened.subject and not login.opened.workload

    def addresses(self, subject: str) -> frozenset[str]:
        """Every address ever seen of a person, over all accounts that these link."""
        accounts = locks.accounts_of(self.state, subject)
        return frozenset[str]().union(*(self.state.emails.get(account, ()) for account in accounts))
