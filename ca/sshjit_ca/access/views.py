"""Requests and certificates as pages and terminals show them."""

from __future__ import annotations

from sshjit import approvals, requests
from sshjit.approvals import Approver, Step
from sshjit.messages import DecisionView, HostView, RequestState, RequestView, RouteView, StepView
from sshjit.requests import Request
from sshjit_ca.desk import Desk, person_of
from sshjit_ca.state import Host


def steps_of(request: Request) -> tuple[Step, ...]:
    """The approval steps that were demanded when it was asked."""
    return tuple(Step(step.role, step.count, step.signed) for step in request.asked.steps)


def approvers_of(desk: Desk, request: Request) -> tuple[Approver, ...]:
    """Everybody who said yes, with the roles that they have now."""
    found = []
    for decision in request.decisions:
        if decision.said.verdict == "approve":
            person = desk.person(decision.said.subject)
            found.append(Approver(person.subject_id, person.emails, person.roles, signed=decision.said.signed))
    return tuple(found)


def request_view(desk: Desk, request: Request) -> RequestView:
    """A request with everything that is shown of it."""
    asked, state = request.asked, requests.state_at(request, desk.now)
    return RequestView(
        id=request.id,
        digest=requests.digest(asked),
        state=state,
        how=request.how,
        requester=person_of(desk.state, asked.login_id, asked.subject),
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
        ends=request.ends,
        certificate=asked.certificate,
        certificates=request.certificates,
        steps=_steps(desk, request, pending=state is RequestState.PENDING),
        decisions=tuple(
            DecisionView(
                person=person_of(desk.state, decision.said.login_id, decision.said.subject),
                verdict=decision.said.verdict,
                comment=decision.said.comment,
                time=decision.time,
                channel=decision.said.via,
                signed=decision.said.signed,
            )
            for decision in request.decisions
        ),
        closing=request.closing,
    )


def _steps(desk: Desk, request: Request, *, pending: bool) -> tuple[StepView, ...]:
    """How far each step is and, while it matters, who could still take it."""
    requester = desk.person(request.asked.subject)
    known = tuple(desk.known()) if pending else ()
    spoken = {decision.said.subject for decision in request.decisions}
    shown = []
    for standing in approvals.standing(steps_of(request), requester, approvers_of(desk, request), others=known):
        could = (
            person
            for person in known
            if person.subject_id not in spoken and approvals.may_approve(standing.step, requester, person, others=known)
        )
        names = sorted(desk.newest_login(person.subject_id).opened.name for person in could) if standing.missing else []
        step = standing.step
        shown.append(StepView(step.role, step.count, step.signed, standing.missing, tuple(names)))
    return tuple(shown)


def host_view(host: Host) -> HostView:
    """A host as pages and terminals show it."""
    return HostView(host.name, host.id, host.aliases, host.address, host.port, host.labels)


def route_view(host: Host) -> RouteView:
    """How to reach a host."""
    return RouteView(host.name, host.id, host.aliases, host.address, host.port)
