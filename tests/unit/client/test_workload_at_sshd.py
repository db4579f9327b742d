"""A job that deploys: a token of its issuer, fetched over TLS, a sign-in that nobody sees, and a real sshd behind it.

The issuer answers as GitHub Actions and as the API server of Kubernetes do. What the job runs in is its environment.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import sshkey, workloads
from sshjit.bundle import Bundle, Workloads
from sshjit.errors import Invalid, SshJitError
from sshjit_client.identity import workload
from tests.support.job_issuer import BEARER, JobIssuer, key_and_audience, over_tls, table
from tests.support.published_bundle import newest
from tests.unit.client.conftest import Laptop
from tests.unit.client.real_host import World, real_world

ROLE = 'deployer = [{ from = "github/workload", claims = { repository = "acme/app", ref = "refs/heads/main" } }]'
CHANGES = (
    ("[roles]\n", f"[roles]\n{ROLE}\n"),
    ('roles = ["sre"]\nhosts = { env = "staging" }', 'roles = ["sre", "deployer"]\nhosts = { env = "staging" }'),
)
GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER}


@dataclass
class Jobs:
    """The installation, the issuer, and a machine that is set up and where nobody is."""

    world: World
    issuer: JobIssuer
    env: dict[str, str]
    folder: Path

    def job(self, name: str, **env: str) -> Laptop:
        """A new machine for a job: set up, without a browser."""
        home = self.folder / name
        home.mkdir()
        runtime = home / "runtime"
        runtime.mkdir(mode=0o700)
        kept = {key: value for key, value in self.world.laptop.env.items() if key not in ("BROWSER", "HOME")}
        laptop = Laptop({**kept, **self.env, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), **env})
        laptop.set_up(self.world.server)
        return laptop

    @property
    def github(self) -> dict[str, str]:
        """What GitHub Actions puts into the environment of a job that may have tokens."""
        return {**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.issuer.url}/github?api-version=2.0"}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder, issuer = tmp_path_factory.mktemp("jobs"), JobIssuer()
    with pytest.MonkeyPatch.context() as patch, over_tls(issuer, folder / "tls") as trusted:
        patch.setenv("SSL_CERT_FILE", str(trusted))
        with real_world(CHANGES, table("github", issuer)) as world:
            world.server.front.ca.context.published["github"].refresh()
            yield Jobs(world, issuer, {"SSL_CERT_FILE": str(trusted)}, folder)


def test_a_job_of_github_actions_signs_in_and_deploys(jobs: Jobs) -> None:
    job = jobs.job("github", **jobs.github)
    signed_in = job.run("login", "--workload")
    assert signed_in.returncode == 0, signed_in.stderr
    assert "signed in as workload repo:acme/app:environment:production (github) until" in signed_in.stderr
    done = job.run("web1", "echo", "deployed")
    assert (done.stdout, done.returncode) == ("deployed\n", 0), done.stderr
    who = json.loads(job.run("whoami", "--json").stdout)
    key = sshkey.parse_line((Path(job.state) / "key.pub").read_text()) if (job.state / "key.pub").exists() else None
    (path, audience) = jobs.issuer.asked[-1]
    assert path.startswith("/github?api-version=2.0&audience=ssh-jit%3A")
    assert key is None or audience == workloads.audience_of(key.blob)
    assert (who["workload"], who["roles"], who["mfa"]) == (True, ["deployer"], False)
    text = job.run("whoami").stdout
    assert "repository=acme/app" in text
    assert "second factor" not in text


def test_with_the_setting_nobody_types_login_and_another_branch_gets_nothing(jobs: Jobs) -> None:
    job = jobs.job("setting", SSH_JIT_WORKLOAD="1", **jobs.github)
    done = job.run("web1", "echo", "deployed")
    assert (done.stdout, done.returncode) == ("deployed\n", 0), done.stderr
    jobs.issuer.job["ref"] = "refs/heads/topic"
    try:
        branch = jobs.job("branch", SSH_JIT_WORKLOAD="github", **jobs.github)
        done = branch.run("web1", "echo", "deployed")
    finally:
        jobs.issuer.job["ref"] = "refs/heads/main"
    assert (done.stdout, done.returncode) == ("", 4), done.stderr
    assert "roles held: none" in done.stderr


def test_after_the_sign_in_ended_the_job_signs_in_again_by_itself(jobs: Jobs) -> None:
    job = jobs.job("again", SSH_JIT_WORKLOAD="github", **jobs.github)
    assert job.run("login", "--workload").returncode == 0
    login = json.loads(job.run("whoami", "--json").stdout)["id"]
    jobs.world.server.say(m.Logout(login), m.Done)
    done = job.run("web1", "echo", "deployed")
    assert (done.stdout, done.returncode) == ("deployed\n", 0), done.stderr


def test_a_key_of_before_and_a_token_by_variable_file_or_pipe(jobs: Jobs) -> None:
    """GitLab: the audience is written into the pipeline, so it is that of a key that the pipeline holds."""
    key, audience = key_and_audience(jobs.folder, "gitlab-key")
    job = jobs.job("gitlab")
    shown = job.run("login", "--workload", "--key", str(key), "--audience")
    assert (shown.stdout, shown.returncode) == (f"{audience}\n", 0), shown.stderr
    words = ("login", "--workload", "--key", str(key))
    by_variable = job.run(*words, SSH_JIT_ID_TOKEN=jobs.issuer.token(audience, jti="variable"))
    assert by_variable.returncode == 0, by_variable.stderr
    file = jobs.folder / "token"
    file.write_text(jobs.issuer.token(audience, jti="file") + "\n")
    by_file = job.run(*words, "--token-file", str(file))
    assert by_file.returncode == 0, by_file.stderr
    piped = subprocess.run(
        [sys.executable, "-m", "sshjit_client", *words, "--token-file", "-"],
        env=job.env,
        input=jobs.issuer.token(audience, jti="pipe"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert piped.returncode == 0, piped.stderr
    again = job.run(*words, "--token-file", str(file))
    assert again.returncode != 0
    assert "this sign-in was already used" in again.stderr
    other = job.run("login", "--workload", "--token-file", str(file))
    assert "the token is for another key" in other.stderr
    assert file.read_text().strip() not in f"{again.stderr}{other.stderr}{by_file.stderr}"


def pod(jobs: Jobs, name: str, subject: str = "system:serviceaccount:ci:deployer") -> Path:
    """What Kubernetes puts into a pod."""
    folder = jobs.folder / name
    folder.mkdir()
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    (folder / "token").write_text(f"e30.{claims}.pod")
    (folder / "namespace").write_text("ci")
    (folder / "ca.crt").write_text(Path(jobs.env["SSL_CERT_FILE"]).read_text())
    return folder


def in_pod(jobs: Jobs) -> dict[str, str]:
    host, _, port = jobs.issuer.url.removeprefix("https://").partition(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT_HTTPS": port}


def test_a_pod_asks_the_api_server_for_a_token_of_its_own_account(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")  # the API server's certificate authority is the pod's own
    token = workload.token(in_pod(jobs), "ssh-jit:x", None, pod(jobs, "pod"))
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["aud"] == "ssh-jit:x"
    assert jobs.issuer.asked[-1] == ("/api/v1/namespaces/ci/serviceaccounts/deployer/token", "ssh-jit:x")


def test_a_job_without_a_token_hears_what_is_missing(jobs: Jobs) -> None:
    nobody = jobs.job("nobody", CI="true")
    plain = nobody.run("web1", "true")
    assert (plain.returncode, "hint: ssh-jit login --workload" in plain.stderr) == (7, True), plain.stderr
    none = nobody.run("login", "--workload")
    assert none.returncode != 0
    assert "there is no token to sign in with" in none.stderr
    without = nobody.run("login", "--workload", GITHUB_ACTIONS="true")
    assert "permissions: { id-token: write" in without.stderr
    wrong = nobody.run("login", "--workload", SSH_JIT_ID_TOKEN="not a token")
    assert "is no token" in wrong.stderr
    assert "not a token" not in wrong.stderr
    missing = nobody.run("login", "--workload", "--token-file", "/nowhere")
    assert "/nowhere: No such file" in missing.stderr
    assert "several" not in nobody.run("login", "--workload", "--provider", "gitlab").stderr
    for words in (("--token-file", "x"), ("--audience",), ("--workload", "--fresh"), ("--workload", "--audience")):
        assert nobody.run("login", *words).returncode == 2


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "http://evil.example/x"}, "no_token"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a\r\nX: y"}, "bad_token"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "another"}, "token_denied"),
    ],
)
def test_what_surrounds_a_job_leads_nowhere_else(jobs: Jobs, environ: dict[str, str], code: str) -> None:
    with pytest.raises(SshJitError) as refused:
        workload.token({**jobs.github, **environ}, "ssh-jit:x", None)
    assert refused.value.code == code
    assert "another" not in f"{refused.value.message}{refused.value.hint}"


@pytest.mark.parametrize("subject", ["alice", "system:node:n1", "system:serviceaccount:ci"])
def test_a_pods_token_that_names_no_account_asks_nobody(jobs: Jobs, subject: str) -> None:
    before = len(jobs.issuer.asked)
    with pytest.raises(SshJitError) as refused:
        workload.token(in_pod(jobs), "ssh-jit:x", None, pod(jobs, subject.replace(":", "-"), subject))
    assert (refused.value.code, len(jobs.issuer.asked)) == ("bad_token", before)


def bundle_with(jobs: Jobs, *issuers: Workloads) -> Bundle:

    return replace(newest(jobs.world.server.front.ca, 2), workloads=issuers)


def test_which_issuer_is_meant(jobs: Jobs) -> None:
    hub = Workloads("github", "GitHub", "https://token.actions.githubusercontent.com", None)
    lab = Workloads("gitlab", "GitLab", "https://gitlab.example.com", None)
    both = bundle_with(jobs, hub, lab)
    assert workload.choose(both, "gitlab", {}) == lab
    assert workload.choose(both, None, {"CI_SERVER_URL": "https://gitlab.example.com"}) == lab
    assert workload.choose(both, None, {"GITHUB_ACTIONS": "true"}) == hub
    assert workload.choose(bundle_with(jobs, lab), None, {}) == lab
    for bundle, name, code in (
        (both, None, "which_workloads"),
        (both, "jenkins", "which_workloads"),
        (bundle_with(jobs), None, "no_workloads"),
    ):
        with pytest.raises(Invalid) as error:
            workload.choose(bundle, name, {})
        assert error.value.code == code
