"""What the names of the limits' series meant, such as ``front/0`` and ``known/0/joint``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isaclib.experiments.convert import p2
from isaclib.experiments.convert.documents import Curve, Document, Each, Tensors
from isaclib.experiments.engine.results import Folder, load_result
from isaclib.experiments.engine.rows import Row
from isaclib.experiments.engine.tasks import Scalar
from isaclib.experiments.limits.figures import SEARCHED

SYSTEMS = {"p1-limits": "p1-fig2", "p2-limits": "p2-fig4", "p3-limits": "p3-fig5"}
"""Figures whose configuration says what the systems are, which limits did not store."""

PARAMETERS: Mapping[str, str] = {}


def prepared(document: Document, directory: Folder) -> Document:
    """A document with its systems' configuration, and parameters by what they are.

    Raises:
        ValueError: The stored result of the systems is another one than that which was used.
    """
    source = document["provenance"]
    systems = load_result(SYSTEMS[document["figure"]], directory)
    used, stored = source["notes"][f"systems of {systems.figure}"], systems.provenance.commit
    if used != f"commit {stored}":
        raise ValueError(f"{systems.figure} must be that of {used}, got that of commit {stored}")
    notes = {**source["notes"], "configuration of the systems": f"that of {systems.figure}"}
    for series in document["series"]:
        for column in series["quantities"]:
            if column["name"] == "parameter":
                baseline = series["name"].startswith("baseline")
                learned = "eta" if systems.figure == "p3-fig5" else "omega_r"
                column["name"] = "rho" if baseline else learned
    return {
        **document,
        "config": {**document["config"], "systems": systems.config},
        "provenance": {**source, "notes": notes},
    }


def coordinates(figure: str, name: str, config: Any) -> Mapping[str, Scalar | Each]:
    """See :class:`.documents.Names`."""
    system, *parts = name.split("/")
    at: dict[str, Any] = {"system": system}
    if figure == "p3-limits":
        at |= {"array": int(parts[0])}
        at |= {} if system == "front" else {"figure": "p3-fig3"}
    elif figure == "p2-limits":
        old = name if system != "front" else name.replace("front", "baseline/known", 1)
        own = p2.coordinates("p2-fig4", old, config)
        left_out = ("system", "step", "spacings" if system == "front" else "")
        at |= {k: v for k, v in own.items() if k not in left_out}
    if system == "front":
        at["beam"] = range(config.front.beams)
    if "joint" in parts:
        at["eta"], at["phi"] = zip(*config.systems.beams(), strict=True)
        at["figure"] = "p3-fig5"
    return at


def tensors(row: Row, figure: str, curves: Mapping[str, Curve], stored: Tensors) -> Tensors:
    """See :class:`.documents.Names`."""
    import torch

    unseen = "/unseen" if row.at.get("sector") == "unseen" else ""
    name = f"front/{row.at.get('array', 0)}{unseen}"
    columns = {column: curves[name].columns[column]["values"] for column in SEARCHED}
    found = {k: torch.tensor(values, dtype=torch.float64) for k, values in columns.items()}
    beams = [stored[f"{name}/{index}"] for index in range(len(columns["ser"]))]
    return {"beam": torch.stack(beams), **found}
