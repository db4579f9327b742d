"""Jobs and machines: what signs in, what each hostile token is refused with, and what a workload never may.

Every refusal is asked for twice: of the front end's API, and of the CA at its socket.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit import workloads
from sshjit.bundle import Workloads
from sshjit.errors import Failed, SshJitError
from sshjit_ca.operations import doctor
from sshjit_ca.report.period import Period
from sshjit_ca.service import daemon
from sshjit_web import check_command
from tests.support import in_process_ca, job_issuer
from tests.support.in_process_ca import FrontEnd
from tests.support.installation import ALICE, BOB, Installation
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT, Issuer, listening
from tests.support.job_issuer import POD, JobIssuer, key_and_audience, message
from tests.support.published_bundle import newest
from tests.support.reports import made, rows
from tests.support.softkey import SoftKey

NOW = 1_800_000_000
STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
FIXED = "https://access.example.com"
NEW: dict[str, Any] = {"labels": [], "start": None, "break_glass": False, "person": None}
ROLES = """
deployer = [
  { from = "github/workload", claims = { repository = "acme/app", environment = "production" } },
  { from = "fixed/workload", claims = { sub = "repo:acme/app:environment:production" } },
]
pods = [{ from = "cluster/workload", claims = { "kubernetes.io.namespace" = "ci" } }]
"""


@dataclass
class World:
    front: FrontEnd
    github: JobIssuer
    fixed: JobIssuer
    cluster: JobIssuer
    folder: Path

    @property
    def ca(self) -> Installation:
        return self.front.ca

    def token(self, audience: str | None = None, issuer: JobIssuer | None = None, **changed: Any) -> str:
        """A token for the key ``job``, or for another audience."""
        return (issuer or self.github).token(audience or self.audience(), self.ca.time, **changed)

    def audience(self, key: str = "job") -> str:
        return key_and_audience(self.folder, key)[1]

    def said(self, token: str, *, name: str = "github", key: str = "job", signer: str = "") -> m.LoginWorkload:
        """The message of a job that signs in with a token, a key, and the signature of that or another one."""
        path, other = key_and_audience(self.folder, key)[0], key_and_audience(self.folder, signer or key)[0]
        return message(self.ca, name, token, path, other)

    def sign_in(self, token: str, **how: str) -> m.LoginView:
        """A job that signs in at the CA."""
        login = self.ca.say(self.said(token, **how), m.LoginReply).login
        self.ca.logins[login.id] = login
        return login

    def refused(self, said: m.LoginWorkload) -> str:
        """The code that front end and CA refuse it with; it is the same."""
        with pytest.raises(SshJitError) as error:
            self.ca.say(said, m.LoginReply)
        assert not isinstance(error.value, Failed)
        body = {field: getattr(said, field) for field in ("provider", "id_token", "key", "signature")}
        answer = self.front.stranger().post("/api/v1/login/workload", json=body)
        assert answer.status_code in (400, 401, 403), answer.text
        assert answer.json is not None
        assert answer.json["error"]["code"] == error.value.code, answer.text
        return error.value.code

    def bob(self) -> str:
        return self.ca.native(BOB)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("workloads")
    with ExitStack() as stack:
        people: dict[str, Issuer] = {name: stack.enter_context(listening(Issuer())) for name in ("acme", "partner")}
        github, fixed, cluster = (stack.enter_context(listening(JobIssuer())) for _ in range(3))
        cluster.job = dict(POD)
        jwks = json.dumps(cluster.documents("/jwks"))
        cluster.down = True
        tables = job_issuer.table("github", github) + job_issuer.table(
            "fixed",
            fixed,
            f'required_claims = {{}}\nunbound = true\naudience = "{FIXED}"\nlifetime = "30m"\nmax_age = "20m"',
        )
        claims = 'required_claims = {}\nclaims = ["kubernetes.io.namespace", "kubernetes.io.pod.uid"]\n'
        tables += job_issuer.table("cluster", cluster, claims + 'keys_file = "cluster.jwks"')
        policy = in_process_ca.policy().replace("[roles]\n", f"[roles]\n{ROLES}")
        for old, new in (
            (
                'roles = ["sre"]\nhosts = { env = "staging" }',
                'roles = ["sre", "deployer"]\nhosts = { env = "staging" }',
            ),
            ('roles = ["dba"]', 'roles = ["dba", "deployer"]'),
            ('from = "lead", count = 1', 'from = "lead", count = 1'),
            ('lock = ["lead"]', 'lock = ["lead", "deployer"]'),
        ):
            assert old in policy
            policy = policy.replace(old, new)
        running = in_process_ca.front_end(folder, people, policy, workloads=tables)
        front = stack.enter_context(running)
        path = front.ca.home / "cluster.jwks"
        path.write_text(jwks)
        path.chmod(0o600)
        yield World(front, github, fixed, cluster, folder)


def test_a_job_signs_in_with_a_token_for_its_key_and_is_named_a_workload_everywhere(world: World) -> None:
    login = world.sign_in(world.token())
    assert (login.kind, login.workload, login.unbound) == ("native", True, False)
    assert login.person.name == "workload repo:acme/app:environment:production"
    assert (login.person.provider, login.person.email, login.groups) == ("github", None, ())
    assert login.claims == (
        *("environment=production", "ref=refs/heads/main", "repository=acme/app"),
        "sub=repo:acme/app:environment:production",
    )
    assert (login.roles, login.permissions, login.mfa, login.auth_time) == (("deployer",), (), False, None)
    assert login.expires == int(world.ca.time) + 3600
    reply = world.ca.ask(login.id, "web1")
    assert reply.certificate is not None
    log = world.ca.say(m.ReadLog(None, None, 50), m.LogReply, "admin").entries
    assert any(
        "workload repo:acme/app:environment:production (github) signed in with key" in each.summary for each in log
    )


def test_the_bundle_names_the_issuers_and_the_audience_to_ask_for(world: World) -> None:
    assert newest(world.ca, 2).workloads == (
        Workloads("github", "Github", world.github.url, None),
        Workloads("fixed", "Fixed", world.fixed.url, FIXED),
        Workloads("cluster", "Cluster", world.cluster.url, None),
    )


def by_hand(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"x") -> str:
    """A token put together without a library."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return read


