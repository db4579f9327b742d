"""What organisations of different kinds need to say, said in the language, and what it then answers.

Each is a policy of its own with a few questions. What the language cannot say yet (rotas, tickets, owners, limits) is
not here.
"""

from __future__ import annotations

import pytest

from sshjit.policy import Ask, Denied, Host, Outcome, StepUp, Subject, evaluate, explain, load, with_files
from sshjit.policy.proof import prove
from tests.unit.sshjit.policy_world import at

HEAD = 'version = 1\n[labels]\nenv = { values = ["prod", "test", "lab"], required = true }\n'
PLAIN = 'approvals = []\ngrant = "1h"\ncertificate = "5m"\n'

BANK = f"""{HEAD}role = {{ values = ["core", "card", "web"], required = true }}
[calendars]
closing = [{{ from = 2026-12-28, until = 2027-01-05 }}]
holidays = {{ file = "holidays.toml" }}
[roles]
ops = ["acme/group:ops"]
trainee = ["acme/group:trainees"]
risk = ["acme/group:risk"]
[terms.prod]
fresh_login = "15m"
mfa = true
signed_request = true
reason = {{ pattern = "CHG-[0-9]+" }}
approvals = [{{ from = "risk", count = 1, signed = true }}]
grant = "1h"
certificate = "5m"
[[never]]
name = "core-needs-risk"
hosts = {{ role = "core", env = "prod" }}
without = ["approval", "mfa", "signed_request"]
[[never]]
name = "nobody-at-closing"
hosts = {{ env = "prod" }}
login = "root"
[[deny]]
name = "year-end"
hosts = {{ env = "prod" }}
not_roles = ["risk"]
days = ["closing"]
zone = "Europe/Berlin"
[[allow]]
name = "core"
roles = ["ops"]
not_roles = ["trainee"]
hosts = [{{ env = "prod", role = "core" }}, {{ env = "prod", role = "card" }}]
logins = ["batch"]
terms = "prod"
grant = "30m"
days = ["mon", "tue", "wed", "thu", "fri"]
not_days = ["holidays"]
hours = "08:00-20:00"
zone = "Europe/Berlin"
[[allow]]
name = "web"
roles = ["ops"]
hosts = {{ env = "prod", role = {{ not = ["core", "card"] }} }}
logins = ["deploy"]
terms = "prod"
"""
HOSPITAL = f"""{HEAD}
[roles]
clinic-it = ["acme/group:clinic-it"]
vendor = [{{ from = "partner/group:scanner", until = 2026-12-31 }}]
[[never]]
name = "vendors-stay-in-the-lab"
hosts = {{ env = "prod" }}
unless_role = "clinic-it"
[[deny]]
name = "only-from-inside"
hosts = {{ env = "prod" }}
not_networks = ["10.0.0.0/8"]
unless_break_glass = true
[[allow]]
name = "wards"
roles = ["clinic-it"]
hosts = {{ env = ["prod", "test"] }}
logins = ["@own"]
{PLAIN}
[[allow]]
name = "scanner"
roles = ["vendor"]
hosts = {{ env = "lab" }}
logins = ["service"]
networks = ["192.0.2.0/24"]
hours = "18:00-06:00"
zone = "Europe/Berlin"
{PLAIN}
[[break_glass]]
name = "emergency"
roles = ["clinic-it"]
hosts = {{ env = "prod" }}
logins = ["root"]
grant = "30m"
certificate = "5m"
review_within = "24h"
"""
STUDIO = f"""{HEAD}
[calendars]
launch = [{{ from = 2026-11-20, until = 2026-11-27 }}]
[roles]
dev = ["acme/group:dev"]
live = ["acme/group:live-ops"]
[[deny]]
name = "launch"
hosts = {{ env = "prod" }}
not_roles = ["live"]
days = ["launch"]
zone = "America/Los_Angeles"
[[allow]]
name = "builds"
roles = ["dev", "live"]
hosts = [{{ env = "test" }}, {{ env = "lab" }}]
logins = ["build"]
{PLAIN}
[[allow]]
name = "servers"
roles = ["dev", "live"]
hosts = {{ env = "prod" }}
logins = ["game"]
{PLAIN}
"""
UNIVERSITY = f"""{HEAD}
[roles]
staff = ["acme/group:staff"]
student = ["acme/group:students"]
[terms.short]
grant = "2h"
certificate = "5m"
approvals = []
[[allow]]
name = "course"
roles = ["student"]
not_roles = ["staff"]
hosts = {{ env = "lab" }}
logins = ["@own"]
terms = "short"
from = 2026-10-12
until = 2027-02-05
zone = "Europe/Berlin"
networks = ["198.51.100.0/24"]
[[allow]]
name = "research"
roles = ["staff"]
hosts = {{ env = {{ not = "prod" }} }}
logins = ["@own"]
terms = "short"
[[never]]
name = "students-after-term"
hosts = {{ env = "prod" }}
unless_role = "staff"
"""


