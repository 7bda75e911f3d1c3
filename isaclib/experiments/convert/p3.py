"""What the names of P3's series meant, such as ``SL+UL/0`` and ``rate x60/2``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from isaclib.experiments.convert.documents import Curve, Tensors
from isaclib.experiments.engine.rows import Row
from isaclib.experiments.engine.tasks import Scalar
from isaclib.experiments.p3.tasks import Calibrate, TrainSpacings

if TYPE_CHECKING:
    import torch

PARAMETERS: Mapping[str, str] = {}


def coordinates(figure: str, name: str, config: Any) -> Mapping[str, Scalar]:
    """See :class:`.documents.Names`."""
    if figure == "p3-constellation":
        return {"filter": name}
    system, _, array = name.rpartition("/")
    at: dict[str, Scalar] = {"system": system, "array": int(array)}
    if system == "calibration":
        at["system"] = "maximum likelihood"
    elif figure == "p3-learning":
        rates = {way.name: way.training.rate for way in config.variations}
        if system in rates:
            at |= {"system": "SL", "variation": system, "rate": rates[system]}
    return at


def tensors(row: Row, figure: str, curves: Mapping[str, Curve], stored: Tensors) -> Tensors:
    """See :class:`.documents.Names`."""
    import torch

    at, task = row.at, row.task
    if isinstance(task, Calibrate):
        name = f"calibration/{at['array']}"
        counts = curves[name].columns["samples"]["values"]
        return {"spacings": stored[name][counts.index(task.samples)]}
    assert isinstance(task, TrainSpacings)
    name = f"{at.get('variation', at['system'])}/{at['array']}"
    history = _history(curves[name], stored[name], task.stages[-1].batch)
    before = 0 if task.start is None else task.start.mark
    lost = torch.full_like(stored[name][0], math.nan)  # behind a divergence
    spacings = [history.get(before + mark, lost) for mark in task.marks]
    return {"marks": torch.tensor(task.marks), "spacings": torch.stack(spacings)}


def _history(curve: Curve, stored: torch.Tensor, batch: int) -> dict[int, torch.Tensor]:
    """Spacings by iteration."""
    columns = curve.columns
    if "iteration" in columns:
        marks = columns["iteration"]["values"]
    else:
        marks = [samples / batch for samples in columns["samples"]["values"]]
    return dict(zip(map(int, marks), stored, strict=True))
