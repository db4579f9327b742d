"""The policy, people, hosts and moments that the policy tests share."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sshjit.policy import Ask, Host, Outcome, Subject, evaluate, explain, load

TEXT = """\
version = 1

[labels]
env  = { values = ["prod", "staging"], required = true }
role = {}

[roles]
sre      = ["acme/group:SRE"]
dba      = ["acme/group:Database", "partner/email:dana@example.com"]
sre-lead = ["acme/group:SRE Leads"]
auditor  = [{ from = "partner/email:eve@example.com", until = 2026-12-31 }]

[permissions]
lock = ["sre-lead"]
audit = ["auditor", "sre-lead"]

[actions.migrate]
command = "/opt/app/bin/migrate"
title   = "Run the database migration"

[[deny]]
name  = "weekend-freeze"
hosts = { env = "prod" }
days  = ["sat", "sun"]
zone  = "Europe/Berlin"
unless_break_glass = true

[[deny]]
name = "no-root"
logins = ["root"]
unless_break_glass = true

[[deny]]
name = "quarantine"
hosts = { role = "broken" }
actions = ["migrate", "command"]

[[allow]]
name        = "staging"
roles       = ["sre", "dba"]
hosts       = { env = "staging" }
logins      = ["deploy", "@own"]
approvals   = []
grant       = "8h"
certificate = "5m"

[[allow]]
name        = "prod-database"
roles       = ["dba"]
hosts       = { env = "prod", role = ["db", "cache"] }
logins      = ["postgres", "root"]
actions     = ["shell", "migrate"]
hours       = "09:00-18:00"
zone        = "Europe/Berlin"
reason      = { pattern = "(INC|CHG)-[0-9]+", prompt = "Incident or change number" }
fresh_login = "15m"
mfa         = true
approvals   = [ { from = "dba", count = 1 }, { from = "sre-lead", count = 1, signed = true } ]
pending     = "30m"
use_by      = "20m"
grant       = "1h"
certificate = "5m"
max_hosts   = 2
source      = "client"
forwarding  = ["port"]
extend      = { count = 2, by = "30m" }

[[allow]]
name         = "lax-database"
roles        = ["dba"]
hosts        = { env = "prod", role = "db" }
logins       = ["postgres"]
actions      = ["shell", "command"]
hardware_key = true
approvals    = []
grant        = "10m"
certificate  = "1m"
source       = ["10.0.0.0/8", "2001:db8::/32"]

[[break_glass]]
name = "on-call"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["root"]
grant = "30m"
certificate = "5m"
notify = ["pager"]
review_within = "24h"
"""


def at(text: str) -> int:
    """The instant of a wall-clock time in Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp())


WEDNESDAY = at("2026-03-04 12:00")
SATURDAY = at("2026-03-07 12:00")
EVENING = at("2026-03-04 20:00")

ALICE = Subject("sub-alice", "acme", frozenset({"SRE"}), frozenset({"alice@example.com"}), unix_name="alice")
BOB = Subject("sub-bob", "acme", frozenset({"SRE Leads"}), frozenset({"bob@example.com"}), unix_name="bob")
CAROL = Subject("sub-carol", "acme", frozenset(), frozenset({"carol@example.com"}), unix_name="carol")
DANA = Subject(
    "sub-dana",
    "partner",
    frozenset(),
    frozenset({"dana@example.com"}),
    unix_name="dana",
    auth_time=WEDNESDAY - 60,
    mfa=True,
)
EVE = Subject("sub-eve", "partner", frozenset(), frozenset({"eve@example.com"}))

WEB1 = Host("web1", "web1", (("env", "staging"),))
WEB2 = Host("web2", "web2", (("env", "staging"), ("role", "web")))
DB1 = Host("db1", "db1", (("env", "prod"), ("role", "db")))
DB2 = Host("db2~3", "db2", (("env", "prod"), ("role", "db")))
CACHE1 = Host("cache1", "cache1", (("env", "prod"), ("role", "cache")))
BARE = Host("bare", "bare", ())


POLICY = load(TEXT)

FRESH_ALICE = replace(ALICE, auth_time=WEDNESDAY - 5)
MIGRATE = Ask("postgres", "migrate", reason="CHG-7 add index", address="192.0.2.7")
LAX = Ask("postgres", "command", command="pg_dump main", address="192.0.2.7")
FIRE = Ask("root", reason="the site is down", break_glass=True)


def decide(who: Subject, hosts: list[Host], ask: Ask, now: int = WEDNESDAY) -> Outcome:
    """The outcome by ``POLICY``, on which ``evaluate`` and ``explain`` agree."""
    outcome = evaluate(POLICY, who, hosts, ask, now)
    assert explain(POLICY, who, hosts, ask, now).outcome == outcome
    return outcome
