"""What becomes of a host's registration, whoever asks for it: an operator, an admin, the host itself, or time."""

from __future__ import annotations

from typing import Literal

from sshjit import names, requests
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit.events import HostRemoved
from sshjit_ca.access.revocation import close_grant
from sshjit_ca.context import Context
from sshjit_ca.state import Host, request_index

_HOW = {"removed": "was removed", "left": "left", "absent": "was not heard of for too long"}


def checked_logins(logins: tuple[str, ...]) -> tuple[str, ...]:
    """The Unix accounts that people reach on a host.

    Raises:
        Invalid: ``bad_login``.

    """
    for login in logins:
        names.login_name(login)
    if len(set(logins)) != len(logins):
        raise Invalid("bad_login", "an account is listed twice")
    return logins


def remove(
    context: Context, host: Host, by: str | None, reason: str, cause: Literal["removed", "left", "absent"]
) -> None:
    """Forgets a host and revokes what is open for it; a later machine of its name is another one."""
    for request in request_index.opened(context.state):
        if host.id in request.asked.host_ids and requests.state_at(request, context.now) is RequestState.APPROVED:
            why = f"{host.name} was removed: {reason}" if cause == "removed" else f"{host.name} {_HOW[cause]}"
            close_grant(context, request, by, why[: names.MAX_REASON])
    context.record(HostRemoved(by, host.id, host.name, reason, cause))
