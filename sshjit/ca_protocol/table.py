"""Which messages there are, what answers each of them, and how large a frame may be."""

from __future__ import annotations

from sshjit import wire
from sshjit.api.ask import AskReply
from sshjit.api.bundle import BundleReply
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.explain import ExplainReply
from sshjit.api.hosts import HostReply, HostReport, HostsReply, JoinHost, SignHost
from sshjit.api.locks import LockReply, LocksReply, RevokeReply
from sshjit.api.log import LogReply
from sshjit.api.sign_in import ChallengeReply
from sshjit.api.signed import AddHost, LabelHost, RemoveHost, Unlock
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.feed import FeedReply, ReadFeed
from sshjit.ca_protocol.hosts import (
    CertifyHost,
    HardwareKeysReply,
    InviteHost,
    ReadHardwareKeys,
    ReadHosts,
    RegisterHardwareKey,
    RemoveHardwareKey,
)
from sshjit.ca_protocol.keys import ActivateKey, AddKey, KeyReply, KeysReply, ReadKeys, RetireKey
from sshjit.ca_protocol.locks import Lock, ReadLocks, Revoke
from sshjit.ca_protocol.log import Forget, ForgetReply, ProofReply, ReadLog, ReadProof, ReadTile, TileReply
from sshjit.ca_protocol.logins import LoginNative, LoginReply, LoginWeb, Logout, ReadChallenge, ReadLogin
from sshjit.ca_protocol.operating import (
    ClockReply,
    ConfirmClock,
    EmergencyReply,
    Health,
    HealthReply,
    PoliciesReply,
    PolicyReply,
    ReadBundle,
    ReadPolicies,
    ReadPolicy,
    SignEmergency,
    Status,
    StatusReply,
)
from sshjit.ca_protocol.outcomes import Done
from sshjit.ca_protocol.requests import (
    Approve,
    Ask,
    Cancel,
    CertificateReply,
    Comment,
    Deny,
    End,
    Extend,
    ReadRequest,
    ReadRequests,
    Review,
    SignUser,
)

PROTOCOL_VERSION = 1
"""The version of the frame (``docs/protocol.md``, section 1). It changes only when the frame itself does."""
MAX_FRAME = 256 * 1024
"""Bytes of one frame, in both directions, except replies that carry a bundle or a page of the log."""
MAX_REPLY = 16 * 1024 * 1024

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


MESSAGES: dict[str, type[Message]] = {wire.type_name(kind): kind for kind in REPLIES}
"""Messages by their ``type`` on the wire."""
