"""Which table is the evidence for what access reviews are asked about.

References are to the AICPA Trust Services Criteria (2017, points of focus revised 2022), ISO/IEC 27001:2022 Annex A,
and the HIPAA Security Rule (45 CFR part 164). What they ask is in our own words; the texts themselves decide.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """One question of a framework, and the tables that answer it."""

    framework: str
    reference: str
    asks: str
    tables: tuple[str, ...]


_SOC, _ISO, _HIPAA = "SOC 2", "ISO/IEC 27001:2022", "HIPAA Security Rule"
EVIDENCE: tuple[Evidence, ...] = (
    Evidence(
        _SOC,
        "CC6.1",
        "Access to systems is restricted, by whom and by which rules.",
        ("reach", "policies", "hosts", "keys"),
    ),
    Evidence(
        _SOC,
        "CC6.2",
        "Credentials go only to people who are registered and authorised, and end when they no longer are.",
        ("people", "sign_ins", "requests", "locks", "revocations"),
    ),
    Evidence(
        _SOC,
        "CC6.3",
        "Access is granted, changed and removed by role, with least privilege and separated duties; it is reviewed.",
        ("reach", "decisions", "approvers", "unused", "rules"),
    ),
    Evidence(_SOC, "CC7.1", "Changes to the configuration are noticed.", ("policies", "host_changes", "keys")),
    Evidence(_SOC, "CC7.2", "What is out of the ordinary is watched for.", ("refusals", "break_glass", "emergencies")),
    Evidence(
        _SOC,
        "CC7.3, CC7.4",
        "Events are looked at, and answered.",
        ("break_glass", "locks", "revocations", "operations"),
    ),
    Evidence(_ISO, "A 5.3", "Duties that conflict are separated.", ("decisions", "approvers", "break_glass")),
    Evidence(_ISO, "A 5.15", "Rules for access are set and in force.", ("policies", "reach", "rules")),
    Evidence(_ISO, "A 5.16", "Identities are managed over their whole life.", ("people", "sign_ins", "locks")),
    Evidence(
        _ISO,
        "A 5.18",
        "Access rights are given, reviewed, changed and taken away by the rules.",
        ("reach", "requests", "decisions", "unused", "revocations"),
    ),
    Evidence(
        _ISO,
        "A 8.2",
        "Privileged access is restricted, and given for a reason and a time.",
        ("requests", "break_glass", "emergencies", "reach"),
    ),
    Evidence(_ISO, "A 8.5", "Sign-in is as strong as what it opens.", ("sign_ins", "reach")),
    Evidence(_ISO, "A 8.15", "Events are logged, and the log is protected.", ("operations", "certificates")),
    Evidence(_ISO, "A 8.16", "What is unusual is monitored.", ("refusals", "break_glass", "approvers")),
    Evidence(_ISO, "A 8.24", "Keys are managed over their whole life.", ("keys",)),
    Evidence(
        _HIPAA,
        "164.308(a)(3)",
        "Workforce security: who may have access is authorised, and access ends with the reason for it.",
        ("people", "decisions", "locks", "revocations", "unused"),
    ),
    Evidence(
        _HIPAA,
        "164.308(a)(4)",
        "Information access management: access is authorised, established, reviewed and changed.",
        ("reach", "requests", "decisions", "policies", "host_changes"),
    ),
    Evidence(
        _HIPAA,
        "164.312(a)",
        "Access control: each person has one identity, there is a way in an emergency, and sessions end.",
        ("people", "requests", "break_glass", "emergencies"),
    ),
    Evidence(
        _HIPAA,
        "164.312(b)",
        "Audit controls: what happens in systems is recorded and examined.",
        ("certificates", "refusals", "operations"),
    ),
    Evidence(_HIPAA, "164.312(d)", "People who ask for access are who they claim to be.", ("sign_ins", "people")),
)
