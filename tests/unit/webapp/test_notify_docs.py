"""The examples of ``[notify]`` that are shipped are ones that the program takes."""

from __future__ import annotations

import re
import typing
from pathlib import Path

from demo.isolate import REPOSITORY
from sshjit_web.config import parse
from sshjit_web.notify_config import NotifyConfig, Topic

GUIDE = (REPOSITORY / "docs/notifications.md").read_text()
SHIPPED = (REPOSITORY / "webapp/etc/web.toml").read_text()


def taken(table: str) -> NotifyConfig:
    notify = parse(SHIPPED + table, Path("/etc/ssh-jit")).notify
    assert notify is not None
    return notify


def test_the_guides_example_is_taken() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert set(taken(table).channels) == {"mail", "ops", "pager", "siem"}


def test_the_commented_part_of_web_toml_is_taken() -> None:
    lines = SHIPPED[SHIPPED.index("# [notify]") :].splitlines()
    notify = taken("\n" + "\n".join(line.removeprefix("#").strip() for line in lines))
    assert (notify.mail, notify.lease, len(notify.routes)) == ("mail", 15, 1)


def test_the_guide_names_every_topic() -> None:
    assert set(typing.get_args(Topic)) <= set(re.findall(r"`([a-z_]+)`", GUIDE.partition("## web.toml")[0]))
