"""Step 5: certificates that ran out, and certificates that were revoked before they ran out."""

from __future__ import annotations

import re
import time

from demo.story.access import certificate, plain_ssh, refusal
from demo.story.stage import Stage

SECONDS = 5
"""How long the short certificate lives."""


def expired_and_revoked_are_refused(stage: Stage) -> None:
    """Step 5."""
    stage.chapter("when the time is over, the access is over")
    runs_out(stage)
    is_revoked(stage)


def runs_out(stage: Stage) -> None:
    """A certificate of a few seconds, used after it ran out."""
    alice, web1 = stage.lab.person("alice"), stage.lab.hosting.hosts["web1"]
    stage.say(f"alice gives back what she has, and asks for {SECONDS} seconds.")
    stage.types(alice, "ssh-jit done web1", has="^ssh-jit: done")
    stage.types(alice, f"ssh-jit --for {SECONDS}s web1 whoami", has=f"^{web1.login}$")
    held = certificate(alice, "web1")
    end = time.monotonic() + SECONDS + 1
    stage.types(alice, f"ssh-keygen -L -f {held} | grep Valid", has="Valid: from")
    stage.say(f"{SECONDS} seconds later:")
    time.sleep(max(0.0, end - time.monotonic()))
    since = web1.mark()
    stage.types(alice, plain_ssh(stage, "web1", held, "whoami"), code=255, has="Permission denied")
    refusal(stage, "web1", since, "Certificate invalid: expired")


def is_revoked(stage: Stage) -> None:
    """A certificate that the operator revokes while it is good for minutes."""
    lab, alice, web1 = stage.lab, stage.lab.person("alice"), stage.lab.hosting.hosts["web1"]
    stage.say("A new one, good for minutes; but alice's laptop is lost, and the operator is told.")
    stage.types(alice, "ssh-jit web1 whoami", has=f"^{web1.login}$")
    held = certificate(alice, "web1")
    listed = alice.run(["ssh-keygen", "-L", "-f", str(alice.runtime / held)]).stdout
    request = re.search(r'Key ID: "(req-\w+)', listed)
    stage.check("the key id of alice's certificate names no request", request)
    stage.types(
        lab.operator, f'ssh-jit-ca revoke --request {request and request[1]} --reason "laptop lost"', has="revoked"
    )
    krl = str(web1.home / "krl")
    stage.say("web1 asks for the signed bundle every second, and so learns of it.")
    stage.wait_until(
        "web1 did not learn of the revocation",
        lambda: alice.run(["ssh-keygen", "-Q", "-f", krl, str(alice.runtime / held)]).code != 0,
    )
    since = web1.mark()
    stage.types(alice, plain_ssh(stage, "web1", held, "whoami"), code=255, has="Permission denied")
    refusal(stage, "web1", since, "revoked by file")
