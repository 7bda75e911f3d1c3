"""From the outcomes of a sweep to a result: what the figures of all papers share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import (
    Quantity,
    Result,
    Series,
    load_result,
    load_weights,
    provenance,
    save_weights,
)

WEIGHTS = "weights.safetensors"
"""File that a training task leaves in its folder."""


def metric_series(
    name: str,
    records: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, str],
    **parameters: Sequence[float],
) -> Series:
    """One curve from the records of its points and the parameters that were swept."""
    quantities = {
        key: Quantity(key, [float(v) for v in values]) for key, values in parameters.items()
    }
    for metric, unit in metrics.items():
        columns = {end: [r[metric][end] for r in records] for end in ("value", "low", "high")}
        counts = [int(r[metric]["count"]) for r in records]
        quantities[metric] = Quantity(
            metric, columns["value"], columns["low"], columns["high"], counts, unit
        )
    return Series(name, quantities)


def measurement_data(test: Any, context: RunContext) -> dict[str, Any]:
    """Sample counts, seed and device of a measurement as JSON data for a task."""
    return {**asdict(test), "seed": context.seed, "device": context.device}


def with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a frozen dataclass from JSON data, which has lists in the place of tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


def folder_name(key: str) -> str:
    """File name for the name of a trained system."""
    return key.replace("/", "_").replace(", ", "-").replace(" ", "-")


def collect_weights(context: RunContext, folders: Mapping[str, Path]) -> dict[str, str]:
    """Put the weights of all trainings into one file, each under its name."""
    bundle = {
        f"{name}/{parameter}": tensor
        for name, folder in folders.items()
        for parameter, tensor in load_weights(folder / WEIGHTS).items()
    }
    file = f"{context.figure}.safetensors"
    return {file: save_weights(context.state / file, bundle)}


def finished(
    context: RunContext,
    series: list[Series],
    started: float,
    weights: dict[str, str] | None = None,
    notes: dict[str, str] | None = None,
) -> Result:
    """Result of a run that ends now."""
    return Result(
        figure=context.figure,
        preset=context.preset,
        config=asdict(context.config),
        series=series,
        provenance=provenance(
            seed=context.seed,
            device=context.device,
            started=started,
            weights=weights,
            notes=notes,
        ),
    )


def stored_sibling(
    context: RunContext, figure: str, *, same: Mapping[str, Any] | None = None
) -> Result:
    """Stored result of another figure, whose trained systems this one shows."""
    again = f"run `isaclib run {figure} --preset {context.preset} --seed {context.seed}`"
    stored = load_result(figure, context.results)
    found = (stored.preset, stored.provenance.seed)
    if found != (context.preset, context.seed):
        raise ValueError(
            f"{context.figure} needs the trained systems of {figure} at the preset "
            f"{context.preset!r} and seed {context.seed}, got {found[0]!r} and {found[1]}: "
            f"{again} first"
        )
    own = json.loads(json.dumps(dict(same or {})))  # tuples are lists there
    changed = [name for name, value in own.items() if stored.config[name] != value]
    if changed:
        raise ValueError(
            f"{context.figure} needs the trained systems of {figure} with its own "
            f"{', '.join(changed)}, got those of another configuration: {again} again"
        )
    return stored


def stored_weights(context: RunContext, stored: Result) -> dict[str, torch.Tensor]:
    """Weights that belong to a stored result."""
    file = f"{stored.figure}.safetensors"
    return load_weights(context.paper_results / file, stored.provenance.weights[file])
