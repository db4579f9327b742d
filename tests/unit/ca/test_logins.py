"""Sign-in: what becomes a login, and every token that must not."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from sshjit import bundle, sshkey, token_codes
from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit.visible import visible
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person, make_key, ssh_sign
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT

CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (FIPS 186-5)."""


def web(ca: Installation, token: str, nonce: str = "n") -> m.LoginView:
    return ca.say(m.LoginWeb("acme", token, nonce, "192.0.2.7"), m.LoginReply).login


def refused(ca: Installation, token: str, nonce: str = "n") -> str:
    with pytest.raises(SshJitError) as error:
        web(ca, token, nonce)
    assert not isinstance(error.value, Failed)
    return error.value.code


def test_a_browser_sign_in_becomes_a_login_without_a_key(ca: Installation) -> None:
    login = ca.logins[ca.web(ALICE)]
    assert (login.kind, login.fingerprint, login.roles) == ("web", None, ("sre",))
    assert login.expires == int(ca.time) + 8 * 3600


def test_a_native_sign_in_is_bound_to_its_key(ca: Installation) -> None:
    login = ca.logins[ca.native(ALICE)]
    line = ca.key(ALICE).with_suffix(".pub").read_text()
    assert login.fingerprint == sshkey.parse_line(line).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": NATIVE_CLIENT},
        {"aud": [WEB_CLIENT, "other"]},
        {"aud": None},
        {"aud": "other", "azp": WEB_CLIENT},
        {"azp": "other"},
        {"nonce": "somebody else's"},
        {"nonce": None},
        {"exp": 1_800_000_000},
        {"exp": "never"},
        {"sub": 1.5},
        {"groups": [1.5]},
        {"exp": None},
        {"iat": 1_800_000_000 - 301},
        {"iat": 1_800_000_000 + 60},
        {"iat": True},
        {"nbf": 1_800_000_000 + 60},
        {"auth_time": 1_800_000_000 + 60},
        {"sub": None},
        {"sub": ""},
        {"sub": ["a-1"]},
        {"groups": {"SRE": True}},
        {"groups": ["SRE", 7]},
        {"groups": [f"{number}" for number in range(5001)]},
        {"groups": ["g" * 1025]},
        {"groups": ["a\nb"]},
        {"_claim_names": {"groups": "src1"}, "groups": None},
        {"hasgroups": True},
        {"email": ["alice@example.com"]},
        {"email": "alice@example.com\n"},
        {"groups": ["half \ud800"]},
    ],
    ids=str,
)
def test_t14_t16_claims_that_are_not_taken(ca: Installation, changed: dict[str, Any]) -> None:
    token = ca.token(ALICE, WEB_CLIENT, "n", **changed)
    assert refused(ca, token) in {*token_codes.INVALID, *token_codes.REFUSED, "bad_json"} - {
        "bad_token",
        "token_refused",
    }
    assert "login" not in ca.kinds()


def test_a_single_group_may_be_a_text_and_none_may_be_missing(ca: Installation) -> None:
    assert web(ca, ca.token(ALICE, WEB_CLIENT, "n", groups="SRE")).roles == ("sre",)
    assert web(ca, ca.token(ALICE, WEB_CLIENT, "n", groups=None)).roles == ()


@pytest.mark.parametrize(
    "odd",
    [
        "SRE\u200b",
        "SRE\u00a0Leads",
        "\U0001f469\u200d\U0001f4bb",
        "CN=SRE," + ",".join(f"OU=unit {number}" for number in range(40)),
    ],
    ids=["zero width", "no-break blank", "emoji", "a long distinguished name"],
)
def test_an_odd_name_in_a_directory_locks_nobody_out_and_is_no_other_group(ca: Installation, odd: str) -> None:
    login = web(ca, ca.token(ALICE, WEB_CLIENT, "n", groups=[odd, ""], name=f"Alice{odd}"))
    assert (login.groups, login.roles) == ((odd,), ())
    both = web(ca, ca.token(ALICE, WEB_CLIENT, "m", groups=["SRE", odd]), "m")
    assert both.roles == ("sre",)
    assert visible(login.person.name)
    assert len(login.person.name) <= 255


