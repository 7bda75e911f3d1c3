"""The independent pieces of P1's sweeps: train and measure one autoencoder, measure baselines.

Each function is a task of a :class:`~isaclib.experiments.series.sweep.Sweep`: JSON data in and out.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from isaclib.experiments.p1.config import Impairment, Scenario
from isaclib.experiments.series.assembly import WEIGHTS, with_tuples
from isaclib.experiments.series.results import save_weights
from isaclib.signal.beamforming import combine_beams, least_squares_beam
from isaclib.signal.modulation import qam
from isaclib.systems.autoencoder.model import Autoencoder
from isaclib.systems.autoencoder.training import TrainingPlan, train_autoencoder
from isaclib.systems.transceiver import (
    Baseline,
    Measurement,
    Performance,
    measure,
    operating_point,
)


def _positions(payload: Mapping[str, Any], scenario: Scenario) -> torch.Tensor:
    """True element positions of a task."""
    impairment = payload["impairment"]
    return scenario.positions(
        None if impairment is None else Impairment(**impairment), payload["seed"]
    )


def performance_record(performance: Performance) -> dict[str, dict[str, float]]:
    """Performance as JSON data, angles in degrees.

    Returns:
        For each of ``ser``, ``p_d``, ``p_fa``, ``rmse_deg``, ``sigma_deg``, ``sigma_mean_deg`` and
        ``threshold`` the value, its interval and the sample count.
    """
    estimates = asdict(performance)
    level = estimates.pop("threshold")
    record = {name: estimates[name] for name in ("ser", "p_d", "p_fa")}
    for name in ("rmse", "sigma", "sigma_mean"):
        e = estimates[name]
        record[f"{name}_deg"] = {
            **{end: math.degrees(e[end]) for end in ("value", "low", "high")},
            "count": e["count"],
        }
    record["threshold"] = {end: level[end] for end in ("value", "low", "high", "count")}
    return record


def train_and_measure(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Train one autoencoder and measure it, with its own receivers and with model-based ones.

    The second measurement leaves the learned beam and symbols and puts ML decisions and the MAPRT,
    with the true element positions, in the place of the networks: it tells the transmitter's share
    from the receivers'.
    """
    scenario = Scenario(**with_tuples(payload["scenario"]))
    positions = _positions(payload, scenario)
    radar, communication = scenario.channels(positions)
    measurement = Measurement(p_fa=scenario.p_fa, **payload["measurement"])
    plan = TrainingPlan(**{**payload["plan"], "stages": tuple(payload["plan"]["stages"])})
    repetition = payload["repetition"]
    model = scenario.autoencoder(repetition).to(measurement.device)
    train_autoencoder(
        model,
        radar,
        communication,
        plan,
        directory,
        seed=repetition,
        device=measurement.device,
    )
    model.to(measurement.device).eval()
    save_weights(directory / WEIGHTS, model.state_dict())
    hybrid = model_based_receivers(model, positions, scenario)
    return {
        "own": performance_record(measure(model, radar, communication, measurement)),
        "model_based": performance_record(measure(hybrid, radar, communication, measurement)),
    }


@torch.no_grad()
def model_based_receivers(
    model: Autoencoder, positions: torch.Tensor, scenario: Scenario
) -> Baseline:
    """Learned transmitter with model-based receivers."""
    return Baseline(model.constellation(), model.beam(), positions, scenario.target_sector)


def baseline_transceiver(
    scenario: Scenario,
    assumed: torch.Tensor,
    rho: float,
    phase: float,
    grid_size: int,
) -> Baseline:
    """The benchmark of P1 Sec. IV-B for one point of its sweep."""
    beam = combine_beams(
        least_squares_beam(scenario.target_sector, assumed, grid_size=grid_size),
        least_squares_beam(scenario.receiver_sector, assumed, grid_size=grid_size),
        rho,
        phase,
    )
    return Baseline(qam(scenario.order), beam, assumed, scenario.target_sector)


def measure_baselines(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure the baseline over its sweep, on one array."""
    scenario = Scenario(**with_tuples(payload["scenario"]))
    return {"points": baseline_records(scenario, _positions(payload, scenario), payload)}


def baseline_records(
    scenario: Scenario, positions: torch.Tensor, payload: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Records of the baseline over a sweep."""
    assumed = positions if payload["known"] else scenario.nominal_positions()
    radar, communication = scenario.channels(positions)
    measurement = Measurement(p_fa=scenario.p_fa, **payload["measurement"])
    operating = None
    records = []
    for rho, phase in payload["points"]:
        transceiver = baseline_transceiver(scenario, assumed, rho, phase, payload["grid_size"])
        transceiver = _to_device(transceiver, measurement.device)
        operating = operating or operating_point(transceiver, radar, measurement)
        found = measure(transceiver, radar, communication, measurement, operating)
        records.append(performance_record(found))
    return records


def _to_device(transceiver: Baseline, device: str) -> Baseline:
    """The same transceiver with its tensors on a device."""
    return Baseline(
        transceiver.symbols.to(device),
        transceiver.beamformer.to(device),
        transceiver.positions,
        transceiver.sector,
        transceiver.grid_size,
    )
