"""Keycloak and OpenLDAP for ``make test-providers``, below ``.cache``; Java and Maven as Debian's packages.

Keycloak is fetched by Maven. OpenLDAP's packages are unpacked and not installed, so that no service starts. What is
there already is left as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests import packages
from tests.packages import Need

VERSION = "26.7.3"
HOME = Path(__file__).resolve().parents[2] / ".cache" / "keycloak"
KEYCLOAK = HOME / f"keycloak-{VERSION}"
DIRECTORY = HOME / "openldap"
NEEDS = (Need("java", "default-jre-headless"), Need("mvn", "maven"))
_OPENLDAP = ("slapd", "ldap-utils", "libldap-2.5-0", "libltdl7", "libodbc2", "libwrap0")


def main() -> int:
    """As a command: installs, and returns the exit code."""
    text = "Install Keycloak and OpenLDAP below .cache, as the tests in this folder do by themselves."
    argparse.ArgumentParser(prog="tests/keycloak/install.py", description=text).parse_args()
    return install()


def install() -> int:
    """Installs what is not there yet; the exit code of what failed."""
    HOME.mkdir(parents=True, exist_ok=True)
    if not KEYCLOAK.exists():
        if code := packages.main(NEEDS):
            return code
        _keycloak()
    if not DIRECTORY.exists():
        _openldap()
    return 0


def library_path() -> str:
    """Where the programs of the unpacked packages find the libraries that they came with."""
    return str(DIRECTORY / "usr" / "lib" / f"{os.uname().machine}-linux-gnu")


def _keycloak() -> None:
    print(f"keycloak: fetching Keycloak {VERSION} with Maven", flush=True)
    artifact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={HOME}"]
    subprocess.run(copy, check=True, cwd=HOME)
    archive = HOME / f"keycloak-quarkus-dist-{VERSION}.zip"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(HOME)
    (KEYCLOAK / "bin" / "kc.sh").chmod(0o755)
    archive.unlink()


def _openldap() -> None:
    print("keycloak: unpacking Debian's slapd", flush=True)
    downloads = HOME / "debs"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir()
    subprocess.run(["apt-get", "-q", "download", *_OPENLDAP], check=True, cwd=downloads, stdout=sys.stderr)
    unpacked = HOME / "openldap.new"
    for archive in downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
    unpacked.rename(DIRECTORY)
    shutil.rmtree(downloads)


if __name__ == "__main__":
    sys.exit(main())
