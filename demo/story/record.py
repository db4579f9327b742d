"""Step 7: what the log tells, and what it tells about a log that somebody changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from demo.story.stage import Stage


def the_log_tells(stage: Stage) -> None:
    """Step 7."""
    operator, paths = stage.lab.operator, stage.lab.paths
    stage.chapter("the log tells all of it")
    stage.say("Who asked, when and for what, who approved, what was signed, what was refused:")
    shown = stage.types(operator, "ssh-jit-ca log show --limit 100").text
    for wanted in ("Alice", "Dana", "Carol", "Bob", "CHG-7 add index", "migrate", "laptop lost", "on a web page"):
        stage.check(f"the log does not mention {wanted}", wanted in shown)
    stage.types(operator, "ssh-jit-ca log verify", has="whole")
    stage.say("Somebody who can write the database changes one byte of it (here: in a copy).")
    copy = paths.home / "copy.db"
    with closing(sqlite3.connect(stage.lab.ca_database)) as log, closing(sqlite3.connect(copy)) as target:
        log.backup(target)
    stage.types(operator, f"sed -i 's/CHG-7 add index/CHG-8 add index/' {copy.name}")
    stage.types(operator, f"ssh-jit-ca log verify --database {copy.name}", code=1, has=r"entry \d+")
