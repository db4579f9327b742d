"""Every refusal that a page can show says what to do: by a hint of its own, or by the page's advice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit.errors import FAMILIES, Invalid, Refused
from sshjit_web.error_help import help_for
from tests.support.in_process_ca import FrontEnd

ROOT = Path(__file__).resolve().parents[3]
PLACES = (
    *("sshjit/requests.py", "sshjit/durations.py", "sshjit/policy/refusals.py", "sshjit/policy/requirements.py"),
    *("webapp/sshjit_web/pages", "webapp/sshjit_web/forms.py", "webapp/sshjit_web/security.py"),
    *("webapp/sshjit_web/auth.py", "webapp/sshjit_web/policy_preview.py", "webapp/sshjit_web/ca_cache.py"),
    *("ca/sshjit_ca/access", "ca/sshjit_ca/handlers", "ca/sshjit_ca/oidc"),
)
"""Where the errors are raised that pages show; what checks every field a second time is ``sshjit.names``."""
ELSEWHERE = {
    *("bundle.py", "ca_keys.py", "emergency.py", "emergency_certificates.py", "feed.py", "hardware_keys.py"),
    *(
        "host_enrolment.py",
        "host_statements.py",
        "hosts.py",
        "inventory.py",
        "invitations.py",
        "issuance.py",
        "status.py",
    ),
}
"""What no page asks for."""
NO_PAGE = {"too_young", "unknown_tile"}
"""The same, beside what pages ask for."""
FAMILY = {kind.__name__: name for name, kind in FAMILIES.items()}


def files() -> Iterator[Path]:
    for place in PLACES:
        path = ROOT / place
        yield from sorted(path.glob("*.py")) if path.is_dir() else [path]


def raised() -> list[tuple[str, str, bool]]:
    """Family, code, and whether there is a hint, of every error that is written down there."""
    found = []
    for path in files():
        if path.name in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAMILY and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    hint = any(keyword.arg == "hint" for keyword in node.keywords)
                    found.append((FAMILY[node.func.id], str(code.value), hint))
    return found


def test_every_code_without_a_hint_has_advice_of_its_own() -> None:
    every = raised()
    assert len(every) > 60
    general = {help_for(kind("made_up", "x")) for kind in FAMILIES.values()}
    bare = {(family, code) for family, code, hint in every if not hint and code not in NO_PAGE}
    assert {code for family, code in bare if help_for(FAMILIES[family](code, "x")) in general} == set()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_an_unknown_code_still_says_something(family: str) -> None:
    assert help_for(FAMILIES[family]("made_up", "x")).text


def test_an_own_hint_comes_first_and_the_link_stays() -> None:
    found = help_for(Refused("no_rule", "no rule allows you that", hint="ask for staging"))
    assert (found.text, found.endpoint) == ("", "pages.explain")


def test_every_link_leads_to_a_page(world: FrontEnd) -> None:
    codes = {code for _, code, _ in raised()} | {"login_needed", "bad_form", "ca_down"}
    with world.app.test_request_context("/"):
        ends = {help_for(Invalid(code, "x")).endpoint for code in codes} - {""}
        assert ends
        assert ends <= {rule.endpoint for rule in world.app.url_map.iter_rules()}
