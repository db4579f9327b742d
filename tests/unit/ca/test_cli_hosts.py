"""What the operator reads of hosts, and what a host without a needed label, or with an address for a name, is told."""

from __future__ import annotations

import dataclasses
import re

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from sshjit_ca.cli import show
from tests.support.installation import Installation


def add(ca: Installation, name: str, *aliases: str, **labels: str) -> m.HostReply:
    message = m.AddHost(name, aliases, "10.0.0.5", 22, tuple(labels.items()), ())
    return ca.say(message, m.HostReply, "admin")


def test_a_host_without_a_needed_label_is_told_what_to_type(ca: Installation) -> None:
    with pytest.raises(Invalid) as refused:
        add(ca, "app1")
    assert refused.value.message == 'the label "env" is missing'
    assert refused.value.hint == "give it: --label env=prod (or staging)"
    with pytest.raises(Invalid) as refused:
        add(ca, "app1", env="produktion")
    assert "[labels]" in refused.value.hint


def test_a_host_that_is_named_by_its_address_is_told_what_to_type(ca: Installation) -> None:
    with pytest.raises(Invalid) as refused:
        add(ca, "10.0.0.5", env="prod")
    assert refused.value.hint.startswith("host add NAME --address 10.0.0.5 ")


def test_what_is_said_of_a_new_host_and_of_one_with_new_labels(ca: Installation) -> None:
    added = add(ca, "app1", "10.0.0.5", "app1.lab", env="prod")
    text = show.host_added(added)
    assert re.search(r"^aliases +10\.0\.0\.5 \(its address, too\), app1\.lab$", text, re.MULTILINE)
    assert re.search(r"^host certificates +none until it has joined$", text, re.MULTILINE)
    relabelled = ca.say(m.LabelHost("app1", (("env", "staging"),), None, None), m.HostReply, "admin")
    text = show.host_labelled(relabelled)
    assert "env=staging" in text
    assert "certificates" not in text
    assert show.host_labelled(dataclasses.replace(relabelled, certificates=("x",))) == text
