"""``docs/install.md``, typed on booted Debian machines: its commands are read out of it, and none is added.

Three machines, one network: the CA's, a server and a laptop. What a person brings is brought here: a certificate for
the name, by an authority that all three trust; an identity provider; what they write in the editor; and the two things
that a command prints and the next one takes, the fingerprint and the joining line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from tests.support import booted_installation, booted_root, debian_root, tls, wheels
from tests.support.booted_root import Booted
from tests.support.waiting import wait_until

NAME, ADDRESS = "access.example.com", "192.0.2.10"
MACHINES = {"the CA's machine": "ca", "the server": "web1", "a laptop": "laptop"}
"""By what the guide calls them."""
PACKAGES = (*booted_root.PACKAGES, "ca-certificates", "openssh-client", "pipx", "python3-venv", "sudo")
_PROXIES = ("caddy", "nginx-light")
_PIPX = ("python3-pip-whl", "python3-setuptools-whl", "python3-wheel-whl")
"""What pipx itself would fetch: the newest pip, from here."""
_BLOCK = re.compile(r"^On (the CA's machine|the server|a laptop)[^\n]*:\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NETWORK = f"""set -e
ip address add {ADDRESS}/32 dev lo
"""
_TRUST = f"""set -e
cp /given/ca.pem /usr/local/share/ca-certificates/test.crt
update-ca-certificates >/dev/null
echo '127.0.0.1 {NAME}' >>/etc/hosts
echo '{ADDRESS} web1' >>/etc/hosts
printf '[global]\\nno-index = true\\nfind-links = /wheels /usr/share/python-wheels\\n' >/etc/pip.conf
cp /dist/*.whl /root/
"""
_EDITOR = """#!/bin/sh
# As somebody who changes what is theirs, and nothing else.
set -e
for wanted in ca.toml providers.toml policy.toml web.toml acme-web.secret; do
    case " $* " in *" /etc/ssh-jit/$wanted "*) ;; *) echo "$wanted is not opened" >&2; exit 1 ;; esac
done
cat /given/providers.toml >/etc/ssh-jit/providers.toml
cat /given/acme-web.secret >/etc/ssh-jit/acme-web.secret
echo 'tls_roots = "/etc/ssl/certs/ca-certificates.crt"' >>/etc/ssh-jit/web.toml # the authority here is no public one
"""


_HELD = "find /etc/ssh-jit /etc/systemd/system /var/lib/ssh-jit-web/session.key -type f -exec sha256sum {} + | sort"
"""What a second ``init`` must leave as it is."""


def commands() -> list[tuple[str, str]]:
    """The machine and the command, in the guide's order."""
    text = (REPOSITORY / "docs" / "install.md").read_text()
    return [(MACHINES[where], line) for where, block in _BLOCK.findall(text) for line in block.splitlines()]


@dataclass
class Machines:
    """The three, by name."""

    roots: dict[str, Booted]


@pytest.fixture(scope="module")
def machines(wheel: Path) -> Iterator[Machines]:
    """The machines as a person finds them: Debian, with what the guide says that you need."""
    system = debian_root.system_with(booted_installation.SUITE, (*PACKAGES, *_PIPX, *_PROXIES))
    packages = wheels.server(booted_installation.PYTHON)
    with booted_root.stage() as stage:
        given = stage.folder / "given"
        given.mkdir()
        _, certificate, key = tls.of_authority(given, NAME, "localhost")
        plain = f'issuer = "{booted_installation.ISSUER}"'
        text = booted_installation.PROVIDERS.replace(plain, f'issuer = "{booted_installation.TLS_ISSUER}"')
        (given / "providers.toml").write_text(text.replace("unsafe_http = true\n", ""))
        (given / "acme-web.secret").write_text(f"{booted_installation.SECRET}\n")
        binds = {wheel.parent: "/dist", packages: "/wheels", given: "/given", REPOSITORY / "demo": "/demo"}
        options = [f"--bind-ro={source}:{target}" for source, target in binds.items()]
        no_proxy = "rm -f etc/systemd/system/*/nginx.service etc/systemd/system/*/caddy.service"
        no_sshd = f"{no_proxy}; rm -f etc/systemd/system/*/ssh.service; ln -s /dev/null etc/systemd/system/ssh.service"
        with booted_installation.provider(stage, f"https://{NAME}", tls=(certificate, key)):
            roots = {
                "ca": stage.boot(system, "ca", prepare=no_sshd, options=options),
                "web1": stage.boot(system, "web1", prepare=no_proxy, options=options),
                "laptop": stage.boot(system, "laptop", prepare=no_sshd, options=options),
            }
            roots["ca"].sh(_NETWORK)
            for root in roots.values():
                root.sh(_TRUST)
            ca = roots["ca"]
            ca.sh(f"cp /given/{certificate.name} /given/{key.name} /etc/ssl/")
            ca.path("/usr/local/bin/editor").write_text(_EDITOR)
            ca.path("/usr/local/bin/editor").chmod(0o755)
            roots["web1"].sh("useradd --create-home --shell /bin/sh --password '*' deploy")
            browser = "exec python3 -IS /demo/browser.py --person alice --cookies /root/cookies"
            roots["laptop"].path("/usr/local/bin/browser").write_text(f'#!/bin/sh\n{browser} "$@"\n')
            roots["laptop"].path("/usr/local/bin/browser").chmod(0o755)
            yield Machines(roots)


