"""Which identity providers may be trusted at all."""

from __future__ import annotations

import pytest

from sshjit import providers
from sshjit.errors import Invalid

ACME = """
[providers.acme]
title = "Acme"
issuer = "https://login.example.com"
algorithms = ["RS256", "ES256"]
email_domains = ["example.com"]
native = { client_id = "ssh-jit-cli", scopes = ["openid", "groups"] }
web = { client_id = "ssh-jit-web", client_secret_file = "/etc/ssh-jit/acme.secret", scopes = ["openid"] }
"""
PARTNER = ACME.replace("acme", "partner").replace("login.", "id.")


def load(text: str) -> dict[str, providers.Provider]:
    return providers.load("version = 1\n" + text)


def test_providers_keep_their_order_and_their_defaults_give_nothing_away() -> None:
    found = load(PARTNER + ACME.replace('email_domains = ["example.com"]\n', ""))
    assert list(found) == ["partner", "acme"]
    acme = found["acme"]
    assert (acme.subject_claim, acme.email_domains, acme.own_claim, acme.unsafe_http) == ("sub", (), None, False)
    assert acme.native.scopes == ("openid", "groups")


@pytest.mark.parametrize(
    "algorithms", ["[]", '["none"]', '["HS256"]', '["RS256", "HS512"]', '["rs256"]', '[""]', '"RS256"', '["RS1"]']
)
def test_t14_only_asymmetric_signatures_are_ever_allowed(algorithms: str) -> None:
    with pytest.raises(Invalid, match=r"^providers\.toml: "):
        load(ACME.replace('["RS256", "ES256"]', algorithms))


def test_t14_no_algorithm_is_allowed_without_being_written_down() -> None:
    with pytest.raises(Invalid, match=r"'providers\.acme\.algorithms' is missing"):
        load(ACME.replace('algorithms = ["RS256", "ES256"]\n', ""))


def test_t48_the_two_registrations_are_two() -> None:
    with pytest.raises(Invalid, match="two registrations"):
        load(ACME.replace("ssh-jit-web", "ssh-jit-cli"))


def test_t3_t16_one_issuer_is_one_provider() -> None:
    with pytest.raises(Invalid, match="same issuer"):
        load(ACME + ACME.replace("providers.acme", "providers.other"))


@pytest.mark.parametrize("claim", [*sorted(providers.CHANGEABLE), "Email", "UPN"])
def test_t3_a_claim_that_changes_hands_is_nobodys_identity(claim: str) -> None:
    with pytest.raises(Invalid, match="who has it next would be taken for who had it before") as refused:
        load(ACME + f'subject_claim = "{claim}"\n')
    assert (refused.value.code, "'sub' never changes" in refused.value.hint) == ("bad_config", True)


@pytest.mark.parametrize("claim", ["sub", "oid", "employee_id"])
def test_a_claim_that_stays_may_name_people(claim: str) -> None:
    assert load(ACME + f'subject_claim = "{claim}"\n')["acme"].subject_claim == claim


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://login.example.com", "http://login.example.com"),
        ("https://login.example.com", "http://127.0.0.1:4001"),
        ("https://login.example.com", "https://user@login.example.com"),
        ("https://login.example.com", "login.example.com"),
        ('"openid", "groups"', '"groups"'),
        ('scopes = ["openid"]', 'scopes = ["OpenID"]'),
        ("[providers.acme]", "[providers.Acme]"),
        ("[providers.acme]", '[providers."a/b"]'),
        ("[providers.acme]", "[provider.acme]"),
        ("[providers.acme]", "surplus = 1\n[providers.acme]"),
        ('title = "Acme"', 'title = "Acme"\nissuers = []'),
        ('title = "Acme"\n', ""),
        ("client_secret_file", "client_secret"),
        ('["example.com"]', '[""]'),
        ('["example.com"]', '["Example.com"]'),
        ('["example.com"]', '["@example.com"]'),
        ('["example.com"]', '["*.example.com"]'),
    ],
)
def test_a_mistake_is_an_error_that_names_the_file(old: str, new: str) -> None:
    assert old in ACME
    with pytest.raises(Invalid, match=r"^providers\.toml: ") as caught:
        load(ACME.replace(old, new))
    assert caught.value.code == "bad_config"


@pytest.mark.parametrize(
    "text", ["", "providers = 1", "providers = []", "[providers]", "[providers]\nacme = 1", "[[providers]]"]
)
def test_no_providers_are_not_all_providers(text: str) -> None:
    with pytest.raises(Invalid, match=r"^providers\.toml: "):
        load(text)


def test_plain_http_must_be_called_unsafe_and_stays_on_loopback() -> None:
    unsafe = ACME.replace('title = "Acme"', 'title = "Acme"\nunsafe_http = true')
    assert load(unsafe.replace("https://login.example.com", "http://127.0.0.1:4001"))["acme"].unsafe_http
    with pytest.raises(Invalid):
        load(unsafe.replace("https://", "http://"))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('"alice" = "alice"', "own_names: 'alice' is nobody"),
        ('"group:SRE" = "alice"', "own_names: 'group:SRE' is nobody"),
        ('"email:Alice@example.com" = "alice"', "own_names: 'email:Alice@example.com' can never be a verified address"),
        ('"email:alice@example.org" = "alice"', "can never be a verified address"),
        ('"sub:1" = "Al ice"', "'Al ice' is not"),
        ('"sub:1" = 7', "'providers.acme.own_names.sub:1' must be text"),
        ('"sub:1" = "alice", "sub:2" = "alice"', "two people have one name"),
    ],
)
def test_t3_a_table_of_user_names_says_exactly_who(table: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        load(ACME + f"own_names = {{ {table} }}\n")
    assert said in caught.value.message
    assert caught.value.message.startswith("providers.toml: ")


def test_a_user_name_is_one_persons_over_all_providers() -> None:
    own = 'own_names = { "sub:1" = "alice", "email:bob@example.com" = "bob" }\n'
    assert load(ACME + own)["acme"].own_names == {"sub:1": "alice", "email:bob@example.com": "bob"}
    with pytest.raises(Invalid, match="two people have one name"):
        load(ACME + own + PARTNER + 'own_names = { "sub:1" = "bob" }\n')
    with pytest.raises(Invalid, match="must be a table"):
        load(ACME + 'own_names = ["alice"]\n')


def test_a_table_of_user_names_means_the_address_letter_by_letter() -> None:
    """What only forbids (``addresses.mailbox``) takes ``bob+ssh`` for ``bob``."""
    own = load(ACME + 'own_names = { "email:bob+ssh@example.com" = "bob" }\n')["acme"].own_names
    assert own == {"email:bob+ssh@example.com": "bob"}


@pytest.mark.parametrize(
    "ports", ["[0]", "[65536]", "[-1]", '["8401"]', "[8401, 8402, 8403, 8404, 8405, 8406, 8407, 8408, 8409]"]
)
def test_ports_that_cannot_be_are_refused(ports: str) -> None:
    with pytest.raises(Invalid):
        load(ACME.replace('"groups"] }', f'"groups"], redirect_ports = {ports} }}'))


@pytest.mark.parametrize("line", ['token_endpoint_auth = "digest"', 'claims_from = "ldap"', "groups_claim = 7"])
def test_words_that_are_none_are_refused(line: str) -> None:
    with pytest.raises(Invalid):
        load(ACME.replace('title = "Acme"', f'title = "Acme"\n{line}'))
