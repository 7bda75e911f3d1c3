"""The independent pieces of P2's sweeps: train and measure, or measure baselines.

Each function is a task of a :class:`~isaclib.experiments.series.sweep.Sweep`: JSON data in and out.
What a system does is measured for several target sectors, since P2 trains for all sectors at once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p1.tasks import baseline_transceiver
from isaclib.experiments.p2.config import Scenario
from isaclib.experiments.series.assembly import WEIGHTS, with_tuples
from isaclib.experiments.series.results import save_weights
from isaclib.signal.arrays import Sector
from isaclib.signal.modulation import qam
from isaclib.signal.sectors import RandomSectors
from isaclib.systems.sector_networks.model import SectorTransceiver, seeded_sector_autoencoder
from isaclib.systems.sector_networks.training import SectorPlan, train_sector_autoencoder
from isaclib.systems.steering_matrix.model import (
    ModelDrivenTransceiver,
    Perturbation,
    seeded_model_driven,
)
from isaclib.systems.steering_matrix.training import ModelDrivenPlan, train_model_driven
from isaclib.systems.transceiver import (
    Baseline,
    Measurement,
    Performance,
    Transceiver,
    measure,
    operating_point,
)

Record = dict[str, dict[str, float]]


def p2_record(record: Mapping[str, dict[str, float]]) -> Record:
    """A record of P1 as P2 plots it: the misdetection probability, and no uncertainty.

    Returns:
        For each of ``ser``, ``p_md``, ``p_fa``, ``rmse_deg`` and ``threshold`` the value, its
        interval and the sample count.
    """
    p_d = record["p_d"]
    p_md = {"value": 1 - p_d["value"], "low": 1 - p_d["high"], "high": 1 - p_d["low"]}
    kept = {name: record[name] for name in ("ser", "p_fa", "rmse_deg", "threshold")}
    return {"p_md": {**p_md, "count": p_d["count"]}, **kept}


class _Bench:
    """Where the systems of one task are measured: its array, sectors and sample counts.

    Args:
        payload: ``scenario``, ``impairment`` (or None), the ``seed`` of the array,
            ``target_sectors_deg`` and ``measurement``.
    """

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.scenario = Scenario(**with_tuples(payload["scenario"]))
        impairment = payload["impairment"]
        self.positions = self.scenario.positions(
            None if impairment is None else Impairment(**impairment), payload["seed"]
        )
        self.sectors = [(float(low), float(high)) for low, high in payload["target_sectors_deg"]]
        self.measurement = Measurement(p_fa=self.scenario.p_fa, **payload["measurement"])

    def measure(self, transceivers: Callable[[Sector], list[Transceiver]]) -> list[list[Record]]:
        """Measure transceivers with one sensing receiver for each target sector."""
        found = []
        for degrees in self.sectors:
            scenario = self.scenario.towards(degrees)
            radar, communication = scenario.channels(self.positions)
            systems = transceivers(scenario.target_sector)
            operating = operating_point(systems[0], radar, self.measurement)
            found.append(
                [
                    p2_record(
                        performance_record(
                            measure(t, radar, communication, self.measurement, operating)
                        )
                    )
                    for t in systems
                ]
            )
        return found


def train_matrix(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Train one steering matrix, and measure it over all trade-off parameters."""
    bench = _Bench(payload)
    training, device = payload["matrix"], bench.measurement.device
    model = seeded_model_driven(
        bench.scenario.num_antennas,
        training["grid_size"],
        seed=payload["repetition"],
        perturbation=Perturbation(**training["perturbation"]),
        reading=training["reading"],
    ).to(device)
    plan = ModelDrivenPlan(
        steps=training["steps"],
        batch=training["batch"],
        learning_rate=training["learning_rate"],
        order=bench.scenario.order,
    )
    radar, _ = bench.scenario.channels(bench.positions)
    train_model_driven(model, radar, plan, directory, seed=payload["repetition"], device=device)
    model.to(device)
    save_weights(directory / WEIGHTS, model.state_dict())
    symbols = qam(bench.scenario.order).to(device)

    def transceivers(sector: Sector) -> list[Transceiver]:
        receiver = bench.scenario.receiver_sector
        return [
            ModelDrivenTransceiver(model, sector, receiver, rho, symbols=symbols)
            for rho in payload["radar_weights"]
        ]

    with torch.no_grad():
        return {"sectors": bench.measure(transceivers)}


def train_networks(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Train the networks for one radar weight, and measure them after each training step.

    The detector is trained in the first step, and the beamformer goes on without it in the second:
    the measurement between the steps tells what that does.

    Returns:
        ``detection`` and ``angle``, the state after either step: for each target sector a list of
        one record.
    """
    bench = _Bench(payload)
    training, device = dict(payload["networks"]), bench.measurement.device
    model = seeded_sector_autoencoder(
        bench.scenario.num_antennas,
        bench.scenario.order,
        training.pop("width"),
        seed=payload["repetition"],
    ).to(device)
    plan = SectorPlan(payload["radar_weight"], sectors=RandomSectors(), **training)
    found: dict[str, Any] = {}

    @torch.no_grad()
    def measured(step: str) -> None:
        model.to(device)
        found[step] = bench.measure(
            lambda sector: [SectorTransceiver(model, sector, bench.scenario.receiver_sector)]
        )

    train_sector_autoencoder(
        model,
        *bench.scenario.channels(bench.positions),
        plan,
        directory,
        seed=payload["repetition"],
        device=device,
        after_step=measured,
    )
    save_weights(directory / WEIGHTS, model.state_dict())
    return found


def measure_baseline(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure the baseline over its sweep, on one array, for each target sector."""
    bench = _Bench(payload)
    return {
        "sectors": [
            [
                p2_record(record)
                for record in baseline_records(
                    bench.scenario.towards(degrees), bench.positions, payload
                )
            ]
            for degrees in bench.sectors
        ]
    }


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