def test_there_are_ten_at_most_and_each_is_one() -> None:
    """No command hides behind another one: the pipe of the joining line is the only one."""
    listed = commands()
    assert {machine for machine, _ in listed} == set(MACHINES.values())
    assert len(listed) <= 10
    for _, line in listed:
        assert not re.search(r"&&|;", line)
        assert line.count("|") == ("TOKEN" in line)


def test_they_lead_to_a_login_on_a_second_host(machines: Machines) -> None:
    printed: list[str] = []
    for machine, line in commands():
        typed = line
        if "TOKEN" in line:
            typed = printed[-1].rstrip().splitlines()[-1]
            assert typed.startswith("printf '%s\\n' ")
            assert f" https://{NAME}/host/ssh-jit-host.pyz " in typed
        typed = re.sub(r"ssh_jit-[0-9.]+-py3-none-any\.whl", lambda _: wheel_of(machines), typed)
        if "SHA256:…" in typed:
            typed = typed.replace("SHA256:…", fingerprint("".join(printed)))
        environment = "cd; export BROWSER=browser PATH=/root/.local/bin:$PATH LANG=C.UTF-8;"
        last = line == commands()[-1][1]
        printed.append(machines.roots[machine].sh(f"{environment} {typed}{' hostname' if last else ''}"))
    assert printed[-1].splitlines()[-1] == "web1", printed[-1]


def test_what_init_made_is_owned_as_the_guide_says(machines: Machines) -> None:
    """After the commands above. A second ``init`` changes nothing, and says so."""
    ca = machines.roots["ca"]
    before = ca.sh(_HELD)
    said = ca.sh("/opt/ssh-jit/bin/ssh-jit-ca init --front-end https://other.example.com --with-web")
    assert "written" not in said
    assert said.count("there already") == 4
    assert "already contains keys" in said
    assert ca.sh(_HELD) == before
    stat = "stat -c '%a %U:%G'"
    assert ca.sh(f"{stat} /etc/ssh-jit/acme-web.secret") == "640 root:ssh-jit-web\n"
    assert ca.sh(f"{stat} /var/lib/ssh-jit-ca/keys/user_ca") == "600 ssh-jit-ca:ssh-jit-ca\n"
    assert ca.sh(f"{stat} /var/lib/ssh-jit-web") == "700 ssh-jit-web:ssh-jit-web\n"
    assert (
        ca.sh(f"{stat} /etc/ssh-jit/ca.toml /etc/systemd/system/ssh-jit-web.service").split()
        == ["644", "root:root"] * 2
    )
    ca.sh("/opt/ssh-jit/bin/ssh-jit-ca doctor")
    said = ca.sh("/opt/ssh-jit/bin/ssh-jit-web init --tls /etc/ssl/access.key /etc/ssl/access.pem", code=2)
    assert "are not a certificate and its key" in said
    unit = ca.path("/etc/systemd/system/ssh-jit-probe.timer")
    text = unit.read_text()
    unit.write_text(f"{text}# mine\n")
    assert f"{unit.name}, which differs from this release's" in ca.sh("/opt/ssh-jit/bin/ssh-jit-ca init")
    assert unit.read_text() == f"{text}# mine\n"
    unit.write_text(text)


def test_files_of_tls_may_have_names_that_mean_something_to_systemd(machines: Machines) -> None:
    """By root, and by the line that anybody else is told."""
    ca, folder = machines.roots["ca"], "/etc/ssl/our certs: 100%"
    drop_in = "/etc/systemd/system/ssh-jit-web.service.d/tls.conf"
    ca.sh(f"mkdir '{folder}'; cp /etc/ssl/access.pem '{folder}/%n'; cp /etc/ssl/access.key '{folder}/\"key\"'")
    ca.sh(f"mv {drop_in} /root/; chmod a+r '{folder}'/*")
    init = f"/opt/ssh-jit/bin/ssh-jit-web init --tls '{folder}/%n' '{folder}/\"key\"'"
    told = ca.sh(f"runuser -u nobody -- {init}", code=1)
    line = told[told.index("printf") :]
    for made in (line, init):
        ca.sh(f"rm -rf {drop_in}; {made}")
        ca.sh("systemctl daemon-reload; systemctl restart ssh-jit-web")
        credentials = "/run/credentials/ssh-jit-web.service"
        ca.sh(f"cmp {credentials}/tls.pem /etc/ssl/access.pem; cmp {credentials}/tls.key /etc/ssl/access.key")
    ca.sh("cp /etc/ssl/access.pem '/etc/ssl/blank '")
    said = ca.sh(f"{init.rpartition(' --tls')[0]} --tls '/etc/ssl/blank ' /etc/ssl/access.key", code=2)
    assert "cannot stand in a unit" in said
    ca.sh(f"mv /root/tls.conf {drop_in}; systemctl daemon-reload; systemctl restart ssh-jit-web")


