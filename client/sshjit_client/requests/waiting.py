"""Waiting until somebody has decided a request.

It looks first and waits then, so that an earlier decision is seen at once. It prints new comments and approvals, and
calls the person when it is settled. If the server is away for a while it goes on waiting: the request lives there, not
here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sshjit import durations
from sshjit.api.views import RequestState, RequestView, StepView
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_client.api.basic import BasicApi
from sshjit_client.console import notification
from sshjit_client.console.terminal import Terminal
from sshjit_client.console.times import at
from sshjit_client.requests.request_text import short, what
from sshjit_client.storage.machine import Machine

PAUSE = 1.0
"""Seconds between two looks."""


def until_decided(
    api: BasicApi, request: RequestView, machine: Machine, *, sleep: Callable[[float], None] = time.sleep
) -> RequestView:
    """Waits for the approval of a request; returns the approved request.

    Raises:
        Refused: ``denied``, ``expired`` …: it was decided otherwise; ``policy_changed``: nobody can approve it now.
        Refused: ``waiting``: interrupted; the request lives on.

    """
    wait = _Wait(api, machine.terminal, len(request.comments), len(request.decisions))
    try:
        while True:
            request, problem = _look(api, request)
            wait.news(request)
            if request.state is not RequestState.PENDING or request.blocked:
                break
            if problem and request.pending_until - api.skew < time.time():
                raise problem.at(api.page_of(request.id))
            wait.show(request, problem)
            sleep(PAUSE)
    except KeyboardInterrupt:
        raise kept(api, request, "stopped waiting") from None
    if wait.shown:
        notification.call(machine.terminal, machine.environ, f"{what(request)}: {request.state.value}")
    if request.state is RequestState.PENDING:
        problem_text = f"nobody can approve it any more: {request.blocked}"
        raise _about(api, request, "policy_changed", problem_text, f"{_again(request)} requests it again")
    if request.state is not RequestState.APPROVED:
        raise over(api, request)
    machine.terminal.say(granted(request))
    return request


@dataclass(slots=True)
class _Wait:
    """What was shown so far: the last line, and how many comments and decisions."""

    api: BasicApi
    terminal: Terminal
    comments: int
    decisions: int
    shown: str = ""

    def news(self, request: RequestView) -> None:
        """Prints what was said and approved since the last look."""
        for comment in request.comments[self.comments :]:
            self.terminal.say(f"{comment.person.name} says: {comment.text}")
        if request.state is RequestState.PENDING:
            for decision in request.decisions[self.decisions :]:
                self.terminal.say(f"approved by {decision.person.name}; {missing(request.steps)}")
        self.comments, self.decisions = len(request.comments), len(request.decisions)

    def show(self, request: RequestView, problem: SshJitError | None) -> None:
        """Prints whose approval is missing: once in lines that stay, then in the line that is written over."""
        ends, first = request.pending_until - self.api.skew, not self.shown
        line = missing(request.steps) if not problem else f"{problem.message}; trying again"
        if first:
            self.terminal.say(f"{what(request)}: {line}, until {at(ends)}")
            self.terminal.say(self.api.page_of(request.id))
            if self.terminal.rewrites and not self.terminal.quiet:
                self.terminal.hint(f"Ctrl-C keeps the request; {_again(request)} picks it up")
        elif line != self.shown and not self.terminal.rewrites:
            self.terminal.say(line)
        self.shown = line
        by = _listed([decision.person.name for decision in request.decisions], "and")
        approved = f" · approved by {by}" if by else ""
        left = durations.show(max(ends - int(time.time()), 0))
        text = f"{left} left · {line}{approved}"
        if not self.terminal.fits(text):  # who has approved, and who is to, must be seen
            text = text.replace("waiting for approval by", "waiting for", 1)
        self.terminal.progress(text)


def not_waiting(api: BasicApi, request: RequestView) -> Refused:
    """The error of a connection that shall not wait."""
    return kept(api, request, missing(request.steps))


def kept(api: BasicApi, request: RequestView, why: str) -> Refused:
    """The error that says that a request lives on, and how to go on with it."""
    text = f"{why}; {request.id} stays open until {at(request.pending_until - api.skew)}"
    hint = f"{_again(request)} picks it up; ssh-jit cancel {short(request.id)} cancels it"
    return _about(api, request, "waiting", text, hint)


def _about(api: BasicApi, request: RequestView, code: str, text: str, hint: str) -> Refused:
    return Refused(code, text, hint=hint).at(api.page_of(request.id))


def _again(request: RequestView) -> str:
    return "ssh-jit extend" if request.extends else "the same command"


def _look(api: BasicApi, request: RequestView) -> tuple[RequestView, SshJitError | None]:
    try:
        return api.request(request.id), None
    except Failed as error:
        return request, error


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


def over(api: BasicApi, request: RequestView) -> Refused:
    """The error that says how a request ended."""
    return _over(request).at(api.page_of(request.id))


def _over(request: RequestView) -> Refused:
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
    return "".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} {last} {words[-1]}"
