"""Back-channel logout: a provider ends sessions, in both forms that are out there, and nobody else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from sshjit import ca_protocol as m
from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_ca.oidc.logout_tokens import EVENT
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT

KEYCLOAK = {"alg": "RS256", "kid": "first", "typ": "logout+jwt"}
HYDRA = {"alg": "RS256", "kid": "first", "typ": "JWT"}


def logout_token(ca: Installation, header: dict[str, Any] | None = None, key: Any = None, **changed: Any) -> str:
    """A logout token as Keycloak makes it: ``changed`` claims, ``None`` removes one."""
    now = int(ca.time)
    ca.sign_ins += 1
    claims = {
        "iss": ca.issuers["acme"].url,
        "aud": WEB_CLIENT,
        "iat": now,
        "exp": now + 120,
        "jti": f"logout-{ca.sign_ins}",
        "typ": "Logout",
        "sub": ALICE.sub,
        "sid": "session-1",
        "events": {EVENT: {}},
        **changed,
    }
    left = {name: value for name, value in claims.items() if value is not None}
    return ca.issuers["acme"].sign(left, header or KEYCLOAK, key)


def end(ca: Installation, token: str, provider: str = "acme") -> None:
    ca.say(m.ProviderLogout(provider, token), m.Done)


def alive(ca: Installation, login: str) -> bool:
    return ca.context.state.logins[login].alive(int(ca.time))


def at(session: str | None, person: Person = ALICE) -> Person:
    return replace(person, claims={"sid": session} if session else {})


def test_keycloaks_form_ends_the_session_and_no_other(ca: Installation) -> None:
    first, second, bob = ca.web(at("session-1")), ca.native(at("session-2")), ca.web(at("session-1", BOB))
    end(ca, logout_token(ca))
    assert [alive(ca, login) for login in (first, second, bob)] == [False, True, True]


def test_hydras_form_has_a_session_alone(ca: Installation) -> None:
    first, second = ca.web(at("session-1")), ca.web(at("session-2"))
    end(ca, logout_token(ca, HYDRA, sub=None, exp=None, typ=None))
    assert [alive(ca, login) for login in (first, second)] == [False, True]


def test_a_subject_alone_ends_all_that_is_theirs_at_this_provider(ca: Installation) -> None:
    twin = Person(ALICE.sub, ALICE.groups, ALICE.email, provider="partner")
    logins = [ca.web(at("session-1")), ca.native(at(None)), ca.web(twin), ca.web(BOB)]
    end(ca, logout_token(ca, sid=None))
    assert [alive(ca, login) for login in logins] == [False, False, True, True]


def test_a_login_without_a_session_ends_by_its_subject(ca: Installation) -> None:
    login = ca.web(at(None))
    end(ca, logout_token(ca))
    assert not alive(ca, login)


def test_access_ends_with_the_sign_in_that_asked_and_all_of_it_with_the_last_one(ca: Installation) -> None:
    first, second = ca.native(at("session-1")), ca.native(at("session-2"))
    mine = ca.ask(first, "web1").request
    end(ca, logout_token(ca))
    closed = ca.say(m.ReadRequest(second, mine.id), m.RequestReply).request
    assert closed.state is RequestState.REVOKED
    again = ca.ask(second, "web1").request
    ca.web(at("session-3"))
    end(ca, logout_token(ca, sid="session-3"))
    assert ca.say(m.ReadRequest(second, again.id), m.RequestReply).request.state is RequestState.APPROVED
    end(ca, logout_token(ca, sid=None))
    late = ca.context.state.requests[again.id]
    assert requests.state_at(late, int(ca.time)) is RequestState.REVOKED


def test_t65_a_logout_token_is_taken_once(ca: Installation) -> None:
    token = logout_token(ca)
    ca.web(at("session-1"))
    end(ca, token)
    back = ca.web(at("session-1"))
    with pytest.raises(Refused) as used:
        end(ca, token)
    assert used.value.code == "token_used"
    assert alive(ca, back)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": [WEB_CLIENT, "other"]},
        {"aud": None},
        {"events": None},
        {"events": {}},
        {"events": {EVENT: None}},
        {"events": {EVENT: "yes"}},
        {"events": [EVENT]},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"nonce": "n"},
        {"iat": None},
        {"iat": 1_800_000_000 - 301},
        {"iat": 1_800_000_000 + 60},
        {"exp": 1_800_000_000},
        {"exp": "soon"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"sub": None, "sid": None},
        {"sub": ["a-1"]},
        {"sid": {"a": 1}},
        {"sid": "session-1\n"},
        {"sub": "a-1\x00"},
    ],
    ids=str,
)
def test_what_is_no_logout_token_ends_nothing(ca: Installation, changed: dict[str, Any]) -> None:
    login = ca.web(at("session-1"))
    with pytest.raises(SshJitError) as refused:
        end(ca, logout_token(ca, **changed))
    assert refused.value.code in {"token_refused", "bad_token", "bad_token_time"}
    assert alive(ca, login)


def test_t14_tokens_of_other_kinds_and_other_signers_end_nothing(ca: Installation) -> None:
    login = ca.web(at("session-1"))
    stranger = RSAKey.generate_key(2048, {"kid": "first"})
    for token in (
        ca.token(ALICE, WEB_CLIENT, "n", sid="session-1"),
        logout_token(ca, {**KEYCLOAK, "typ": "at+jwt"}),
        logout_token(ca, key=stranger),
        "x.y.z",
        "",
    ):
        with pytest.raises(SshJitError):
            end(ca, token)
    with pytest.raises(SshJitError):
        end(ca, logout_token(ca), "partner")
    with pytest.raises(SshJitError):
        end(ca, logout_token(ca), "nowhere")
    assert alive(ca, login)


def test_a_logout_token_signs_nobody_in(ca: Installation) -> None:
    token = logout_token(ca, KEYCLOAK, nonce="n")
    with pytest.raises(SshJitError):
        ca.say(m.LoginWeb("acme", token, "n", ""), m.LoginReply)


def test_the_native_client_may_be_told_too(ca: Installation) -> None:
    login = ca.native(at("session-1"))
    end(ca, logout_token(ca, aud=[NATIVE_CLIENT]))
    assert not alive(ca, login)


def test_another_provider_cannot_end_the_sessions_of_this_one(ca: Installation) -> None:
    login = ca.web(DANA)
    end(ca, logout_token(ca, sub=DANA.sub, sid=None))
    assert alive(ca, login)


def test_a_logout_token_that_comes_again_after_a_restart_ends_nothing_that_began_after_it(ca: Installation) -> None:
    old, token = ca.web(at(None)), logout_token(ca, sid=None)
    end(ca, token)
    ca.later(11)
    new, other = ca.web(at(None)), ca.native(at("session-1"))
    grant = ca.ask(other, "web1").request
    ca.restart()
    end(ca, token)
    assert [alive(ca, login) for login in (old, new, other)] == [False, True, True]
    assert ca.context.state.requests[grant.id].ends is not None
    assert requests.state_at(ca.context.state.requests[grant.id], int(ca.time)) is RequestState.APPROVED


def test_a_provider_whose_servers_clocks_differ_a_little_ends_the_newest_login_too(ca: Installation) -> None:
    login = ca.web(at(None))
    end(ca, logout_token(ca, sid=None, iat=int(ca.time) - 10))
    assert not alive(ca, login)


def test_a_logout_whose_batch_was_lost_may_come_again(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider tries again after a 503, and whoever was disabled there must be out then."""
    login = ca.web(at("session-1"))
    token = logout_token(ca)
    with monkeypatch.context() as away:
        away.setattr(ca.store, "commit", unwritable)
        with pytest.raises(Failed):
            end(ca, token)
    ca.later(6)
    end(ca, token)
    assert not alive(ca, login)
    with pytest.raises(Refused, match="already used"):
        end(ca, token)


def unwritable(*_: object) -> None:
    """What a database says that cannot be written."""
    raise Failed("not_signing", "the log cannot be written")


def test_a_subject_beyond_ascii_ends_too(ca: Installation) -> None:
    """It signs in, so it must be able to sign out."""
    person = Person("j\u00fcrgen", ALICE.groups, ALICE.email)
    login = ca.web(at("session-9", person))
    end(ca, logout_token(ca, sub="j\u00fcrgen", sid="session-9"))
    assert not alive(ca, login)
