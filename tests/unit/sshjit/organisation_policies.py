"""Ten policies: what organisations of different kinds need to say, in the language."""

from __future__ import annotations

HEAD = 'version = 1\n[labels]\nenv = { values = ["prod", "test", "lab"], required = true }\n'
PLAIN = 'approvals = []\ngrant = "1h"\ncertificate = "5m"\n'

BANK = f"""{HEAD}role = {{ values = ["core", "card", "web"], required = true }}
[calendars]
closing = [{{ from = 2026-12-28, until = 2027-01-05 }}]
holidays = {{ file = "holidays.toml" }}
[tickets.changes]
expect.status = "approved"
[rotas.operations]
lifetime = "8d"
[roles]
on-call = ["rota:operations"]
ops = ["acme/group:ops"]
trainee = ["acme/group:trainees"]
risk = ["acme/group:risk"]
[terms.prod]
fresh_login = "15m"
mfa = true
signed_request = true
reason = {{ pattern = "CHG-[0-9]+" }}
ticket = "changes"
approvals = [{{ from = "risk", count = 1, signed = true }}]
grant = "1h"
certificate = "5m"
[[never]]
name = "core-needs-risk"
hosts = {{ role = "core", env = "prod" }}
without = ["approval", "mfa", "signed_request"]
[[never]]
name = "nobody-is-root"
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
roles = ["ops", "on-call"]
hosts = {{ env = "prod", role = {{ not = ["core", "card"] }} }}
logins = ["deploy"]
terms = "prod"
"""
HOSPITAL = f"""{HEAD}dept = {{ values = ["radiology", "pharmacy", "shared"], required = true }}
[tickets.changes]
expect.status = "approved"
[rotas.wards]
lifetime = "8d"
[roles]
on-call = ["rota:wards"]
clinic-it = ["acme/group:clinic-it"]
radiology = ["acme/group:radiology"]
pharmacy = ["acme/group:pharmacy"]
vendor = [{{ from = "partner/group:scanner", until = 2026-12-31 }}]
[owners.dept]
label = "dept"
roles = {{ radiology = "radiology", pharmacy = "pharmacy" }}
[[never]]
name = "vendors-stay-in-the-lab"
hosts = {{ env = "prod" }}
unless_role = ["clinic-it", "radiology", "pharmacy", "on-call"]
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
name = "own-department"
roles = ["@dept"]
hosts = {{ env = ["prod", "test"] }}
logins = ["app"]
mfa = true
{PLAIN}
[[allow]]
name = "scanner"
roles = ["vendor"]
hosts = {{ env = "lab" }}
logins = ["service"]
networks = ["192.0.2.0/24"]
reason = {{ pattern = "CHG-[0-9]+" }}
ticket = "changes"
hours = "18:00-06:00"
zone = "Europe/Berlin"
approvals = [{{ from = "@dept", count = 1 }}]
grant = "4h"
certificate = "5m"
[[break_glass]]
name = "emergency"
roles = ["clinic-it", "on-call"]
hosts = {{ env = "prod" }}
logins = ["root"]
grant = "30m"
certificate = "5m"
review_within = "24h"
"""
STUDIO = f"""{HEAD}
[calendars]
launch = [{{ from = 2026-11-20, until = 2026-11-27 }}]
[rotas.live]
lifetime = "8d"
[roles]
dev = ["acme/group:dev"]
live = ["acme/group:live-ops", "rota:live"]
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
central-it = ["acme/group:central-it"]
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
[[allow]]
name = "central-services"
roles = ["central-it"]
hosts = {{ env = "prod" }}
logins = ["root"]
mfa = true
terms = "short"
[[never]]
name = "production-is-for-central-it"
hosts = {{ env = "prod" }}
unless_role = "central-it"
"""
ISP = f"""{HEAD}region = {{ values = ["north", "south", "lab"], required = true }}
kind = {{ values = ["core", "edge", "cpe"], required = true }}
[calendars]
window = [2026-12-02, 2026-12-09]
[tickets.changes]
expect.status = "approved"
[rotas.noc]
lifetime = "8d"
[roles]
on-call = ["rota:noc"]
noc = ["acme/group:noc"]
north = ["acme/group:field-north"]
south = ["acme/group:field-south"]
manager = ["acme/group:duty-managers"]
[owners.region]
label = "region"
roles = {{ north = "north", south = "south" }}
[terms.router]
reason = {{ pattern = "(CHG|INC)-[0-9]+" }}
ticket = "changes"
mfa = true
grant = "1h"
certificate = "5m"
[[never]]
name = "core-is-never-alone"
hosts = {{ kind = "core" }}
without = ["approval", "mfa"]
[[deny]]
name = "management-network"
hosts = {{ kind = ["core", "edge"] }}
not_networks = ["10.0.0.0/8"]
unless_break_glass = true
[[allow]]
name = "own-region"
roles = ["@region"]
hosts = {{ kind = {{ not = "core" }} }}
logins = ["net"]
terms = "router"
approvals = []
[[allow]]
name = "core"
roles = ["noc", "on-call"]
hosts = {{ kind = "core" }}
logins = ["net"]
terms = "router"
approvals = [{{ from = "@region", count = 1, escalate = {{ to = "manager", after = "15m", tell = ["duty"] }} }}]
days = ["window"]
hours = "00:00-06:00"
zone = "Europe/Berlin"
limits = {{ person = {{ open = 1 }}, rule = {{ open = 2, week = 6 }} }}
"""
SAAS = f"""{HEAD}service = {{ values = ["billing", "search", "web", "shared"], required = true }}
[tickets.changes]
expect.status = "approved"
[rotas.support]
lifetime = "8d"
[roles]
on-call = ["rota:support"]
billing = ["acme/group:billing"]
search = ["acme/group:search"]
web = ["acme/group:web"]
staff = ["acme/group:billing", "acme/group:search", "acme/group:web"]
security = ["acme/group:security"]
[owners.team]
label = "service"
roles = {{ billing = "billing", search = "search", web = "web" }}
[terms.prod]
reason = {{ pattern = "CHG-[0-9]+" }}
ticket = "changes"
ticket_down = "allow"
fresh_login = "1h"
grant = "2h"
certificate = "5m"
[[never]]
name = "billing-is-for-billing"
hosts = {{ service = "billing", env = "prod" }}
unless_role = "billing"
without = "approval"
[[allow]]
name = "own-test"
roles = ["@team"]
hosts = [{{ env = "test" }}, {{ env = "lab" }}]
logins = ["app"]
approvals = []
grant = "8h"
certificate = "5m"
[[allow]]
name = "own-prod"
roles = ["@team"]
hosts = {{ env = "prod" }}
logins = ["app"]
terms = "prod"
approvals = [{{ from = "staff", count = 1, not_own = "team" }}]
[[allow]]
name = "others-prod"
roles = ["staff", "on-call"]
not_roles = ["@team"]
hosts = {{ env = "prod" }}
logins = ["app"]
terms = "prod"
approvals = [{{ from = "@team", count = 1 }}, {{ from = "security", count = 1, signed = true }}]
"""
FILM = f"""{HEAD}show = {{ values = ["dragon", "heist", "none"], required = true }}
kind = {{ values = ["render", "editing", "vault"], required = true }}
[calendars]
delivery = [{{ from = 2026-12-07, until = 2026-12-11 }}]
[roles]
dragon = ["acme/group:dragon"]
heist = ["acme/group:heist"]
vendor = [{{ from = "partner/group:effects", until = 2026-12-20 }}]
producer = ["acme/group:producers"]
[owners.show]
label = "show"
roles = {{ dragon = "dragon", heist = "heist" }}
[terms.studio]
networks = ["198.51.100.0/24"]
grant = "4h"
certificate = "5m"
[[never]]
name = "nobody-sees-another-show"
hosts = {{ show = "dragon" }}
unless_role = ["dragon", "producer", "vendor"]
[[deny]]
name = "delivery"
hosts = {{ kind = "render" }}
roles = ["vendor"]
days = ["delivery"]
zone = "America/Los_Angeles"
[[allow]]
name = "shows"
roles = ["@show", "producer"]
hosts = {{ kind = {{ not = "vault" }} }}
logins = ["artist"]
terms = "studio"
approvals = []
[[allow]]
name = "vendors"
roles = ["vendor"]
hosts = {{ kind = "render" }}
logins = ["artist"]
approvals = [{{ from = "@show", count = 1 }}]
limits = {{ person = {{ open = 1 }} }}
grant = "2h"
certificate = "5m"
"""
LAB = f"""{HEAD}group = {{ values = ["laser", "cryo", "optics"] }}
[calendars]
beam = [{{ from = 2026-12-01, until = 2026-12-04 }}]
[roles]
laser = ["acme/group:laser"]
cryo = ["acme/group:cryo"]
optics = ["acme/group:optics"]
student = ["acme/group:students"]
head = ["acme/group:heads"]
[owners.group]
label = "group"
roles = {{ laser = "laser", cryo = "cryo", optics = "optics" }}
[terms.instrument]
max_hosts = 1
grant = "12h"
certificate = "10m"
[[never]]
name = "students-do-not-run-instruments"
hosts = {{ env = "prod" }}
unless_role = ["laser", "cryo", "optics"]
without = "approval"
[[deny]]
name = "beam-time"
hosts = {{ group = "laser" }}
not_roles = ["@group"]
days = ["beam"]
zone = "Europe/Zurich"
[[allow]]
name = "own-instruments"
roles = ["@group"]
not_roles = ["student"]
hosts = [{{ env = "prod" }}, {{ env = "lab" }}]
logins = ["@own"]
terms = "instrument"
approvals = []
limits = {{ person = {{ open = 1 }}, rule = {{ open = 3 }} }}
[[allow]]
name = "guests"
roles = ["student", "laser", "cryo", "optics"]
hosts = {{ env = "prod" }}
logins = ["guest"]
terms = "instrument"
grant = "2h"
approvals = [{{ from = "@group", count = 1, escalate = {{ to = "head", after = "30m" }} }}]
"""
UTILITY = f"""{HEAD}plant = {{ values = ["east", "west"], required = true }}
kind = {{ values = ["scada", "historian", "office"], required = true }}
[calendars]
storm = [{{ from = 2026-12-14, until = 2026-12-18 }}]
[tickets.changes]
expect.status = "approved"
[rotas.grid]
lifetime = "8d"
[roles]
on-call = ["rota:grid"]
operator = ["acme/group:operators"]
engineer = ["acme/group:engineers"]
east = ["acme/group:plant-east"]
west = ["acme/group:plant-west"]
[owners.plant]
label = "plant"
roles = {{ east = "east", west = "west" }}
[terms.control]
reason = {{ pattern = "CHG-[0-9]+" }}
ticket = "changes"
hardware_key = true
signed_request = true
networks = ["10.20.0.0/16"]
max_hosts = 1
grant = "30m"
certificate = "5m"
[[never]]
name = "control-by-two-and-a-key"
hosts = {{ kind = "scada" }}
without = ["approval", "hardware_key", "signed_request"]
break_glass = false
[[deny]]
name = "storm"
hosts = {{ kind = "scada" }}
not_roles = ["operator", "on-call"]
days = ["storm"]
zone = "Europe/Berlin"
unless_break_glass = true
[[allow]]
name = "control"
roles = ["engineer", "operator", "on-call"]
hosts = {{ kind = "scada" }}
logins = ["control"]
terms = "control"
approvals = [
  {{ from = "@plant", count = 1, signed = true }},
  {{ from = "@plant", count = 1 }},
]
limits = {{ rule = {{ open = 1, week = 10 }} }}
[[allow]]
name = "records"
roles = ["engineer", "@plant"]
hosts = {{ kind = {{ not = ["scada"] }} }}
logins = ["@own"]
approvals = []
grant = "8h"
certificate = "5m"
[[break_glass]]
name = "blackout"
roles = ["@plant"]
hosts = {{ kind = "scada" }}
logins = ["control"]
hardware_key = true
networks = ["10.20.0.0/16"]
grant = "1h"
certificate = "5m"
notify = ["control-room"]
review_within = "24h"
"""
STARTUP = f"""{HEAD}
[rotas.week]
lifetime = "8d"
[roles]
on-call = ["rota:week"]
dev = ["acme/group:dev"]
new = ["acme/group:first-month"]
founder = ["acme/email:ann@example.com", "acme/email:ben@example.com"]
[terms.all]
grant = "4h"
certificate = "10m"
[[deny]]
name = "holidays"
hosts = {{ env = "prod" }}
not_roles = ["founder", "on-call"]
from = 2026-12-24
until = 2027-01-01
zone = "Europe/Paris"
[[allow]]
name = "everything-else"
roles = ["dev", "founder"]
hosts = {{ env = {{ not = "prod" }} }}
logins = ["root"]
terms = "all"
approvals = []
[[allow]]
name = "prod"
roles = ["dev", "founder"]
not_roles = ["new"]
hosts = {{ env = "prod" }}
logins = ["root"]
terms = "all"
grant = "1h"
approvals = [{{ from = "dev", count = 1, escalate = {{ to = "founder", after = "20m", tell = ["phone"] }} }}]
limits = {{ person = {{ week = 5 }} }}
[[never]]
name = "prod-needs-a-second-person"
hosts = {{ env = "prod" }}
without = "approval"
"""

ORGANISATIONS = {
    "bank": BANK,
    "hospital": HOSPITAL,
    "games studio": STUDIO,
    "university": UNIVERSITY,
    "provider": ISP,
    "software": SAAS,
    "film studio": FILM,
    "research lab": LAB,
    "utility": UTILITY,
    "start-up": STARTUP,
}
