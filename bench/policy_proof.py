"""``ssh-jit policy prove``: sentences about many rules, with roles that end, hours in several zones and calendars."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.environment import Environment
from bench.results import Result
from sshjit.policy import load
from sshjit.policy.proof import prove

NOW = 1_796_000_000
_HEAD = """version = 1
[labels]
env = { values = ["prod", "staging"] }
team = {}
[calendars]
holidays = [2026-12-25, 2027-01-01, 2027-04-05, 2027-05-01, 2027-12-25]
[[never]]
name = "approval"
hosts = { env = "prod" }
without = "approval"
[[never]]
name = "root"
hosts = { env = "prod" }
login = "root"
"""
_OWNERS = """[[deny]]
name = "others"
hosts = { env = "staging" }
not_roles = ["@team"]
[[allow]]
name = "owners"
roles = ["@team"]
hosts = { env = "prod" }
logins = ["ops"]
approvals = [{ from = "@team", count = 1, escalate = { to = "r0", after = "10m" } }]
grant = "1h"
certificate = "5m"
"""
_TIMES = (
    "",
    'hours = "08:00-18:00"\nzone = "Europe/Berlin"\n',
    'days = ["mon", "tue", "wed", "thu", "fri"]\nhours = "09:00-17:00"\nzone = "America/New_York"\n',
    'not_days = ["holidays"]\nzone = "Europe/Berlin"\n',
    'hours = "22:00-06:00"\nzone = "Asia/Tokyo"\n',
)


def lines(_: Environment) -> Iterator[Result]:
    """Two years ahead, with 300 rules and with 1,000."""
    for rules, budget in ((300, 1.0), (1000, 5.0)):
        seconds = min(_seconds(rules) for _ in range(2))
        yield Result("proof", f"{rules:,} rules, two years", f"{seconds:.2f} s", "", seconds, "s", budget)


def _seconds(rules: int) -> float:
    """Processor time that it takes to find that both sentences hold."""
    policy = load(_text(rules))
    began = time.thread_time()
    broken = prove(policy, policy.nevers, NOW)
    spent = time.thread_time() - began
    if broken:
        raise RuntimeError(f"the sentences of this measurement should hold: {broken}")
    return spent


def _text(rules: int) -> str:
    teams, denies = range(rules * 9 // 10 - 2), range(rules // 10)
    owned = ", ".join(f't{i} = "r{i}"' for i in teams)
    roles = "".join(
        f'r{i} = ["acme/group:G{i}", {{ from = "acme/group:X{i}", until = 2027-{1 + i % 12:02d}-01 }}]\n' for i in teams
    )
    against = "".join(
        f'[[deny]]\nname = "d{i}"\nhosts = {{ team = "t{i}" }}\nnot_roles = ["r{i + 1}"]\n{_TIMES[1 + i % 4]}'
        for i in denies
    )
    allows = "".join(
        f'[[allow]]\nname = "a{i}"\nroles = ["r{i}"]\n'
        f'hosts = {{ env = "{("prod", "staging")[i % 2]}", team = "t{i}" }}\n'
        f'logins = ["deploy", "@own"]\n{_TIMES[i % 5]}approvals = [{{ from = "r0", count = 1, not_own = "team" }}]\n'
        'limits = { person = { open = 1 } }\ngrant = "1h"\ncertificate = "5m"\n'
        for i in teams
    )
    return f'{_HEAD}[owners.team]\nlabel = "team"\nroles = {{ {owned} }}\n[roles]\n{roles}{against}{allows}{_OWNERS}'
