"""Writes docs/api.md and docs/openapi.json."""

from __future__ import annotations

import argparse
import sys

from tools.api_reference import markdown, openapi


def main() -> int:
    """The exit code."""
    argparse.ArgumentParser(prog="python -m tools.api_reference", description=__doc__).parse_args()
    markdown.OUTPUT.write_text(markdown.text(), encoding="utf-8")
    openapi.OUTPUT.write_text(openapi.text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