def with_shared_secret(world: World) -> str:
    """HS256 by the issuer's public key."""
    claims = claims_of(world.token())
    unsigned = by_hand({"alg": "HS256", "kid": "first"}, claims).rpartition(".")[0]
    public = world.github.keys[0].as_pem(private=False)
    mac = hmac.digest(public, unsigned.encode(), "sha256")
    return f"{unsigned}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


Make = Callable[[World], str]
TOKENS: dict[str, tuple[str, Make]] = {
    "for another key": ("wrong_key", lambda w: w.token(w.audience("other"))),
    "for no key, of an issuer that could name one": ("wrong_audience", lambda w: w.token(FIXED)),
    "for the issuer's own default": ("wrong_audience", lambda w: w.token("https://github.com/acme")),
    "for our client of people": ("wrong_audience", lambda w: w.token(NATIVE_CLIENT)),
    "for this key and somebody else": ("wrong_audience", lambda w: w.token(aud=[w.audience(), "other"])),
    "for nobody": ("wrong_audience", lambda w: w.token(aud=None)),
    "for an empty list": ("wrong_audience", lambda w: w.token(aud=[])),
    "for this key, in other letters": ("wrong_audience", lambda w: w.token(w.audience().upper())),
    "for the hash alone": ("wrong_audience", lambda w: w.token(w.audience().removeprefix("ssh-jit:"))),
    "by another issuer": ("wrong_token_issuer", lambda w: w.token(iss="https://evil.example")),
    "by nobody": ("wrong_token_issuer", lambda w: w.token(iss=None)),
    "expired": ("token_expired", lambda w: w.token(exp=int(w.ca.time))),
    "too old": ("token_not_new", lambda w: w.token(iat=int(w.ca.time) - 301)),
    "of tomorrow": ("token_not_yet", lambda w: w.token(iat=int(w.ca.time) + 60)),
    "not valid yet": ("token_not_yet", lambda w: w.token(nbf=int(w.ca.time) + 60)),
    "of somebody else's repository": ("not_admitted", lambda w: w.token(repository_owner_id="4712")),
    "of nobody's repository": ("not_admitted", lambda w: w.token(repository_owner_id=None)),
    "of a person's sign-in": ("persons_token", lambda w: w.token(nonce="n")),
    "a logout token": (
        "wrong_token_type",
        lambda w: w.github.sign(claims_of(w.token()), {"alg": "RS256", "kid": "first", "typ": "logout+jwt"}),
    ),
    "without sub": ("bad_token", lambda w: w.token(sub=None)),
    "with a list where policy looks": ("bad_token", lambda w: w.token(repository=["acme/app"])),
    "with a line break where policy looks": ("bad_token", lambda w: w.token(ref="refs/heads/main\nx")),
    "with a claim of 2,000 letters": ("bad_token", lambda w: w.token(ref="r" * 2000)),
    "without exp": ("bad_token_time", lambda w: w.token(exp=None)),
    "without iat": ("bad_token_time", lambda w: w.token(iat=None)),
    "not a token": ("bad_token", lambda _: "a.b"),
    "in four parts": ("bad_token", lambda w: f"{w.token()}.x"),
    "with a critical header": (
        "bad_token_header",
        lambda w: w.github.sign(claims_of(w.token()), {"alg": "RS256", "kid": "first", "jku": "https://evil.example"}),
    ),
    "by a key that is not published": (
        "unknown_key",
        lambda w: w.github.sign(claims_of(w.token()), {"alg": "RS256", "kid": "second"}),
    ),
    "by a stranger's key": ("bad_signature", lambda w: w.github.sign(claims_of(w.token()), key=STRANGER)),
    "by nobody's key": ("wrong_algorithm", lambda w: by_hand({"alg": "none"}, claims_of(w.token()))),
    "by a shared secret": ("wrong_algorithm", with_shared_secret),
    "of the other issuer's key": ("bad_signature", lambda w: w.fixed.sign(claims_of(w.token()))),
}


