"""How requests, grants and certificates change the state."""

from __future__ import annotations

from dataclasses import replace

from sshjit import events, requests
from sshjit.api.views import RequestState
from sshjit.requests import Request
from sshjit_ca.state import request_index
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Certificate


def asked(state: State, event: events.Asked, time: int) -> None:
    """A request exists, and waits."""
    request = state.requests[event.request] = Request(event, time)
    state.requests_of.setdefault(event.subject, []).append(event.request)
    request_index.add(state, request)


def decided(state: State, event: events.Decided, time: int) -> None:
    """An approver was heard. An ask whose detail was erased has lost the digest that was approved."""
    request = state.requests[event.request]
    erased = not request.asked.hosts
    state.requests[event.request] = requests.decide(request, event, time, erased=erased)


def escalated(state: State, event: events.Escalated, time: int) -> None:
    """People of further roles may answer steps of a request from now on, and are told so once for each step."""
    request = state.requests[event.request]
    steps = event.steps or requests.escalating(request, event.roles, time)
    state.requests[event.request] = replace(request, escalated=(*request.escalated, *steps))


def opened(state: State, event: events.Opened, time: int) -> None:
    """A window is open, or a grant's is longer; hosts must know so, and what was revoked of it for longer too."""
    request = state.requests[event.request]
    grant = state.requests.get(request.asked.extends or "")
    request_index.open_(state, request, time)
    state.requests[event.request] = requests.open_window(request, event, time, grant=grant)
    if grant is not None:
        state.requests[grant.id] = requests.lengthen(grant, event.ends)
        state.extended[grant.id] = event.ends
        for serial in state.certificates_of.get(grant.id, ()):
            if serial in state.revoked:
                state.revoked[serial] = event.ends


def closed(state: State, event: events.Closed, time: int) -> None:
    """A request ended; what was drawn from an open window is worthless from now on.

    Hosts need not hear of a window from which nothing was drawn, nor of an extension: that is no window of its own.
    """
    before = state.requests[event.request]
    state.requests[event.request] = requests.close(before, event, time)
    request_index.close(state, before)
    ends = before.ends
    if before.state is RequestState.APPROVED and ends is not None and time < ends and drawn(state, before):
        state.ended[before.id] = (time, ends)
        for serial in state.certificates_of.get(before.id, ()):
            state.revoked[serial] = ends


def commented(state: State, event: events.Commented, time: int) -> None:
    """Somebody made a remark."""
    state.requests[event.request] = requests.remark(state.requests[event.request], event, time)


def reviewed(state: State, event: events.Reviewed, time: int) -> None:
    """Somebody looked at a break-glass access."""
    state.requests[event.request] = requests.look_at(state.requests[event.request], event, time)
    request_index.review(state, event)


def issued(state: State, event: events.Issued, time: int) -> None:
    """A certificate was drawn."""
    request = state.requests[event.request]
    if (now := requests.draw(request, time)) is not request:
        state.requests[event.request] = now
    state.certificates[event.serial] = Certificate(
        event.serial, event.request, event.login_id, event.valid_before, event.bastion, event.post_quantum
    )
    state.certificates_of.setdefault(event.request, []).append(event.serial)


def drawn(state: State, request: Request) -> int:
    """How many certificates were drawn from a request."""
    return request.certificates or len(state.certificates_of.get(request.id, ()))


def counted(state: State, request: Request) -> Request:
    """The request with that number in it, for who keeps it longer than the state keeps its certificates."""
    number = drawn(state, request)
    return request if number == request.certificates else replace(request, certificates=number)


def certificate_revoked(state: State, event: events.CertificateRevoked, _: int) -> None:
    """One certificate is worthless; hosts must know for as long as its grant could be alive."""
    if event.serial in state.emergencies:
        state.revoked[event.serial] = state.emergencies[event.serial].valid_before
        return
    certificate = state.certificates[event.serial]
    state.revoked[event.serial] = state.requests[certificate.request].ends or certificate.valid_before
