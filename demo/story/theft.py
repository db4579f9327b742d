"""Step 6: a stolen front end. What a thief tries is in ``thief.py``; here is what alice does meanwhile."""

from __future__ import annotations

import subprocess
import sys

from demo import isolate
from demo.lab.people import base_env
from demo.story.stage import Stage, Typing


def the_front_end_is_stolen(stage: Stage) -> None:
    """Step 6."""
    lab, alice, web1 = stage.lab, stage.lab.person("alice"), stage.lab.hosting.hosts["web1"]
    stage.chapter("somebody steals the front end")
    stage.say("""The thief has the front end's account, its files, its client secret, its socket to the CA, and its
        address. What is wanted: a certificate for a key of the thief's own, in alice's name.""")
    lab.web.kill()
    since = web1.mark()
    thief = _start(stage)
    try:
        stage.wait_for_output(thief, "answers at the front end's address now")
        stage.say("alice notices nothing: she opens the pages, and signs in on her command line again.")
        stage.types(alice, f"$BROWSER {lab.url}/")
        stage.types(alice, "ssh-jit login", has="signed in")
        stage.say("The thief uses what came in:")
        stage.ends(thief, lacks="IT WORKED")
    finally:
        thief.process.kill()
        thief.process.wait()
        lab.web.start()
    stage.check("web1's sshd has not seen the thief", "Failed publickey" in web1.said(since))
    stage.check("web1's sshd let somebody in", "Accepted publickey" not in web1.said(since))
    stage.say("Nothing worked. The front end is the project's own again.")


def _start(stage: Stage) -> Typing:
    """Starts the thief as the front end's user, with the front end's reach."""
    lab, web1 = stage.lab, stage.lab.hosting.hosts["web1"]
    paths = lab.paths
    command = [sys.executable, "-m", "demo.story.thief", "--config", str(paths.etc / "web.toml")]
    command += ["--host", str(web1.port), web1.login]
    if isolate.possible():
        command += ["--keys", str(paths.ca / "keys")]
    confined = isolate.argv(command, read=[paths.etc], write=[paths.web, paths.run])
    process = subprocess.Popen(
        confined,
        env=base_env(paths.web) | {"PYTHONPATH": str(isolate.REPOSITORY)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lab.janitor.watch(process)
    return Typing(process, "the thief's program")
