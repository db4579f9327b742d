"""Which messages there are, and what answers each of them."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.messages.access import (
    Approve,
    Ask,
    AskReply,
    Cancel,
    CertificateReply,
    Deny,
    End,
    ReadRequest,
    ReadRequests,
    RequestReply,
    RequestsReply,
    SignUser,
)
from sshjit.messages.ending import Revoke, RevokeReply
from sshjit.messages.hosts import AddHost, HostReply, HostsReply, ReadHosts
from sshjit.messages.operating import (
    BundleReply,
    Health,
    HealthReply,
    LogReply,
    PolicyReply,
    ReadBundle,
    ReadLog,
    ReadPolicy,
    Status,
    StatusReply,
)
from sshjit.messages.people import LoginNative, LoginReply, LoginWeb, Logout, ReadLogin


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more to say than that it was done."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Why not. ``family`` is ``invalid``, ``refused`` or ``failed`` (``sshjit/errors.py``)."""

    family: str
    code: str
    message: str
    hint: str


Message = (
    LoginWeb
    | LoginNative
    | Logout
    | ReadLogin
    | Ask
    | Cancel
    | End
    | Approve
    | Deny
    | SignUser
    | ReadRequest
    | ReadRequests
    | Revoke
    | AddHost
    | ReadHosts
    | ReadLog
    | ReadBundle
    | ReadPolicy
    | Health
    | Status
)
Reply = (
    LoginReply
    | AskReply
    | RequestReply
    | RequestsReply
    | CertificateReply
    | RevokeReply
    | HostReply
    | HostsReply
    | LogReply
    | BundleReply
    | PolicyReply
    | HealthReply
    | StatusReply
    | Done
)

REPLIES: dict[type[Message], type[Reply]] = {
    LoginWeb: LoginReply,
    LoginNative: LoginReply,
    Logout: Done,
    ReadLogin: LoginReply,
    Ask: AskReply,
    Cancel: RequestReply,
    End: RequestReply,
    Approve: RequestReply,
    Deny: RequestReply,
    SignUser: CertificateReply,
    ReadRequest: RequestReply,
    ReadRequests: RequestsReply,
    Revoke: RevokeReply,
    AddHost: HostReply,
    ReadHosts: HostsReply,
    ReadLog: LogReply,
    ReadBundle: BundleReply,
    ReadPolicy: PolicyReply,
    Health: HealthReply,
    Status: StatusReply,
}
"""The reply that each message gets when all is well."""


def type_name(message: type[Message]) -> str:
    """The ``type`` of a message on the wire: ``SignUser`` travels as ``sign_user``."""
    name = message.__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


MESSAGES: dict[str, type[Message]] = {type_name(kind): kind for kind in REPLIES}
"""Messages by their ``type`` on the wire."""
