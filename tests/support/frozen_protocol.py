"""What release 0.1.0 said and was answered (``tests/vectors/protocol-1``), as texts with headings.

``tests/vectors/make_0_1.py.txt`` says how they were made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sshjit import ca_protocol as m
from sshjit import signed_actions, wire
from sshjit_ca.access import host_statements

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "protocol-1"


INSTALLATION, CHALLENGE = "lab", "Y2hhbGxlbmdl"
"""Of what is signed."""


@dataclass(frozen=True)
class Said:
    """One text, and what its heading says of it."""

    heading: tuple[str, ...]
    text: str

    @property
    def value(self) -> Any:
        """What the text says."""
        return json.loads(self.text)


def read(path: Path) -> list[Said]:
    """The texts of a file: a heading, the exact text, an empty line."""
    lines = path.read_text().split("\n")
    return [Said(tuple(lines[at].split(" ")), lines[at + 1]) for at in range(0, len(lines) - 1, 3)]


SOCKET = [said for path in sorted((FOLDER / "socket").iterdir()) for said in read(path)]
QUESTIONS = [said for said in SOCKET if said.heading[1] == "question"]
ANSWERS = [said for said in SOCKET if said.heading[1] == "answer"]
ERRORS = [said for said in SOCKET if said.heading[0] == "error"]
HTTP = read(FOLDER / "http.txt")
BODIES = [said for said in HTTP if said.heading[2:3] == ("body",)]
HTTP_ANSWERS = [said for said in HTTP if said.heading[2:3] == ("answer",) and said.heading[3:]]
SIGNED = read(FOLDER / "signed.txt")


def signed_text(said: Said) -> str:
    """What is signed today over what the heading of a signed text names: one of the frozen messages or requests."""
    what, variant, *most = said.heading
    if most:
        view = next(each for each in HTTP_ANSWERS if each.heading[3:] == ("RequestView", variant))
        shown = wire.decode_answer(m.RequestView, view.value)
        assert what in {"approve", "deny"}
        verdict: Literal["approve", "deny"] = "approve" if what == "approve" else "deny"
        duration = None if most == ["None"] else int(most[0])
        text = signed_actions.approval_text(shown, verdict, "as agreed", CHALLENGE, INSTALLATION, duration=duration)
        return text.decode()
    body = next(each for each in QUESTIONS if each.heading == (what, "question", variant)).value["body"]
    match wire.decode(m.MESSAGES[what], body):
        case m.JoinHost() as join:
            text = host_statements.join_proof(host_statements.join_texts(INSTALLATION, join)[0], join.mac)
        case m.SignHost() as sign:
            text = host_statements.renew_text(INSTALLATION, sign.name, sign.host_keys, sign.time)
        case m.HostReport() as report:
            text = host_statements.report_text(INSTALLATION, report)
        case m.AddHost() | m.LabelHost() | m.RemoveHost() | m.Unlock() as act:
            text = signed_actions.act_text(act, CHALLENGE, INSTALLATION)
        case other:
            raise AssertionError(other)
    return text.decode()
