"""The pages for people, a file for each thing that they come for.

Views parse, call the CA and render. Which buttons a page shows is a courtesy; whether somebody may do a thing is always
the CA's answer.
"""

from __future__ import annotations

from sshjit_web.pages import (
    approvals,
    break_glass,
    continued,
    explain,
    history,
    hosts,
    locks,
    log,
    passkeys,
    policy,
    request_form,
    requests,
    sign_ins,
)
from sshjit_web.pages.common import blueprint

__all__ = [
    "approvals",
    "blueprint",
    "break_glass",
    "continued",
    "explain",
    "history",
    "hosts",
    "locks",
    "log",
    "passkeys",
    "policy",
    "request_form",
    "requests",
    "sign_ins",
]
