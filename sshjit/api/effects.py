"""What a change of policy, or of a host's labels, does to the requests that there are."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.views import PersonView


@dataclass(frozen=True, slots=True)
class AffectedView:
    """An open grant that gives no further certificate or ends sooner, or a waiting request that nobody can approve."""

    request: str
    requester: PersonView
    hosts: tuple[str, ...]
    login: str
    action: str
    rule: str
    """The rule that it was made under."""
    until: int
    """When the grant would have been over, or is if it ends sooner; or until when the request would have waited."""
    code: str
    why: str
    """The error that the person gets: its code, and its sentence."""
