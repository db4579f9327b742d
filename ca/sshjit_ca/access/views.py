"""Requests, hosts and locks as pages and terminals show them."""

from __future__ import annotations

from sshjit import approvals, requests, wire
from sshjit.api.hosts import HostView
from sshjit.api.locks import LockView
from sshjit.api.views import (
    BastionView,
    CommentView,
    DecisionView,
    RequestState,
    RequestView,
    ReviewView,
    RouteView,
    StepView,
)
from sshjit.approvals import Approver, PersonDirectory, Step
from sshjit.errors import Refused
from sshjit.policy import Bounds
from sshjit.requests import Request
from sshjit.sshcert import Certificate
from sshjit_ca.access import dialects, recheck
from sshjit_ca.access.approvals import approvers_of
from sshjit_ca.context import Context, person_of
from sshjit_ca.log.summary_words import who
from sshjit_ca.state import Host, Lock, locks
from sshjit_ca.state.access import drawn
from sshjit_ca.state.hosts import name_of


def going_on_view(context: Context, request: Request, bounds: Bounds | None = None) -> RequestView:
    """A request of which it is known that it goes on, and, if it is open, within which bounds."""
    return _view(context, request, bounds)


def request_view(context: Context, request: Request) -> RequestView:
    """A request with everything that is shown of it: also whether it goes on, by policy of now, and until when."""
    return _view(context, request, recheck.looked_at(context, request))


def _view(context: Context, request: Request, answer: Bounds | Refused | None) -> RequestView:
    asked, state = request.asked, requests.state_at(request, context.now)
    return RequestView(
        id=request.id,
        digest=requests.digest(asked),
        state=state,
        how=request.how,
        requester=person_of(context.state, asked.login_id, asked.subject),
        hosts=asked.hosts,
        host_ids=asked.host_ids,
        login=asked.login,
        action=asked.action,
        command=asked.command,
        duration=asked.duration,
        reason=asked.reason,
        rule=asked.rule,
        policy=asked.policy,
        asked=request.time,
        channel=asked.via,
        address=asked.address,
        pending_until=request.pending_until,
        approved=request.approved,
        use_by=request.use_until,
        ends=_ends(request, answer) if state is RequestState.APPROVED else request.ends,
        certificate=asked.certificate,
        certificates=drawn(context.state, request),
        steps=_steps(context, request, pending=state is RequestState.PENDING),
        decisions=tuple(
            DecisionView(
                person=person_of(context.state, decision.said.login_id, decision.said.subject),
                verdict=decision.said.verdict,
                comment=decision.said.comment,
                time=decision.time,
                channel=decision.said.via,
                signed=decision.said.signed,
                duration=decision.said.duration,
                passkey=decision.said.passkey,
            )
            for decision in request.decisions
        ),
        closing=request.closing,
        start=asked.start,
        break_glass=asked.break_glass,
        review_by=request.review_by,
        review=_review(context, request),
        comments=tuple(
            CommentView(
                person_of(context.state, decided.said.login_id, decided.said.subject),
                decided.said.comment,
                decided.time,
                decided.said.via,
            )
            for decided in request.remarks
        ),
        extends=asked.extends,
        extend_by=_extend_by(context, request) if state is RequestState.APPROVED else None,
        signed=asked.signed,
        blocked=answer.message if isinstance(answer, Refused) else "",
    )


def _ends(request: Request, answer: Bounds | Refused | None) -> int | None:
    """When an open window closes: as was granted, or when policy of now lets its last certificate end."""
    clipped = answer.ends_by if isinstance(answer, Bounds) else None
    return request.ends if clipped is None or request.ends is None else min(request.ends, clipped)


def _review(context: Context, request: Request) -> ReviewView | None:
    if request.review is None:
        return None
    said = request.review.said
    person = person_of(context.state, said.login_id, said.subject)
    return ReviewView(person, said.verdict, said.comment, request.review.time)


def _extend_by(context: Context, request: Request) -> int | None:
    """By how many seconds the rule of its name would extend an open grant once more. A courtesy: asking decides."""
    rule = context.policy.named.get(request.asked.rule)
    if request.asked.extends is not None or rule is None or rule.extend is None:
        return None
    return rule.extend.by if request.extended < rule.extend.count else None


def _steps(context: Context, request: Request, *, pending: bool) -> tuple[StepView, ...]:
    """How far each step is and, while it matters, who could still take it."""
    spoken = frozenset(decision.said.subject for decision in request.decisions)
    known = context.person_directory() if pending else PersonDirectory(())
    steps = tuple(wire.fill(Step, step) for step in request.granted.steps)
    by, waited = approvers_of(context, request), context.now - request.time
    return step_views(context, steps, request.asked.subject, by, known, spoken, waited=waited)


def step_views(  # noqa: PLR0917 - each is one part of the question
    context: Context,
    steps: tuple[Step, ...],
    subject: str,
    approvers: tuple[Approver, ...] = (),
    known: PersonDirectory | None = None,
    spoken: frozenset[str] = frozenset(),
    *,
    waited: int = 0,
) -> tuple[StepView, ...]:
    """How far the steps of what ``subject`` asked ``waited`` seconds ago are, and who could take them now."""
    requester, known = context.person(subject), known or PersonDirectory(())
    shown, by_now = [], [step.at(waited) if step.instead else step for step in steps]
    standing = approvals.standing(by_now, requester, approvers, others=known)
    for step, stands, could in zip(steps, standing, approvals.able(by_now, requester, known), strict=True):
        ids = (person.subject_id for person in could if person.subject_id not in spoken)
        names = sorted(context.newest_login(each).opened.name for each in ids) if stands.missing else []
        shown.append(wire.fill(StepView, step, missing=stands.missing, candidates=tuple(names)))
    return tuple(shown)


def host_view(context: Context, host: Host) -> HostView:
    """A host as pages and terminals show it."""
    plain = (host.name, host.id, host.aliases, host.address, host.port, host.labels)
    return HostView(*plain, name_of(host.via), host.jump_login, dialects.word_of(context.state, host))


def lock_view(context: Context, lock: Lock) -> LockView:
    """A lock as pages and terminals show it."""
    return LockView(
        id=lock.id,
        kind=lock.kind,
        target=lock.target,
        title=locks.title(context.state, lock),
        reason=lock.reason,
        by=who(context.state, lock.by),
        since=lock.time,
    )


def route_view(context: Context, host: Host) -> RouteView:
    """How to reach a host."""
    plain = (host.name, host.id, host.aliases, host.address, host.port)
    return RouteView(*plain, name_of(host.via), host.host_certificates, dialects.word_of(context.state, host))


def bastion_view(context: Context, host: Host, bastion: Host, text: str, certificate: Certificate) -> BastionView:
    """How to pass through the bastion before a host, by a certificate that does nothing else."""
    return BastionView(
        target=host.id,
        text=text,
        serial=certificate.serial,
        valid_before=certificate.valid_before,
        login=bastion.jump_login,
        route=route_view(context, bastion),
    )
