"""The program as a file: built the same everywhere, for old Pythons, with a command line that explains itself."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sshjit_host import config, status
from sshjit_host.openssh import sshdconf
from tests.support.host_machine import Host, run

HOSTCONFIG = Path(__file__).resolve().parents[3] / "hostconfig"
VERSION = tomllib.loads((HOSTCONFIG.parent / "pyproject.toml").read_text())["project"]["version"]
SOURCES = sorted((HOSTCONFIG / "sshjit_host").rglob("*.py"))
FILES = [each for each in (HOSTCONFIG / "sshjit_host").rglob("*") if each.is_file() and each.suffix != ".pyc"]
LATER_THAN_3_9 = {"tomllib", "graphlib.TopologicalSorter.prepare", "asyncio.TaskGroup", "enum.StrEnum", "datetime.UTC"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_are_python_3_9_and_import_the_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        assert all(name.partition(".")[0] in sys.stdlib_module_names | {"sshjit_host"} for name in names)
        assert not LATER_THAN_3_9.intersection(names)


def test_the_file_is_the_same_wherever_and_whenever_it_is_built(program: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    core = [HOSTCONFIG.parent / "sshjit" / name for name in ("__init__.py", "host_program.py")]
    for source in [HOSTCONFIG.parent / "pyproject.toml", HOSTCONFIG / "build_pyz.py", *core, *FILES]:
        target = copy / source.relative_to(HOSTCONFIG.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        os.utime(target, (1, 1))
    output = run(sys.executable, copy / "hostconfig" / "build_pyz.py", copy / "dist" / "other.pyz")
    assert (copy / "dist" / "other.pyz").read_bytes() == program.read_bytes()
    assert output.split()[0] == run("sha256sum", program).split()[0]


def test_the_file_runs_by_itself_from_anywhere(program: Path) -> None:
    done = subprocess.run([program, "--version"], cwd="/", env={}, capture_output=True, text=True, check=True)
    assert done.stdout == f"ssh-jit-host {VERSION}\n"
    for word in ("refresh", "watch", "SSH_JIT_HOST_CONFIG", "exit codes"):
        assert word in run(program, "--help")


def test_usage_errors_exit_with_2(program: Path, tmp_path: Path) -> None:
    run(program, code=2)
    run(program, "dance", code=2)
    output = run(program, "--config", tmp_path / "none.json", "refresh", code=2)
    assert output.startswith(f"ssh-jit-host: cannot read {tmp_path}/none.json: No such file")
    assert "\nhint: name the file with --config or SSH_JIT_HOST_CONFIG\n" in output


def test_a_configuration_that_others_can_write_is_refused(host: Host) -> None:
    command = host.command("refresh")
    (host.folder / "host.json").chmod(0o666)
    assert "others can write" in run(*command, code=2)


def test_the_configuration_is_found_by_the_environment(host: Host) -> None:
    host.command("refresh")
    environment = {"SSH_JIT_HOST_CONFIG": f"{host.folder}/host.json", "PATH": os.environ["PATH"]}
    done = subprocess.run([host.program, "refresh"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 4, "the front end answers with nothing yet"


GOOD: dict[str, Any] = {
    "version": 1,
    "name": "web1",
    "host_id": "web1~2",
    "url": "https://access.example.com/",
    "root": "SHA256:" + "A" * 43,
    "logins": ["deploy"],
}


def test_a_short_configuration_gets_the_usual_places() -> None:
    read = config.parse(json.dumps(GOOD))
    assert read.url == "https://access.example.com"
    assert read.dropin == Path("/etc/ssh/sshd_config.d/10-ssh-jit.conf")
    assert read.reload is None


def test_the_example_configuration_is_one() -> None:
    assert config.parse((HOSTCONFIG / "etc" / "host.json").read_text()).logins


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": True},
        {"name": "Web1"},
        {"name": "web1\n"},
        {"name": "*"},
        {"host_id": "web1~1~2"},
        {"host_id": "web1,root"},
        {"url": "ftp://access.example.com"},
        {"url": "https://user@access.example.com"},
        {"url": "https://access.example.com/?x"},
        {"url": "https://"},
        {"url": "file:///etc/passwd"},
        {"root": "SHA256:"},
        {"root": "MD5:" + "A" * 43},
        {"logins": []},
        {"logins": ["../root"]},
        {"logins": ["deploy", "deploy"]},
        {"logins": ["-x"]},
        {"logins": "deploy"},
        {"home": "/etc/ssh/with blank"},
        {"home": "relative"},
        {"home": "/etc/%u"},
        {"home": "/etc/ssh/.."},
        {"home": "/"},
        {"dropin": '/etc/"quoted"'},
        {"reload": []},
        {"reload": ["systemctl", "reload", "ssh"]},
        {"reload": "kill"},
        {"interval": 0},
        {"interval": 0.5},
        {"unknown": 1},
    ],
    ids=json.dumps,
)
def test_a_wrong_value_names_its_field(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        config.parse(json.dumps({**GOOD, **change}))


def test_sshds_configuration_is_read_with_includes_and_match(tmp_path: Path) -> None:
    for name, text in {
        "main": f'Port 22\nInclude {tmp_path}/d/*.conf "{tmp_path}/more"\nbanner=/x # y\nMatch User a\nBanner /m\n',
        "d/2.conf": "Banner /2\n",
        "d/1.conf": "# no\nMatch all\nBanner /1\n",
        "more": f"Include {tmp_path}/main\nBanner '/a b'\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    settings = sshdconf.layout(tmp_path / "main").of("Banner")
    assert [(s.values, s.conditional) for s in settings if s.path.parent.name == "d"][:2] == [
        (("/1",), True),
        (("/2",), False),
    ]
    assert (("/a b",), f"{tmp_path}/more:2") in [(s.values, s.place) for s in settings]
    assert settings[-1].conditional
    assert settings[-2].values == ("/x",)


def test_a_long_line_goes_on_below_what_is_said_on_a_terminal_and_is_one_line_elsewhere(tmp_path: Path) -> None:
    line = "  people who pinned a plain key " + "and use ssh or paramiko " * 4
    code = f"import sys; sys.path.insert(0, {str(HOSTCONFIG)!r}); from sshjit_host.__main__ import say; say({line!r})"
    shown = tmp_path / "shown"
    words = shlex.join([sys.executable, "-c", f"import os; os.environ['COLUMNS'] = '80'; {code}"])
    run("script", "--quiet", "--command", words, shown)
    lines = [text.rstrip() for text in shown.read_text().splitlines() if "COMMAND" not in text and "paramiko" in text]
    assert len(lines) == 2
    assert all(len(text) <= 80 for text in lines)
    assert [len(text) - len(text.lstrip()) for text in lines] == [0, len("ssh-jit-host:   ")]
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == f"ssh-jit-host: {line}\n"


def test_what_status_says_is_aligned() -> None:
    facts = {"joined": "web1", "units": {"a.service": "running", "longer.service": "running"}, "accounts": ["deploy"]}
    assert status.text(status.Status(facts, (), 0)).splitlines() == [
        "joined:   web1",
        "units:",
        "  a.service       running",
        "  longer.service  running",
        "accounts: deploy",
    ]


def test_every_setting_of_a_host_is_documented() -> None:
    text = (
        (HOSTCONFIG.parent / "docs" / "hosts.md")
        .read_text()
        .partition("## Settings: host.json\n")[2]
        .partition("\n## ")[0]
    )
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert documented == config._REQUIRED | set(config._DEFAULTS)
    example = json.loads((HOSTCONFIG / "etc" / "host.json").read_text())
    assert set(example) <= documented
