"""Dashboard and alerts in ``docs/monitoring``: every metric that they name is there, with the labels that they use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sshjit import ca_protocol as m
from sshjit_web.metrics import PREFIX, Metrics
from tests.support.in_process_ca import FrontEnd

FOLDER = Path(__file__).parents[3] / "docs/monitoring"
_NAME = re.compile(r"\bssh_jit_\w+")
_WITH_LABELS = re.compile(r"\b(ssh_jit_\w+)\{([^}]*)\}")
_SUFFIX = re.compile(r"_(?:total|bucket|count|sum)$")


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> list[str]:
    return [
        *(rule["expr"] for rule in alerts()),
        *(target["expr"] for panel in panels() for target in panel["targets"]),
    ]


def known(world: FrontEnd) -> dict[str, set[str]]:
    """The labels of each metric, by its name without what Prometheus adds."""
    world.stranger().get("/bundle")
    reply = world.authority.call(m.ReadMetrics(), m.MetricsReply)
    found = {f"{PREFIX}{family.name}": {*family.labels} for family in reply.families} | {f"{PREFIX}up": set()}
    text = generate_latest(Metrics(world.authority, notifications=world.store.engine).registry).decode()
    web = {family.name for family in text_string_to_metric_families(text) if family.name.startswith("ssh_jit_web_")}
    return found | {key: set() for key in web} | {"ssh_jit_web_request_seconds": {"kind", "method", "status"}}


def test_every_metric_that_is_named_exists(world: FrontEnd) -> None:
    metrics = known(world)
    named = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert len(named) > 25
    assert {name for name in named if _SUFFIX.sub("", name) not in metrics and name not in metrics} == set()


def test_every_label_that_is_matched_exists(world: FrontEnd) -> None:
    metrics = known(world)
    for expression in expressions():
        for name, matchers in _WITH_LABELS.findall(expression):
            labels = set(re.findall(r"(\w+)\s*[=!]~?", matchers))
            assert labels <= metrics[_SUFFIX.sub("", name)], expression


def test_the_cas_numbers_are_counted_once_however_many_front_ends_say_them() -> None:
    for expression in expressions():
        for match in re.finditer(r"\bssh_jit_ca_\w+", expression):
            before = expression[: match.start()]
            assert re.search(r"(?:max|min) without \(instance\) \((?:rate\(|increase\()?$", before), expression


def test_every_alert_says_what_is_wrong_and_how_bad() -> None:
    assert len({rule["alert"] for rule in alerts()}) == len(alerts())
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"].endswith(".")


def test_every_metric_is_explained(world: FrontEnd) -> None:
    text = (FOLDER.parent / "monitoring.md").read_text()
    explained = set(re.findall(r"`(ssh_jit_\w+)", text))
    assert {_SUFFIX.sub("", name) if name not in known(world) else name for name in explained} >= set(known(world))
