"""A month in an installation: everything that an auditor asks about happens once, and what happened is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit_ca.report.period import Period
from tests.support.break_glass import GLASS, break_glass, review
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person
from tests.support.signatures import SIGNED_POLICY, answer, ask, by

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
FRANK = Person("f-6", ("SRE",), "frank@example.com")
"""Never does anything."""
NAME = '=HYPERLINK("http://evil.example")<script>alert(1)</script>'
MALLORY = Person("m-7", ("SRE",), "mallory@example.com", claims={"name": NAME})
HOSTILE = '+cmd|\'/c calc\'!A1 <img src=x onerror="alert(1)"> " onmouseover="x'
HOUR, DAY = 3600, 24 * 3600
START = 1_800_000_000
"""2027-01-15 08:00 UTC."""
PERIOD = Period(START - 8 * HOUR, START - 8 * HOUR + 31 * DAY)
MORE = (
    '[[allow]]\nname = "database"',
    """[[deny]]
name = "sunday-freeze"
hosts = { env = "staging" }
days = ["sun"]
zone = "Europe/Berlin"
[[allow]]
name = "nightly"
roles = ["dba"]
hosts = { env = "staging" }
logins = ["deploy"]
hours = "22:00-04:00"
zone = "Europe/Berlin"
approvals = []
grant = "1h"
certificate = "5m"
[[allow]]
name = "database\"""",
)
EXTEND = ('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by')


@dataclass
class Month:
    """What was done, by name."""

    requests: dict[str, m.RequestView] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    lock: str = ""
    emergency: int = 0


def play(ca: Installation) -> Month:
    """Plays the month."""
    month = Month()
    month.digests.append(ca.context.policy.digest)
    for change in (GLASS, MORE, EXTEND):
        ca.change_policy(*change)
        month.digests.append(ca.context.policy.digest)
    for person in (BOB, ERIN, FRANK, CAROL):
        ca.web(person)
    _first_days(ca, month)
    _broken_glass(ca, month)
    _signed(ca, month)
    _operator(ca, month)
    return month


def _first_days(ca: Installation, month: Month) -> None:
    """Automatic, reviewed for a shorter time and extended, denied, expired, refused."""
    alice, dana = ca.native(ALICE), ca.native(DANA)
    month.requests["automatic"] = ca.ask(alice, "web1", reason="CHG-1 deploy").request
    ca.later(20)
    asked = ca.ask(dana, "db1").request
    ca.later(30)
    bob = ca.web(BOB)
    ca.say(m.Comment(bob, asked.id, "why not at night?"), m.RequestReply)
    approved = ca.say(m.Approve(bob, asked.id, asked.digest, "go on", None, 1800), m.RequestReply).request
    month.requests["reviewed"] = approved
    ca.say(m.SignUser(dana, asked.id), m.CertificateReply)
    longer = ca.say(m.Extend(dana, asked.id, "CHG-7 takes longer", "192.0.2.7"), m.AskReply).request
    ca.later(120)
    month.requests["extension"] = ca.approve(ca.web(ERIN), longer)
    ca.later(DAY)
    dana, bob = ca.native(DANA), ca.web(BOB)
    denied = ca.ask(dana, "db1", reason="INC-2 look around").request
    ca.later(90)
    ca.say(m.Deny(bob, denied.id, denied.digest, "not without a change", None), m.RequestReply)
    month.requests["denied"] = denied
    ca.later(DAY)
    month.requests["expired"] = ca.ask(ca.native(DANA), "db1", reason="INC-3 nobody there").request
    ca.later(HOUR)
    try:
        ca.ask(ca.web(CAROL), "db1", reason="INC-4 let me in")
    except SshJitError as error:
        assert error.family == "refused"  # noqa: PT017 - that it is refused is not what is tested
    ca.authority.sweep()


def _broken_glass(ca: Installation, month: Month) -> None:
    """Four times: justified, unjustified, justified too late, and never looked at."""
    for name, reason, verdict, after in (
        ("justified", "the database is on fire", "justified", HOUR),
        ("unjustified", "I wanted to look at something", "unjustified", HOUR),
        ("late", "disk full, nobody answered", "justified", 3 * DAY),
    ):
        ca.later(DAY)
        month.requests[name] = break_glass(ca, ca.native(ALICE), reason=reason).request
        ca.later(after)
        review(ca, ca.web(BOB), month.requests[name], "justified" if verdict == "justified" else "unjustified", "I saw")
    ca.later(DAY)
    month.requests["overdue"] = break_glass(ca, ca.native(ALICE), reason="replication is broken").request


def _signed(ca: Installation, month: Month) -> None:
    """A policy that wants a signature, and one who writes what is not nice."""
    ca.later(2 * DAY)
    ca.change_policy(*SIGNED_POLICY)
    month.digests.append(ca.context.policy.digest)
    dana, bob = ca.native(DANA), ca.native(BOB)
    asked = ask(ca, dana, by(ca.key(DANA)), "db1", action="migrate", reason="CHG-9 migrate").request
    ca.later(300)
    signed = answer(ca, bob, by(ca.key(BOB)), asked, "as agreed")
    month.requests["signed"] = ca.say(signed, m.RequestReply).request
    ca.say(m.SignUser(dana, asked.id), m.CertificateReply)
    month.requests["hostile"] = ca.ask(ca.native(MALLORY), "web1", reason=HOSTILE).request


def _operator(ca: Installation, month: Month) -> None:
    """A lock, a revocation, hosts, an emergency."""
    ca.later(HOUR)
    month.lock = ca.say(m.Lock(None, "person", "acme/mallory@example.com", "odd words"), m.LockReply, "admin").lock.id
    web2 = (("env", "staging"), ("role", "cache"))
    ca.add_host("web2", env="staging")
    ca.say(m.LabelHost("web2", web2, None, None), m.HostReply, "admin")
    ca.add_host("old1", env="staging")
    ca.say(m.RemoveHost("old1", "worn out", None, None), m.Done, "admin")
    key = ca.key(ALICE).with_suffix(".pub").read_text().strip()
    emergency = m.SignEmergency("root", ("db1",), key, "the provider is down", 600)
    month.emergency = ca.say(emergency, m.EmergencyReply, "admin").serial
    ca.later(2 * DAY)
    ca.authority.sweep()


def database(ca: Installation) -> Path:
    """The database's file."""
    return ca.home / "ca" / "ca.db"
