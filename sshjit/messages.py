"""What the programs say to the CA, and what it answers.

Each dataclass without ``Reply`` or ``View`` in its name is one message of the CA's doors (``ca/sshjit_ca/doors.py``
says which door takes which). A frame is four bytes of length, big-endian, and then JSON in UTF-8::

    {"v": 1, "id": 7, "type": "sign_user", "body": {"login_id": "…", "request": "…"}}
    {"v": 1, "id": 7, "type": "ok",        "body": {…the reply's fields…}}
    {"v": 1, "id": 7, "type": "error",     "body": {"family": "refused", "code": "…", "message": "…", "hint": "…"}}

``sshjit/wire.py`` turns these classes into JSON and back, strictly: unknown, missing, duplicate and mistyped fields
are refused. Times are whole seconds since the epoch, UTC; durations whole seconds. ``login_id`` names a verified
sign-in; ``login`` is the Unix account on a host. An empty string never stands for "none": that is ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

PROTOCOL_VERSION = 1
MAX_FRAME = 256 * 1024
"""Bytes of one frame, in both directions, except replies that carry a bundle or a page of the log."""
MAX_REPLY = 16 * 1024 * 1024

# --------------------------------------------------------------------------------------------------- what is shown


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody, as the pages and the terminal show them. ``id`` is the CA's own name for (provider, subject)."""

    id: str
    provider: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class LoginView:
    """A verified sign-in that the CA knows."""

    id: str
    kind: Literal["web", "native"]
    person: PersonView
    roles: tuple[str, ...]
    signed_in: int
    expires: int
    fingerprint: str | None
    """``SHA256:…`` of the key that this login is bound to; ``None`` for web logins."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One approval step of a request: ``count`` people of ``role``; ``missing`` of them have not approved yet."""

    role: str
    count: int
    signed: bool
    missing: int
    candidates: tuple[str, ...]
    """Names of people who signed in lately and could still approve this step."""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What one person said about a request."""

    person: PersonView
    verdict: Literal["approve", "deny"]
    comment: str
    time: int
    channel: Literal["web", "native"]
    signed: bool


class RequestState(StrEnum):
    """Where a request stands; ``sshjit/requests.py`` holds the table of moves."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ENDED = "ended"
    LAPSED = "lapsed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request with everything that a page or a terminal shows of it."""

    id: str
    digest: str
    """SHA-256 (hex) over the immutable ask: what an approver approves."""
    state: RequestState
    how: Literal["automatic", "reviewed", "break_glass"] | None
    """How it was approved; ``None`` while it is not."""
    requester: PersonView
    hosts: tuple[str, ...]
    host_ids: tuple[str, ...]
    login: str
    action: str
    command: str | None
    """What the certificate forces, for named actions and exact commands."""
    duration: int
    reason: str
    rule: str
    policy: str
    """SHA-256 (hex) of the policy text that decided."""
    asked: int
    channel: Literal["web", "native"]
    address: str
    pending_until: int
    approved: int | None
    use_by: int | None
    ends: int | None
    """When the window closes; ``None`` while it is not open."""
    certificate: int
    """Seconds that each certificate lives."""
    certificates: int
    """How many certificates were issued so far."""
    steps: tuple[StepView, ...]
    decisions: tuple[DecisionView, ...]
    closing: str
    """Why it was denied, cancelled, ended or revoked, in a sentence; may be empty."""


@dataclass(frozen=True, slots=True)
class RouteView:
    """How to reach one host of a certificate."""

    host: str
    host_id: str
    aliases: tuple[str, ...]
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class CertificateView:
    """An issued user certificate, in the one-line form that ssh reads."""

    text: str
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    request: str
    login: str
    action: str
    grant_ends: int
    routes: tuple[RouteView, ...]


@dataclass(frozen=True, slots=True)
class HostView:
    """An enrolled host. ``labels`` are pairs, sorted by key."""

    name: str
    id: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of the log: the fact, and the detail as long as it is kept."""

    index: int
    time: int
    kind: str
    summary: str
    """One line for people, made from fact and detail."""
    fact: str
    """The fact's canonical JSON: the bytes of the leaf."""
    detail: str | None
    """The detail's canonical JSON, or ``None`` when it was erased."""


# ------------------------------------------------------------------------------------------------------- sign-in


@dataclass(frozen=True, slots=True)
class LoginWeb:
    """A browser signed in at the front end's own client. Never bound to a key."""

    provider: str
    id_token: str
    nonce: str
    address: str


@dataclass(frozen=True, slots=True)
class LoginNative:
    """``ssh-jit login`` signed in at the native client, with a nonce made from its key (``sshjit/login.py``)."""

    provider: str
    id_token: str
    key: str
    """The public key as one OpenSSH line."""
    salt: str
    """16 bytes, base64url without padding."""
    signature: str
    """Armoured SSHSIG by that key, namespace ``login@ssh-jit``, over the SHA-256 (raw 32 bytes) of the ID token."""
    address: str


@dataclass(frozen=True, slots=True)
class LoginReply:
    """The login that the CA made of an ID token."""

    login: LoginView


@dataclass(frozen=True, slots=True)
class Logout:
    """The login is over."""

    login_id: str


@dataclass(frozen=True, slots=True)
class ReadLogin:
    """Reads a login: whether it is alive, and whose it is."""

    login_id: str


# ------------------------------------------------------------------------------------------------------ requests


