"""What the names of P2's series meant, such as ``networks/limited/0/first step/unseen``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isaclib.experiments.convert.documents import Curve, Tensors
from isaclib.experiments.engine.rows import Row
from isaclib.experiments.engine.tasks import Scalar

PARAMETERS: Mapping[str, str] = {"draw": "array"}

PARTS = {
    "baseline": ("spacings", "array"),
    "model-driven": ("complexity", "array"),
    "networks": ("complexity", "array"),
}
IDEAL_PARTS = {
    "baseline": (),
    "model-driven": ("reading",),
    "networks": ("indicator", "angle_unit"),
}
"""Coordinates behind a system, in Figs. 4 and 5, and in Fig. 3."""


def coordinates(figure: str, name: str, config: Any) -> Mapping[str, Scalar]:
    """See :class:`.documents.Names`."""
    unseen = name.endswith("/unseen") or figure == "p2-fig5"
    sector: dict[str, Scalar] = {"sector": "unseen" if unseen else "seen"}
    short = name.removesuffix("/unseen").removesuffix("/first step")
    system, *parts = short.split("/")
    if figure == "p2-readings":
        (model,) = parts
        if system == "model-driven":
            return {"system": system, "model": model, **sector, "omega_r": 1.0}
        return {"system": "baseline", "spacings": system, "model": model, **sector, "rho": 1.0}
    ideal = figure == "p2-fig3"
    at: dict[str, Scalar] = {} if ideal else sector
    at |= zip((IDEAL_PARTS if ideal else PARTS)[system], parts, strict=True)
    at |= {"array": int(at["array"])} if "array" in at else {}
    at |= {"step": "detection" if "first step" in name else "angle"} if system == "networks" else {}
    return {"system": system, **at}


def tensors(row: Row, figure: str, curves: Mapping[str, Curve], stored: Tensors) -> Tensors:
    """See :class:`.documents.Names`."""
    at = row.at
    kind = at["reading"] if figure == "p2-fig3" else f"{at['complexity']}/{at['array']}"
    prefix = f"{at['system']}/{kind}/"
    if "omega_r" in at:
        prefix += f"omega={at['omega_r']:g}/"
    found = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
    if not found:
        raise KeyError(f"no tensors of {prefix}")
    return found
