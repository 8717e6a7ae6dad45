"""Prints as JSON the installed distributions: name, version and size on disk in bytes."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, distributions
from pathlib import Path


def size(distribution: Distribution) -> int:
    """Return the bytes of a distribution's files, without bytecode, which is made later or never."""
    files = (Path(str(file.locate())) for file in distribution.files or ())
    return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.is_file())


if __name__ == "__main__":
    print(json.dumps({d.name.lower().replace("_", "-"): [d.version, size(d)] for d in distributions()}))
