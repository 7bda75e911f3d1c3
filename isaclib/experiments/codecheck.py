"""What a CODECHECK of this project would check, as its ``codecheck.yml``.

A codechecker runs what the file's manifest lists and compares (https://codecheck.org.uk). What only
the checker knows is left as ``FIXME``, as in CODECHECK's own template.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from isaclib._files import write_atomically
from isaclib.experiments.engine.claims import words
from isaclib.experiments.engine.results import recipe

__all__ = ["SPECIFICATION", "write_codecheck"]

SPECIFICATION = "https://codecheck.org.uk/spec/config/1.0/"
TITLE = (
    "isaclib: a literate reproduction of four papers on learned integrated sensing and "
    "communication"
)
AUTHOR = "The isaclib contributors"
FIXME = "FIXME"


def write_codecheck(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write a ``codecheck.yml`` of the results that claims rest on.

    Args:
        path: File to write; the manifest's files are named from its folder.
        entries: Claims, from :func:`isaclib.experiments.claims.report`. A result that is missing or
            broken is not listed.
    """
    counts = Counter(map(_words, entries))
    document = {
        "version": SPECIFICATION,
        "paper": {"title": TITLE, "authors": [{"name": AUTHOR}], "reference": FIXME},
        "manifest": _manifest(path.absolute().parent, entries),
        "codechecker": [{"name": FIXME, "ORCID": FIXME}],
        "summary": "Verdicts of the project itself, to be checked: "
        + "; ".join(f"{count} {words}" for words, count in counts.items()),
        "repository": FIXME,
        "check_time": FIXME,
        "certificate": FIXME,
        "report": FIXME,
    }
    head = (
        "# CODECHECK configuration, written by `isaclib claims --codecheck`.\n"
        f"# The codechecker puts in what is {FIXME}.\n---\n"
    )
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, (head + body).encode())


def _manifest(folder: Path, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Result files, how each is made again, and what it decides."""
    made: dict[str, str] = {}
    decides: dict[str, list[str]] = {}
    for entry in entries:
        for result in entry["results"]:
            if result["preset"] is not None:
                name = Path(os.path.relpath(result["file"], folder)).as_posix()
                made[name] = recipe(result["figure"], result["preset"])
                decides.setdefault(name, []).append(f"{entry['id']} ({_words(entry)})")
    return [
        {"file": name, "comment": f"made by `{command}`; claims: {'; '.join(decides[name])}"}
        for name, command in made.items()
    ]


def _words(entry: Mapping[str, Any]) -> str:
    return words(entry["status"], entry["scale"]) if entry["status"] else "without a result"
