"""What a policy answers. None of these is true or false: whoever writes ``if evaluate(…)`` is told so at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from sshjit.approvals import Step
from sshjit.policy.model import BreakGlass, Extend


class _Outcome:
    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither true nor false: use match or isinstance")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a request is allowed, or would be once it is approved. Clocks and lengths are in seconds."""

    rule: str
    login: str
    """The Unix account; chosen by the rule if the ask named none."""
    action: str
    command: str | None
    """What the certificate forces; ``None`` for a shell."""
    duration: int
    """How long the window is: what was asked, at most ``grant``."""
    capped: bool
    """More was asked than ``duration``."""
    grant: int
    certificate: int
    pending: int
    use_by: int
    ends_by: int | None
    """When the window must be over whatever its length: closing hours, a timed deny, the end of the person's role.

    Seconds since the epoch. It holds for now; ask ``ends_by`` again when the window really begins.
    """
    max_hosts: int
    source: tuple[str, ...]
    """CIDRs for ``source-address``; ``("client",)`` stands for the client's own address; empty: anywhere."""
    forwarding: tuple[str, ...]
    """Of ``port``, ``agent``, ``x11``."""
    fresh_login: int | None
    mfa: bool
    verify_required: bool
    """The certificate is for a registered ``sk-*`` key and carries ``verify-required``."""
    extend: Extend | None
    break_glass: BreakGlass | None
    """Set if and only if this is break-glass access."""


@dataclass(frozen=True, slots=True)
class Allow(_Outcome):
    """Allowed at once."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class NeedsApproval(_Outcome):
    """Allowed as soon as every one of ``steps`` is complete (``sshjit.approvals``)."""

    terms: Terms
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class StepUp(_Outcome):
    """Allowed by ``rule``, but not to this sign-in. ``needs`` are of ``fresh_login``, ``mfa``, ``hardware_key``."""

    rule: str
    needs: tuple[str, ...]
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Denied(_Outcome):
    """Not allowed. ``code`` is stable, ``rule`` the one that decided, if one did."""

    code: str
    rule: str | None
    message: str
    hint: str


Outcome = Allow | NeedsApproval | StepUp | Denied