@pytest.mark.parametrize("which", TOKENS)
def test_t14_a_hostile_token_has_its_own_code_at_the_front_end_and_at_the_ca(world: World, which: str) -> None:
    code, make = TOKENS[which]
    before = len(world.ca.context.state.logins)
    assert world.refused(world.said(make(world))) == code
    assert len(world.ca.context.state.logins) == before


def test_t48_a_token_is_worth_nothing_with_another_key_or_another_keys_signature(world: World) -> None:
    assert world.refused(world.said(world.token(), key="thief")) == "wrong_key"
    assert world.refused(world.said(world.token(), signer="thief")) == "signature_refused"


def test_a_token_is_taken_once_also_after_the_ca_began_anew_and_with_another_signature(world: World) -> None:
    said = world.said(world.token(jti="once"))
    world.ca.say(said, m.LoginReply)
    assert world.refused(said) == "token_used"
    again = world.github.sign(claims_of(said.id_token))
    assert world.refused(world.said(again)) == "token_used"
    world.ca.restart()
    world.front.authority.ca = world.ca
    assert world.refused(said) == "token_used"


def test_an_issuer_is_of_people_or_of_workloads_and_never_both(world: World) -> None:
    token = world.token()
    assert world.refused(world.said(token, name="acme")) == "unknown_workloads"
    assert world.refused(world.said(token, name="nobody")) == "unknown_workloads"
    browser = m.LoginWeb("github", world.token(WEB_CLIENT, nonce="n"), "n", "192.0.2.7")
    for said in (browser, replace(world.ca.native_message(ALICE), provider="github")):
        with pytest.raises(SshJitError) as error:
            world.ca.say(said, m.LoginReply)
        assert error.value.code == "unknown_provider"


def test_the_ca_tells_how_it_is_where_workloads_sign_in(world: World) -> None:
    world.sign_in(world.token(jti="status"))
    told = {view.id: view for view in world.ca.say(m.Status(), m.StatusReply, "admin").providers}
    assert told["github"].groups_missing == ()
    assert {"acme", "partner", "github", "fixed", "cluster"} <= set(told)


