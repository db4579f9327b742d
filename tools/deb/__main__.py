"""``python -m tools.deb FOLDER``: ``ssh-jit``, ``ssh-jit-host`` and ``ssh-jit-server`` as Debian packages.

The first two need nothing but Python and OpenSSH, and fit every release of Debian from 12 (host: 11) on. The third
carries the packages of ``requirements.lock``, so it is made for one release, by ``--suite``, and installing it asks no
network. ``dpkg-deb`` packs what this lays out (``docs/decisions/0065-debian-packages.md``).
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sshjit import machine_setup
from tools import locked_packages
from tools.deb import scripts
from tools.release.errors import ReleaseError

ROOT = Path(__file__).resolve().parents[2]
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
"""The releases of Debian that the server's package can be made for, and their Python."""
CLIENT, SERVER = "/usr/share/ssh-jit", "/usr/lib/ssh-jit"
UNITS = ("ssh-jit-ca.service", "ssh-jit-web.service", "ssh-jit-notify.service", "ssh-jit-probe.timer")
_MAINTAINER = f"ssh-jit <{os.environ.get('DEBEMAIL', 'ssh-jit@localhost')}>"
"""Whoever builds the packages, by the variable that Debian's own tools take it from."""
_COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ssh-jit

Files: *
Copyright: the authors of ssh-jit
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
"""
_CARRIED = """
Files: usr/lib/ssh-jit/*
Copyright: the authors of each package
License: as-each-says
 Each package that is carried here has its own licence in its .dist-info folder.
"""
_ABOUT = {
    "ssh-jit": "short-lived SSH certificates, asked for when they are needed\n The command that people type.",
    "ssh-jit-host": "servers that take certificates of ssh-jit\n Sets sshd up, and keeps its trust fresh.",
    "ssh-jit-server": "certificate authority and front end of ssh-jit\n With all the Python packages that they need.",
}
_DEPENDS = {
    "ssh-jit": "python3 (>= 3.11), openssh-client",
    "ssh-jit-host": "python3 (>= 3.9), openssh-server",
}
_OF_ALL = {
    "bogus-mail-host": "whoever builds the package is its maintainer (DEBEMAIL)",
    "bogus-mail-host-in-debian-changelog": "as above",
    "copyright-without-copyright-notice": "CHANGELOG.md and the sources have no list of people",
    "no-manual-page": "each program has --help; ssh-jit has a manual page",
}
_OF_LIBRARIES = {
    "embedded-library": "packages are carried as they were built, by their hashes",
    "hardening-no-fortify-functions": "as above",
    "hardening-no-bindnow": "as above",
    "unstripped-binary-or-object": "stripped ones would not have the digests that were checked",
    "shared-library-lacks-prerequisites": "modules of Python, which find it in the process",
    "custom-library-search-path": "libraries beside the modules that need them",
    "shared-library-is-executable": "modes as their wheels have them",
    "library-not-linked-against-libc": "as above",
    "unusual-interpreter": "as above",
    "executable-not-elf-or-script": "as above",
}
"""What lintian says of libraries that others built, and why it stays."""


class Tree:
    """The files of one package, below a folder of its own."""

    def __init__(self, scratch: Path, package: str, version: str) -> None:
        self.root, self.package, self.version = scratch / package, package, version
        self.root.mkdir(mode=0o755)

    def put(self, place: str, data: bytes, mode: int = 0o644) -> None:
        """Writes a file at its place."""
        path = self.root / place.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)

    def put_program(self, name: str, module: str, *folders: str) -> None:
        """The program that starts a module of ours."""
        self.put(f"/usr/bin/{name}", scripts.LAUNCHER.format(folders=list(folders), module=module).encode(), 0o755)

    def pack(self, output: Path, depends: str, maintainer: dict[str, str], architecture: str, epoch: int) -> Path:
        """The package's file."""
        documents = f"/usr/share/doc/{self.package}"
        carried = _CARRIED if self.package == "ssh-jit-server" else ""
        self.put(f"{documents}/copyright", (_COPYRIGHT + carried).encode())
        self.put(f"{documents}/changelog.gz", gzip.compress(_changelog(self.package, self.version, epoch), 9, mtime=0))
        tags = _OF_ALL | (_OF_LIBRARIES if carried else {})
        lines = "".join(f"# {why}\n{self.package}: {tag}\n" for tag, why in tags.items())
        self.put(f"/usr/share/lintian/overrides/{self.package}", lines.encode())
        control = self.root / "DEBIAN"
        control.mkdir(mode=0o755)
        size = sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file()) // 1024
        fields = {
            "Package": self.package, "Version": self.version, "Architecture": architecture, "Maintainer": _MAINTAINER,
            "Installed-Size": str(size), "Depends": depends, "Section": "admin", "Priority": "optional",
            "Description": _ABOUT[self.package],
        }  # fmt: skip
        (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
        for name, text in maintainer.items():
            (control / name).write_text(text)
            (control / name).chmod(0o755)
        for path in self.root.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        path = output / f"{self.package}_{self.version}_{architecture}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(self.root), str(path)]
        _run(*command, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)})
        return path


def _changelog(package: str, version: str, epoch: int) -> bytes:
    date = _run("date", "-u", "-R", "-d", f"@{epoch}").strip()
    text = f"{package} ({version}) unstable; urgency=medium\n\n  * As CHANGELOG.md of the sources says.\n\n"
    return f"{text} -- {_MAINTAINER}  {date}\n".encode()


def build(output: Path, suite: str) -> list[Path]:
    """Builds the packages of this checkout into a folder.

    Raises:
        ReleaseError: when a program that this needs fails.

    """
    output.mkdir(parents=True, exist_ok=True)
    epoch = int(_run("git", "log", "-1", "--format=%ct").strip())
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch / "wheel"))
        (wheel,) = (scratch / "wheel").glob("*.whl")
        version = wheel.name.split("-")[1]
        client = Tree(scratch, "ssh-jit", version)
        _lay_client(client, wheel)
        host = Tree(scratch, "ssh-jit-host", version)
        _run(sys.executable, str(ROOT / "hostconfig" / "build_layout.py"), str(host.root))
        server = Tree(scratch, "ssh-jit-server", f"{version}+{suite}")
        _lay_server(server, wheel, suite, scratch)
        newer = ".".join(map(str, (3, int(PYTHON[suite].split(".")[1]) + 1)))
        needs = f"ssh-jit (= {version}), python3 (>= {PYTHON[suite]}), python3 (<< {newer}), libc6, passwd"
        return [
            client.pack(output, _DEPENDS["ssh-jit"], scripts.of_programs("ssh-jit", CLIENT), "all", epoch),
            host.pack(output, _DEPENDS["ssh-jit-host"], scripts.of_reload(), "all", epoch),
            server.pack(output, needs, scripts.of_services("ssh-jit-server", SERVER, UNITS), _architecture(), epoch),
        ]


def _lay_client(tree: Tree, wheel: Path) -> None:
    """The client and the core, their metadata, manual and completions."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            top = name.split("/")[0]
            shared = re.fullmatch(r"ssh_jit-[^/]+\.data/data/share/(.+)", name)
            if top in {"sshjit", "sshjit_client"} or name.endswith(".dist-info/METADATA"):
                tree.put(f"{CLIENT}/{name}", archive.read(name))
            elif shared and shared[1].startswith("man/"):
                tree.put(f"/usr/share/{shared[1]}.gz", gzip.compress(archive.read(name), 9, mtime=0))
            elif shared and not shared[1].startswith("ssh-jit/"):
                place = shared[1].replace("zsh/site-functions", "zsh/vendor-completions")
                tree.put(f"/usr/share/{place}", archive.read(name))
    tree.put_program("ssh-jit", "sshjit_client", CLIENT)


def _lay_server(tree: Tree, wheel: Path, suite: str, scratch: Path) -> None:
    """CA and front end with what they need; units that start them by their places here."""
    python = PYTHON[suite]
    locked_packages.download(python, locked_packages.wanted(("server", "postgres", "fleet", "calendar")), scratch)
    target = tree.root / SERVER.lstrip("/")
    _run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile",
        "--only-binary=:all:", "--python-version", python, "--target", str(target),
        *map(str, sorted((scratch / "wheels").glob("*.whl"))),
    )  # fmt: skip
    shutil.rmtree(target / "bin", ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.split("/")[0] in {"sshjit_ca", "sshjit_web", "sshjit_host"}:
                tree.put(f"{SERVER}/{name}", archive.read(name))
            elif (shared := name.partition(".data/data/share/ssh-jit/")[2]) and not shared.startswith("systemd/"):
                tree.put(f"/usr/share/ssh-jit/{shared}", archive.read(name), 0o755 if shared.endswith("pyz") else 0o644)
            elif shared:
                text = machine_setup.unit_text(archive.read(name).decode(), "/usr/bin")
                tree.put(f"/usr/lib/systemd/system/{Path(shared).name}", text.encode())
    tree.put_program("ssh-jit-ca", "sshjit_ca", CLIENT, SERVER)
    tree.put_program("ssh-jit-web", "sshjit_web", CLIENT, SERVER)


def _architecture() -> str:
    return _run("dpkg", "--print-architecture").strip()


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise ReleaseError(f"{command[0]}: {done.stderr.strip()}", "")
    return done.stdout


def main() -> int:
    """Builds, and prints the files."""
    parser = argparse.ArgumentParser(prog="python -m tools.deb", description="Build the Debian packages.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", choices=PYTHON, default="bookworm", help="the server's release of Debian [bookworm]")
    options = parser.parse_args()
    try:
        files = build(options.folder.resolve(), options.suite)
    except (ReleaseError, RuntimeError, OSError) as error:
        print(f"deb: {error}", file=sys.stderr)
        return 1
    print("\n".join(map(str, files)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
