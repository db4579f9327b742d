"""Waiting until somebody has decided.

It looks first and waits then, so that a decision that was made before is seen at once. What is said about the request
meanwhile is told. The server being away for a while is no reason to stop: the request lives there, not here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sshjit import durations
from sshjit.api.views import RequestState, RequestView, StepView
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_client.api.basic import BasicApi
from sshjit_client.request_text import short, what
from sshjit_client.terminal import Terminal
from sshjit_client.times import at

PAUSE = 1.0
"""Seconds between two looks."""


def until_decided(
    api: BasicApi, request: RequestView, terminal: Terminal, *, sleep: Callable[[float], None] = time.sleep
) -> RequestView:
    """Waits for an approved request.

    Raises:
        Refused: ``denied``, ``expired`` …: it was decided otherwise.
        Refused: ``waiting``: interrupted; the request lives on.

    """
    told, heard = "", len(request.comments)
    try:
        while True:
            request, problem = _look(api, request)
            for each in request.comments[heard:]:
                terminal.say(f"{each.person.name} says: {each.text}")
            heard = len(request.comments)
            if request.state is not RequestState.PENDING:
                return _decided(request, terminal)
            left = request.pending_until - int(time.time()) - api.skew
            if problem and left < 0:
                raise problem
            now = missing(request.steps) if not problem else f"{problem.message}; trying again"
            if now != told:
                if not told or not terminal.live:
                    terminal.say(f"{what(request)}: {now} (until {at(request.pending_until - api.skew)})")
                told = now
            terminal.progress(f"{now} · {durations.show(max(left, 0))} left · {short(request.id)}")
            sleep(PAUSE)
    except KeyboardInterrupt:
        again = "ssh-jit extend" if request.extends else "the same command"
        raise Refused(
            "waiting",
            f"stopped waiting; the request {request.id} stays open until {at(request.pending_until - api.skew)}",
            hint=f"{again} picks it up; ssh-jit cancel {request.id} takes it back",
        ) from None


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
    """Who said yes, and to what, where it is not what was asked: ``approved by Bob, for 30 min``."""
    yes = [each for each in request.decisions if each.verdict == "approve"]
    by = f" by {_listed([each.person.name for each in yes], 'and')}" if yes else ""
    least = min((each.duration for each in yes if each.duration is not None), default=request.duration)
    length = f", for {durations.show(least)}" if least < request.duration else ""
    if request.extends and request.ends is not None:
        return f"extended{by}{length}: {request.extends} is open until {at(request.ends)}"
    return f"approved{by}{length}"


def over(request: RequestView) -> Refused:
    """The error that says how a request ended."""
    if request.state is RequestState.DENIED:
        last = request.decisions[-1] if request.decisions else None
        by = f" by {last.person.name}" if last else ""
        why = (last.comment if last else "") or request.closing
        return Refused("denied", f"denied{by}{f': {why}' if why else ''}", hint=f"it was {request.id}")
    if request.state is RequestState.EXPIRED:
        return Refused("expired", "nobody decided in time", hint="ask again, or ask an approver to look")
    code = "expired" if request.state in (RequestState.LAPSED, RequestState.ENDED) else "denied"
    closing = f": {request.closing}" if request.closing else ""
    return Refused(code, f"the request {request.id} is {request.state.value}{closing}")


def missing(steps: tuple[StepView, ...]) -> str:
    """Whose approval is missing: ``waiting for bob or eve (sre-lead)``."""
    wanted = [_step(step) for step in steps if step.missing]
    return f"waiting for {' and '.join(wanted)}" if wanted else "waiting"


def _step(step: StepView) -> str:
    count = f"{step.missing} of " if step.missing > 1 else ""
    if not step.candidates:
        return f"{count or 'somebody in '}{step.role}"
    return f"{count}{_listed(step.candidates, 'and' if step.missing > 1 else 'or')} ({step.role})"


def _listed(found: list[str] | tuple[str, ...], last: str) -> str:
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}"
