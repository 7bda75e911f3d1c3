"""The independent pieces of the limits: the front of all beams, and the limit of one beam.

Each function is a task of a :class:`~isaclib.experiments.series.sweep.Sweep`: JSON data in and out.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from isaclib.channels.narrowband import RadarChannel
from isaclib.experiments.p3.scenario import Scenario
from isaclib.experiments.series.assembly import with_tuples
from isaclib.limits.beams import ParetoBeam, certificate, errors_certificate, pareto_beams
from isaclib.limits.error_rates import BeamCriteria, known_place_level
from isaclib.signal.arrays import Sector
from isaclib.signal.noise import step_generator
from isaclib.systems.limit_measurement import Limit, measure_limit, measure_map_limit
from isaclib.systems.transceiver import Measurement


def complex_data(values: torch.Tensor) -> list[list[float]]:
    """A complex vector as JSON data."""
    return torch.view_as_real(values.detach().cpu().to(torch.complex128).resolve_conj()).tolist()


def complex_vector(data: list[list[float]]) -> torch.Tensor:
    """The reverse of :func:`complex_data`."""
    return torch.view_as_complex(torch.tensor(data, dtype=torch.float64))


def find_front(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Search the front of symbol errors and misses over all beams.

    Returns:
        ``beams``: for each the ``beam``, its ``limit``, ``ser``, ``p_md`` and ``floor`` at the
        level of the search, ``reached`` out of ``starts``, and ``floor_known``, which no receiver
        with any beam within the limit misses less than; ``ser_floor``, below which no beam's SER
        is.
    """
    generator = step_generator(payload["seed"], "limits/front", 0)
    search = _criteria(payload, payload["level"])
    known = _criteria(payload, known_place_level(payload["p_fa"]))
    counts = {"count": payload["beams"], "random": payload["random"]}
    front = pareto_beams(search, generator=generator, **counts)
    # Beams that are good for one threshold are not the best for another, but they prove a bound.
    found = [_front_record(beam, known) for beam in front]
    return {"beams": found, "ser_floor": errors_certificate(search, front[0].beam)}


def _criteria(payload: Mapping[str, Any], level: float) -> BeamCriteria:
    return BeamCriteria(
        torch.tensor(payload["positions"], dtype=torch.float64),
        Sector(*payload["target_sector_deg"]),
        Sector(*payload["receiver_sector_deg"]),
        payload["radar_snr"],
        payload["communication_snr"],
        level,
        payload["order"],
    )


def _front_record(found: ParetoBeam, known: BeamCriteria) -> dict[str, Any]:
    record = {name: value for name, value in asdict(found).items() if name != "beam"}
    limit = None if math.isinf(found.limit) else found.limit
    floor = certificate(known, found.beam, found.limit)
    return {**record, "limit": limit, "floor_known": floor, "beam": complex_data(found.beam)}


def measure_beam_limit(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure what no receiver of P1 or P2 beats with one beam."""
    positions = torch.tensor(payload["positions"], dtype=torch.float64)
    radar = RadarChannel(positions, Sector(*payload["sector_deg"]), payload["snr_db"])
    measurement = Measurement(p_fa=payload["p_fa"], **payload["measurement"])
    beam, symbols = (complex_vector(payload[name]) for name in ("beam", "symbols"))
    found = measure_limit(radar, beam, measurement, symbols.to(torch.complex64))
    return limit_record(found, payload["share"], 180 / math.pi)


def measure_map_beam_limit(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure what no receiver of P3 beats with one beam."""
    scenario = Scenario(**with_tuples(payload["scenario"]))
    scene = scenario.scene(scenario.spacings(payload["draw"], payload["seed"]))
    measurement = Measurement(p_fa=scenario.p_fa, **payload["measurement"])
    beam = complex_vector(payload["beam"])
    found = measure_map_limit(scene.radar, beam, scene.basis, measurement)
    return limit_record(found, payload["share"], 1.0)


def limit_record(found: Limit, share: float | None, unit: float) -> dict[str, dict[str, float]]:
    """A limit as JSON data.

    Returns:
        For each of ``p_md``, ``p_fa``, ``rmse`` and ``rmse_limit`` the value, its interval and the
        sample count.
    """
    record = {"p_md": asdict(found.p_md), "p_fa": asdict(found.p_fa)}
    errors = {
        "rmse": found.rmse,
        "rmse_limit": found.rmse_limit(1 - found.p_md.value if share is None else share),
    }
    for name, estimate in errors.items():
        record[name] = asdict(estimate)
        record[name].update({e: unit * record[name][e] for e in ("value", "low", "high")})
    return record
