"""Tables of what was counted: per person, host, rule, approver and provider."""

from __future__ import annotations

from sshjit_ca.report.columns import Column, Table, code, number, when

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
