"""A report as HTML and as CSV: nothing that somebody wrote does anything in it, and programs read it back."""

from __future__ import annotations

import csv
import io
import re
import stat
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa

from sshjit.errors import Failed, Invalid
from sshjit_ca.cli import commands as cli
from sshjit_ca.report import csv_files, html_page, period
from sshjit_ca.report.builder import Report
from sshjit_ca.report.columns import Column
from sshjit_ca.report.evidence import EVIDENCE
from sshjit_ca.report.period import Period
from sshjit_ca.report.spool import Spool
from sshjit_ca.report.tables import BY_KEY, TABLES
from sshjit_ca.storage.schema import entries
from tests.support.audit_month import HOSTILE, NAME, Month
from tests.support.installation import Installation
from tests.support.issuer import Issuer
from tests.support.reports import played_in

ROOT = Path(__file__).resolve().parents[3]
DATES = ["--from", "2027-01-15", "--to", "2027-02-14"]


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return "".join(html_page.render(report))


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_names_and_reasons_are_shown_and_do_nothing(page: str) -> None:
    seen = Reader(page)
    assert HOSTILE in seen.text
    assert NAME in seen.text
    assert not {"script", "img", "iframe", "link", "object", "form", "base"} & set(seen.tags)
    assert {name for name, _ in seen.attributes} <= {
        *("lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "scope")
    }


def test_it_is_one_file_that_needs_nothing_else(page: str) -> None:
    found = Reader(page)
    targets = {value for name, value in found.attributes if name == "href"}
    anchors = {f"#{value}" for name, value in found.attributes if name == "id"}
    assert targets <= anchors, "links lead to its own sections alone"
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|https?:", style)
    assert "display: table-header-group" in style
    assert "color-scheme: light" in style
    assert "default-src 'none'" in page


def test_what_stands_out_does(page: str) -> None:
    rows = re.findall(r'<tr class="urgent"><td class="text c-standing">(\w+)', page)
    assert rows == ["unjustified", "overdue"]
    first = page[page.index("To look at first") : page.index("Contents")]
    assert re.findall(r'<li class="grave">.*?</a>(.*?)</li>', first) == [
        "1 break-glass access found unjustified",
        "1 break-glass access that nobody reviewed in time",
        "1 emergency certificate signed past every rule",
    ]
    assert "<strong>The log is whole.</strong>" in page


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\x1b[31m\0", "a\\u001b[31m\\u0000"),
        ("a" + "\u0310" * 5, "a" + "\u0310" * 4 + "\\u0310"),
        ("a\u00a0b\u3164\u2800", "a\\u00a0b\\u3164\\u2800"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("two\nlines", "two ⏎ lines"),
        ("\ud800", "\\ud800"),
        ("Jürgen Ø", "Jürgen Ø"),
    ],
)
def test_letters_that_turn_others_round_are_spelt_out(written: str, shown: str) -> None:
    page = html_page.environment().from_string("{{ value }}")
    assert page.render(value=written) == shown


@pytest.mark.parametrize("written", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"])  # noqa: RUF001
def test_no_cell_is_a_formula(written: str) -> None:
    column = Column("reason", "Reason", "why", "quote")
    assert csv_files.csv_cell(column, written) == f"'{written}"
    assert csv_files.csv_cell(column, (written, "more")) == f"'{written} | more"
    assert csv_files.csv_cell(column, f"a{written}") == f"a{written}"


def test_csv_is_read_back_as_it_was(report: Report, tmp_path: Path) -> None:
    folder = tmp_path / "csv"
    assert csv_files.write_csv(report, folder) == len(TABLES) + 3 == len(list(folder.iterdir()))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for table in TABLES:
        path = folder / f"{table.key}.csv"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with path.open(encoding="utf-8-sig", newline="") as file:
            head, *rows = csv.reader(file)
        assert head == [column.key for column in table.columns]
        assert len(rows) == report.spool.count(table.key)
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]
    for path in folder.iterdir():
        text = path.read_bytes().decode("utf-8-sig")
        quoted = [
            ['"' + cell.replace('"', '""') + '"' for cell in row] for row in csv.reader(io.StringIO(text, newline=""))
        ]
        assert text == "".join(f"{','.join(row)}\r\n" for row in quoted), "every cell is quoted"
    with (folder / "requests.csv").open(encoding="utf-8-sig", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert last["reason"] == f"'{HOSTILE}"
    assert last["person"] == f"'{NAME} (acme)"
    assert last["asked"] == "2027-01-26T11:09:20Z"
    with (folder / "columns.csv").open(encoding="utf-8-sig", newline="") as file:
        told = {(row["table"], row["column"]) for row in csv.DictReader(file) if row["about"]}
    assert told == {(table.key, column.key) for table in TABLES for column in table.columns}
    with pytest.raises(Invalid, match="is there already"):
        csv_files.write_csv(report, folder)


def test_a_zip_file_holds_the_same(report: Report, tmp_path: Path) -> None:
    csv_files.write_csv(report, tmp_path / "csv")
    csv_files.write_csv(report, tmp_path / "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        assert packed.testzip() is None
        for name in packed.namelist():
            assert packed.read(name) == (tmp_path / "csv" / name).read_bytes()
        about = csv.reader(io.StringIO(packed.read("report.csv").decode("utf-8-sig")))
    said = dict(row[:2] for row in about)
    assert (said["log_verify"], said["log_head"]) == ("whole", report.head.root.hex())
    assert said["checkpoint"] == report.note


def test_evidence_names_tables_that_there_are_and_the_manual_tells_of_all() -> None:
    assert {key for item in EVIDENCE for key in item.tables} <= BY_KEY.keys()
    manual = (ROOT / "docs/audit.md").read_text()
    assert not [table.key for table in TABLES if f"`{table.key}`" not in manual]
    assert not [item.reference for item in EVIDENCE if item.reference not in manual]


def test_rows_wait_on_disk_in_their_order() -> None:
    spool = Spool()
    for number in range(5000):
        spool.add("t", (number, ("a", "b")), rank=number % 2, place=5000 - number)
    found = [row[0] for _, row in spool.rows("t")]
    assert found == [*range(4998, -1, -2), *range(4999, 0, -2)]
    assert next(spool.rows("t"))[1] == (4998, ("a", "b"))
    assert spool.count("t", at_most=0) == 2500
    spool.close()


def test_days_count_to_their_end() -> None:
    assert Period(period.parse_begin("2027-01-15"), period.parse_end("2027-01-15")) == Period(
        1_799_971_200, 1_800_057_600
    )
    assert period.parse_end("2027-01-15T12:00") == 1_800_014_400 == period.parse_end("2027-01-15T13:00+01:00")
    assert period.period_text(Period(1_799_971_200, 1_800_057_600)) == "2027-01-15 to 2027-01-15"


def test_the_command_writes_it_for_the_owner_alone(
    played: tuple[Installation, Month], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, output = played[0].home / "ca.toml", tmp_path / "report.html"
    assert cli.run(["report", *DATES, "--output", str(output)], config) == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert HOSTILE in Reader(output.read_text()).text
    assert cli.run(["report", *DATES, "--format", "csv", "--output", str(tmp_path / "x.zip")], config) == 0
    assert capsys.readouterr().out == f"{output}\n{tmp_path / 'x.zip'}: {len(TABLES) + 3} tables\n"
    for wrong, code in (
        (["report", *DATES, "--format", "csv"], "no_output"),
        (["report", "--from", "2027-02-01", "--to", "2027-01-01"], "bad_period"),
        (["report", *DATES, "--database", str(tmp_path / "none.db")], "no_database"),
    ):
        with pytest.raises(Invalid) as error:
            cli.run(wrong, config)
        assert error.value.code == code


def test_without_jinja2_the_page_says_what_to_install_and_csv_is_written(
    played: tuple[Installation, Month], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)  # as Python does for a module that cannot be imported
    config, output = played[0].home / "ca.toml", tmp_path / "report.html"
    with pytest.raises(Failed) as error:
        cli.run(["report", *DATES, "--output", str(output)], config)
    assert (error.value.code, "ssh-jit[report]" in error.value.hint) == ("no_jinja2", True)
    assert not list(tmp_path.iterdir())
    assert cli.run(["report", *DATES, "--format", "csv", "--output", str(tmp_path / "x.zip")], config) == 0


def test_a_changed_log_is_said_first_and_by_the_exit_code(
    tmp_path: Path, shared_issuers: dict[str, Issuer], capsys: pytest.CaptureFixture[str]
) -> None:
    with played_in(tmp_path, shared_issuers) as (ca, _):
        with ca.store.engine.begin() as connection:
            at = sa.select(sa.func.max(entries.c.number)).where(entries.c.kind == "decision").scalar_subquery()
            row = sa.update(entries).where(entries.c.number == at)
            connection.execute(row.values(detail=b'{"comment":"I never said this"}'))
        assert cli.run(["report", *DATES], ca.home / "ca.toml") == 1
        told = capsys.readouterr()
        assert told.out.index("THE LOG IS NOT WHOLE") < told.out.index("To look at first")
        assert "the log is not whole" in told.err.casefold()
