"""Which tables a report has, and what stands in their columns. ``docs/audit.md`` describes them for auditors.

First come the tables of access (who could, who did, who approved), then the counts, then what was changed. ``TABLES``
has them in the order in which a report shows them.
"""

from __future__ import annotations

from sshjit_ca.report.columns import Column, Table, code, entry, number, quote, when

REACH = Table(
    "reach",
    "Who could reach what",
    "Each line is what one rule gave these people on these hosts, under the policies in force in the period, asked of "
    "the policy itself. Hours do not narrow it; they are named. People stand together if a policy gave them the same, "
    "hosts if their labels did.",
    (
        Column("people", "People", "who: everybody known in the period by a sign-in", "list"),
        number("people_count", "People", "how many that are", printed=False),
        Column("hosts", "Hosts", "which hosts, by name", "list"),
        number("hosts_count", "Hosts", "how many that are", printed=False),
        Column("labels", "Labels", "the label sets that these hosts carried", "list", printed=False),
        Column("logins", "As", "accounts on the host; @own is each person's own Unix name", "list"),
        Column("actions", "Actions", "shell, named actions; command is an exact command of one's own", "list"),
        Column("rule", "Rule", "the rule that decides, by its name in the policy"),
        Column("kind", "Way", "allow, or break-glass: at once, alarmed and reviewed"),
        Column("approvals", "Approvals needed", "how many people of which role; none: at once", "list"),
        Column("requirements", "Also demanded", "what else the rule demands of the sign-in or the ask", "list"),
        Column("hours", "Hours", "when the rule holds, and denies that suspend it at times"),
        Column("window", "Window", "the longest grant", "duration"),
        Column("until", "Role ends", "when the last of the roles that give it ends by the policy", "time"),
        Column(
            "policies", "Policies", "digests (first 16 letters) of the policies that said so", "list", printed=False
        ),
        Column("held", "Held", "throughout the period, or when in it policies said so"),
    ),
    "No policy in force in the period gave anybody known access to any host.",
)
REQUESTS = Table(
    "requests",
    "Who did: requests and grants",
    "Every request that was asked, waited or was open in the period, with its reason and who approved it, as it stands "
    "at the head of the log. A grant is an approved request's window.",
    (
        when("asked", "Asked (UTC)", "when it was asked"),
        code("request", "Request", "its id; the grant's too"),
        Column("person", "Person", "who asked"),
        Column("email", "Address", "the person's address", printed=False),
        Column("via", "Via", "web: on the pages; native: with ssh-jit", printed=False),
        Column("hosts", "Hosts", "for which hosts", "list"),
        Column("login", "As", "the account"),
        Column("action", "Action", "shell, a named action or command"),
        quote("command", "Command", "the exact command, where one is forced"),
        quote("reason", "Reason", "why, in the person's words"),
        Column("rule", "Rule", "the rule that decided"),
        code("policy", "Policy", "the digest of the policy that holds that rule", printed=False),
        Column("state", "Outcome", "how it stands at the head of the log"),
        Column("how", "How", "automatic, reviewed or break_glass, if it was approved; and whether it extends a grant"),
        Column("approvers", "Approved by", "who said yes, and how", "list"),
        Column("opened", "Open from", "when the window opened", "time", printed=False),
        when("ends", "Until", "when it closed or closes"),
        number("certificates", "Certificates", "certificates drawn from it"),
        code("extends", "Extends", "the grant that this made longer", printed=False),
        Column("address", "From", "the address that it was asked from", printed=False),
        Column("closed_for", "Closing words", "what was said when it was closed", "quote", printed=False),
    ),
    "Nobody asked for anything in this period.",
)
CERTIFICATES = Table(
    "certificates",
    "Certificates",
    "Every user certificate that was issued in the period. `ssh-jit-ca log prove` proves one.",
    (
        when(),
        entry(),
        number("serial", "Serial", "as sshd logs it"),
        code("request", "Request", "the grant that it was drawn from"),
        Column("person", "Person", "whose it is"),
        Column("login", "As", "the account"),
        Column("hosts", "Hosts", "the hosts that accept it", "list"),
        Column("rule", "Rule", "the rule of the grant"),
        code("policy", "Policy", "the policy that was asked again"),
        when("valid_before", "Valid until", "when it ran out"),
        code("digest", "SHA-256", "of the certificate"),
    ),
    printed=False,
)
DECISIONS = Table(
    "decisions",
    "Who approved",
    "Every yes, no and remark. Signed: with the approver's own key, over what they were shown.",
    (
        when(),
        entry(),
        code("request", "Request", "what it is about"),
        Column("approver", "Who", "who said it"),
        Column("requester", "About", "who had asked"),
        Column("verdict", "Said", "approve, deny or comment"),
        Column("signed", "Signed", "whether by the key of the person who said it", "flag"),
        Column("via", "Via", "web or native", printed=False),
        Column("shorter", "At most", "the yes was for no longer than this", "duration"),
        Column("waited", "After", "how long the request had waited", "duration"),
        Column("rule", "Rule", "the rule that asked for it"),
        quote("comment", "Words", "what they wrote"),
    ),
    "Nobody had to approve anything in this period.",
)
REFUSALS = Table(
    "refusals",
    "Denied, expired, refused",
    "Requests that came to nothing, and what policy or a guard refused to somebody who had signed in.",
    (
        when(),
        Column("entry", "Entry", "number of the log entry, of a refusal", "number"),
        Column("person", "Person", "who"),
        Column("what", "What", "denied, expired, cancelled, lapsed, revoked; or the code of a refusal"),
        Column("about", "About", "the request and what it was for, or what was asked"),
        quote("why", "Why", "what was said about it"),
        Column("rule", "Rule", "the rule of the request"),
        number("count", "Times", "how often the same since the last such entry"),
    ),
)
GLASS = Table(
    "break_glass",
    "Broken glass, and who looked",
    "Emergency access that a rule allows at once and somebody else must review: unjustified first, then what nobody "
    "has reviewed in time, what waits, what was reviewed late, and the rest.",
    (
        Column("standing", "Review", "unjustified, overdue, waiting, late or justified"),
        when("opened", "Opened (UTC)", "when the glass broke"),
        code("request", "Request", "its id"),
        Column("person", "Person", "who"),
        Column("hosts", "Hosts", "where", "list"),
        Column("login", "As", "the account"),
        quote("reason", "Reason", "why, in the person's words"),
        Column("rule", "Rule", "the rule that allows it"),
        number("certificates", "Certificates", "certificates drawn"),
        when("review_by", "Due", "when somebody must have looked"),
        when("reviewed", "Reviewed", "when somebody did"),
        Column("reviewer", "By", "who looked"),
        quote("finding", "Finding", "what the reviewer wrote"),
    ),
    "No glass was broken in this period.",
)
EMERGENCIES = Table(
    "emergencies",
    "Certificates past every rule",
    "`ssh-jit-ca sign-emergency`, by whoever operates the CA's machine.",
    (
        when(about="when it was recorded: later than signed, if the database was down"),
        entry(),
        when("signed", "Signed (UTC)", "when it was signed"),
        number("serial", "Serial", "as sshd logs it"),
        Column("login", "As", "the account"),
        Column("hosts", "Hosts", "where, by host id", "list"),
        when("valid_before", "Valid until", "when it ran out"),
        quote("reason", "Reason", "why, in the operator's words"),
    ),
    "No certificate was signed past the rules in this period.",
)
PEOPLE = Table(
    "people",
    "People",
    "Everybody who was known in the period by a sign-in of then or before. Roles are those of the last policy of the "
    "period.",
    (
        Column("person", "Person", "the name at the newest sign-in"),
        Column("provider", "Provider", "who vouches for them"),
        Column("email", "Address", "the address at the newest sign-in"),
        code("subject", "Account", "the id in the log", printed=False),
        Column("roles", "Roles", "roles held at the end of the period", "list"),
        when("last_sign_in", "Last sign-in", "up to the end of the period"),
        number("sign_ins", "Sign-ins", "in the period"),
        number("requests", "Asked", "requests in the period"),
        number("grants", "Granted", "grants that opened in the period"),
        number("certificates", "Certificates", "drawn in the period"),
        number("refused", "Refused", "requests that were denied, and asks that were refused"),
        number("glass", "Glass", "times that they broke the glass"),
        number("approvals", "Approved", "times that they said yes to others"),
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
        number("requests", "Asked", "requests for it in the period"),
        number("certificates", "Certificates", "that it accepted, in the period"),
        Column("people", "Used by", "who drew certificates for it", "list"),
        when("last", "Last certificate", "in the period"),
    ),
    "No host was enrolled in this period.",
)
APPROVERS = Table(
    "approvers",
    "Who carries the approving",
    "How much of all approving rests on whom, and for whom they approve most.",
    (
        Column("person", "Approver", "who"),
        number("approved", "Yes", "times they approved"),
        number("denied", "No", "times they denied"),
        Column("share", "Share", "of all approvals in the period", "share"),
        number("signed", "Signed", "approvals by their own key"),
        number("quick", "Within a minute", "approvals given less than a minute after the ask"),
        number("requesters", "For people", "how many different people they approved"),
        Column("most_for", "Most often for", "whom they approved most, and how often"),
        Column("rules", "Rules", "approvals by rule", "list"),
    ),
    "Nobody approved anything in this period.",
)
UNUSED = Table(
    "unused",
    "Could, and never did",
    "Access that somebody had by a rule when the period ended and did not use in the period: candidates for removal. "
    "Those who never used it at all stand first.",
    (
        Column("person", "Person", "who"),
        Column("provider", "Provider", "who vouches for them", printed=False),
        Column("email", "Address", "their address"),
        Column("rule", "Rule", "the rule that gave it"),
        Column("roles", "By role", "the roles of the rule that they hold", "list"),
        number("hosts", "Hosts", "how many hosts it reaches"),
        when("last_used", "Last used", "when they last drew a certificate by this rule; empty: never"),
        when("last_sign_in", "Last sign-in", "up to the end of the period"),
    ),
    "Everybody used everything that they could reach.",
)
RULES = Table(
    "rules",
    "Rules and their use",
    "Every rule that could allow something in the period. Those that nobody used stand first.",
    (
        Column("rule", "Rule", "its name"),
        Column("kind", "Way", "allow or break-glass"),
        Column("approvals", "Approvals needed", "by the newest policy of the period that has it", "list"),
        Column("in_force", "In force", "whether the last policy of the period has it", "flag"),
        number("people", "People", "how many could use it"),
        number("requests", "Asked", "requests that it decided, in the period"),
        number("grants", "Granted", "grants in the period"),
        number("certificates", "Certificates", "drawn in the period"),
        number("approvals_given", "Yes", "approvals given for it"),
        when("last_used", "Last used", "when a certificate was last drawn by it, up to the end of the period"),
    ),
    "No policy in force in this period has a rule that allows anything.",
)
SIGN_INS = Table(
    "sign_ins",
    "Sign-ins by provider",
    "Each is an ID token that the CA verified itself.",
    (
        Column("provider", "Provider", "who vouched"),
        Column("via", "Via", "web: pages; native: ssh-jit, bound to a key"),
        number("sign_ins", "Sign-ins", "in the period"),
        number("people", "People", "different ones"),
        number("mfa", "With second factor", "as the provider says"),
    ),
    "Nobody signed in in this period.",
)
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
