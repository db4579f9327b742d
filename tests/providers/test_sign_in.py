"""What holds at every provider: both registrations, the code once, PKCE, the nonce, and what a sign-in is bound to."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from sshjit import ca_protocol as m
from sshjit import sshkey
from sshjit.errors import Refused
from sshjit_client.identity.browser import Loopback
from sshjit_client.identity.oidc import Attempt
from tests.providers.providers import ORIGIN, Walker, World
from tests.support.installation import make_key


def test_both_registrations_sign_in_with_groups_in_the_token(either: World) -> None:
    walker = Walker()
    for login in (either.web(walker), either.native(walker)):
        assert (login.groups, login.roles) == (("SRE",), ("sre",))


def test_a_code_needs_its_verifier_and_works_once(either: World) -> None:
    """PKCE is checked by the provider. No code is left there: Canaille's store in memory would then mix them up."""
    party, state = either.party(), secrets.token_urlsafe(32)
    answer = Walker().callback(party.authorization_url(state), ORIGIN)
    with pytest.raises(Refused, match="did not accept its own code"):
        party.tokens(secrets.token_urlsafe(32), answer)
    assert party.tokens(state, answer).id_token
    with pytest.raises(Refused, match="did not accept its own code"):
        party.tokens(state, answer)


def test_a_laptops_code_needs_its_verifier_and_works_once(either: World) -> None:
    known = either.known()
    key = sshkey.parse_line(make_key(either.folder / "other").with_suffix(".pub").read_text())
    with closing(Loopback(known.redirect_ports)) as loopback:
        attempt = Attempt.begin(known, loopback.redirect, key.blob, secrets.token_bytes(80))
        reached = Walker().walk(attempt.address(), loopback.redirect)
    assert isinstance(reached, str)
    code = attempt.code(urlsplit(reached).query)
    with pytest.raises(Refused):
        replace(attempt, verifier="x" * 43).redeem(code)
    assert attempt.redeem(code).id_token
    with pytest.raises(Refused):
        attempt.redeem(code)


def test_a_token_counts_for_its_own_sign_in_and_once(either: World) -> None:
    message = either.web_message(Walker())
    for other in (replace(message, nonce="another"), replace(message, nonce="")):
        with pytest.raises(Refused, match="another sign-in") as refused:
            either.ca.say(other, m.LoginReply)
        assert refused.value.code == "wrong_nonce"
    assert either.alive(either.ca.say(message, m.LoginReply).login)
    with pytest.raises(Refused) as used:
        either.ca.say(message, m.LoginReply)
    assert used.value.code == "token_used"


def test_a_token_of_the_pages_binds_no_key(either: World) -> None:
    web, native = either.web_message(Walker()), either.native_message(Walker())
    with pytest.raises(Refused) as refused:
        either.ca.say(replace(native, id_token=web.id_token), m.LoginReply)
    assert refused.value.code == "signature_refused"