def test_a_thousand_and_one_groups_are_taken_and_too_many_are_counted(ca: Installation) -> None:
    many = [f"g{number}" for number in range(1000)]
    assert web(ca, ca.token(ALICE, WEB_CLIENT, "n", groups=[*many, "SRE"])).roles == ("sre",)
    with pytest.raises(Invalid, match=r"'groups' has 5001 groups; at most 5000") as error:
        web(ca, ca.token(ALICE, WEB_CLIENT, "n", groups=[f"{number}" for number in range(5001)]))
    assert "administrator" in error.value.hint


@pytest.mark.parametrize(
    "claim", ["groups", "email", "email_verified", "name", "amr", "acr", "auth_time", "nbf", "azp"]
)
def test_null_is_an_absent_claim(ca: Installation, claim: str) -> None:
    """Zitadel and others write ``null`` (OpenID Connect Core, 5.3.2)."""
    token = ca.token(ALICE, WEB_CLIENT, "n", **{claim: None})
    header, body, _ = token.split(".")
    claims = json.loads(binding.unb64url(body)) | {claim: None}
    del header
    login = web(ca, ca.issuers["acme"].sign(claims))
    assert login.roles == (("sre",) if claim != "groups" else ())


@pytest.mark.parametrize("display", [7, ["Alice"], {"de": "Alice"}, "a" * 4000, "\u202e", "\n"])
def test_a_display_name_never_decides(ca: Installation, display: object) -> None:
    login = web(ca, ca.token(ALICE, WEB_CLIENT, "n", name=display))
    assert login.roles == ("sre",)
    assert visible(login.person.name)


def test_an_absent_claim_is_not_an_empty_list(ca: Installation) -> None:
    empty = web(ca, ca.token(ALICE, WEB_CLIENT, "n", groups=[]))
    assert empty.remarks == ()
    absent = web(ca, ca.token(ALICE, WEB_CLIENT, "m", groups=None), "m")
    assert absent.remarks == ("the ID token of acme has no claim 'groups'",)


@pytest.mark.parametrize(
    ("verified", "why"),
    [
        (None, "the ID token of acme has no claim 'email_verified'"),
        ("true", "email_verified is the text 'true', not true"),
        (False, "email_verified is 'false', not true"),
        (1, "email_verified is '1', not true"),
    ],
)
def test_an_address_that_counts_for_nothing_is_said_with_the_reason(
    ca: Installation, verified: object, why: str
) -> None:
    login = web(ca, ca.token(ALICE, WEB_CLIENT, "n", email_verified=verified))
    assert login.remarks == (f"the address alice@example.com counts for no role: {why}",)


def test_what_the_provider_said_of_factors_is_kept(ca: Installation) -> None:
    """Keycloak 26: acr "1" after a password, "0" by a cookie, and no ``amr``."""
    login = web(ca, ca.token(ALICE, WEB_CLIENT, "n", acr="1", amr=["pwd"]))
    assert (login.mfa, login.said_factors) == (False, ("amr pwd", "acr 1"))
    assert web(ca, ca.token(ALICE, WEB_CLIENT, "m", amr=["pwd", "otp"]), "m").mfa


def test_auth_time_0_is_no_time(ca: Installation) -> None:
    assert web(ca, ca.token(ALICE, WEB_CLIENT, "n", auth_time=0)).auth_time is None


def test_an_algorithm_that_is_not_allowed_is_named_with_those_that_are(ca: Installation) -> None:
    """Canaille signs RS512."""
    acme = ca.issuers["acme"]
    claims = claims_of(ca.token(ALICE, WEB_CLIENT, "n"))
    with pytest.raises(Refused, match=r"signed with 'RS512'; allowed is RS256, ES256"):
        web(ca, acme.sign(claims, {"alg": "RS512", "kid": "first"}))


