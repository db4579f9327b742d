"""The page of the policy: in words, with what was proved of it and when, for who may audit or explain."""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path

from sshjit_ca.sources.rotas import fetch_rota
from tests.support import in_process_ca
from tests.support.in_process_ca import EVE, FrontEnd
from tests.support.installation import ALICE, BOB, DANA, Person
from tests.support.issuer import Issuer

NEVERS = """
[[never]]
name = "approved-production"
hosts = { env = "prod" }
without = "approval"
break_glass = false
[[never]]
name = "root-is-for-leads"
login = "root"
unless_role = "lead"
within = 2027-12-31
"""


def text_of(world: FrontEnd, person: Person) -> str:
    page = re.sub(r"<[^>]*>", " ", world.page(person, "/policy"))
    return " ".join(html.unescape(page).split()).replace(" ,", ",")


def test_rules_are_in_words_with_what_was_proved_and_when(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    with in_process_ca.front_end(tmp_path, issuers, in_process_ca.policy()) as world:
        first = world.ca.context.policy.digest
        assert "This policy has no [[never]], so nothing was proved of it." in text_of(world, EVE)
        world.ca.later(60)
        world.ca.say_policy(world.ca.policy + NEVERS, accept=True)
        world.ca.later(60)
        text = text_of(world, EVE)
        assert "In force since 2027-01-15 08:01 UTC" in text
        assert "Nobody has access on env=prod without approval, except by break-glass. proved approved-prod" in text
        assert "decided 2027-01-15 08:01 UTC, for the time until 2029-01-16 08:01 UTC" in text
        assert "Nobody but lead has root, until 2027-12-31. broken root-is-for-leads" in text
        assert "Loaded although it breaks root-is-for-leads: the operator accepted that" in text
        assert world.ca.context.policy.digest in text
        assert f"Before {first[:16]} 2027-01-15 08:00 UTC to 2027-01-15 08:01 UTC" in text
        assert "database Who dba Hosts env=prod and role=db Accounts postgres For shell or migrate" in text
        assert "Needs approval by 1 of lead; a reason like (INC|CHG)-[0-9]+" in text
        assert "Gives 1 h, by certificates of 5 min; 1 times 30 min more" in text


def test_a_sentence_that_was_over_is_not_said_to_be_proved(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    with in_process_ca.front_end(tmp_path, issuers, in_process_ca.policy()) as world:
        world.ca.say_policy(world.ca.policy + NEVERS.replace("2027-12-31", "2026-12-31"), accept=True)
        text = text_of(world, EVE)
        assert "Nobody but lead has root, until 2026-12-31. over root-is-for-leads" in text
        assert "its time ended 2027-01-01 00:00 UTC, before the policy came into force" in text


def test_who_may_neither_audit_nor_explain_does_not_see_it(world: FrontEnd) -> None:
    assert world.get(ALICE, "/policy").status_code == 403
    assert 'href="/policy"' not in world.page(ALICE, "/log")
    assert 'href="/policy"' in world.page(BOB, "/log")


def test_what_a_policy_writes_is_shown_and_is_no_markup(world: FrontEnd) -> None:
    text = world.ca.policy.replace("(INC|CHG)-[0-9]+", "<script>alert(1)</script>")
    world.ca.say_policy(text, accept=False)
    world.ca.later(10)
    page = world.page(EVE, "/policy")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


ROTA = """version = 1
rota = "primary"
issued = 2027-01-15T07:00:00Z
[[span]]
from = 2027-01-15T07:00:00Z
until = 2027-01-15T20:00:00Z
people = ["partner/email:dana@example.com"]
"""


def test_pages_say_who_is_on_call_and_until_when(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    path = tmp_path / "primary.toml"
    path.write_text(ROTA)
    sources = f'[rotas.primary]\nfile = "{path}"\nsha256 = "{hashlib.sha256(ROTA.encode()).hexdigest()}"\n'
    roles = '[rotas.primary]\nlifetime = "8d"\n[roles]\nduty = ["rota:primary"]'
    text = in_process_ca.policy().replace("[roles]", roles).replace('roles = ["dba"]', 'roles = ["duty"]')
    with in_process_ca.front_end(tmp_path, issuers, text, sources=sources) as world:
        place = world.ca.config.rotas["primary"]
        assert world.ca.authority.take_rotas({"primary": fetch_rota("primary", place)}) == 1
        request_id = world.ask(DANA, "db1")
        page = " ".join(world.page(BOB, f"/requests/{request_id}").split())
        assert "<dt>On call</dt><dd>primary until <time" in page
        assert "2027-01-15 20:00 UTC" in page
        explained = world.page(DANA, "/explain?host=db1&reason=CHG-7")
        assert "on call (primary) until" in explained
