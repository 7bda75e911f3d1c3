"""The independent pieces of P3's sweeps: train spacings, calibrate them, measure an array.

Each function is a task of a :class:`~isaclib.experiments.engine.sweep.Sweep`: JSON data in and out.
A training leaves the spacings at some of its iterations, 64 numbers each; what they are worth is
measured later, each by a task of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from isaclib._progress import report
from isaclib.experiments.engine.assembly import with_tuples
from isaclib.experiments.p3.scenario import Scenario
from isaclib.signal.spacings import spacing_positions
from isaclib.systems.spacings.calibration import calibrate
from isaclib.systems.spacings.constellation import measure_constellation
from isaclib.systems.spacings.measurement import (
    SensingPerformance,
    array_operating_point,
    measure_sensing,
    measure_symbols,
)
from isaclib.systems.spacings.model import SpacingArray
from isaclib.systems.spacings.schedule import Stage
from isaclib.systems.spacings.training import Scene, train_impairment
from isaclib.systems.transceiver import Measurement

Record = dict[str, dict[str, float]]


def stage_data(stage: Stage) -> dict[str, Any]:
    """A stage as JSON data; its sectors are always the paper's."""
    return {name: value for name, value in asdict(stage).items() if name != "sectors"}


def _scene(payload: Mapping[str, Any]) -> tuple[Scenario, torch.Tensor, Scene]:
    """Scenario, true spacings and scene of a task."""
    scenario = Scenario(**with_tuples(payload["scenario"]))
    true = scenario.spacings(payload["draw"], payload["seed"])
    return scenario, true, scenario.scene(true)


def _spacing(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def train_spacings(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Train the spacings of one array.

    Returns:
        ``spacings``: a list of spacings for each mark that was reached [wavelengths]; a training
        that diverges does not reach the last.
    """
    scenario, _, scene = _scene(payload)
    model = SpacingArray(scenario.num_antennas, parameter=payload["parameter"])
    if payload["start"] is not None:
        model.set_spacing(_spacing(payload["start"]))
    history = train_impairment(
        model.to(payload["device"]),
        scene,
        [Stage(**stage) for stage in payload["stages"]],
        directory,
        seed=payload["seed"],
        marks=payload["marks"],
        device=payload["device"],
    )
    return {"spacings": history[history.isfinite().all(1)].tolist()}


def calibrate_spacings(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Estimate the spacings of one array by maximum likelihood."""
    scenario, _, scene = _scene(payload)
    model = SpacingArray(scenario.num_antennas).to(payload["device"])
    history = calibrate(
        model, scene, samples=payload["samples"], seed=payload["seed"], device=payload["device"]
    )
    return {"spacings": history[-1].tolist()}


def measure_array(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure what a transceiver that assumes given spacings does on one array."""
    scenario, true, scene = _scene(payload)
    assumed = true if payload["spacing"] is None else _spacing(payload["spacing"])
    measurement = Measurement(p_fa=scenario.p_fa, **payload["measurement"])
    channel = scenario.communication(true)
    # Without a target the beam does not matter: one threshold is that of all beams.
    receiver = scenario.transceiver(assumed, payload["receiver"])
    operating = array_operating_point(receiver, scene.radar, scene.basis, measurement)
    error = _position_error(assumed, true)
    records = []
    for number, (share, phase) in enumerate(payload["beams"]):
        system = scenario.transceiver(assumed, payload["receiver"], share, phase)
        found = measure_sensing(system, scene.radar, scene.basis, measurement, operating)
        record = {**sensing_record(found), "position_error": error}
        if payload["symbols"]:
            record["ser"] = asdict(measure_symbols(system, channel, measurement))
        records.append(record)
        report((number + 1) / len(payload["beams"]))
    return {"records": records}


def _position_error(assumed: torch.Tensor, true: torch.Tensor) -> dict[str, float]:
    """Root mean square of the element positions' errors, as a record's value [wavelengths]."""
    error = spacing_positions(assumed) - spacing_positions(true)
    value = float(error.square().mean().sqrt())
    return {"value": value, "low": value, "high": value, "count": len(error)}


def sensing_record(found: SensingPerformance) -> Record:
    """Performance as JSON data, angles in degrees.

    Returns:
        For each of ``p_md``, ``p_fa``, ``position`` [m], ``range`` [m], ``angle_deg`` and
        ``threshold`` the value, its interval and the sample count.
    """
    angle = asdict(found.angle)
    angle.update({end: math.degrees(angle[end]) for end in ("value", "low", "high")})
    level = found.threshold
    return {
        "p_md": asdict(found.p_md),
        "p_fa": asdict(found.p_fa),
        "position": asdict(found.position),
        "angle_deg": angle,
        "range": asdict(found.distance),
        "threshold": {end: getattr(level, end) for end in ("value", "low", "high", "count")},
    }


def measure_symbol_shapes(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure the detector of Eq. (9), and the matched one, with a constellation."""
    scenario = Scenario(**with_tuples(payload["scenario"]))
    measurement = Measurement(p_fa=scenario.p_fa, **payload["measurement"])
    scene = scenario.scene(scenario.nominal())
    system = scenario.transceiver(scenario.nominal())
    found = measure_constellation(
        system, scene.radar, scene.basis, measurement, order=payload["order"]
    )
    return {
        name: {"p_md": asdict(one.p_md), "p_fa": asdict(one.p_fa)} for name, one in found.items()
    }
