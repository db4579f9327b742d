"""A host's own program tells a real front end of sessions, and the CA's log has them: once, whatever is sent again."""

from __future__ import annotations

import base64
import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from demo import debian
from sshjit import ca_protocol as m
from sshjit_host import config as configuration
from sshjit_host.sessions import reports
from sshjit_host.sessions.registry import Session
from sshjit_host.sessions.reports import Reporter
from sshjit_host.sessions.spool import Spool
from tests.support import host_machine
from tests.support.host_machine import Host, line
from tests.support.in_process_ca import FrontEnd
from tests.support.installation import ALICE

BUILD = Path(__file__).resolve().parents[3] / "hostconfig" / "build_pyz.py"


def silent(_: str) -> None:
    """For what is said to people."""


def session(**certified: Any) -> Session:
    return Session(
        **{
            "id": "ses-0123456789abcdef",
            "boot": "boot",
            "pid": 1,
            "started": 1,
            "user": "deploy",
            "uid": 1,
            "connection": "192.0.2.7 50000 192.0.2.9 22",
            "key_id": "req alice",
            "ca": "",
            "grant_ends": 0,
            "valid_before": 0,
            "emergency": False,
            "opened_wall": time.time(),
            "opened_boot": 1.0,
            **certified,
        }
    )


def test_the_log_has_what_a_host_tells(world: FrontEnd) -> None:
    ca = world.ca
    with host_machine.front() as front, tempfile.TemporaryDirectory(prefix="test-host-", dir=debian.cache()) as folder:
        Path(folder).chmod(0o755)
        program = Path(folder, "ssh-jit-host.pyz")
        host_machine.run(sys.executable, BUILD, program)
        front.posted = lambda path, body: _forward(world, path, body)
        host = Host(Path(folder), program, front.url, "SHA256:" + "A" * 43)
        added = m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), (line(host.folder / "host_key"),))
        host.settings |= {"name": "web9", "host_id": "web9", "root": ca.say(added, m.HostReply, "admin").bundle_root}
        bundle = ca.say(m.ReadBundle(None), m.BundleReply)
        front.serve({"sequence": bundle.sequence, "bundle": bundle.bundle, "signature": bundle.signature})
        host.refresh()
        drawn = ca.ask(ca.native(ALICE), "web9", certificate=True)
        assert drawn.certificate is not None
        digest = hashlib.sha256(base64.b64decode(drawn.certificate.text.split()[1])).hexdigest()
        known = session(grant=drawn.request.id, serial=drawn.certificate.serial, certificate=digest)
        spool = Spool(host.home / "reports")
        spool.prepare()
        spool.add(reports.started(known), time.time())
        spool.add(reports.ended(known, time.time(), "window"), time.time())
        reporter = Reporter(configuration.load(host.folder / "host.json"), spool, silent)
        assert reporter.send(int(ca.time))
        assert not reporter.send(int(ca.time)), "nothing is left"
        ca.later(6)
        odd = session(user="first last", grant="", serial=7, certificate="f" * 64)
        long = session(grant="\u00fc" * 300, key_id="a\nb" * 300, serial=8, certificate="e" * 64)
        for event in (reports.started(odd), reports.started(long)):
            spool.add(event, time.time())
        assert reporter.send(int(ca.time))
        assert not reporter.send(int(ca.time)), "no event is sent for ever, whatever it says"
    kinds = ca.kinds()
    assert (kinds.count("session"), kinds.count("session-end"), kinds.count("session-refusal")) == (2, 1, 1)
    summary = ca.say(m.ReadLog(None, None, 1, kind="session-end", host="web9"), m.LogReply, "admin").entries[0].summary
    assert "session on deploy@web9 is over" in summary


def _forward(world: FrontEnd, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = world.stranger().post(path, json=body)
    return answer.status_code, answer.json or {}
