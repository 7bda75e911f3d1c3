"""What a run leaves behind: curves as JSON, weights as safetensors, both with their provenance.

A result is one file, ``results/<paper>/<figure>.json``. It holds the full configuration, the
curves with confidence intervals and sample counts, and where they come from. It is checked when it
is written and again when it is read; it also carries the SHA-256 of its own content and of each
weights file that belongs to it, so that a truncated, edited or mixed-up file is a clear
:class:`ResultError` and never a silently wrong plot.

An undefined value, such as an angle RMSE where nothing was detected, is NaN in Python and ``null``
in the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isaclib import _files
from isaclib.experiments.engine.results import ResultError
from isaclib.experiments.series.provenance import Provenance, provenance
from isaclib.experiments.series.result_schema import PRESETS, SCHEMA, check_document, check_figure
from isaclib.experiments.series.result_types import Quantity, Result, Series, decode, encode

if TYPE_CHECKING:
    import torch

__all__ = [
    "PRESETS",
    "SCHEMA",
    "Provenance",
    "Quantity",
    "Result",
    "ResultError",
    "Series",
    "load_result",
    "load_weights",
    "provenance",
    "result_path",
    "results_directory",
    "save_result",
    "save_weights",
]


def results_directory(directory: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder that holds the results.

    Args:
        directory: Folder to use, wherever it is. None looks for it.

    Returns:
        The argument; else the environment variable ``ISACLIB_RESULTS``; else ``results/`` of the
        nearest folder, from the current one upwards, that looks like this project (it holds
        ``results/`` beside ``pyproject.toml`` or ``_config.yml``); else ``results/`` here. It need
        not exist.
    """
    chosen = directory or os.environ.get("ISACLIB_RESULTS")
    if chosen:
        return Path(chosen)
    here = Path.cwd()
    for folder in (here, *here.parents):
        marked = (folder / "pyproject.toml").is_file() or (folder / "_config.yml").is_file()
        if marked and (folder / "results").is_dir():
            return folder / "results"
    return here / "results"


