"""What each figure of P1 runs."""

import math
import time
from dataclasses import replace

import torch

from isaclib.experiments.p1.assembly import Curve, baseline_task, point_series, run_curves
from isaclib.experiments.p1.config import Impairment, Scenario, SpacingReading
from isaclib.experiments.p1.maprt import maprt_series
from isaclib.experiments.p1.tasks import measure_baselines
from isaclib.experiments.series.assembly import finished, stored_sibling, stored_weights
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Quantity, Result, Series
from isaclib.experiments.series.sweep import Task
from isaclib.signal.arrays import beampattern
from isaclib.signal.beamforming import FIELD_OF_VIEW, combine_beams, least_squares_beam

JOINT_SCHEDULES = {"joint": 1, "joint, equal steps": 3}
"""Joint schedules and their length in stages: as many samples a network, as many steps in all."""


def run_tradeoff(context: RunContext) -> Result:
    """Fig. 2: autoencoder against baseline without impairments.

    Returns:
        A series for each unit of the angle and repetition, ``autoencoder/deg/0``; the same beams
        with model-based receivers, ``autoencoder/deg/0/model-based``; and the ``baseline``.
    """
    started, config = time.perf_counter(), context.config
    curves = []
    for repetition in range(config.training.repetitions):
        for unit in config.angle_units if repetition == 0 else config.angle_units[:1]:
            name = f"autoencoder/{unit}/{repetition}"
            training = replace(config.training, angle_unit=unit)
            curves.append(Curve(name, config.radar_weights, training, repetition))
    phases = [2 * math.pi * i / config.num_phases for i in range(config.num_phases)]
    points = [(rho, phase) for rho in config.rhos for phase in phases]
    task = baseline_task(context, "baseline", points)
    (outcome,) = context.sweep.map(measure_baselines, [task], context.state, label="baseline")
    baseline = point_series(
        "baseline",
        outcome["points"],
        rho=[rho for rho, _ in points],
        phase_rad=[phase for _, phase in points],
    )
    series, weights = run_curves(context, curves)
    return finished(context, [*series, baseline], started, weights)


def _tradeoff(context: RunContext) -> Result:
    """Fig. 2's stored result, whose autoencoders Figs. 3 and 4 show and others compare with."""
    return stored_sibling(context, "p1-fig2")


def run_beampatterns(context: RunContext) -> Result:
    """Fig. 3: beampatterns of the autoencoders of Fig. 2, and of the baseline.

    Returns:
        A series a radar weight, ``omega=0.09``, of ``angle_deg`` and ``energy``, and one a rho of
        the baseline, ``rho=0.5``.
    """
    started, config = time.perf_counter(), context.config
    stored = _tradeoff(context)
    bundle = stored_weights(context, stored)
    theta = FIELD_OF_VIEW.grid(721)
    scenario: Scenario = config.scenario
    positions = scenario.nominal_positions()
    beams = {}
    for weight in config.radar_weights:
        model = scenario.autoencoder(0)
        prefix = f"autoencoder/{config.angle_units[0]}/0/omega={weight:g}/"
        model.load_state_dict(
            {k.removeprefix(prefix): v for k, v in bundle.items() if k.startswith(prefix)}
        )
        with torch.no_grad():
            beams[f"omega={weight:g}"] = model.beam()
    radar_beam, communication_beam = (
        least_squares_beam(sector, positions, grid_size=config.grid_size)
        for sector in (scenario.target_sector, scenario.receiver_sector)
    )
    for rho in (0.0, 0.5, 1.0):
        beams[f"rho={rho:g}"] = combine_beams(radar_beam, communication_beam, rho)
    degrees = Quantity("angle_deg", torch.rad2deg(theta).tolist(), unit="deg")
    series = []
    for name, beam in beams.items():
        energy = beampattern(beam, theta, positions).tolist()
        series.append(Series(name, {"angle_deg": degrees, "energy": Quantity("energy", energy)}))
    notes = {"weights of": f"p1-fig2, commit {stored.provenance.commit}"}
    return finished(context, series, started, notes=notes)


def run_uncertainty(context: RunContext) -> Result:
    """Fig. 4: angle RMSE against the claimed uncertainty, for the autoencoders of Fig. 2."""
    started = time.perf_counter()
    stored = _tradeoff(context)
    series = []
    for curve in stored.series:
        if not curve.name.startswith("autoencoder") or curve.name.endswith("model-based"):
            continue
        keep = [i for i, weight in enumerate(curve["omega_r"].values) if weight > 0]
        quantities = {
            name: curve[name].take(keep)
            for name in ("omega_r", "rmse_deg", "sigma_deg", "sigma_mean_deg")
        }
        series.append(Series(curve.name, quantities))
    return finished(context, series, started)


