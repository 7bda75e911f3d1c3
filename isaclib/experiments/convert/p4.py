"""What the names of P4's series meant, such as ``size/awgn/early`` and ``gradients/awgn/snr=3``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from isaclib.experiments.convert.documents import Curve, Tensors
from isaclib.experiments.engine.rows import Row
from isaclib.experiments.engine.tasks import Scalar

PARAMETERS: Mapping[str, str] = {}

CHOICES = {
    "two tasks": ("two", "default"),
    "longer, two tasks": ("two", "longer"),
    "known, two tasks": ("two", "known"),
    "plain loss, two tasks": ("two", "plain loss"),
    "other layers": ("two", "layers"),
    "same way back": ("two", "same way"),
    "three tasks": ("three", "default"),
    "longer, three tasks": ("three", "longer"),
    "known, three tasks": ("three", "known"),
    "plain loss, three tasks": ("three", "plain loss"),
    "ten classes": ("three", "ten classes"),
    "range step": ("two", "ranges"),
    "other range step": ("two", "range step"),
}
"""Tasks and choice of each name."""


def split(curve: Curve) -> Iterator[Curve]:
    """The series of gradients as one of each task and pair of tasks, named behind a bar."""
    columns = dict(curve.columns)
    for name in {"true", "decided", "size"} & set(columns):
        columns[name] = {**columns[name], "values": [int(v) for v in columns[name]["values"]]}
    if not curve.name.startswith("gradients/"):
        yield replace(curve, columns=columns)
        return
    epochs = columns.pop("epochs")
    for name, column in columns.items():
        measured = "norm" if name.startswith("norm/") else "cosine"
        own = {"epochs": epochs, measured: column}
        yield Curve(f"{curve.name}|{name.removeprefix('norm/')}", own)


def coordinates(figure: str, name: str, config: Any) -> Mapping[str, Scalar]:
    """See :class:`.documents.Names`."""
    name, _, tasks = name.partition("|")
    kind, *parts = name.removesuffix("/early").split("/")
    if kind == "linear":
        fixed = "size" if parts[0] == "communication_snr_db" else "communication_snr_db"
        at: dict[str, Scalar] = {"measured": "principal components", "fading": parts[1]}
        return {**at, fixed: getattr(config.point, fixed)}
    at = {"measured": "performance"}
    at |= dict(zip(("task", "other"), tasks.split("~") if tasks else (), strict=False))
    if kind in ("afterwards", "confusion", "gradients"):
        at["measured"] = kind
        kind, *parts = parts
    elif figure != "p4-choices":
        at["epochs"] = config.training.early if name.endswith("/early") else config.training.epochs
    if figure == "p4-choices":
        choice, fading = (kind, *parts) if parts else ("ten classes", kind)
        names: tuple[str, str] = CHOICES[choice]
        return {**at, **dict(zip(("tasks", "choice"), names, strict=True)), "fading": fading}
    if at["measured"] != "performance":
        return {**at, "fading": kind, **dict(_number(part, config) for part in parts)}
    if figure == "p4-fig5":
        return {**at, "varied": kind, "fading": parts[0]}
    if kind != "repetitions":
        return {**at, "fading": kind, "repetition": 0}
    point = config.point
    at |= {"snr_db": point.communication_snr_db, "sensing_weight": point.weights.sensing}
    del at["sensing_weight" if figure == "p4-fig6" else "snr_db"]
    return {**at, "fading": parts[0]}


def _number(part: str, config: Any) -> tuple[str, float]:
    """Coordinate that a part such as ``weight=0.941`` stands for, of a weight's three digits."""
    key, _, value = part.partition("=")
    if key == "weight":
        known = {f"{weight:.3g}": weight for weight in config.sensing_weights}
        return "sensing_weight", known[value]
    return "snr_db" if key == "snr" else key, float(value)


def tensors(row: Row, figure: str, curves: Mapping[str, Curve], stored: Tensors) -> Tensors:
    """See :class:`.documents.Names`."""
    parameters = [f"{k}/awgn/{v:g}/" for k, v in row.at.items() if k != "fading"]
    (name,) = parameters or [f"{row.at['fading']}/"]
    return {k.removeprefix(name): v for k, v in stored.items() if k.startswith(name)}
