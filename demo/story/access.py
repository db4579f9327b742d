"""Steps 1 to 4: access that policy grants, access that somebody approves, none at all, and access to one host alone."""

from __future__ import annotations

from demo.lab import Person
from demo.story.stage import Stage, StoryFailed


def certificate(who: Person, host: str) -> str:
    """Where ``ssh-jit`` keeps the certificate for a host, from the folder in which its owner types."""
    certificates = sorted(who.runtime.glob(f"open/{host}*-cert.pub"))
    if not certificates:
        raise StoryFailed(f"{who.name} has no certificate for {host}")
    return str(certificates[0].relative_to(who.runtime))


def plain_ssh(stage: Stage, host: str, certificate: str, command: str) -> str:
    """Stock ssh with a key and a certificate from the folder that it is typed in."""
    where = stage.lab.hosting.hosts[host]
    quiet = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    return (
        f"ssh -F none -i id_ed25519 -o CertificateFile={certificate} -o IdentitiesOnly=yes \\\n"
        f"    {quiet} \\\n"
        f"    -p {where.port} {where.login}@127.0.0.1 {command}"
    )


def alice_signs_in(stage: Stage) -> None:
    """Step 1."""
    lab, alice = stage.lab, stage.lab.person("alice")
    login = lab.hosting.hosts["web1"].login
    stage.chapter("alice gets to web1")
    stage.say("""alice is an SRE at Acme. Nobody has prepared anything for her on web1. Her first command signs her in
        at Acme, in her (scripted) browser, gets a certificate, and becomes ssh.""")
    stage.types(alice, "ssh-jit web1 whoami", has=f"^{login}$")
    stage.say(f"""The certificate is good for five minutes, for {login} on web1, and for the key that was made on her
        machine for this sign-in. ssh-jit keeps both in $XDG_RUNTIME_DIR/ssh-jit/lab/current, where people type from
        here on.""")
    stage.types(
        alice,
        f"ssh-keygen -L -f {certificate(alice, 'web1')}",
        has=rf"^ +{login}@web1$",
        lacks="permit-agent-forwarding",
    )
    stage.say("The second run finds it and asks nobody: CA and front end are stopped while it runs.")
    with lab.ca.pause(), lab.web.pause():
        stage.types(alice, "ssh-jit web1 whoami", has=rf"\A{login}\n\Z")


def dana_waits(stage: Stage) -> None:
    """Step 2."""
    lab, dana, bob = stage.lab, stage.lab.person("dana"), stage.lab.person("bob")
    login = lab.hosting.hosts["db1"].login
    stage.chapter("dana runs a migration on db1, when bob has approved it")
    stage.say("""dana is a contractor with an account at Partner. The production database needs somebody of sre-lead
        to approve, so her command waits.""")
    waiting = stage.starts(dana, f'ssh-jit --action migrate --reason "CHG-7 add index" {login}@db1')
    stage.wait_for_output(waiting, "waiting for")
    stage.say("The approvers see it. It is not for dana to approve, although her own machine knows it.")
    listed = stage.types(dana, "ssh-jit requests", has="CHG-7 add index").text
    request = next(word for line in listed.splitlines() if "CHG-7" in line for word in line.split()[:1])
    stage.types(dana, f"ssh-jit approve {request}", code=4, has="^ssh-jit: ")
    stage.say("bob leads the SREs at Acme.")
    stage.types(bob, "ssh-jit login", has="signed in")
    stage.types(bob, "ssh-jit requests", has="Dana.*CHG-7 add index")
    stage.types(bob, f"ssh-jit approve {request}", has="approved")
    stage.say("dana's command goes on by itself:")
    stage.ends(waiting, has="migrated the schema from version 1 to 2")
    stage.say("Her certificate forces the migration; whatever else she asks db1 for with it, it is the migration.")
    migrate = lab.hosting.accounts.migrate
    held = certificate(dana, "db1")
    stage.types(dana, f"ssh-keygen -L -f {held}", has=rf"force-command {migrate}$", lacks="permit-pty")
    stage.types(dana, plain_ssh(stage, "db1", held, "whoami"), has="from version 2 to 3", lacks=f"^{login}$")


def carol_is_denied(stage: Stage) -> None:
    """Step 3."""
    carol = stage.lab.person("carol")
    stage.chapter("carol is denied")
    stage.say("carol works at Acme too, in no group that policy knows. She is told which rule would have to allow it.")
    stage.types(carol, "ssh-jit web1 whoami", code=4, has='^hint: .*"?staging"?')


def a_certificate_is_for_one_host(stage: Stage) -> None:
    """Step 4."""
    alice, db1 = stage.lab.person("alice"), stage.lab.hosting.hosts["db1"]
    stage.chapter("a certificate for web1 opens nothing else")
    stage.say("alice goes to db1 by stock ssh, with the certificate that web1 has just accepted.")
    since = db1.mark()
    stage.types(alice, plain_ssh(stage, "db1", certificate(alice, "web1"), "whoami"), code=255, has="Permission denied")
    refusal(stage, "db1", since, "Certificate does not contain an authorized principal")


def refusal(stage: Stage, host: str, since: int, wanted: str) -> None:
    """Shows the line in which sshd says why, and checks that it is that one."""
    server = stage.lab.hosting.hosts[host]
    stage.wait_until(f"{host}'s sshd did not say {wanted!r}", lambda: wanted in server.said(since))
    stage.say(f"{host}'s sshd says why:")
    stage.shows(next(line for line in server.said(since).splitlines() if wanted in line))
