"""Where a result comes from: collected when a run ends, stored with its curves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
# What decides a run's numbers: the library and its pins, not the chapters or the other results.
_CODE = ("isaclib", "pyproject.toml", "requirements.lock")


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    Attributes:
        version: Version of isaclib.
        commit: Git commit that the code was at, or ``"unknown"`` outside a repository.
        dirty: Whether the library's files differed from that commit.
        seed: Seed of the run.
        device: ``"cpu"``, or ``"cuda"`` followed by the GPU's name.
        torch: Version of PyTorch.
        threads: Threads that PyTorch used.
        wall_time_s: How long the run took [s], with the earlier parts of a resumed run as far as
            they are known (not those that were killed outright).
        created: When the run ended, UTC in ISO 8601.
        weights: SHA-256 of each weights file, by its name beside the result file.
        notes: Anything else worth knowing, by a short name.
    """

    version: str
    commit: str
    dirty: bool
    seed: int
    device: str
    torch: str
    threads: int
    wall_time_s: float
    created: str
    weights: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def provenance(
    *,
    seed: int,
    device: str,
    started: float,
    weights: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Provenance:
    """Collect the provenance of a run that ends now.

    Args:
        seed: Seed of the run.
        device: ``"cpu"`` or ``"cuda"``; the GPU's name is added.
        started: Value of :func:`time.perf_counter` when the run began [s].
        weights: SHA-256 of each weights file, by its name.
        notes: Anything else worth knowing.

    Returns:
        The provenance; it takes a few milliseconds, for asking git.
    """
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
        wall_time_s=round(time.perf_counter() - started, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        weights=dict(weights or {}),
        notes=dict(notes or {}),
    )


def code_state(package: Path = _PACKAGE) -> tuple[str, bool]:
    """Return the git commit of the code, and whether the code differs from it.

    An installed copy may lie inside some unrelated repository (a virtual environment there, say),
    so the package itself must be tracked for the repository's commit to mean anything.

    Args:
        package: Folder of the package.

    Returns:
        Commit of 40 hexadecimal digits, and whether the library's files differ from it;
        ``("unknown", False)`` where no git repository tracks the package.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown", False
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package.parent, "status", "--porcelain", "--", *_CODE)
    return (commit or "unknown"), bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None where it fails or there is no git."""
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
