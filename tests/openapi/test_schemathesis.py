"""Schemathesis, which nobody here wrote, reads ``docs/openapi.json`` and tries what it says on a live installation."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.lab.people import Person, make_person
from tests.openapi.install import PROGRAM
from tests.support import processes
from tests.support.processes import Processes

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.json"
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance"),
    *("ignored_auth", "missing_required_header"),
)
"""All that hold whatever a name or an id means: what is in the right form may still be no host, or not one's own."""
CONFIG = "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 405, 409, 413, 415]\n"
"""Beside what it expects by itself, 413: a body can be too large before anybody looks what is in it."""
LONGEST = 900


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes.build(tmp_path_factory.mktemp("lab")) as made:
        yield made


def token(lab: Processes, name: str, folder: Path) -> str:
    """Signs in as one of the demo's people, by ``ssh-jit`` itself."""
    folder.mkdir()
    person: Person = make_person(name, folder)
    keys = json.loads(lab.operator("keys", "list", "--json"))["keys"]
    root = next(key["fingerprint"] for key in keys if key["purpose"] == "bundle" and key["state"] == "active")
    setup = ("setup", lab.url, "--root", root, "--provider", person.provider, "--name", "lab")
    for words in (setup, ("login",)):
        done = person.run(["ssh-jit", *words])
        assert done.code == 0, done.stderr
    return str(json.loads((person.runtime / "session.json").read_text())["token"])


@pytest.mark.parametrize("name", ["alice", "dana"])
def test_every_answer_is_one_that_the_document_has(lab: Processes, tmp_path: Path, name: str) -> None:
    """One who may ask, and one who may do everything."""
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    words: list[str | Path] = [
        *("run", DOCUMENT, "--url", lab.url, "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
        *("--header", f"Authorization: Bearer {token(lab, name, tmp_path / 'people')}"),
        *("--max-examples", "40", "--continue-on-failure", "--no-color"),
        *("--suppress-health-check", "all", "--warnings", "off", "--generation-deterministic"),
        *("--exclude-path", "/api/v1/logout"),  # the sign-in is needed until the end
    ]
    done = subprocess.run([PROGRAM, *words], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST)
    lines = [line[:300] for line in (done.stdout + done.stderr).splitlines()]
    assert done.returncode == 0, "\n".join(lines[-300:])
