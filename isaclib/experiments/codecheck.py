"""What a CODECHECK of this project would check, as its ``codecheck.yml``.

A codechecker runs what the file's manifest lists and compares (https://codecheck.org.uk). What only
the checker knows is left as ``FIXME``, as in CODECHECK's own template.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isaclib._files import write_atomically
from isaclib.experiments.engine.claims import REDUCED
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
    lines = [
        "# CODECHECK configuration, written by `isaclib claims --codecheck`.",
        f"# The codechecker puts in what is {FIXME}.",
        "---",
        *_yaml(_document(path.absolute().parent, entries)),
    ]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _document(folder: Path, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter(_words(entry) for entry in entries)
    return {
        "version": SPECIFICATION,
        "paper": {
            "title": TITLE,
            "authors": [{"name": AUTHOR}],
            "reference": FIXME,
        },
        "manifest": _manifest(folder, entries),
        "codechecker": [{"name": FIXME, "ORCID": FIXME}],
        "summary": "Verdicts of the project itself, to be checked: "
        + "; ".join(f"{count} {words}" for words, count in counts.items()),
        "repository": FIXME,
        "check_time": FIXME,
        "certificate": FIXME,
        "report": FIXME,
    }


def _manifest(folder: Path, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Result files, how each is made again, and what it decides."""
    files: dict[str, str] = {}
    decides: dict[str, list[str]] = {}
    for entry in entries:
        for result in entry["results"]:
            if result["preset"] is None:
                continue
            name = Path(os.path.relpath(result["file"], folder)).as_posix()
            files[name] = recipe(result["figure"], result["preset"])
            decides.setdefault(name, []).append(f"{entry['id']} ({_words(entry)})")
    return [
        {"file": name, "comment": f"made by `{command}`; claims: {'; '.join(decides[name])}"}
        for name, command in files.items()
    ]


def _words(entry: Mapping[str, Any]) -> str:
    """Verdict of an entry, with its scale."""
    status = entry["status"] or "without a result"
    return f"{status}{REDUCED if entry['scale'] == 'reduced' and status != 'not tested' else ''}"


def _yaml(value: Mapping[str, Any], indent: str = "") -> list[str]:
    """Lay out texts, mappings and lists of mappings; a JSON string is a quoted scalar of YAML."""
    lines = []
    for key, item in value.items():
        if isinstance(item, str):
            lines.append(f"{indent}{key}: {json.dumps(item, ensure_ascii=False)}")
        elif isinstance(item, Mapping):
            lines += [f"{indent}{key}:", *_yaml(item, indent + "  ")]
        else:
            lines.append(f"{indent}{key}:" if item else f"{indent}{key}: []")
            for part in item:
                first, *rest = _yaml(part, indent + "    ")
                lines += [f"{indent}  - {first.strip()}", *rest]
    return lines
