"""What the names of P1's series meant, such as ``autoencoder/deg/0/model-based``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isaclib.experiments.convert.documents import Curve, Tensors
from isaclib.experiments.engine.rows import Row
from isaclib.experiments.engine.tasks import Scalar

PARAMETERS: Mapping[str, str] = {"phase_rad": "phase", "draw": "array"}


def coordinates(figure: str, name: str, config: Any) -> Mapping[str, Scalar | range | None]:
    """See :class:`.documents.Names`."""
    first, *rest = name.split("/")
    at: dict[str, Scalar | range | None] = {"system": first}
    if figure == "p1-fig3":
        swept, _, value = name.partition("=")
        systems = {"omega": ("autoencoder", "omega_r"), "rho": ("baseline", "rho")}
        system, coordinate = systems[swept]
        at = {"system": system, coordinate: float(value)}
    elif figure == "p1-maprt":
        at = {"check": first, "echo": None if first == "detection" else range(config.echoes)}
    elif figure == "p1-penalty":
        at |= {"rho": config.rho, "phase": 0.0}
        if rest:
            (std,) = (std for std in config.stds_wavelengths if f"{std:.4f}" == rest[0])
            at |= {"system": "unknown", "model": first, "std_wavelengths": std}
        else:
            at |= {"array": None}
    elif first == "baseline" and rest:
        at = {"system": rest[1], "model": rest[0], "array": int(rest[2]), "phase": 0.0}
    elif first != "baseline":
        receivers = "classical" if rest[-1] == "model-based" else "learned"
        at = {"system": "autoencoder", "receivers": receivers}
        kind = {"p1-fig5": "model", "p1-sequential": "schedule"}.get(figure, "unit")
        values = name.removeprefix("autoencoder/").split("/")
        number = "array" if figure == "p1-fig5" else "repetition"
        at |= {kind: values[0], number: int(values[1])}
    return at


def tensors(row: Row, figure: str, curves: Mapping[str, Curve], stored: Tensors) -> Tensors:
    """See :class:`.documents.Names`."""
    kind, number, omega_r = row.at.values()
    name = f"{kind}/{number}" if figure == "p1-sequential" else f"autoencoder/{kind}/{number}"
    prefix = f"{name}/omega={omega_r:g}/"
    return {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
