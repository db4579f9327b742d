"""The machines of the Vagrantfile: provisioned by its scripts, joined by its line, down to a login by certificate."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from tests.support import debian_root, vagrant_machines
from tests.support.vagrant_machines import SUITE, VAGRANTFILE, Machine, Machines
from tests.support.waiting import wait_until

PYTHON = "/opt/ssh-jit/bin/python -c"
GET = """'import ssl, sys, urllib.request as u
trust = ssl.create_default_context(cafile="/etc/ssl/certs/ssh-jit.pem")
print(u.urlopen(sys.argv[1], context=trust).read().decode())'"""
MOVED = """'import http.client, sys
asked = http.client.HTTPConnection(sys.argv[1])
asked.request("GET", "/bundle")
answer = asked.getresponse()
print(answer.status, answer.headers["Location"])'"""
TABLES = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
KEY = "~/.ssh/id_ed25519"
SSH = f"ssh -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -i {KEY}"
KEPT = "cat /etc/ssh-jit/*.toml /etc/ssh-jit/*.secret /etc/ssl/certs/ssh-jit.pem /var/lib/ssh-jit-ca/keys/*.pub"


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """All three, as ``vagrant up`` and ``join.sh`` leave them."""
    with vagrant_machines.started() as made:
        provision(made)
        text = made.join()
        assert "joined example as web1 (host id web1), for deploy" in text
        assert "joined example as db1 (host id db1), for postgres" in text
        yield made


def provision(machines: Machines) -> None:
    """What ``vagrant provision`` runs; afterwards the front end answers."""
    ca = machines["ca"]
    ca.sh(f"/vagrant/hostconfig/vagrant/ca.sh {ca.address}")
    for name in machines.by_name.keys() - {"ca"}:
        machines[name].sh(f"/vagrant/hostconfig/vagrant/server.sh {name}")
    look = f"{PYTHON} {GET} https://{ca.address}/healthz >/dev/null 2>&1 || echo no"
    wait_until(lambda: not ca.sh(look), lambda: ca.sh("cat /run/units/ssh-jit-web.log"))


def certificate(ca: Machine, host: str, login: str) -> str:
    """An emergency certificate, the only kind without a provider, for a key of ``vagrant`` on ``ca``; its serial."""
    ca.sh(f"mkdir -p -m 0700 ~/.ssh; [ -e {KEY} ] || ssh-keygen -q -t ed25519 -N '' -f {KEY}", user="vagrant")
    words = f"--login {login} --host {host} --key {KEY}.pub --reason 'first try' --json"
    return str(json.loads(ca.sh(f"sudo ssh-jit-ca sign-emergency {words}", user="vagrant"))["serial"])


def trust(machines: Machines) -> None:
    """Have ``vagrant`` on ``ca`` know both servers by the host CA, and by nothing else."""
    ca = machines["ca"]
    bundle = json.loads(json.loads(ca.sh(f"{PYTHON} {GET} https://{ca.address}/bundle"))["bundle"])
    lines = "".join(f"@cert-authority web1,db1 {line}\n" for line in bundle["host_ca"])
    ca.sh("mkdir -p -m 0700 ~/.ssh; cat >~/.ssh/known_hosts", user="vagrant", given=lines)


def ssh(machines: Machines, host: str, login: str) -> str:
    """Log in from ``ca`` over the private network; what the session, or ssh, printed."""
    command = f"{SSH} -o HostKeyAlias={host} {login}@{machines[host].address} 'id -un; hostname' || :"
    return machines["ca"].sh(command, user="vagrant")


def test_the_first_login_of_the_documentation(machines: Machines) -> None:
    text = (REPOSITORY / "docs" / "vagrant.md").read_text().partition("## A first login")[2]
    commands = text.split("```")[1].strip().splitlines()
    machines["ca"].sh("rm -rf ~/.ssh; mkdir -m 0700 ~/.ssh", user="vagrant")
    printed = [machines["ca"].sh(command, user="vagrant") for command in commands]
    assert "deploy\nweb1\n" in printed
    assert "first try" in printed[-1]