def result_path(figure: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """Return where a figure's result is stored: ``<directory>/<paper>/<figure>.json``.

    Args:
        figure: Figure id, such as ``"p1-fig2"``.
        directory: Results folder; see :func:`results_directory`.

    Raises:
        ValueError: ``figure`` is not a figure id.
    """
    check_figure("figure", figure)
    return results_directory(directory) / figure.partition("-")[0] / f"{figure}.json"


def save_result(
    result: Result,
    directory: str | os.PathLike[str] | None = None,
    *,
    staged: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a result, checked, in one step: afterwards the old file or the whole new one is there.

    Args:
        result: What to write.
        directory: Results folder; see :func:`results_directory`.
        staged: Folder with the weights files of ``result.provenance.weights`` that are not in place
            yet. They are copied beside the result file, and everything is renamed together once
            all of it is on the disk, so that a failed or stopped run never leaves new weights
            beside old curves. Files that are not there are taken to be in place already.

    Returns:
        Path of the result file.

    Raises:
        ValueError: The result is not valid; the message names the field, its value and what is
            allowed. Nothing was written.
        ResultError: A weights file is missing or does not have its SHA-256. Nothing was written.
        OSError: The files could not be written; the message names the file and the reason, and
            what was stored before is unchanged.
    """
    document = encode(result)
    check_document(document)
    path = result_path(result.figure, directory)
    recipe = _recipe(result.figure, result.preset)
    prepared: list[tuple[Path, Path]] = []
    try:
        for name, digest in result.provenance.weights.items():
            final = path.parent / name
            source = final if staged is None else Path(staged) / name
            moved = source.is_file() and not (final.exists() and source.samefile(final))
            content = _checked_bytes(source if moved else final, digest, recipe)
            if moved:
                prepared.append((_files.write_aside(final, content), final))
        document["sha256"] = _content_hash(document)
        prepared.append((_files.write_aside(path, _to_text(document).encode()), path))
        for temporary, final in prepared:
            _files.move_into_place(temporary, final)
    finally:
        for temporary, _ in prepared:
            temporary.unlink(missing_ok=True)
    return path


def load_result(figure: str, directory: str | os.PathLike[str] | None = None) -> Result:
    """Read a stored result and check all of it, its weights files included.

    Args:
        figure: Figure id, such as ``"p1-fig2"``.
        directory: Results folder; see :func:`results_directory`.

    Returns:
        The result; ``null`` values are NaN.

    Raises:
        ValueError: ``figure`` is not a figure id.
        ResultError: The file or one of its weights files is missing, broken, edited, of another
            schema or of another figure; the message names the file, what is wrong, and the command
            that makes it again.
    """
    path = result_path(figure, directory)
    recipe = _recipe(figure)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ResultError(f"{path}: there is no such result; create it with `{recipe}`") from None
    except OSError as error:
        raise ResultError(f"{path}: cannot be read ({error.strerror}); see `{recipe}`") from error
    except (ValueError, RecursionError) as error:
        raise ResultError(
            f"{path}: is not complete JSON ({error}); re-create it with `{recipe}`"
        ) from error
    try:
        _check_stored(document, figure)
    except ValueError as error:
        raise ResultError(f"{path}: {error}; re-create it with `{recipe}`") from error
    result = decode(document)
    for name, digest in result.provenance.weights.items():
        _checked_bytes(path.parent / name, digest, _recipe(figure, result.preset))
    return result


def save_weights(path: str | os.PathLike[str], tensors: Mapping[str, torch.Tensor]) -> str:
    """Write tensors to a safetensors file, atomically.

    Args:
        path: File to write.
        tensors: Tensors by name, of any shape, dtype and device; a module's ``state_dict()``.

    Returns:
        SHA-256 of the file, for :class:`Provenance`. Equal tensors give equal files.

    Raises:
        ValueError: There is no tensor, or a value is not a tensor.
        OSError: The file could not be written; what was there before is unchanged.
    """
    import torch
    from safetensors.torch import save

    if not tensors:
        raise ValueError("tensors must hold at least one tensor, got none")
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"tensors[{name!r}] must be a tensor, got {type(tensor).__name__}")
    # A clone each: safetensors refuses tensors that share memory, and views.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = save(plain)
    _files.write_atomically(Path(path), content)
    return _files.sha256_of_bytes(content)


def load_weights(
    path: str | os.PathLike[str], sha256: str | None = None
) -> dict[str, torch.Tensor]:
    """Read tensors from a safetensors file.

    Args:
        path: File to read.
        sha256: SHA-256 that the file must have; None accepts any.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        ResultError: The file is missing, is not a whole safetensors file, or has another SHA-256.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    recipe = "isaclib run FIGURE --preset paper"
    content = _checked_bytes(Path(path), sha256, recipe)
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ResultError(
            f"{path}: is not a whole safetensors file ({error}); re-create it with `{recipe}`"
        ) from error


def _recipe(figure: str, preset: str = "paper") -> str:
    """Return the command that makes a figure's result again."""
    return f"isaclib run {figure} --preset {preset}"


def _checked_bytes(path: Path, digest: str | None, recipe: str) -> bytes:
    """Read a weights file and compare its SHA-256, or raise ResultError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultError(
            f"{path}: weights file cannot be read ({error.strerror}); re-create it with `{recipe}`"
        ) from error
    actual = _files.sha256_of_bytes(content)
    if digest is not None and actual != digest:
        raise ResultError(
            f"{path}: weights file has SHA-256 {actual[:12]}..., but {digest[:12]}... is expected: "
            f"it was changed or comes from another run; re-create it with `{recipe}`"
        )
    return content


def _check_stored(document: object, figure: str) -> None:
    """Check a document that was read: its schema first, then its hash, then every field."""
    if not isinstance(document, dict):
        raise ValueError("must hold a JSON object")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}, got {document.get('schema')!r}")
    content = {name: item for name, item in document.items() if name != "sha256"}
    expected = _content_hash(content)
    if document.get("sha256") != expected:
        found = str(document.get("sha256"))
        raise ValueError(
            f"sha256 must be {expected[:12]}... for this content, got {found[:12]}...: "
            "the file was edited after it was written"
        )
    check_document(content)
    if content["figure"] != figure:
        raise ValueError(f"figure must be {figure!r}, got {content['figure']!r}")


def _content_hash(document: Mapping[str, Any]) -> str:
    """Hash the content whatever its layout in the file, so that reformatting is no edit."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return _files.sha256_of_bytes(canonical.encode())


def _to_text(document: Mapping[str, Any]) -> str:
    """Lay a document out for people: indented, but each list of numbers on one line."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    # A raw newline after "[" cannot stand inside a JSON string, so only lists are matched.
    return re.sub(r"\[\n[-+0-9.eE,\snul]*\]", _on_one_line, text) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    return f"[{', '.join(match.group()[1:-1].replace(',', ' ').split())}]"