def test_an_unbound_issuer_is_taken_by_its_fixed_audience_alone_and_the_log_says_so(world: World) -> None:
    token = world.token(FIXED, world.fixed)
    login = world.sign_in(token, name="fixed", key="unbound")
    assert (login.unbound, login.roles, login.expires) == (True, ("deployer",), int(world.ca.time) + 1800)
    log = world.ca.say(m.ReadLog(None, None, 5), m.LogReply, "admin").entries
    assert any("by a token that names no key (unbound)" in each.summary for each in log)
    assert world.refused(world.said(token, name="fixed", key="unbound")) == "token_used"
    bound = world.token(world.audience("unbound"), world.fixed)
    assert world.refused(world.said(bound, name="fixed", key="unbound")) == "wrong_audience"
    old = world.token(FIXED, world.fixed, iat=int(world.ca.time) - 1200)
    assert world.sign_in(old, name="fixed", key="unbound").expires == int(world.ca.time) + 600
    older = world.token(FIXED, world.fixed, iat=int(world.ca.time) - 1201)
    assert world.refused(world.said(older, name="fixed", key="unbound")) == "token_not_new"


def test_a_pod_signs_in_by_keys_from_a_file_and_by_claims_within_claims(world: World) -> None:
    token = world.token(aud=[world.audience("pod")], issuer=world.cluster)
    login = world.sign_in(token, name="cluster", key="pod")
    assert login.roles == ("pods",)
    assert login.claims == ("kubernetes.io.namespace=ci", "sub=system:serviceaccount:ci:deployer")
    assert login.remarks == ("the token of Cluster has no claim 'kubernetes.io.pod.uid'",)
    assert (world.cluster.fetched, world.cluster.down) == (1, True)  # by the test itself


def test_another_branch_is_another_workload_and_one_key_is_one_workloads(world: World) -> None:
    main = world.sign_in(world.token(world.audience("main"), jti="1"), key="main")
    same = world.sign_in(world.token(world.audience("second"), jti="2"), key="second")
    branch = world.token(world.audience("branch"), ref="refs/heads/topic", jti="3")
    other = world.sign_in(branch, key="branch")
    assert main.person.id == same.person.id != other.person.id
    reused = world.token(world.audience("main"), ref="refs/heads/topic", jti="4")
    assert world.refused(world.said(reused, key="main")) == "key_taken"
    world.ca.ask(main.id, "web1")
    assert {each.id for each in requests_of(world, other)} == set()


def test_a_key_of_before_is_refused_after_the_claims_of_the_entry_changed_and_the_job_is_told_why(world: World) -> None:
    before = world.sign_in(world.token(world.audience("held"), jti="before"), key="held")
    kept = world.ca.context.workloads["github"]
    world.ca.context.workloads["github"] = replace(kept, claims=("repository", "environment"))
    try:
        with pytest.raises(SshJitError) as taken:
            world.sign_in(world.token(world.audience("held"), jti="after"), key="held")
        other = world.sign_in(world.token(world.audience("held-2"), jti="new"), key="held-2")
    finally:
        world.ca.context.workloads["github"] = kept
    assert taken.value.code == "key_taken"
    assert "a workload with other claims" in taken.value.message
    assert "a new key after `claims` of [workloads.github] changed" in taken.value.hint
    assert other.person.id != before.person.id
    world.ca.native(ALICE)
    with pytest.raises(SshJitError) as person:
        world.ca.native(BOB, world.ca.key(ALICE))
    assert person.value.hint == "ssh-jit login makes a new one"


def requests_of(world: World, login: m.LoginView) -> tuple[m.RequestView, ...]:
    return world.ca.say(m.ReadRequests(login.id, "mine", 50, None), m.RequestsReply).requests