def test_an_issuer_that_differs_by_a_slash_is_said_with_both(ca: Installation) -> None:
    url = ca.issuers["acme"].url
    with pytest.raises(Refused, match=rf"by '{url}/', and the issuer is set to '{url}'"):
        web(ca, ca.token(ALICE, WEB_CLIENT, "n", iss=f"{url}/"))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    raw = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))))


def test_t14_a_token_without_a_signature(ca: Installation) -> None:
    body = part(claims_of(ca.token(ALICE, WEB_CLIENT, "n")))
    for algorithm in ("none", "None", "NONE"):
        assert refused(ca, f"{part({'alg': algorithm})}.{body}.") == "bad_token"
        assert refused(ca, f"{part({'alg': algorithm})}.{body}.AAAA") == "wrong_algorithm"


def test_t14_the_public_key_as_a_shared_secret(ca: Installation) -> None:
    claims = claims_of(ca.token(ALICE, WEB_CLIENT, "n"))
    key = ca.issuers["acme"].keys[0]
    for secret in (key.as_pem(private=False), key.as_der(private=False)):
        signed = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(claims)}"
        mac = hmac.digest(secret, signed.encode(), "sha256")
        forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert refused(ca, forged) == "wrong_algorithm"


@pytest.mark.parametrize("extra", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"])
def test_t14_headers_that_bring_their_own_key_or_rules(ca: Installation, extra: str) -> None:
    own = RSAKey.generate_key(2048, {"kid": "first"})
    value: object = {"jwk": own.as_dict(private=False), "crit": ["b64"], "b64": False, "x5c": ["AAAA"]}.get(extra, "x")
    claims = claims_of(ca.token(ALICE, WEB_CLIENT, "n"))
    signed = ca.issuers["acme"].sign(claims, {"alg": "RS256", "kid": "first"}, own).split(".")
    signed[0] = part({"alg": "RS256", "kid": "first", extra: value})
    assert refused(ca, ".".join(signed)) == "bad_token_header"


@pytest.mark.parametrize(
    "mangled",
    ["", ".", "..", "a.b", "a.b.c.d", "ä.b.c", "e30.e30.e30", " e30.e30.e30", "=.=.=", "A" * 100_000],
    ids=lambda text: text[:12],
)
def test_t14_what_is_not_a_token(ca: Installation, mangled: str) -> None:
    assert refused(ca, mangled) in {"bad_token", "bad_token_header", "bad_base64", "bad_json"}


def test_t14_a_key_that_stands_twice(ca: Installation) -> None:
    header, body, signature = ca.token(ALICE, WEB_CLIENT, "n").split(".")
    del header
    twice = base64.urlsafe_b64encode(b'{"alg":"RS256","alg":"none","kid":"first"}').rstrip(b"=").decode()
    assert refused(ca, f"{twice}.{body}.{signature}") == "bad_json"


def test_t14_a_key_that_was_not_published(ca: Installation) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "first"})
    claims = claims_of(ca.token(ALICE, WEB_CLIENT, "n"))
    assert refused(ca, ca.issuers["acme"].sign(claims, key=stranger)) == "bad_signature"


def test_t15_a_new_key_is_fetched_once_and_made_up_ones_are_not_asked_for_again(ca: Installation) -> None:
    acme = ca.issuers["acme"]
    ca.web(ALICE)
    asked = acme.fetched
    acme.keys.append(RSAKey.generate_key(2048, {"kid": "second", "use": "sig"}))
    claims = claims_of(ca.token(ALICE, WEB_CLIENT, "n"))
    assert web(ca, acme.sign(claims, {"alg": "RS256", "kid": "second"}, acme.keys[1])).kind == "web"
    for number in range(5):
        forged = acme.sign(claims, {"alg": "RS256", "kid": f"made-up-{number}"}, acme.keys[0])
        assert refused(ca, forged) == "unknown_key"
    assert acme.fetched <= asked + 2


