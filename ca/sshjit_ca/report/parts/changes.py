"""Tables of what was changed: locks, policies, hosts, keys, and what the operator did."""

from __future__ import annotations

from sshjit_ca.report.columns import Column, Table, code, entry, quote, when

LOCKS = Table(
    "locks",
    "Locks",
    "What was locked in the period or at its beginning, and taken back.",
    (
        when("since", "Since (UTC)", "when it was locked"),
        code("lock", "Lock", "its id"),
        Column("kind", "What", "login, person, host, key or everything"),
        Column("target", "Whom or which", "what is locked"),
        Column("by", "By", "who did it"),
        quote("reason", "Reason", "why"),
        when("until", "Unlocked", "when it was taken back, in the period"),
        Column("unlocked_by", "By", "who took it back"),
        quote("unlock_reason", "Words", "why"),
    ),
    "Nothing was locked in this period.",
)
REVOCATIONS = Table(
    "revocations",
    "Revoked before its time",
    "Certificates, grants and sign-ins that somebody ended for somebody else, and hardware keys that were taken off.",
    (
        when(),
        entry(),
        Column("what", "What", "certificate, grant, sign-in or hardware key"),
        Column("id", "Id", "serial, request, login or fingerprint", "code"),
        Column("person", "Whose", "whose it was"),
        Column("by", "By", "who did it"),
        quote("reason", "Reason", "why"),
    ),
    "Nothing was revoked in this period.",
)
POLICIES = Table(
    "policies",
    "Policies in force",
    "Each stretch of the period, and the policy that decided in it. `ssh-jit-ca policy show DIGEST` prints its text.",
    (
        when("start", "From (UTC)", "since when it was in force"),
        when("end", "Until", "when another took its place; empty: in force at the end of the period"),
        code("digest", "SHA-256", "the digest of its text"),
        Column("rules", "Rules", "how many it has", "number"),
        Column("text", "Text", "kept: the text is there and is the digest's; else what is wrong with it"),
    ),
    "No policy was in force in this period.",
)
HOST_CHANGES = Table(
    "host_changes",
    "Hosts enrolled, relabelled, removed",
    "Labels decide which rules are about a host.",
    (
        when(),
        entry(),
        Column("host", "Host", "its name"),
        code("host_id", "Id", "its id: a later machine of the name has another"),
        Column("change", "Change", "enrolled, joined, relabelled or removed"),
        Column("before", "Before", "the labels before", "list"),
        Column("after", "After", "the labels after", "list"),
        Column("by", "By", "who did it"),
        quote("reason", "Reason", "why"),
    ),
    "No host came, went or changed its labels in this period.",
)
KEYS = Table(
    "keys",
    "Keys",
    "The CA's own keys in their turns, and the hardware keys that the operator vouches for.",
    (
        when(),
        entry(),
        Column("purpose", "Purpose", "user_ca, host_ca, bundle, log; or hardware key"),
        Column("change", "Change", "added, active, retired, revoked, registered or removed"),
        code("key", "Key", "its fingerprint"),
        Column("person", "Person", "whose hardware key it is"),
        Column("where", "Kept in", "where the private half lives; never a secret", printed=False),
    ),
    "No key was added, changed or retired in this period.",
)
OPERATIONS = Table(
    "operations",
    "The log and the CA",
    "When the CA started, when its clock was confirmed, when a copy was restored, when details were erased.",
    (
        when(),
        entry(),
        Column("what", "What", "started, clock confirmed, restored or details erased"),
        Column("about", "About", "the facts"),
        quote("reason", "Reason", "why, in the operator's words"),
    ),
)
