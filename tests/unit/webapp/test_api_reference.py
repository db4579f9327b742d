"""``docs/api.md`` and ``docs/openapi.json``: they are what the program says, and complete."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator

from sshjit import wire
from sshjit.api import ask, bodies
from sshjit.errors import Invalid
from tests.support.in_process_ca import FrontEnd
from tools.api_reference import markdown, openapi, routes


def served(world: FrontEnd) -> set[tuple[str, str]]:
    """Method and path of what the front end has for programs, parameters as ``{}``."""
    return {
        (method, re.sub(r"<[^>]+>", "{}", str(rule)))
        for rule in world.app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in {"api", "host_api", "public"}
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(openapi.OUTPUT.read_text("utf-8"))
    return made


def test_both_are_what_the_program_says(world: FrontEnd) -> None:
    """``python -m tools.api_reference`` writes them anew."""
    assert markdown.OUTPUT.read_text("utf-8") == markdown.text(), "run: python -m tools.api_reference"
    assert openapi.OUTPUT.read_text("utf-8") == openapi.text(), "run: python -m tools.api_reference"
    assert len(served(world)) == len(routes.routes()) > 35


def test_the_reference_names_every_object_that_it_links_to() -> None:
    text = markdown.OUTPUT.read_text("utf-8")
    links = {part.partition(")")[0] for part in text.split("](#")[1:]}
    headings = {line.removeprefix("### ").lower() for line in text.splitlines() if line.startswith("### ")}
    assert links <= headings


def test_the_document_has_every_route(world: FrontEnd) -> None:
    paths = document()["paths"]
    documented = {
        (method.upper(), re.sub(r"{[^}]+}", "{}", path)) for path, operations in paths.items() for method in operations
    }
    assert documented == served(world)


def test_every_schema_is_one_and_there(world: FrontEnd) -> None:
    known = document()
    for schema in known["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(known)))
    assert named == known["components"]["schemas"].keys()
    operations = [each["operationId"] for path in known["paths"].values() for each in path.values()]
    assert len(operations) == len(set(operations))
    secured = {each["operationId"] for path in known["paths"].values() for each in path.values() if "security" in each}
    assert len(secured) > 20
    assert not {name for name in secured if name.startswith("post_host_")}, "a host signs; it has no token"


def valid(name: str, value: Any) -> bool:
    root = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return bool(Draft202012Validator(root).is_valid(value))


def test_a_schema_takes_what_is_taken_and_no_more() -> None:
    """Its rules are those of ``sshjit/wire.py``: types, limits, what may be left out, what is unknown."""
    plain = wire.encode(ask.AskBody(("web1",), None, "shell", None, 600, "CHG-1", certificate=True))
    assert valid("AskBodySent", plain)
    assert valid("AskBodySent", {key: plain[key] for key in plain if key not in {"labels", "unsigned"}})
    for wrong in (
        {**plain, "hosts": "web1"},
        {**plain, "hosts": ["web1"] * 257},
        {**plain, "duration": "600"},
        {**plain, "duration": True},
        {**plain, "certificate": 1},
        {**plain, "reason": "x" * 2001},
        {**plain, "labels": [["a", "b", "c"]]},
        {**plain, "labels": [["a"]]},
        {**plain, "more": 1},
        {key: plain[key] for key in plain if key != "action"},
    ):
        assert not valid("AskBodySent", wrong), wrong
        assert not taken(ask.AskBody, wrong), wrong
    comment = wire.encode(bodies.CommentBody("hello"))
    assert valid("CommentBodySent", comment)
    assert taken(bodies.CommentBody, comment)


def taken(cls: type, value: Any) -> bool:
    try:
        wire.decode_bounded(cls, value)
    except Invalid:
        return False
    return True


def test_an_answer_may_have_more_than_is_known_and_lack_what_is_newer() -> None:
    view = {"host": "web1", "name": "web1"}
    assert not valid("HostView", view)
    said = {"family": "refused", "code": "locked", "message": "x", "hint": ""}
    assert valid("Error", {"error": said})
    assert valid("Error", {"error": {**said, "more": 1}})
    challenge = {"challenge": "abc", "expires": 1}
    assert valid("ChallengeReply", {**challenge, "later": True})
    assert not valid("ChallengeReply", {"expires": 1})