@dataclass(frozen=True, slots=True)
class Ask:
    """A person asks for access. With ``certificate`` and a native login, an open grant answers with one at once."""

    login_id: str
    hosts: tuple[str, ...]
    login: str | None
    """``None``: the server chooses (``@own`` if allowed, else the rule's first) and says so."""
    action: str
    """``shell``, a named action, or ``command`` together with ``command``."""
    command: str | None
    duration: int | None
    """``None``: as long as the rule allows."""
    reason: str
    certificate: bool
    address: str


@dataclass(frozen=True, slots=True)
class AskReply:
    """What became of the ask. ``existing``: the live grant or pending request for the same thing was returned."""

    request: RequestView
    certificate: CertificateView | None
    existing: bool
    notes: tuple[str, ...]
    """Sentences for the person: "the duration was capped to 8 h", "you log in as deploy"."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The requester takes a pending request back."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class End:
    """The requester is done before the window closes."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class Approve:
    """An approver says yes to the ask with this digest."""

    login_id: str
    request: str
    digest: str
    comment: str


@dataclass(frozen=True, slots=True)
class Deny:
    """An approver says no to the ask with this digest."""

    login_id: str
    request: str
    digest: str
    comment: str


@dataclass(frozen=True, slots=True)
class RequestReply:
    """The request as it stands now."""

    request: RequestView


@dataclass(frozen=True, slots=True)
class SignUser:
    """A native login draws a certificate from the grant of one of its person's requests, for the login's own key."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class CertificateReply:
    """A certificate whose log entry is durable."""

    certificate: CertificateView


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """One request: its requester, its approvers and auditors may read it."""

    login_id: str
    request: str


@dataclass(frozen=True, slots=True)
class ReadRequests:
    """Requests, newest first.

    ``mine``: the person's own; ``approve``: those that it could approve now; ``all``: needs the permission ``audit``.
    """

    login_id: str
    scope: Literal["mine", "approve", "all"]
    limit: int
    before: int | None
    """Only requests asked before this time, for paging."""


@dataclass(frozen=True, slots=True)
class RequestsReply:
    """Requests, newest first."""

    requests: tuple[RequestView, ...]


# ----------------------------------------------------------------------------------------------- revoking, hosts


@dataclass(frozen=True, slots=True)
class Revoke:
    """Ends a grant, or one certificate by its serial, before its time.

    Over the web door it needs the permission ``lock``, or to be one's own; the admin door passes no ``login_id``.
    """

    login_id: str | None
    request: str | None
    serial: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class RevokeReply:
    """The requests that are revoked now, and how many live certificates that touches."""

    requests: tuple[RequestView, ...]
    certificates: int


@dataclass(frozen=True, slots=True)
class AddHost:
    """The operator enrols a host. ``host_keys`` are its public keys, one OpenSSH line each."""

    name: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostReply:
    """The enrolled host, and a certificate line for each of its host keys, in the same order."""

    host: HostView
    certificates: tuple[str, ...]
    bundle_root: str
    """``SHA256:…`` of the bundle key: what the host pins."""
    bundle_key: str
    """The bundle key as one OpenSSH line."""


@dataclass(frozen=True, slots=True)
class ReadHosts:
    """Hosts, by name. Over the web door a login is needed; the admin door passes ``None``."""

    login_id: str | None


@dataclass(frozen=True, slots=True)
class HostsReply:
    """Hosts, by name."""

    hosts: tuple[HostView, ...]


# --------------------------------------------------------------------------------------------- the CA, seen whole


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A page of the log. Over the web door it needs the permission ``audit``, or shows the login's own entries only."""

    login_id: str | None
    before: int | None
    """Entries with a lower index than this one; ``None`` starts at the newest."""
    limit: int


@dataclass(frozen=True, slots=True)
class LogReply:
    """Entries, newest first, and the head they were read under."""

    entries: tuple[EntryView, ...]
    size: int
    checkpoint: str
    """The newest signed checkpoint, as a C2SP signed note."""
    own_only: bool


@dataclass(frozen=True, slots=True)
class ReadBundle:
    """The signed bundle. ``have`` is the sequence that the asker already has."""

    have: int | None


@dataclass(frozen=True, slots=True)
class BundleReply:
    """The bundle's exact text and its armoured SSHSIG; both ``None`` if ``have`` is the newest."""

    sequence: int
    bundle: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """The text of the policy in force."""


@dataclass(frozen=True, slots=True)
class PolicyReply:
    """The policy in force: its exact text and the SHA-256 (hex) of it."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Health:
    """Asks whether the CA is well. Nothing in the answer is secret or personal."""


@dataclass(frozen=True, slots=True)
class HealthReply:
    """Whether the CA signs now, and if not, why."""

    ready: bool
    problems: tuple[str, ...]
    size: int
    policy: str
    time: int


@dataclass(frozen=True, slots=True)
class Status:
    """The operator's view of the CA (admin door)."""


@dataclass(frozen=True, slots=True)
class StatusReply:
    """What ``ssh-jit-ca status`` prints."""

    installation: str
    ready: bool
    problems: tuple[str, ...]
    started: int
    time: int
    size: int
    head: str
    """Merkle root, hex."""
    state_digest: str
    """SHA-256 (hex) of the state folded from the log: equal states have equal digests."""
    policy: str
    policy_rules: int
    keys: tuple[tuple[str, str], ...]
    """(purpose, fingerprint): ``user_ca``, ``host_ca``, ``bundle``, ``log``."""
    providers: tuple[tuple[str, str], ...]
    """(provider, ``ok`` or what is wrong)."""
    hosts: int
    live_logins: int
    pending: int
    live_grants: int
    live_certificates: int


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
