"""Which messages there are, and what answers each of them."""

from __future__ import annotations

from sshjit.messages.about import RequestReply
from sshjit.messages.access import (
    Ask,
    Cancel,
    CertificateReply,
    End,
    Extend,
    ReadRequest,
    ReadRequests,
    RequestsReply,
    SignUser,
)
from sshjit.messages.consent import ChallengeReply, ReadChallenge
from sshjit.messages.deciding import Approve, Comment, Deny, Review
from sshjit.messages.emergency import ClockReply, ConfirmClock, EmergencyReply, SignEmergency
from sshjit.messages.ending import Revoke, RevokeReply
from sshjit.messages.explaining import Explain, ExplainReply
from sshjit.messages.feed import FeedReply, ReadFeed
from sshjit.messages.hardware import HardwareKeysReply, ReadHardwareKeys, RegisterHardwareKey, RemoveHardwareKey
from sshjit.messages.hosts import (
    AddHost,
    CertifyHost,
    HostReply,
    HostsReply,
    InviteHost,
    LabelHost,
    ReadHosts,
    RemoveHost,
)
from sshjit.messages.joining import HostReport, JoinHost, SignHost
from sshjit.messages.keys import ActivateKey, AddKey, KeyReply, KeysReply, ReadKeys, RetireKey
from sshjit.messages.locking import Lock, LockReply, LocksReply, ReadLocks, Unlock
from sshjit.messages.operating import (
    BundleReply,
    Forget,
    ForgetReply,
    Health,
    HealthReply,
    LogReply,
    PoliciesReply,
    PolicyReply,
    ProofReply,
    ReadBundle,
    ReadLog,
    ReadPolicies,
    ReadPolicy,
    ReadProof,
    ReadTile,
    Status,
    StatusReply,
    TileReply,
)
from sshjit.messages.outcomes import Done
from sshjit.messages.people import LoginNative, LoginReply, LoginWeb, Logout, ReadLogin
from sshjit.messages.standing import AskReply

Message = (
    LoginWeb
    | LoginNative
    | Logout
    | ReadLogin
    | Ask
    | Cancel
    | End
    | Extend
    | Approve
    | Deny
    | Comment
    | Review
    | SignUser
    | ReadRequest
    | ReadRequests
    | Explain
    | ReadFeed
    | Revoke
    | Lock
    | Unlock
    | ReadLocks
    | ReadChallenge
    | AddHost
    | InviteHost
    | CertifyHost
    | LabelHost
    | RemoveHost
    | ReadHosts
    | JoinHost
    | SignHost
    | HostReport
    | RegisterHardwareKey
    | RemoveHardwareKey
    | ReadHardwareKeys
    | ReadLog
    | ReadTile
    | ReadProof
    | Forget
    | ReadKeys
    | AddKey
    | ActivateKey
    | RetireKey
    | ReadBundle
    | ReadPolicy
    | ReadPolicies
    | Health
    | Status
    | ConfirmClock
    | SignEmergency
)
Reply = (
    LoginReply
    | AskReply
    | RequestReply
    | RequestsReply
    | ExplainReply
    | FeedReply
    | CertificateReply
    | RevokeReply
    | LockReply
    | LocksReply
    | ChallengeReply
    | HardwareKeysReply
    | HostReply
    | HostsReply
    | LogReply
    | TileReply
    | ProofReply
    | ForgetReply
    | KeysReply
    | KeyReply
    | BundleReply
    | PolicyReply
    | PoliciesReply
    | HealthReply
    | StatusReply
    | ClockReply
    | EmergencyReply
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
    Extend: AskReply,
    Approve: RequestReply,
    Deny: RequestReply,
    Comment: RequestReply,
    Review: RequestReply,
    SignUser: CertificateReply,
    ReadRequest: RequestReply,
    ReadRequests: RequestsReply,
    Explain: ExplainReply,
    ReadFeed: FeedReply,
    Revoke: RevokeReply,
    Lock: LockReply,
    Unlock: Done,
    ReadLocks: LocksReply,
    ReadChallenge: ChallengeReply,
    AddHost: HostReply,
    InviteHost: HostReply,
    CertifyHost: HostReply,
    LabelHost: HostReply,
    RemoveHost: Done,
    JoinHost: HostReply,
    SignHost: HostReply,
    HostReport: Done,
    RegisterHardwareKey: HardwareKeysReply,
    RemoveHardwareKey: HardwareKeysReply,
    ReadHardwareKeys: HardwareKeysReply,
    ReadHosts: HostsReply,
    ReadLog: LogReply,
    ReadTile: TileReply,
    ReadProof: ProofReply,
    Forget: ForgetReply,
    ReadKeys: KeysReply,
    AddKey: KeyReply,
    ActivateKey: KeyReply,
    RetireKey: KeyReply,
    ReadBundle: BundleReply,
    ReadPolicy: PolicyReply,
    ReadPolicies: PoliciesReply,
    Health: HealthReply,
    Status: StatusReply,
    ConfirmClock: ClockReply,
    SignEmergency: EmergencyReply,
}
"""The reply that each message gets when all is well."""


def type_name(message: type[Message]) -> str:
    """The ``type`` of a message on the wire: ``SignUser`` travels as ``sign_user``."""
    name = message.__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


MESSAGES: dict[str, type[Message]] = {type_name(kind): kind for kind in REPLIES}
"""Messages by their ``type`` on the wire."""
