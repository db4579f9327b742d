"""Breaking the glass in tests: the rule, the ask, the look back."""

from __future__ import annotations

from typing import Any, Literal

from sshjit import ca_protocol as m
from tests.support.installation import Installation

RULE = """[[break_glass]]
name = "on-call"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["root"]
fresh_login = "15m"
grant = "30m"
certificate = "5m"
notify = ["pager"]
review_within = "24h"
"""
"""By which ``sre`` may break the glass of ``env=prod``."""
GLASS = ('audit = ["lead"]\n', f'audit = ["lead"]\nreview = ["lead"]\n{RULE}')
"""What to change in the policy so that ``sre`` may break the glass of ``env=prod``, and leads review it."""
REASON = "the database is on fire"


def break_glass(ca: Installation, login_id: str, host: str = "db1", **changed: Any) -> m.AskReply:
    """Breaks the glass, or what is changed of that."""
    return ca.ask(login_id, host, **{"break_glass": True, "reason": REASON, **changed})


def review(
    ca: Installation,
    login_id: str,
    request: m.RequestView,
    verdict: Literal["justified", "unjustified"] = "justified",
    comment: str = "it was",
) -> m.RequestView:
    """Looks back at it."""
    return ca.say(m.Review(login_id, request.id, verdict, comment), m.RequestReply).request
