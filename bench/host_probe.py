"""How long ``ssh-jit-ca host probe --all`` takes: the operator's command, a running CA, and as many SSH servers."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.ca_process import CA
from bench.environment import Environment
from bench.processes import folder, free_port, listens, run, running
from bench.results import Result
from sshjit import ca_protocol as m
from tests.support.enrolled_sshd import allow
from tests.support.installation import Installation
from tests.support.issuer import serving

HOSTS = int(os.environ.get("SSH_JIT_BENCH_HOSTS", "1000"))
BUDGET = 120
"""Seconds for all of them; for a thousand, that is two minutes."""
LOGIN = "deploy"


def lines(_: Environment) -> Iterator[Result]:
    """All hosts enforce, and each is found to."""
    with folder() as home, serving() as acme:
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        installation = Installation(home, {"acme": acme}, time=time.time(), boot=boot)
        allow(installation)
        servers = _servers(installation, free_port())
        installation.stop()
        (home / "servers.json").write_text(json.dumps(servers), encoding="ascii")
        env = os.environ | {"SSH_JIT_CA_CONFIG": str(home / "ca.toml")}
        last = servers["servers"][-1]["address"]
        with (
            running([*CA, "serve"], lambda: listens(installation.config.web_socket), env),
            running(
                [sys.executable, "-m", "bench.ssh_servers", str(home / "servers.json")], lambda: _up(last, servers)
            ),
        ):
            began = time.perf_counter()
            found = json.loads(run([*CA, "host", "probe", "--all", "--json"], env))["hosts"]
            took = time.perf_counter() - began
    if len(found) != HOSTS or any(host["verdict"] != "ok" for host in found):
        wrong = next((host for host in found if host["verdict"] != "ok"), None)
        raise RuntimeError(f"{len(found)} hosts were probed, and one of them so: {wrong}")
    what = f"{HOSTS:,} hosts probed, 100 at a time"
    yield Result("probe", what, f"{took:.1f} s", f"{took / HOSTS * 1e3:.0f} ms a host", took, "s", BUDGET)


def _servers(installation: Installation, port: int) -> dict[str, Any]:
    """Enrols every host, and says what its server needs."""
    listed = []
    for number in range(HOSTS):
        name, address = f"h{number}", f"127.1.{number // 250}.{number % 250 + 1}"
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        new = m.AddHost(name, (), address, port, (("env", "staging"),), (public.decode("ascii"),), logins=(LOGIN,))
        reply = installation.say(new, m.HostReply, "admin")
        hidden = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, hidden)
        listed.append(
            {
                "address": address,
                "principal": f"{LOGIN}@{reply.host.id}",
                "key": private.decode("ascii"),
                "certificate": reply.certificates[0],
            }
        )
    user_ca = Path(f"{installation.config.key_file('user_ca')}.pub").read_text(encoding="ascii").strip()
    return {"port": port, "user_ca": user_ca, "servers": listed}


def _up(address: str, servers: dict[str, Any]) -> bool:
    """Whether the last server listens: it begins last."""
    try:
        socket.create_connection((address, servers["port"]), timeout=5).close()
    except OSError:
        return False
    return True