def test_a_workload_asks_and_a_person_approves_and_sees_that_it_is_one(world: World) -> None:
    job = world.sign_in(world.token(world.audience("asks")), key="asks")
    asked = world.ca.ask(job.id, "db1").request
    assert asked is not None
    assert asked.state == "pending"
    shown = world.ca.say(m.ReadRequest(world.bob(), asked.id), m.RequestReply)
    assert shown.request.requester.name.startswith("workload ")
    assert shown.about is not None
    assert shown.about.roles == ("deployer",)
    assert "workload repo:acme/app" in world.front.page(BOB, f"/requests/{asked.id}")
    approved = world.ca.approve(world.bob(), asked)
    assert approved.state == "approved"
    assert world.ca.ask(job.id, "db1").certificate is not None


def test_an_approver_tells_two_workloads_of_one_name_apart_wherever_they_read_of_them(world: World) -> None:
    """GitHub puts the environment into ``sub`` in place of the branch: both jobs have the same name."""
    token = world.token(world.audience("apart-1"), ref="refs/heads/good", jti="apart-1")
    good = world.sign_in(token, key="apart-1")
    token = world.token(world.audience("apart-2"), ref="refs/heads/<b>evil", jti="apart-2")
    evil = world.sign_in(token, key="apart-2")
    unbound = world.sign_in(world.token(FIXED, world.fixed, jti="apart-3"), name="fixed", key="apart-3")
    assert good.person.name == evil.person.name
    read: dict[str, tuple[m.RequestReply, str, str, tuple[str, ...]]] = {}
    for name, job in (("good", good), ("evil", evil), ("unbound", unbound)):
        asked = world.ca.ask(job.id, "db1").request
        assert asked is not None
        shown = world.ca.say(m.ReadRequest(world.bob(), asked.id), m.RequestReply)
        page = world.front.page(BOB, f"/requests/{asked.id}")
        confirm = world.front.post(BOB, f"/requests/{asked.id}/approve", digest=asked.digest).text
        feed = world.ca.say(m.ReadFeed(-1, 100, 2), m.FeedReply).items
        claims = next(item.claims for item in feed if item.request is not None and item.request.id == asked.id)
        read[name] = (shown, page, confirm, claims)
        world.ca.say(m.Cancel(job.id, asked.id), m.RequestReply)
    for name, job in (("good", good), ("evil", evil), ("unbound", unbound)):
        shown, page, confirm, claims = read[name]
        assert shown.about is not None
        assert (shown.about.workload, shown.about.claims, shown.about.unbound) == (True, job.claims, job.unbound)
        assert claims == job.claims
        for text in (page, confirm):
            assert "a CI job or a machine, not a person" in text
            assert ("refs/heads/&lt;b&gt;evil" in text, "<b>evil" in text) == (name == "evil", False)
            assert ("<bdi>ref=refs/heads/good</bdi>" in text) == (name == "good")
            assert ("Named no key (unbound)" in text) == (name == "unbound")
        assert "no MFA" not in page


def test_of_a_person_nothing_of_the_kind_is_said(world: World) -> None:
    person = world.ca.native(replace(ALICE, groups=("Database",)))
    asked = world.ca.ask(person, "db1").request
    assert asked is not None
    shown = world.ca.say(m.ReadRequest(world.bob(), asked.id), m.RequestReply)
    assert shown.about is not None
    assert (shown.about.workload, shown.about.claims, shown.about.unbound) == (False, (), False)
    page = world.front.page(BOB, f"/requests/{asked.id}")
    assert "not a person" not in page
    assert "no MFA" in page
    login = world.ca.say(m.ReadLogin(person), m.LoginReply).login
    assert (login.subject, login.workload) == (ALICE.sub, False)
    world.ca.say(m.Cancel(person, asked.id), m.RequestReply)


def test_the_report_names_a_workload_its_role_and_what_it_could_reach(world: World) -> None:
    job = world.sign_in(world.token(world.audience("report"), ref="refs/heads/report"), key="report")
    now = int(world.ca.time)
    with made(world.ca, Period(now - 3600, now + 3600)) as report:
        people = {row["subject"]: row for row in rows(report, "people")}
        reach = {row["rule"]: row["people"] for row in rows(report, "reach")}
    row = people[job.person.id]
    assert (row["person"], row["provider"], row["email"]) == (job.person.name, "github", "")
    assert (row["roles"], row["sign_ins"], row["approvals"]) == (("deployer",), 1, 0)
    assert f"{job.person.name} (github) {job.person.id}" in reach["staging"]