def test_whoever_is_not_root_is_told_what_is_left(machines: Machines) -> None:
    """On the CA's machine, as if its users and units were not there: every line that is told makes it again."""
    ca = machines.roots["ca"]
    unit = "/etc/systemd/system/ssh-jit-probe.timer"
    held = ca.sh(f"cat {unit}; rm {unit} /etc/ssh-jit/partner-web.secret")
    told = ca.sh("runuser -u nobody -- /opt/ssh-jit/bin/ssh-jit-ca init", code=1)
    assert "This is not root" in told
    (line,) = [line.strip() for line in told.splitlines() if line.strip().startswith("install ")]
    assert told.splitlines()[-1].strip().endswith("ssh-jit-ca init"), "and the command that goes on"
    ca.sh(line)
    assert ca.sh(f"cat {unit}") == held
    providers = ca.path("/etc/ssh-jit/providers.toml")
    text = providers.read_text()
    providers.write_text(text.replace("acme-web.secret", "other-web.secret"))
    told = ca.sh("runuser -u nobody -- /opt/ssh-jit/bin/ssh-jit-web init", code=1)
    (line,) = [line.strip() for line in told.splitlines() if line.strip().startswith("install ")]
    ca.sh(line)
    assert ca.sh("stat -c '%a %U:%G %s' /etc/ssh-jit/other-web.secret") == "640 root:ssh-jit-web 0\n"
    providers.write_text(text)


@pytest.mark.parametrize("proxy", ["nginx", "caddy"])
def test_a_proxy_as_the_guide_says_takes_the_place_of_own_tls(machines: Machines, proxy: str) -> None:
    """The last two blocks of the guide, word for word; Caddy is given a certificate, since it can reach nobody here."""
    text = (REPOSITORY / "docs" / "install.md").read_text().partition("## TLS by a proxy")[2]
    blocks = dict(zip(("nginx", "caddy"), re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), strict=True))
    own = "    tls /etc/ssl/access.pem /etc/ssl/access.key\n"
    block = blocks[proxy].replace("{\n", f"{{\n{own}", 1) if proxy == "caddy" else blocks[proxy]
    ca, laptop = machines.roots["ca"], machines.roots["laptop"]
    ca.sh("systemctl stop ssh-jit-web nginx caddy; rm -rf /etc/nginx/sites-enabled/*")
    ca.sh("rm -rf /etc/systemd/system/ssh-jit-web.service.d; systemctl daemon-reload")
    ca.sh("chown caddy /etc/ssl/access.key; mv /etc/ssh-jit/web.toml /root/")
    # In the proxy's place: without --tls, and with what was written in the editor.
    ca.sh("/opt/ssh-jit/bin/ssh-jit-web init; grep ^tls_roots /root/web.toml >>/etc/ssh-jit/web.toml")
    place = "/etc/nginx/conf.d/ssh-jit.conf" if proxy == "nginx" else "/etc/caddy/Caddyfile"
    ca.path(place).write_text(block)
    ca.sh(f"systemctl start ssh-jit-web {proxy}")
    python = f"import urllib.request as r; print(r.urlopen('https://{NAME}/readyz', timeout=20).status)"
    wait_until(lambda: ca.sh("ss -Hltn sport = :443") != "", lambda: ca.journal(f"{proxy}.service"))
    assert laptop.sh(f'python3 -c "{python}"') == "200\n"
    assert "/readyz" in ca.journal("ssh-jit-web.service")
    assert "web1" in laptop.sh("cd; BROWSER=browser PATH=/root/.local/bin:$PATH ssh-jit hosts")


def wheel_of(machines: Machines) -> str:
    """The file's name, whatever release the guide names."""
    return machines.roots["ca"].sh("basename /root/*.whl").strip()


def fingerprint(text: str) -> str:
    """What ``init`` says that laptops pin."""
    match = re.search(r"pin the bundle key: (SHA256:\S+)", text)
    assert match is not None, text
    return match[1]
