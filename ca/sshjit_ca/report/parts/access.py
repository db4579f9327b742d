"""Tables of access: who could, who did, who approved, and what was out of the ordinary."""

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