def decide(world: World, login: str, request: m.RequestView, what: str) -> None:
    said: dict[str, m.Message] = {
        "approve": m.Approve(login, request.id, request.digest, "", None),
        "deny": m.Deny(login, request.id, request.digest, "no", None),
        "review": m.Review(login, request.id, "justified", "fine"),
        "lock": m.Lock(login, "everything", None, "panic"),
    }
    world.ca.say(said[what], m.LockReply if what == "lock" else m.RequestReply)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("approve", "workload_refused"),
        ("deny", "workload_refused"),
        ("review", "workload_refused"),
        ("lock", "not_permitted"),
    ],
)
def test_a_workload_decides_nothing_whatever_role_it_holds(world: World, what: str, code: str) -> None:
    world.ca.change_policy('from = "lead", count = 1', 'from = "deployer", count = 1')
    try:
        decider = world.sign_in(world.token(world.audience("decides"), jti=what), key="decides")
        person = world.ca.native(replace(ALICE, groups=("Database",)))
        with pytest.raises(SshJitError) as nobody:
            world.ca.ask(person, "db1")
        assert nobody.value.code == "nobody_can_approve"
        world.ca.change_policy("deployer = [\n", 'deployer = [\n  "acme/group:SRE Leads",\n')
        world.bob()
        asked = world.ca.ask(person, "db1").request
        assert asked is not None
        assert [step.candidates for step in asked.steps] == [("b-2",)], "no workload could approve it"
        feed = world.ca.say(m.ReadFeed(-1, 100, 2), m.FeedReply).items
        item = next(each for each in feed if each.request is not None and each.request.id == asked.id)
        assert [each.email for each in item.deciders] == ["bob@example.com"]
        with pytest.raises(SshJitError) as refused:
            decide(world, decider.id, asked, what)
        assert refused.value.code == code
        world.ca.say(m.Cancel(person, asked.id), m.RequestReply)
        world.ca.change_policy('  "acme/group:SRE Leads",\n', "")
    finally:
        world.ca.change_policy('from = "deployer", count = 1', 'from = "lead", count = 1')


def test_a_workload_has_no_emergency_access(world: World) -> None:
    job = world.sign_in(world.token(world.audience("glass")), key="glass")
    with pytest.raises(SshJitError) as refused:
        world.ca.ask(job.id, "db1", break_glass=True, login="root", reason="everything is on fire")
    assert refused.value.code == "workload_refused"


def test_t56_a_hardware_key_of_a_workload_counts_for_nothing(world: World) -> None:
    key = SoftKey()
    token = world.token(workloads.audience_of(key.blob), ref="refs/heads/hard")
    signature = key.sshsig(binding.NAMESPACE, binding.signed_text(token))
    login = world.ca.say(m.LoginWorkload("github", token, key.line, signature, "192.0.2.7"), m.LoginReply).login
    claim = world.ca.context.state.logins[login.id].opened.claim
    world.ca.say(m.RegisterHardwareKey(f"github/{claim}", key.line), m.HardwareKeysReply, "admin")
    assert not world.ca.say(m.ReadLogin(login.id), m.LoginReply).login.hardware_key
    world.ca.logins[login.id] = login
    asked = world.ca.ask(login.id, "db1").request
    assert asked is not None
    shown = world.ca.say(m.ReadRequest(world.bob(), asked.id), m.RequestReply)
    assert shown.about is not None
    assert not shown.about.hardware_key
    assert "hardware key" not in world.front.page(BOB, f"/requests/{asked.id}")
    world.ca.say(m.Cancel(login.id, asked.id), m.RequestReply)


