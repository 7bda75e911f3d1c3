"""Where a result comes from: collected when a run ends, stored with its rows."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

_PACKAGE = Path(__file__).resolve().parents[2]
# What decides a run's numbers: the library and its pins, not the chapters or the other results.
_CODE = ("isaclib", "pyproject.toml", "requirements.lock")


def _created(value: str) -> str:
    try:
        offset = datetime.fromisoformat(value).utcoffset()
    except ValueError:
        offset = None
    if offset is None or offset.total_seconds():
        raise ValueError("a UTC time in ISO 8601 such as '2026-01-31T12:00:00+00:00'")
    return value


def _file(name: str) -> str:
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise ValueError("a file name inside the paper's results folder")
    return name


Text = Annotated[str, StringConstraints(pattern=r"\S")]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    ``commit`` is ``"unknown"`` outside a repository; ``dirty`` says whether the library's files
    differed from it. ``device`` may name the GPU. ``wall_time_s`` holds what tasks took that were
    finished before. ``created`` is UTC in ISO 8601. ``weights`` has the SHA-256 of the file of
    tensors by its name.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    version: Text
    commit: Annotated[str, StringConstraints(pattern="^([0-9a-f]{40}|unknown)$")]
    dirty: bool
    seed: Annotated[int, Field(ge=0)]
    device: Text
    torch: Text
    threads: Annotated[int, Field(ge=1)]
    wall_time_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    created: Annotated[str, AfterValidator(_created)]
    weights: dict[Annotated[str, AfterValidator(_file)], Digest] = field(default_factory=dict)
    notes: dict[Text, str] = field(default_factory=dict)


def provenance(
    *, seed: int, device: str, wall_time_s: float, notes: dict[str, str] | None = None
) -> Provenance:
    """Collect the provenance of a run that ends now."""
    import torch

    from isaclib import __version__

    commit, dirty = code_state()
    gpu = f" ({torch.cuda.get_device_name()})" if device.startswith("cuda") else ""
    return Provenance(
        version=__version__,
        commit=commit,
        dirty=dirty,
        seed=seed,
        device=device + gpu,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        wall_time_s=round(wall_time_s, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes or {},
    )


@functools.cache
def code_state(package: Path = _PACKAGE) -> tuple[str, bool]:
    """The git commit of the code, and whether the library's files differ from it.

    ``("unknown", False)`` where no git repository tracks the package: an installed copy may lie
    inside some unrelated one. Asked once a process, since the code that runs is the one that was
    imported, whatever is committed meanwhile.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown", False
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package.parent, "status", "--porcelain", "--", *_CODE)
    return (commit or "unknown"), bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    """What a git command prints, or None where it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
