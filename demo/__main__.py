"""``python -m demo``: plays the main job on real parts, and on a terminal lets you look around afterwards."""

from __future__ import annotations

import argparse
import signal
import sys

from demo import debian, story
from demo.lab import Lab, LabError
from demo.lab.__main__ import Told, told
from demo.lab.people import shell


def main() -> int:
    """Exit code 0 when the story passed, 1 when anything differed from it."""
    text = "Play the main job on real parts; on a terminal the lab then stays up, until Ctrl-C."
    argparse.ArgumentParser(prog="python -m demo", description=text).parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, told)
    try:
        print("starting identity providers, CA, front end and two hosts, all on this machine …", flush=True)
        with Lab.start() as lab:
            try:
                story.play(story.for_terminal(lab))
            except story.StoryFailed as error:
                print(f"\ndemo: failed: {error}", flush=True)
                return 1
            if sys.stdin.isatty() and sys.stdout.isatty():
                stay(lab)
    except Told:
        print()
        return 0
    except (LabError, debian.NotFetched) as error:
        print(f"demo: failed: {error}", flush=True)
        return 1
    return 0


def stay(lab: Lab) -> None:
    """Says how to look around, and waits for Ctrl-C."""
    print(f"\nEverything is still up. The pages: {lab.url}")
    print("There you can sign in as alice, bob or carol (Acme) or dana (Partner).\n")
    print("To be one of them, or the operator of the CA, type one of these in another shell:\n")
    for typist in (*lab.people.values(), lab.operator):
        print(f"  {shell(typist.name, typist.env, lab.paths.home / typist.name)}")
    print("\nThere, ssh-jit --help says what can be done, and for the operator ssh-jit-ca --help.")
    print("Ctrl-C ends it all and leaves nothing behind.", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