def test_whoami_at_the_front_end_and_what_the_pages_never_get(world: World) -> None:
    said = world.said(world.token(world.audience("api")), key="api")
    body = {field: getattr(said, field) for field in ("provider", "id_token", "key", "signature")}
    answer = world.front.stranger().post("/api/v1/login/workload", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    headers = {"Authorization": f"Bearer {answer.json['token']}", "Ssh-Jit-Version": "2"}
    whoami = world.front.stranger().get("/api/v1/whoami", headers=headers).json
    assert whoami is not None
    assert (whoami["workload"], whoami["roles"]) == (True, ["deployer"])
    subject, _, digest = whoami["subject"].partition("#")
    assert (subject, len(digest)) == ("repo:acme/app:environment:production", 32)
    ask = {"hosts": ["web1"], "login": None, "action": "shell", "command": None, "duration": None, "reason": "deploy"}
    explained = world.front.stranger().post("/api/v1/explain", headers=headers, json={**ask, **NEW})
    assert explained.json is not None
    assert (explained.json["verdict"], explained.json["roles"]) == ("allow", ["deployer"]), explained.text
    browser = world.front.stranger()
    browser.set_cookie(world.front.cookie, answer.json["token"], domain="127.0.0.1")
    assert browser.get("/requests").status_code in (302, 303, 401)


def test_an_issuer_that_is_taken_out_ends_its_sign_ins(world: World) -> None:
    job = world.sign_in(world.token(world.audience("gone")), key="gone")
    kept = world.ca.context.workloads.pop("github")
    try:
        with pytest.raises(SshJitError) as over:
            world.ca.ask(job.id, "web1")
        assert over.value.code == "login_over"
    finally:
        world.ca.context.workloads["github"] = kept


def test_a_claim_that_may_not_be_named_any_more_gives_no_role(world: World) -> None:
    job = world.sign_in(world.token(world.audience("fewer")), key="fewer")
    kept = world.ca.context.workloads["github"]
    world.ca.context.workloads["github"] = replace(kept, claims=("repository",))
    try:
        assert world.ca.say(m.ReadLogin(job.id), m.LoginReply).login.roles == ()
    finally:
        world.ca.context.workloads["github"] = kept


def test_an_id_keeps_its_issuer_and_its_kind(world: World) -> None:
    world.sign_in(world.token(world.audience("bound")), key="bound")
    path = world.ca.home / "providers.toml"
    text = path.read_text()
    path.write_text(text.replace(world.github.url, "http://127.0.0.1:1"))
    world.ca.stop()
    with pytest.raises(SshJitError) as changed:
        world.ca.start()
    path.write_text(text)
    world.ca.stop()
    world.ca.start()
    assert changed.value.code == "provider_changed"
    assert "[workloads.github]: issuer" in changed.value.message


def test_doctor_and_check_name_what_is_unbound(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [each for each in doctor._policy(world.ca.config) if each.area == "workloads"]
    assert [(each.level, "fixed is UNBOUND" in each.message) for each in findings] == [("warning", True)]
    (tmp_path / "secret").write_text("wrong")
    (tmp_path / "secret").chmod(0o600)
    text = (world.ca.home / "providers.toml").read_text().replace("/dev/null", str(tmp_path / "secret"))
    (tmp_path / "providers.toml").write_text(text)
    (tmp_path / "web.toml").write_text(in_process_ca.config_text(tmp_path))
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    check_command.run(tmp_path / "web.toml")
    lines = [line for line in capsys.readouterr().out.splitlines() if "UNBOUND" in line]
    assert [line.split()[:2] for line in lines] == [["warning", "fixed:"]]


def test_plain_http_to_an_issuer_of_workloads_is_for_development(world: World) -> None:
    path = world.ca.home / "providers.toml"
    text = path.read_text()
    people = text.replace("unsafe_http = true\n", "", 2).replace('issuer = "http://', 'issuer = "https://', 2)
    path.write_text(people)
    try:
        with pytest.raises(SshJitError) as refused:
            daemon.open_context(
                replace(world.ca.config, unsafe_development=False),
                world.ca.store,
                world.ca.places,
                world.ca.context.clock,
            )
    finally:
        path.write_text(text)
    assert refused.value.code == "unsafe_http"
