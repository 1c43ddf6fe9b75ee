"""Writes docs/lint-rules.md from the rules themselves; `make reference` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from smartcity_pkg.catalogue.rules import as_markdown

if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(as_markdown(), encoding="utf-8")
    else:
        sys.stdout.write(as_markdown())