def run_impaired(context: RunContext) -> Result:
    """Fig. 5: autoencoder against baseline with spacing errors.

    Returns:
        For each reading of the errors, a series a draw of the autoencoder,
        ``autoencoder/cumulative/0``, of its beams with model-based receivers, and of the baseline
        with and without knowledge of the spacings, ``baseline/cumulative/known/0``.
    """
    started, config = time.perf_counter(), context.config
    curves = []
    for draw in range(config.learned_draws):
        for index, model in enumerate(config.models):
            radar_weights = config.other_radar_weights if index else config.radar_weights
            impairment = Impairment(model, config.std_wavelengths, draw)
            name = f"autoencoder/{model}/{draw}"
            curves.append(Curve(name, radar_weights, config.training, impairment=impairment))
    baselines = _impaired_baselines(context)
    series, weights = run_curves(context, curves)
    return finished(context, [*series, *baselines], started, weights)


def _impaired_baselines(context: RunContext) -> list[Series]:
    """Baselines of Fig. 5 over all draws, knowing the spacings and assuming half a wavelength."""
    config = context.config
    points = [(rho, 0.0) for rho in config.rhos]
    names: list[str] = []
    tasks: list[Task] = []

    def add(name: str, known: bool, model: SpacingReading, draw: int) -> None:
        impairment = Impairment(model, config.std_wavelengths, draw)
        names.append(name)
        tasks.append(
            baseline_task(
                context, name.replace("/", "_"), points, known=known, impairment=impairment
            )
        )

    for model in config.models:
        for known in (True, False):
            for draw in range(config.baseline_draws):
                add(
                    f"baseline/{model}/{'known' if known else 'unknown'}/{draw}", known, model, draw
                )
    outcomes = context.sweep.map(measure_baselines, tasks, context.state, label="baselines")
    rhos = [rho for rho, _ in points]
    return [
        point_series(name, outcome["points"], rho=rhos)
        for name, outcome in zip(names, outcomes, strict=True)
    ]


def run_penalties(context: RunContext) -> Result:
    """What assuming half a wavelength costs the baseline, over readings and sizes of the errors.

    Returns:
        The series ``nominal``, without errors, and one a reading and size, such as
        ``per_element/0.0333``, a point a draw.
    """
    started, config = time.perf_counter(), context.config
    point = [(config.rho, 0.0)]
    draws = range(config.draws)
    names = [f"{model}/{std:.4f}" for model in config.models for std in config.stds_wavelengths]
    impairments = [
        Impairment(model, std, draw)
        for model in config.models
        for std in config.stds_wavelengths
        for draw in draws
    ]
    tasks = [baseline_task(context, "nominal", point)] + [
        baseline_task(
            context,
            f"{i.model}_{i.std_wavelengths:.4f}_{i.draw}",
            point,
            known=False,
            impairment=i,
        )
        for i in impairments
    ]
    outcomes = context.sweep.map(measure_baselines, tasks, context.state, label="baselines")
    records = [outcome["points"][0] for outcome in outcomes]
    series = [point_series("nominal", records[:1], draw=[0])]
    for index, name in enumerate(names):
        part = records[1 + index * config.draws : 1 + (index + 1) * config.draws]
        series.append(point_series(name, part, draw=list(draws)))
    return finished(context, series, started)


def run_sequential(context: RunContext) -> Result:
    """Sec. IV-C: sequential against joint training of the radar receiver networks.

    The sequential ones are those of Fig. 2. Joint training is given as many samples a network (a
    third of the steps), and as many steps in all.

    Returns:
        A series a schedule and repetition, ``sequential/0``, ``joint/0``,
        ``joint, equal steps/0``, and of their beams with model-based receivers.
    """
    started, config = time.perf_counter(), context.config
    stored = _tradeoff(context)
    series = []
    for repetition in range(config.training.repetitions):
        curve = stored[f"autoencoder/{config.training.angle_unit}/{repetition}"]
        keep = [curve["omega_r"].values.index(weight) for weight in config.radar_weights]
        series.append(replace(curve.take(keep), name=f"sequential/{repetition}"))
    curves = [
        Curve(
            f"{name}/{repetition}",
            config.radar_weights,
            config.training,
            repetition,
            stages=("joint",),
            length=length,
        )
        for repetition in range(config.training.repetitions)
        for name, length in JOINT_SCHEDULES.items()
    ]
    joint, weights = run_curves(context, curves)
    return finished(context, [*series, *joint], started, weights)


def run_maprt(context: RunContext) -> Result:
    """App. A by brute force, see :mod:`isaclib.experiments.p1.maprt`."""
    started = time.perf_counter()
    return finished(context, maprt_series(context), started)