def person(provider: str, *groups: str, had: tuple[str, ...] = ()) -> Subject:
    signed_in, names = at("2026-12-01 12:00"), frozenset(groups)
    return Subject("x", provider, names, frozenset(), "xenia", signed_in, mfa=True, denied_groups=frozenset(had))


OPS, TRAINEE = person("acme", "ops"), person("acme", "ops", "trainees")
DEV, LIVE = person("acme", "dev"), person("acme", "live-ops")
STUDENT, TUTOR = person("acme", "students"), person("acme", "students", had=("staff",))
CLINIC, VENDOR = person("acme", "clinic-it"), person("partner", "scanner")
FILES = {"holidays.toml": "dates = [2026-12-08, 2026-12-25]\n"}


def host(env: str, role: str = "") -> Host:
    labels = {"env": env, **({"role": role} if role else {})}
    return Host(f"{env}-{role}", f"{env}-{role}", tuple(sorted(labels.items())))


def code(outcome: Outcome) -> str:
    return outcome.code if isinstance(outcome, Denied) else "step_up" if isinstance(outcome, StepUp) else ""


Question = tuple[str, Subject, list[Host], str, str, str]
QUESTIONS: list[Question] = [
    (BANK, OPS, [host("prod", "core"), host("prod", "card")], "2026-12-01 12:00", "", "one ask for both kinds"),
    (BANK, TRAINEE, [host("prod", "core")], "2026-12-01 12:00", "no_rule", "trainees are left out"),
    (BANK, OPS, [host("prod", "core")], "2026-12-08 12:00", "no_rule", "a holiday from the file"),
    (BANK, OPS, [host("prod", "core")], "2026-12-01 21:00", "no_rule", "in the evening"),
    (BANK, OPS, [host("prod", "web")], "2026-12-29 12:00", "denied_by_rule", "at the year's end"),
    (BANK, OPS, [host("prod", "web")], "2027-01-06 12:00", "step_up", "after it, with an old sign-in"),
    (HOSPITAL, CLINIC, [host("prod")], "2026-12-01 12:00", "", "from inside"),
    (HOSPITAL, VENDOR, [host("lab")], "2026-12-01 19:00", "wrong_network", "vendors come from their own network"),
    (HOSPITAL, VENDOR, [host("prod")], "2026-12-01 19:00", "no_rule", "and go no further"),
    (HOSPITAL, VENDOR, [host("lab")], "2027-01-01 19:00", "no_rule", "until their contract ends"),
    (STUDIO, DEV, [host("test"), host("lab")], "2026-11-22 12:00", "", "builds go on"),
    (STUDIO, DEV, [host("prod")], "2026-11-22 12:00", "denied_by_rule", "a launch is for live operations"),
    (STUDIO, LIVE, [host("prod")], "2026-11-22 12:00", "", "who are there"),
    (STUDIO, DEV, [host("prod")], "2026-11-20 08:59", "", "by the clocks of the studio"),
    (UNIVERSITY, STUDENT, [host("lab")], "2026-12-01 12:00", "wrong_network", "only from the pool"),
    (UNIVERSITY, STUDENT, [host("lab")], "2027-02-06 00:00", "no_rule", "until the term ends"),
    (UNIVERSITY, TUTOR, [host("lab")], "2026-12-01 12:00", "no_rule", "who may be staff is no student"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=[question[-1] for question in QUESTIONS])
def test_what_they_need_to_say_can_be_said(question: Question) -> None:
    text, who, hosts, when, answer, _ = question
    policy, ask = load(with_files(text, FILES.__getitem__)), Ask(None, reason="CHG-12", address="10.1.2.3")
    outcome = evaluate(policy, who, hosts, ask, at(when))
    assert explain(policy, who, hosts, ask, at(when)).outcome == outcome
    assert code(outcome) == answer


@pytest.mark.parametrize("text", [BANK, HOSPITAL, UNIVERSITY], ids=["bank", "hospital", "university"])
def test_what_must_never_be_is_proved(text: str) -> None:
    policy = load(with_files(text, FILES.__getitem__))
    broken = [answer.never.name for answer in prove(policy, policy.nevers, at("2026-11-01 12:00"))]
    assert broken == []
