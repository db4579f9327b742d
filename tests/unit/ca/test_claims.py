"""Where groups are in a token, as providers write them, and what is said when they are nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from sshjit import providers
from sshjit.errors import Invalid
from sshjit_ca.oidc import claims as reading
from sshjit_ca.oidc.claims import Claims

NOW = 1_800_000_000
ACME = """
version = 1
[providers.acme]
title = "Acme"
issuer = "https://login.example.com"
algorithms = ["RS256"]
native = { client_id = "cli", scopes = ["openid"] }
web = { client_id = "web", client_secret_file = "x", scopes = ["openid"] }
"""
KEYCLOAK = {"realm_access": {"roles": ["offline_access", "sre"]}, "groups": ["/SRE"]}
ZITADEL = {"urn:zitadel:iam:org:project:roles": {"sre": {"2931": "acme.example.com"}, "dba": {"2931": "x", "7": "y"}}}
AUTH0 = {"https://acme.example.com/groups": ["SRE"]}


def read(more: str, **claims: Any) -> Claims:
    provider = providers.load(ACME.replace('title = "Acme"\n', f'title = "Acme"\n{more}\n'))["acme"]
    return reading.read({"sub": "a-1", "iat": NOW, "exp": NOW + 300, **claims}, provider, NOW)


@pytest.mark.parametrize(
    ("claim", "held", "groups"),
    [
        ('"groups"', {"groups": ["SRE", "SRE", ""]}, ("SRE",)),
        ('"groups"', {"groups": "SRE"}, ("SRE",)),
        ('"groups"', KEYCLOAK, ("/SRE",)),
        ('"realm_access.roles"', KEYCLOAK, ("offline_access", "sre")),
        ('["groups", "realm_access.roles"]', KEYCLOAK, ("/SRE", "offline_access", "sre")),
        ('"urn:zitadel:iam:org:project:roles"', ZITADEL, ("dba", "sre")),
        ('"https://acme.example.com/groups"', AUTH0, ("SRE",)),
        ('["groups", "roles"]', {"roles": ["sre"]}, ("sre",)),
        ('"a.b"', {"a.b": ["whole name first"], "a": {"b": ["path"]}}, ("whole name first",)),
        ("[]", {"groups": ["SRE"]}, ()),
    ],
)
def test_groups_are_where_the_provider_puts_them(claim: str, held: dict[str, Any], groups: tuple[str, ...]) -> None:
    found = read(f"groups_claim = {claim}", **held)
    assert (found.groups, found.remarks) == (groups, ())


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ('"realm_access.roles"', "'realm_access.roles'"),
        ('["groups", "realm_access.roles"]', "'groups' or 'realm_access.roles'"),
        ('"realm_access.roles.deeper"', "'realm_access.roles.deeper'"),
    ],
)
def test_a_path_that_leads_nowhere_is_said(claim: str, said: str) -> None:
    for held in ({}, {"realm_access": None}, {"realm_access": ["roles"]}, {"realm_access": {"roles": None}}):
        found = read(f"groups_claim = {claim}", **held)
        assert (found.groups, found.remarks) == ((), (f"the ID token of Acme has no claim {said}",))


@pytest.mark.parametrize("value", [{"SRE": True}, {"sre": ["x"]}, 7, True, [7], [["SRE"]], [{"name": "SRE"}]], ids=str)
def test_t16_what_is_no_list_of_groups_is_an_error_that_names_the_claim(value: object) -> None:
    with pytest.raises(Invalid, match="'groups'") as error:
        read("", groups=value)
    assert error.value.code == "bad_groups"


def test_t16_an_overage_of_any_configured_claim_is_an_error() -> None:
    with pytest.raises(Invalid, match="too many groups"):
        read('groups_claim = ["groups", "roles"]', _claim_names={"roles": "src1"})


@pytest.mark.parametrize("empty", ['""', '["groups", ""]'])
def test_a_claim_without_a_name_is_none(empty: str) -> None:
    with pytest.raises(Invalid, match="groups_claim"):
        read(f"groups_claim = {empty}")


def test_an_address_of_another_domain_counts_for_no_role_and_that_is_said() -> None:
    found = read('email_domains = ["example.com"]', email="a@other.example", email_verified=True, groups=[])
    assert (found.email, found.verified) == ("a@other.example", False)
    assert found.remarks == (
        "the address a@other.example counts for no role: its domain is not one of the email_domains of Acme",
    )
    assert read("", email="a@other.example", email_verified=False, groups=[]).remarks == (), "no address counts here"
