"""What the programs say to the CA, and what it answers.

Each dataclass without ``Reply`` or ``View`` in its name is one message of the CA's doors (``ca/sshjit_ca/doors.py``
says which door takes which). A frame is four bytes of length, big-endian, and then JSON in UTF-8::

    {"v": 1, "id": 7, "type": "sign_user", "body": {"login_id": "…", "request": "…"}}
    {"v": 1, "id": 7, "type": "ok",        "body": {…the reply's fields…}}
    {"v": 1, "id": 7, "type": "error",     "body": {"family": "refused", "code": "…", "message": "…", "hint": "…"}}

``sshjit/wire.py`` turns these classes into JSON and back, strictly: unknown, missing, duplicate and mistyped fields
are refused. Times are whole seconds since the epoch, UTC; durations whole seconds. ``login_id`` names a verified
sign-in; ``login`` is the Unix account on a host. An empty string never stands for "none": that is ``None``.

A module of this package is loaded when the first of its names is asked for: ``ssh-jit`` needs a few of them at each
connection, and making these classes takes longer than all else that it does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sshjit.messages.about import PastView, RequesterView, RequestReply
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
    from sshjit.messages.consent import ChallengeReply, Consent, ReadChallenge
    from sshjit.messages.deciding import Approve, Comment, Deny, Review
    from sshjit.messages.emergency import ClockReply, ConfirmClock, EmergencyReply, SignEmergency
    from sshjit.messages.ending import Revoke, RevokeReply
    from sshjit.messages.explaining import Explain, ExplainReply, MissView, RuleView, TermsView, Verdict
    from sshjit.messages.feed import FeedItem, FeedKind, FeedReply, ReadFeed
    from sshjit.messages.hardware import (
        HardwareKeysReply,
        HardwareKeyView,
        ReadHardwareKeys,
        RegisterHardwareKey,
        RemoveHardwareKey,
    )
    from sshjit.messages.hosts import (
        AddHost,
        CertifyHost,
        HostReply,
        HostsReply,
        HostView,
        Invitation,
        InviteHost,
        LabelHost,
        ReadHosts,
        RemoveHost,
    )
    from sshjit.messages.joining import HostReport, JoinHost, SignHost
    from sshjit.messages.keys import (
        ActivateKey,
        AddKey,
        KeyKind,
        KeyReply,
        KeysReply,
        KeyStanding,
        KeyView,
        Purpose,
        ReadKeys,
        RetireKey,
    )
    from sshjit.messages.locking import Lock, LockKind, LockReply, LocksReply, LockView, ReadLocks, Unlock
    from sshjit.messages.operating import (
        BundleReply,
        EntryView,
        Forget,
        ForgetReply,
        Health,
        HealthReply,
        LogReply,
        PoliciesReply,
        PolicyReply,
        PolicyView,
        ProofReply,
        ProviderView,
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
    from sshjit.messages.outcomes import Done, ErrorReply
    from sshjit.messages.people import LoginNative, LoginReply, LoginWeb, Logout, ReadLogin
    from sshjit.messages.standing import (
        AskReply,
        CommentView,
        DecisionView,
        ExtensionView,
        RequestState,
        RequestView,
        ReviewView,
        StepView,
    )
    from sshjit.messages.table import MESSAGES, REPLIES, Message, Reply, type_name
    from sshjit.messages.views import CertificateView, LoginView, PersonView, RouteView

__all__ = [
    "MAX_FRAME",
    "MAX_REPLY",
    "MESSAGES",
    "PROTOCOL_VERSION",
    "REPLIES",
    "ActivateKey",
    "AddHost",
    "AddKey",
    "Approve",
    "Ask",
    "AskReply",
    "BundleReply",
    "Cancel",
    "CertificateReply",
    "CertificateView",
    "CertifyHost",
    "ChallengeReply",
    "ClockReply",
    "Comment",
    "CommentView",
    "ConfirmClock",
    "Consent",
    "DecisionView",
    "Deny",
    "Done",
    "EmergencyReply",
    "End",
    "EntryView",
    "ErrorReply",
    "Explain",
    "ExplainReply",
    "Extend",
    "ExtensionView",
    "FeedItem",
    "FeedKind",
    "FeedReply",
    "Forget",
    "ForgetReply",
    "HardwareKeyView",
    "HardwareKeysReply",
    "Health",
    "HealthReply",
    "HostReply",
    "HostReport",
    "HostView",
    "HostsReply",
    "Invitation",
    "InviteHost",
    "JoinHost",
    "KeyKind",
    "KeyReply",
    "KeyStanding",
    "KeyView",
    "KeysReply",
    "LabelHost",
    "Lock",
    "LockKind",
    "LockReply",
    "LockView",
    "LocksReply",
    "LogReply",
    "LoginNative",
    "LoginReply",
    "LoginView",
    "LoginWeb",
    "Logout",
    "Message",
    "MissView",
    "PastView",
    "PersonView",
    "PoliciesReply",
    "PolicyReply",
    "PolicyView",
    "ProofReply",
    "ProviderView",
    "Purpose",
    "ReadBundle",
    "ReadChallenge",
    "ReadFeed",
    "ReadHardwareKeys",
    "ReadHosts",
    "ReadKeys",
    "ReadLocks",
    "ReadLog",
    "ReadLogin",
    "ReadPolicies",
    "ReadPolicy",
    "ReadProof",
    "ReadRequest",
    "ReadRequests",
    "ReadTile",
    "RegisterHardwareKey",
    "RemoveHardwareKey",
    "RemoveHost",
    "Reply",
    "RequestReply",
    "RequestState",
    "RequestView",
    "RequesterView",
    "RequestsReply",
    "RetireKey",
    "Review",
    "ReviewView",
    "Revoke",
    "RevokeReply",
    "RouteView",
    "RuleView",
    "SignEmergency",
    "SignHost",
    "SignUser",
    "Status",
    "StatusReply",
    "StepView",
    "TermsView",
    "TileReply",
    "Unlock",
    "Verdict",
    "type_name",
]

PROTOCOL_VERSION = 1
MAX_FRAME = 256 * 1024
"""Bytes of one frame, in both directions, except replies that carry a bundle or a page of the log."""
MAX_REPLY = 16 * 1024 * 1024


if not TYPE_CHECKING:  # a type checker reads the imports above, and knows every name

    def __getattr__(name: str) -> Any:
        """A name of ``__all__``, from the first module that has it (PEP 562)."""
        for topic in _TOPICS if name in __all__ else ():
            found = getattr(importlib.import_module(f"{__name__}.{topic}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_TOPICS = (
    "views",
    "standing",
    "outcomes",
    "access",
    "about",
    "consent",
    "deciding",
    "emergency",
    "ending",
    "explaining",
    "feed",
    "hardware",
    "hosts",
    "joining",
    "keys",
    "locking",
    "operating",
    "people",
    "table",
)
"""The modules in which names are looked for: first those that every connection needs, last what imports all others."""
