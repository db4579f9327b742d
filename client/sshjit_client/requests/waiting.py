"""Waiting until somebody has decided a request.

It looks first and waits then, so that an earlier decision is seen at once. It prints new comments. If the server is
away for a while it goes on waiting: the request lives there, not here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sshjit import durations
from sshjit.api.views import RequestState, RequestView, StepView
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_client.api.basic import BasicApi
from sshjit_client.console.terminal import Terminal
from sshjit_client.console.times import at
from sshjit_client.requests.request_text import short, what

PAUSE = 1.0
"""Seconds between two looks."""


def until_decided(
    api: BasicApi, request: RequestView, terminal: Terminal, *, sleep: Callable[[float], None] = time.sleep
) -> RequestView:
    """Waits for the approval of a request; returns the approved request.

    Raises:
        Refused: ``denied``, ``expired`` …: it was decided otherwise; ``policy_changed``: nobody can approve it now.
        Refused: ``waiting``: interrupted; the request lives on.

    """
    shown, comments = "", len(request.comments)
    try:
        while True:
            request, problem = _look(api, request)
            for comment in request.comments[comments:]:
                terminal.say(f"{comment.person.name} says: {comment.text}")
            comments = len(request.comments)
            if request.state is not RequestState.PENDING:
                return _decided(request, terminal)
            if request.blocked:
                raise Refused(
                    "policy_changed",
                    f"nobody can approve it any more: {request.blocked}",
                    hint=f"{_again(request)} requests it again",
                )
            ends = request.pending_until - api.skew
            left = ends - int(time.time())
            if problem and left < 0:
                raise problem
            line = missing(request.steps) if not problem else f"{problem.message}; trying again"
            if not shown:
                terminal.say(f"{what(request)}: {line}, until {at(ends)}")
                terminal.say(api.page_of(request.id))
            elif line != shown and not terminal.live:
                terminal.say(line)
            shown = line
            terminal.progress(f"{line} · {durations.show(max(left, 0))} left")
            sleep(PAUSE)
    except KeyboardInterrupt:
        raise Refused(
            "waiting",
            f"stopped waiting; {request.id} stays open until {at(request.pending_until - api.skew)}",
            hint=f"{_again(request)} picks it up; ssh-jit cancel {short(request.id)} cancels it",
        ) from None


def _again(request: RequestView) -> str:
    return "ssh-jit extend" if request.extends else "the same command"


def _look(api: BasicApi, request: RequestView) -> tuple[RequestView, SshJitError | None]:
    try:
        return api.request(request.id), None
    except Failed as error:
        return request, error


def _decided(request: RequestView, terminal: Terminal) -> RequestView:
    if request.state is RequestState.APPROVED:
        terminal.say(granted(request))
        return request
    raise over(request)


def granted(request: RequestView) -> str:
    """Who approved what, where that is not what was requested: ``approved by Bob, for 30 min``."""
    approvals = [decision for decision in request.decisions if decision.verdict == "approve"]
    by = f" by {_listed([approval.person.name for approval in approvals], 'and')}" if approvals else ""
    limits = [approval.duration for approval in approvals if approval.duration is not None]
    least = min(limits, default=request.duration)
    length = f", for {durations.show(least)}" if least < request.duration else ""
    if request.extends and request.ends is not None:
        return f"extended{by}{length}: {request.extends} is open until {at(request.ends)}"
    return f"approved{by}{length}"


def over(request: RequestView) -> Refused:
    """The error that says how a request ended."""
    if request.state is RequestState.DENIED:
        last = request.decisions[-1] if request.decisions else None
        by = f" by {last.person.name}" if last else ""
        reason = (last.comment if last else "") or request.closing
        return Refused("denied", f"denied{by}{f': {reason}' if reason else ''}", hint=f"ssh-jit show {request.id}")
    if request.state is RequestState.EXPIRED:
        hint = "request it again, or ask an approver to look at it"
        return Refused("expired", f"{request.id} expired: nobody decided in time", hint=hint)
    code = "expired" if request.state in (RequestState.LAPSED, RequestState.ENDED) else "denied"
    closing = f": {request.closing}" if request.closing else ""
    return Refused(code, f"the request {request.id} is {request.state.value}{closing}")


def status(request: RequestView, skew: int) -> str:
    """Whose approval is missing, and until when: ``waiting for approval by Bob (sre-lead), until 03:14 CET``."""
    return f"{missing(request.steps)}, until {at(request.pending_until - skew)}"


def missing(steps: Sequence[StepView]) -> str:
    """Whose approval is missing: ``waiting for approval by Bob or Eve (sre-lead)``."""
    approvers = [_approvers(step) for step in steps if step.missing]
    return f"waiting for approval by {' and '.join(approvers)}" if approvers else "waiting for approval"


def _approvers(step: StepView) -> str:
    count = f"{step.missing} of " if step.missing > 1 else ""
    if not step.candidates:
        return f"{count or 'somebody in '}{step.role}"
    return f"{count}{_listed(step.candidates, 'and' if step.missing > 1 else 'or')} ({step.role})"


def _listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
