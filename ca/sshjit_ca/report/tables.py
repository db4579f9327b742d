"""Which tables a report has, and what their columns contain. ``docs/audit.md`` describes them for auditors.

First come the tables of access (who could, who did, who approved), then the counts, then what was changed. ``TABLES``
has them in the order in which a report shows them.
"""

from __future__ import annotations

from sshjit_ca.report.columns import Column, Table, code, entry, number, quote, when

REACH = Table(
    "reach",
    "Who could reach what",
    "Each line is what one rule gave these people on these hosts under the policies in force in the period, as the "
    "policy itself decides. Hours are named and do not shorten the list. People to whom a policy gives the same are in "
    "one line, and so are hosts whose labels get the same.",
    (
        Column("people", "People", "everybody known in the period by a sign-in", "list"),
        number("people_count", "People", "how many", printed=False),
        Column("hosts", "Hosts", "which hosts, by name", "list"),
        number("hosts_count", "Hosts", "how many", printed=False),
        Column("labels", "Labels", "the label sets that these hosts carried", "list", printed=False),
        Column("logins", "As", "accounts on the host; @own is each person's own Unix name", "list"),
        Column("actions", "Actions", "shell, named actions; command is an exact command of one's own", "list"),
        Column("rule", "Rule", "the rule that decides, by its name in the policy"),
        Column("kind", "Kind", "allow, or break-glass: granted at once, with an alarm and a review"),
        Column("approvals", "Approvals needed", "how many people of which role; none: at once", "list"),
        Column("requirements", "Also required", "what else the rule requires of the sign-in or the request", "list"),
        Column("hours", "Hours", "when the rule holds, and denies that suspend it at times"),
        Column("window", "Window", "the longest grant", "duration"),
        Column("until", "Role ends", "when the last of the roles that give it ends by the policy", "time"),
        Column("policies", "Policies", "digests (first 16 characters) of these policies", "list", printed=False),
        Column("held", "In force", "throughout the period, or when in it"),
    ),
    "No policy in force in the period gave a known person access to any host.",
)
REQUESTS = Table(
    "requests",
    "Requests and grants",
    "Every request that was made, waited or was open in the period, with its reason and who approved it, in its state "
    "at the head of the log. A grant is the time window of an approved request.",
    (
        when("asked", "Requested (UTC)", "when the request was made"),
        code("request", "Request", "its id; the grant's too"),
        Column("person", "Person", "who made the request"),
        Column("email", "Address", "the person's address", printed=False),
        Column("via", "Via", "the sign-in that asked: web: of the pages; native: of ssh-jit", printed=False),
        Column("signature", "Signature", "signed or not signed by the person's key; empty if no approval was needed"),
        Column("hosts", "Hosts", "for which hosts", "list"),
        Column("login", "As", "the account"),
        Column("action", "Action", "shell, a named action or command"),
        quote("command", "Command", "the exact command, where one is forced"),
        quote("reason", "Reason", "why, in the person's words"),
        Column("rule", "Rule", "the rule that decided"),
        code("policy", "Policy", "the digest of the policy that holds that rule", printed=False),
        Column("state", "Outcome", "the state at the head of the log"),
        Column("how", "How", "automatic, reviewed or break_glass, if it was approved; and whether it extends a grant"),
        Column("approvers", "Approved by", "who approved, and how", "list"),
        Column("opened", "Open from", "when the window opened", "time", printed=False),
        when("ends", "Until", "when it closed or closes"),
        number("certificates", "Certificates", "certificates issued for it"),
        code("extends", "Extends", "the grant that this extended", printed=False),
        Column("address", "From", "the address that the request came from", printed=False),
        Column("closed_for", "Closing comment", "what was written when it was closed", "quote", printed=False),
    ),
    "No request was made in this period.",
)
CERTIFICATES = Table(
    "certificates",
    "Certificates",
    "Every user certificate that was issued in the period. `ssh-jit-ca log prove` proves one.",
    (
        when(),
        entry(),
        number("serial", "Serial", "as sshd logs it"),
        code("request", "Request", "the grant that it was issued for"),
        Column("person", "Person", "whose it is"),
        Column("login", "As", "the account"),
        Column("hosts", "Hosts", "the hosts that accept it", "list"),
        Column("rule", "Rule", "the rule of the grant"),
        code("policy", "Policy", "the policy that was checked when it was issued"),
        when("valid_before", "Valid until", "when it expired"),
        code("digest", "SHA-256", "of the certificate"),
    ),
    printed=False,
)
DECISIONS = Table(
    "decisions",
    "Approvals, denials and comments",
    "Every decision and comment. Signed: by the approver's own key or passkey, over what they were shown.",
    (
        when(),
        entry(),
        code("request", "Request", "what it is about"),
        Column("approver", "Who", "who decided or commented"),
        Column("requester", "Requester", "whose request it is"),
        Column("verdict", "Decision", "approve, deny or comment"),
        Column("signed", "Signed", "whether by a key or passkey of the person who decided", "flag"),
        Column("via", "Via", "web or native", printed=False),
        Column("shorter", "At most", "the longest time that was approved", "duration"),
        Column("waited", "After", "how long the request had waited", "duration"),
        Column("rule", "Rule", "the rule that required it"),
        quote("comment", "Comment", "what they wrote"),
    ),
    "No approval was needed in this period.",
)
REFUSALS = Table(
    "refusals",
    "Denied, expired and refused",
    "Requests that did not lead to access, and what policy or a check refused to a person who had signed in.",
    (
        when(),
        Column("entry", "Entry", "number of the log entry, of a refusal", "number"),
        Column("person", "Person", "who"),
        Column("what", "What", "denied, expired, cancelled, lapsed, revoked; or the code of a refusal"),
        Column("about", "About", "the request and what it was for"),
        quote("why", "Why", "the reason that was given"),
        Column("rule", "Rule", "the rule of the request"),
        number("count", "Times", "how often, since the last such entry"),
    ),
)
GLASS = Table(
    "break_glass",
    "Emergency access (break-glass) and its reviews",
    "Access that a rule allows at once and another person must review. The unjustified come first, then those that "
    "nobody reviewed in time, those that wait for a review, those reviewed late, and the rest.",
    (
        Column("standing", "Review", "unjustified, overdue, waiting, late or justified"),
        when("opened", "Opened (UTC)", "when access began"),
        code("request", "Request", "its id"),
        Column("person", "Person", "who"),
        Column("signature", "Signature", "signed or not signed by the person's key"),
        Column("hosts", "Hosts", "where", "list"),
        Column("login", "As", "the account"),
        quote("reason", "Reason", "why, in the person's words"),
        Column("rule", "Rule", "the rule that allows it"),
        number("certificates", "Certificates", "certificates issued"),
        when("review_by", "Due", "when it must be reviewed"),
        when("reviewed", "Reviewed", "when it was reviewed"),
        Column("reviewer", "By", "the reviewer"),
        quote("finding", "Finding", "what the reviewer wrote"),
    ),
    "Nobody used emergency access in this period.",
)
EMERGENCIES = Table(
    "emergencies",
    "Emergency certificates, signed past every rule",
    "Signed by the operator on the CA's machine with `ssh-jit-ca sign-emergency`.",
    (
        when(about="when it was recorded: after it was signed, if the database was down"),
        entry(),
        when("signed", "Signed (UTC)", "when it was signed"),
        number("serial", "Serial", "as sshd logs it"),
        Column("login", "As", "the account"),
        Column("hosts", "Hosts", "where, by host id", "list"),
        when("valid_before", "Valid until", "when it expired"),
        quote("reason", "Reason", "why, in the operator's words"),
    ),
    "No emergency certificate was signed in this period.",
)
PEOPLE = Table(
    "people",
    "People",
    "Everybody who signed in during the period or before. Roles are those of the last policy of the period.",
    (
        Column("person", "Person", "the name at the newest sign-in"),
        Column("provider", "Provider", "the identity provider"),
        Column("email", "Address", "the address at the newest sign-in"),
        code("subject", "Account", "the id in the log", printed=False),
        Column("roles", "Roles", "roles held at the end of the period", "list"),
        when("last_sign_in", "Last sign-in", "up to the end of the period"),
        number("sign_ins", "Sign-ins", "in the period"),
        number("requests", "Requests", "requests in the period"),
        number("grants", "Granted", "grants that opened in the period"),
        number("certificates", "Certificates", "issued in the period"),
        number("refused", "Refused", "requests that were denied or refused"),
        number("glass", "Break-glass", "how often they used emergency access"),
        number("approvals", "Approved", "requests of others that they approved"),
        Column("locked", "Locked", "whether they are locked at the end of the period", "flag"),
    ),
    "Nobody is known.",
)
HOSTS = Table(
    "hosts",
    "Hosts",
    "Every host that was enrolled at some time in the period, and who used it.",
    (
        Column("host", "Host", "its name"),
        code("host_id", "Id", "its id", printed=False),
        Column("labels", "Labels", "those it carried last", "list"),
        Column("enrolled", "Enrolled", "whether it is, at the end of the period", "flag"),
        number("requests", "Requests", "requests for it in the period"),
        number("certificates", "Certificates", "that it accepted, in the period"),
        Column("people", "Used by", "who got certificates for it", "list"),
        when("last", "Last certificate", "in the period"),
    ),
    "No host was enrolled in this period.",
)
APPROVERS = Table(
    "approvers",
    "Approvers",
    "How many of all approvals each approver gave, and for whom they approved most.",
    (
        Column("person", "Approver", "who"),
        number("approved", "Approved", "how often they approved"),
        number("denied", "Denied", "how often they denied"),
        Column("share", "Share", "of all approvals in the period", "share"),
        number("signed", "Signed", "approvals by their own key or passkey"),
        number("quick", "Within a minute", "approvals less than a minute after the request"),
        number("requesters", "For people", "how many different people they approved for"),
        Column("most_for", "Most often for", "for whom they approved most, and how often"),
        Column("rules", "Rules", "approvals by rule", "list"),
    ),
    "Nobody approved anything in this period.",
)
UNUSED = Table(
    "unused",
    "Unused permissions",
    "Access that a person had by a rule when the period ended and did not use in the period: candidates for removal. "
    "Access that was never used at all comes first.",
    (
        Column("person", "Person", "who"),
        Column("provider", "Provider", "the identity provider", printed=False),
        Column("email", "Address", "their address"),
        Column("rule", "Rule", "the rule that gave it"),
        Column("roles", "By role", "the roles of the rule that they hold", "list"),
        number("hosts", "Hosts", "how many hosts it reaches"),
        when("last_used", "Last used", "when they last got a certificate by this rule; empty: never"),
        when("last_sign_in", "Last sign-in", "up to the end of the period"),
    ),
    "Everybody used all access that they had.",
)
RULES = Table(
    "rules",
    "Rules and their use",
    "Every rule that could allow something in the period. Unused rules come first.",
    (
        Column("rule", "Rule", "its name"),
        Column("kind", "Kind", "allow or break-glass"),
        Column("approvals", "Approvals needed", "by the newest policy of the period that has it", "list"),
        Column("in_force", "In force", "whether the last policy of the period has it", "flag"),
        number("people", "People", "how many could use it"),
        number("requests", "Requests", "requests that it decided, in the period"),
        number("grants", "Granted", "grants in the period"),
        number("certificates", "Certificates", "issued in the period"),
        number("approvals_given", "Approvals", "approvals given for it"),
        when("last_used", "Last used", "when a certificate was last issued by it, up to the end of the period"),
    ),
    "No policy in force in this period has a rule that allows anything.",
)
SIGN_INS = Table(
    "sign_ins",
    "Sign-ins by provider",
    "Each is an ID token that the CA verified itself.",
    (
        Column("provider", "Provider", "the identity provider"),
        Column("via", "Via", "web: pages; native: ssh-jit, bound to a key"),
        number("sign_ins", "Sign-ins", "in the period"),
        number("people", "People", "how many different people"),
        number("mfa", "With second factor", "as the provider says"),
    ),
    "Nobody signed in in this period.",
)
LOCKS = Table(
    "locks",
    "Locks",
    "What was locked in the period or at its beginning, and unlocked.",
    (
        when("since", "Since (UTC)", "when it was locked"),
        code("lock", "Lock", "its id"),
        Column("kind", "What", "login, person, host, key or everything"),
        Column("target", "Whom or which", "what is locked"),
        Column("by", "By", "who did it"),
        quote("reason", "Reason", "why"),
        when("until", "Unlocked", "when it was unlocked, in the period"),
        Column("unlocked_by", "By", "who unlocked it"),
        quote("unlock_reason", "Reason", "why"),
    ),
    "Nothing was locked in this period.",
)
REVOCATIONS = Table(
    "revocations",
    "Revocations",
    "Certificates, grants and sign-ins that were ended by another person, and hardware keys that were removed.",
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
    "The policies that decided in the period, and when. `ssh-jit-ca policy show DIGEST` prints its text.",
    (
        when("start", "From (UTC)", "when it came into force"),
        when("end", "Until", "when another replaced it; empty: in force at the end of the period"),
        code("digest", "SHA-256", "the digest of its text"),
        Column("rules", "Rules", "how many it has", "number"),
        Column(
            "never",
            "Must never be",
            "each [[never]], what was found when it came, and up to when",
            "list",
        ),
        Column("text", "Text", "kept: the text is stored and matches the digest; else what is wrong"),
    ),
    "No policy was in force in this period.",
)
HOST_CHANGES = Table(
    "host_changes",
    "Hosts enrolled, relabelled and removed",
    "Labels decide which rules apply to a host.",
    (
        when(),
        entry(),
        Column("host", "Host", "its name"),
        code("host_id", "Id", "its id: a later host of this name has another"),
        Column("change", "Change", "enrolled, joined, refused to join, relabelled, changed or removed"),
        Column("before", "Before", "the labels before", "list"),
        Column("after", "After", "the labels after", "list"),
        Column("by", "By", "who did it"),
        quote("reason", "Reason", "why"),
    ),
    "No host was enrolled, relabelled or removed in this period.",
)
KEYS = Table(
    "keys",
    "Keys",
    "The CA's own keys, the hardware keys that the operator registered, and the passkeys of approvers.",
    (
        when(),
        entry(),
        Column("purpose", "Purpose", "user_ca, host_ca, bundle, log; hardware key or passkey"),
        Column("change", "Change", "added, active, retired, revoked, registered, accepted, refused or removed"),
        code("key", "Key", "its fingerprint; of a passkey its id"),
        Column("person", "Person", "whose hardware key or passkey it is"),
        Column(
            "where",
            "Kept in",
            "where the private key is kept, never a secret; of a new passkey its kind",
            printed=False,
        ),
    ),
    "No key was added, changed or retired in this period.",
)
OPERATIONS = Table(
    "operations",
    "The log and the CA",
    "When the CA started, its clock was confirmed, a backup was restored, or details were erased.",
    (
        when(),
        entry(),
        Column("what", "What", "started, clock confirmed, restored or details erased"),
        Column("about", "About", "the facts"),
        quote("reason", "Reason", "why, in the operator's words"),
    ),
)
TABLES: tuple[Table, ...] = (
    REACH,
    PEOPLE,
    HOSTS,
    REQUESTS,
    CERTIFICATES,
    DECISIONS,
    APPROVERS,
    REFUSALS,
    GLASS,
    EMERGENCIES,
    LOCKS,
    REVOCATIONS,
    UNUSED,
    RULES,
    POLICIES,
    HOST_CHANGES,
    KEYS,
    SIGN_INS,
    OPERATIONS,
)
BY_KEY = {table.key: table for table in TABLES}