def test_t14_a_key_signs_by_the_algorithm_that_it_was_published_for(ca: Installation) -> None:
    acme = ca.issuers["acme"]
    plain = RSAKey.generate_key(2048, {"kid": "pss", "use": "sig"})
    for kid, algorithm in (("pss", "PS256"), ("named", "RS256")):
        acme.keys.append(RSAKey.import_key(plain.as_dict(private=True) | {"kid": kid, "alg": algorithm}))
    acme.keys.append(ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"}))
    claims = claims_of(ca.token(ALICE, WEB_CLIENT, "n"))
    assert refused(ca, acme.sign(claims, {"alg": "RS256", "kid": "pss"}, plain)) == "wrong_key_type"
    assert refused(ca, acme.sign(claims, {"alg": "RS256", "kid": "curve"}, plain)) == "wrong_key_type"
    assert web(ca, acme.sign(claims, {"alg": "RS256", "kid": "named"}, plain)).kind == "web"


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (8200, 65537), (16_384, 65537), (4096, 2**64 + 1)])
def test_t77_a_provider_s_rsa_key_of_another_size_is_not_calculated_with(
    ca: Installation, bits: int, exponent: int
) -> None:
    """Whoever made up tokens that name such a key would have the CA do the arithmetic."""
    acme = ca.issuers["acme"]
    numbers = {"n": 2 ** (bits - 1) + 1, "e": exponent}
    texts = {name: binding.b64url(value.to_bytes((bits + 7) // 8, "big")) for name, value in numbers.items()}
    acme.extra = ({"kty": "RSA", "kid": "large", "use": "sig", **texts},)
    token = acme.sign(claims_of(ca.token(ALICE, WEB_CLIENT, "n")), {"alg": "RS256", "kid": "large"}, acme.keys[0])
    with pytest.raises(Refused, match=r"2048 to 8192 bits|too large") as error:
        web(ca, token)
    assert error.value.code == "bad_provider_key"


def test_t14_metadata_of_another_issuer_is_not_taken(ca: Installation) -> None:
    ca.issuers["acme"].metadata = {"issuer": "https://evil.example"}
    for _ in range(2):
        with pytest.raises(
            Failed, match=r"issuer is set to 'http://127.*', and its metadata says 'https://evil"
        ) as error:
            ca.web(ALICE)
        assert error.value.code == "provider_settings"
    text = ca.say(m.ReadBundle(None, format=2), m.BundleReply).bundle
    assert text is not None
    (acme, partner) = bundle.read(text, plain_http=True).providers
    assert acme.problem.startswith("the issuer is set to 'http://127")
    assert partner.problem == ""


def test_a_provider_that_is_down_is_named(ca: Installation) -> None:
    ca.issuers["acme"].down = True
    with pytest.raises(Failed, match="acme"):
        ca.web(ALICE)
    assert ca.logins[ca.web(DANA)].person.provider == "partner"


def test_t65_a_token_is_taken_once_also_after_logout_and_restart(ca: Installation) -> None:
    token = ca.token(ALICE, WEB_CLIENT, "n")
    login = web(ca, token)
    ca.say(m.Logout(login.id), m.Done)
    assert refused(ca, token) == "token_used"
    ca.restart()
    assert refused(ca, token) == "token_used"


def test_t65_another_signature_over_the_same_token_is_still_the_same_token(ca: Installation) -> None:
    """Of every ECDSA signature (r, s) anybody can make (r, -s), which fits as well."""
    acme = ca.issuers["acme"]
    key = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})
    acme.keys.append(key)
    claims = json.loads(binding.unb64url(ca.token(ALICE, WEB_CLIENT, "n").split(".")[1]))
    token = acme.sign(claims, {"alg": "ES256", "kid": "curve"}, key)
    signed, _, signature = token.rpartition(".")
    raw = binding.unb64url(signature)
    other = (CURVE_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    web(ca, token)
    assert refused(ca, f"{signed}.{binding.b64url(raw[:32] + other)}") == "token_used"


def test_t48_a_token_that_the_front_end_got_binds_no_key(ca: Installation) -> None:
    """The front end chooses its nonce, so it can choose the hash of its own key; the audience gives it away."""
    thief = make_key(ca.home / "thief")
    line = thief.with_suffix(".pub").read_text()
    token = ca.token(ALICE, WEB_CLIENT, binding.nonce(sshkey.parse_line(line).blob, b"s" * 16))
    signature = ssh_sign(thief, binding.NAMESPACE, binding.signed_text(token))
    with pytest.raises(Refused, match="another client"):
        ca.say(m.LoginNative("acme", token, line, binding.b64url(b"s" * 16), signature, ""), m.LoginReply)


def test_a_native_sign_in_on_its_way_cannot_be_given_another_key(ca: Installation) -> None:
    honest = ca.native_message(ALICE)
    thief = make_key(ca.home / "thief")
    line = thief.with_suffix(".pub").read_text()
    signature = ssh_sign(thief, binding.NAMESPACE, binding.signed_text(honest.id_token))
    with pytest.raises(Refused, match="another sign-in"):
        ca.say(m.LoginNative("acme", honest.id_token, line, honest.salt, signature, ""), m.LoginReply)


def test_the_key_itself_must_have_signed_the_token(ca: Installation) -> None:
    honest = ca.native_message(ALICE)
    other = ca.native_message(BOB)
    for signature in (other.signature, ssh_sign(ca.key(ALICE), "file", binding.signed_text(honest.id_token)), ""):
        changed = m.LoginNative("acme", honest.id_token, honest.key, honest.salt, signature, "")
        with pytest.raises(SshJitError):
            ca.say(changed, m.LoginReply)
    assert "login" not in ca.kinds()


def test_a_key_belongs_to_one_subject(ca: Installation) -> None:
    ca.native(ALICE)
    with pytest.raises(Refused) as taken:
        ca.native(BOB, ca.key(ALICE))
    assert taken.value.code == "key_taken"


def test_t3_the_same_address_at_two_providers_is_two_people(ca: Installation) -> None:
    twin = Person(ALICE.sub, ALICE.groups, ALICE.email, provider="partner")
    here, there = ca.logins[ca.web(ALICE)].person, ca.logins[ca.web(twin)].person
    assert here.id != there.id
    assert ca.logins[ca.web(twin)].roles == ()


def test_t60_a_group_named_like_an_address_is_not_the_address(ca: Installation) -> None:
    selfmade = Person("x-1", ("dana@example.com", "email:dana@example.com"), "x@example.com", provider="partner")
    assert ca.logins[ca.web(selfmade)].roles == ()
    assert ca.logins[ca.web(DANA)].roles == ("dba",)


@pytest.mark.parametrize("verified", [False, "true", 1, None])
def test_t3_an_address_counts_only_if_it_is_verified(ca: Installation, verified: object) -> None:
    dana = Person("y-1", (), "dana@example.com", provider="partner", claims={"email_verified": verified})
    assert ca.logins[ca.web(dana)].roles == ()


def test_an_address_outside_the_providers_domains_counts_for_nothing(ca: Installation) -> None:
    ca.change_policy("dana@example.com", "dana@other.example")
    assert ca.logins[ca.web(Person("z-1", (), "dana@other.example", provider="partner"))].roles == ()


def test_unknown_providers_are_named(ca: Installation) -> None:
    with pytest.raises(Invalid, match="'nowhere' is not a configured provider"):
        ca.say(m.LoginWeb("nowhere", "x", "n", ""), m.LoginReply)


def test_who_guesses_a_login_learns_nothing(ca: Installation) -> None:
    gone = ca.web(CAROL)
    ca.say(m.Logout(gone), m.Done)
    messages = []
    for guess in (gone, "login-0000000000000000", ""):
        with pytest.raises(Refused) as over:
            ca.say(m.ReadLogin(guess), m.LoginReply)
        messages.append((over.value.code, over.value.message, over.value.hint))
    assert len(set(messages)) == 1
