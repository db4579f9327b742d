"""An earlier request for the same thing: the person hears which one goes on, and what they typed that it does not say.

The reason of a request never changes. So whoever types another one is told, and asked where they can answer, before
anything is done by the earlier one.
"""

from __future__ import annotations

import time

from sshjit import durations
from sshjit.api.ask import AskBody
from sshjit.api.bodies import ExtendBody
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Invalid
from sshjit_client.api.basic import BasicApi
from sshjit_client.console.times import at
from sshjit_client.requests import request_text
from sshjit_client.storage.machine import Machine


def report(
    machine: Machine,
    api: BasicApi,
    request: RequestView,
    body: AskBody | ExtendBody,
    *,
    connecting: bool = False,
    confirm: bool = False,
) -> None:
    """Says that ``request`` goes on, and what of ``body`` was not recorded; before a connection only the latter.

    ``confirm``: the person must agree to an earlier reason that is not the one that they typed.

    Raises:
        Invalid: ``other_reason``: the person does not want to go on by the earlier reason.

    """
    lost = request_text.reason_is_lost(request, body.reason)
    if lost or not connecting:
        say = machine.terminal.warn if lost else machine.terminal.say
        say(request_text.already_requested(request, int(time.time()) + api.skew, body.reason))
    if lost:
        machine.terminal.hint(how_to_change(request))
    if isinstance(body, AskBody) and body.duration is not None and body.duration != request.duration:
        machine.terminal.warn(_other_duration(request, body.duration, api.skew))
    if lost and confirm and not machine.terminal.confirm("go on by the earlier reason?"):
        raise Invalid("other_reason", "nothing was done by the earlier reason").at(api.page_of(request.id))


def how_to_change(request: RequestView) -> str:
    """What to type to have another reason recorded."""
    command = "cancel" if request.state is RequestState.PENDING else "done"
    return f"to change it: ssh-jit {command} {request_text.short(request.id)}, then ask again"


def _other_duration(request: RequestView, typed: int, skew: int) -> str:
    until = f", open until {at(request.ends - skew)}" if request.ends is not None else ""
    length = f"it is for {durations.show(request.duration)}{until}"
    return f"your new duration of {durations.show(typed)} was NOT recorded: {length} ({request_text.short(request.id)})"