def test_a_certificate_opens_the_server_that_it_is_for_until_it_is_revoked(machines: Machines) -> None:
    ca = machines["ca"]
    trust(machines)
    certificate(ca, "db1", "postgres")
    assert ssh(machines, "db1", "postgres") == "postgres\ndb1\n"
    assert "Permission denied" in ssh(machines, "web1", "deploy")
    serial = certificate(ca, "web1", "deploy")
    assert ssh(machines, "web1", "deploy") == "deploy\nweb1\n"
    assert "Permission denied" in ssh(machines, "db1", "postgres")
    ca.sh(f"sudo ssh-jit-ca revoke --certificate {serial} --reason 'tried enough'", user="vagrant")
    log = machines["web1"].path("/run/units/ssh-jit-host.log")
    wait_until(lambda: "Permission denied" in ssh(machines, "web1", "deploy"), log.read_text)


def test_each_program_has_a_database_of_postgresql_that_is_closed_to_the_other(machines: Machines) -> None:
    ca = machines["ca"]
    for user, other in (("ssh-jit-ca", "ssh_jit_web"), ("ssh-jit-web", "ssh_jit_ca")):
        own = user.replace("-", "_")
        assert ca.sh(f'cd /; psql -qAt {own} -c "{TABLES}"', user=user) == f"{user}\n"
        assert "permission denied for database" in ca.sh(f"cd /; psql {other} -c 'SELECT 1'", user=user, code=2)
        assert not list(ca.path(f"/var/lib/{user}").glob("*.db")), "nothing is kept in SQLite"
    assert 'role "vagrant" does not exist' in ca.sh("psql ssh_jit_ca", user="vagrant", code=2)


def test_provisioning_and_joining_again_change_nothing(machines: Machines) -> None:
    ca = machines["ca"]
    config = ca.path("/etc/ssh-jit/ca.toml")
    config.write_text(config.read_text() + "# changed by hand\n")

    def state() -> list[str]:
        return [ca.sh(KEPT), *(machines[name].sh("cat /etc/ssh-jit/*.json") for name in ("web1", "db1"))]

    before = state()
    provision(machines)
    assert machines.join() == "web1 has joined already\ndb1 has joined already\n"
    assert state() == before


def test_a_server_that_was_added_and_did_not_join_is_invited_again(machines: Machines) -> None:
    machines["web1"].sh("ssh-jit-host leave")
    words = "web1 --address 192.168.56.11 --label env=staging --login deploy"
    machines["ca"].sh(f"ssh-jit-ca host add {words}")
    assert "joined example as web1 (host id web1~2), for deploy" in machines.join()


def test_people_are_sent_to_tls(machines: Machines) -> None:
    ca = machines["ca"]
    assert "Sign in" in ca.sh(f"{PYTHON} {GET} https://{ca.address}/")
    assert ca.sh(f"{PYTHON} {MOVED} {ca.address}") == f"301 https://{ca.address}/bundle\n"


@pytest.mark.parametrize(
    ("old", "new", "code"), [("ca.sh", "ca.sh", 0), ("vm.hostname", "vm.hostnam", 1), ("ca.sh", "c.sh", 1)]
)
def test_debians_vagrant_takes_the_vagrantfile(tmp_path: Path, old: str, new: str, code: int) -> None:
    """And would say if it did not."""
    path = tmp_path / "Vagrantfile"
    path.write_text(VAGRANTFILE.read_text().replace(old, new))
    (tmp_path / "hostconfig").symlink_to(REPOSITORY / "hostconfig")
    system = debian_root.system_with(SUITE, ["vagrant"])
    script = f"cd {REPOSITORY} && VAGRANT_CWD={tmp_path} HOME=/root LANG=C.UTF-8 vagrant validate --ignore-provider"
    argv = system.inside(["sh", "-c", script], share=(REPOSITORY, tmp_path))
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("Vagrantfile validated successfully." in done.stdout) == (code == 0)
