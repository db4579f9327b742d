"""Approvals as they stand now: what a request needs, who gave it, who may still give it, and whether that is enough."""

from __future__ import annotations

from dataclasses import replace

from sshjit import approvals, passkeys, wire
from sshjit.approvals import Approver, Step
from sshjit.errors import Refused
from sshjit.events import Decided
from sshjit.requests import Request
from sshjit_ca.context import Context
from sshjit_ca.state import Login, locks
from sshjit_ca.state.request_index import extensions


def steps_of(context: Context, request: Request) -> tuple[Step, ...]:
    """The approval steps that it was asked with, or opened by, with the roles that count now that it waits so long."""
    return at_last(context, request, tuple(wire.fill(Step, step) for step in request.granted.steps))


def at_last(context: Context, request: Request, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """These steps as they are for a request that is as old as this one."""
    waited = context.now - request.time
    return tuple(step.at(waited) if step.instead else step for step in steps)


def approvers_of(context: Context, request: Request) -> tuple[Approver, ...]:
    """Everybody who said yes, with the roles that they have now; not by what is locked, nor a passkey that is gone."""
    approvers = []
    for decided in (decision.said for decision in request.decisions):
        suspended = locks.vote_suspended(context.state, decided.login_id, decided.subject)
        if decided.verdict == "approve" and not suspended and not taken_back(context, decided):
            person = context.person(decided.subject)
            approvers.append(wire.fill(Approver, person, signed=decided.signed, passkey=decided.passkey))
    return tuple(approvers)


def taken_back(context: Context, decided: Decided) -> bool:
    """Whether something was said by a passkey that was removed since."""
    return bool(decided.passkey_id) and decided.passkey_id not in context.state.passkeys


def may_decide(context: Context, login: Login, request: Request) -> bool:
    """Whether the login's person is one whom some step of the request asks, and is not the requester."""
    return bool(approver_roles(context, login, request))


def approver_roles(context: Context, login: Login, request: Request) -> tuple[str, ...]:
    """The roles for which the login's person is asked."""
    return Decider(context, login).roles(request)


class Decider:
    """The login's person, as one who may decide: for any number of requests, each requester looked at once."""

    def __init__(self, context: Context, login: Login) -> None:
        self._context = context
        self.subject = login.opened.subject
        self._me = context.person(login.opened.subject)
        self._others: dict[str, bool] = {}
        """Requester -> whether that is, by no link, the person."""

    def roles(self, request: Request) -> tuple[str, ...]:
        """The roles for which the person is asked."""
        known = self._context.person_directory()
        steps = (step for step in steps_of(self._context, request) if approvals.fits(self._me, step, known))
        roles = {role for step in steps for role in step.roles} & self._me.roles
        return tuple(sorted(roles)) if roles and self._is_other(request.asked.subject) else ()

    def _is_other(self, subject: str) -> bool:
        if subject not in self._others:
            requester = self._context.person(subject)
            known = self._context.person_directory()
            self._others[subject] = bool(approvals.others(requester, (self._me,), known))
        return self._others[subject]


def signature_needed(context: Context, login: Login, request: Request) -> int:
    """How a yes of the login's person must be signed at least, so that no stronger one would bring it nearer.

    One of ``sshjit.passkeys``' strengths; ``UNSIGNED``: it need not be.
    """
    person, known = context.person(login.opened.subject), context.person_directory()
    mine = {passkeys.asked(step) for step in steps_of(context, request) if approvals.fits(person, step, known)}
    if len(mine) < 2:
        return max(mine, default=passkeys.UNSIGNED)

    def lacking(strength: int) -> int:
        signed, passkey = strength == passkeys.KEY, _PASSKEYS.get(strength, "")
        return sum(missing(context, request, wire.fill(Approver, person, signed=signed, passkey=passkey)))

    least = lacking(max(mine))
    return next(strength for strength in sorted(mine | {passkeys.UNSIGNED}) if lacking(strength) == least)


_PASSKEYS: dict[int, passkeys.Kind] = {passkeys.PASSKEY: "synced", passkeys.DEVICE_BOUND: "device-bound"}


def require_approvals(context: Context, grant: Request) -> None:
    """Every approver may still approve, also of the extension that the grant lives by now.

    Raises:
        Refused: ``approval_gone``.

    """
    if not complete(context, grant):
        raise Refused("approval_gone", "the people who approved this may no longer approve it", hint="ask again")
    for each in extensions_in_force(context, grant):
        if not complete(context, each):
            what = "the people who approved this extension may no longer approve it"
            raise Refused("approval_gone", what, hint="ask again")


def extensions_in_force(context: Context, grant: Request) -> tuple[Request, ...]:
    """The extensions that the grant lives by now: its window would be over without them."""
    if grant.id not in context.state.extended:
        return ()
    every = extensions(context.state, grant)
    return tuple(each for each in every if each.since is not None and each.since <= context.now)


def complete(context: Context, request: Request, steps: tuple[Step, ...] | None = None) -> bool:
    """Whether every approval that the request needs was given, by people who may give it now.

    ``steps``: or every approval that these steps need.
    """
    steps = steps_of(context, request) if steps is None else at_last(context, request, steps)
    if not steps:
        return True
    requester = context.person(request.asked.subject)
    return approvals.complete(steps, requester, approvers_of(context, request), others=context.person_directory())


def missing(context: Context, request: Request, *more: Approver) -> tuple[int, ...]:
    """How many people each step lacks yet; ``more``: if these said yes too."""
    requester, by = context.person(request.asked.subject), (*approvers_of(context, request), *more)
    standing = approvals.standing(steps_of(context, request), requester, by, others=context.person_directory())
    return tuple(step.missing for step in standing)


def approved_until(context: Context, request: Request) -> int | None:
    """When the approvals of a request cease to be enough, because roles of its approvers end.

    Seconds since the epoch; ``None``: no date that is written down ends them. It is asked of complete approvals.
    """
    steps = steps_of(context, request)
    asked_for = {role for step in steps for role in step.roles}
    approvers = approvers_of(context, request) if steps else ()
    ends = {approver.subject_id: context.role_ends(approver.subject_id) for approver in approvers}
    dates = {date for roles in ends.values() for role, date in roles.items() if role in asked_for and date is not None}
    requester, known = context.person(request.asked.subject), context.person_directory() if dates else ()
    for date in sorted(dates):
        then = (
            replace(each, roles=frozenset(role for role in each.roles if _lasts(ends[each.subject_id].get(role), date)))
            for each in approvers
        )
        if not approvals.complete(steps, requester, then, others=known):
            return date
    return None


def _lasts(ends: int | None, date: int) -> bool:
    return ends is None or ends > date


def could_review(context: Context, login: Login, request: Request) -> bool:
    """Whether the login's person may review, and is neither the requester nor linked to them by e-mail."""
    other = login.opened.subject not in locks.accounts_of(context.state, request.asked.subject)
    return context.permitted(login, "review") and other
