"""What each figure of P2 runs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.config import ImpairedConfig, MatrixTraining, NetworkTraining
from isaclib.experiments.p2.tasks import measure_baseline, train_matrix, train_networks
from isaclib.experiments.series.assembly import (
    collect_weights,
    finished,
    folder_name,
    measurement_data,
    metric_series,
    stored_sibling,
)
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Result, Series
from isaclib.experiments.series.sweep import Task

METRICS = {"ser": "1", "p_md": "1", "p_fa": "1", "rmse_deg": "deg", "threshold": "1"}
"""Measured quantities of a point, with their units."""

UNSEEN = "/unseen"
"""End of the names of the series that Fig. 5 shows, in the stored result of Fig. 4."""

FIRST_STEP = "/first step"
"""End of the names of networks that went through the first training step alone."""


def _common(
    context: RunContext, sectors_deg: Sequence[tuple[float, float]], impairment: Impairment | None
) -> dict[str, Any]:
    """What every task needs to know."""
    return {
        "scenario": asdict(context.config.scenario),
        "impairment": None if impairment is None else asdict(impairment),
        "seed": context.seed,
        "target_sectors_deg": [list(sector) for sector in sectors_deg],
        "measurement": measurement_data(context.config.test, context),
    }


def _sector_series(
    name: str, sectors: Sequence[Sequence[Any]], **parameters: Sequence[float]
) -> list[Series]:
    """A series for each target sector, the unseen one marked as that."""
    return [
        metric_series(f"{name}{suffix}", records, METRICS, **parameters)
        for suffix, records in zip(("", UNSEEN), sectors, strict=False)
    ]


@dataclass(frozen=True)
class Matrix:
    """One steering matrix and its curve.

    Attributes:
        name: Name of its series.
        training: Grid size, steps and reading.
        impairment: Which impaired array; the nominal one if not given.
    """

    name: str
    training: MatrixTraining
    impairment: Impairment | None = None


@dataclass(frozen=True)
class Networks:
    """Networks that differ in their radar weight alone, and their curve.

    Attributes:
        name: Name of their series.
        training: Width, steps and readings.
        radar_weights: Hyper-parameters omega_r.
        impairment: Which impaired array; the nominal one if not given.
        stored: Whether their weights go into the result; those of wide ones are too large.
    """

    name: str
    training: NetworkTraining
    radar_weights: tuple[float, ...]
    impairment: Impairment | None = None
    stored: bool = False

    def names(self) -> list[str]:
        """Name of the networks for each radar weight."""
        return [f"{self.name}/omega={weight:g}" for weight in self.radar_weights]


Sectors = Sequence[tuple[float, float]]


def _matrix_task(
    context: RunContext, matrix: Matrix, sectors_deg: Sectors, rhos: Sequence[float]
) -> Task:
    """Task that trains a steering matrix and measures it over its trade-off parameters."""
    return Task(
        folder_name(matrix.name),
        {
            **_common(context, sectors_deg, matrix.impairment),
            "matrix": asdict(matrix.training),
            "radar_weights": list(rhos),
            "repetition": context.seed,
        },
    )


def _run_matrices(
    context: RunContext, matrices: Sequence[Matrix], sectors_deg: Sectors
) -> tuple[list[Series], dict[str, Path]]:
    """Train and measure steering matrices: their series, and the folder of each by its name."""
    rhos = context.config.radar_weights
    tasks = [_matrix_task(context, matrix, sectors_deg, rhos) for matrix in matrices]
    outcomes = context.sweep.map(train_matrix, tasks, context.state, label="steering matrices")
    series = [
        s
        for matrix, outcome in zip(matrices, outcomes, strict=True)
        for s in _sector_series(matrix.name, outcome["sectors"], omega_r=rhos)
    ]
    return series, {m.name: context.state / folder_name(m.name) for m in matrices}


def _run_networks(
    context: RunContext, curves: Sequence[Networks], sectors_deg: Sectors
) -> tuple[list[Series], dict[str, Path]]:
    """Train and measure networks: their series, and the folders of those to be stored."""
    tasks = [
        Task(
            folder_name(name),
            {
                **_common(context, sectors_deg, curve.impairment),
                "networks": asdict(curve.training),
                "radar_weight": weight,
                "repetition": context.seed,
            },
        )
        for curve in curves
        for name, weight in zip(curve.names(), curve.radar_weights, strict=True)
    ]
    outcomes = iter(context.sweep.map(train_networks, tasks, context.state, label="networks"))
    series: list[Series] = []
    for curve in curves:
        found = [next(outcomes) for _ in curve.radar_weights]
        for step, suffix in (("angle", ""), ("detection", FIRST_STEP)):
            by_sector = [
                [outcome[step][index][0] for outcome in found] for index in range(len(sectors_deg))
            ]
            name = f"{curve.name}{suffix}"
            series += _sector_series(name, by_sector, omega_r=curve.radar_weights)
    folders = {
        name: context.state / folder_name(name)
        for curve in curves
        if curve.stored
        for name in curve.names()
    }
    return series, folders


def _baseline_task(
    context: RunContext,
    name: str,
    sectors_deg: Sectors,
    rhos: Sequence[float],
    *,
    known: bool = True,
    impairment: Impairment | None = None,
) -> Task:
    """Task that measures the baseline over its trade-off parameters."""
    return Task(
        folder_name(name),
        {
            **_common(context, sectors_deg, impairment),
            "known": known,
            "points": [[rho, 0.0] for rho in rhos],
            "grid_size": context.config.grid_size,
        },
    )


def run_ideal(context: RunContext) -> Result:
    """Fig. 3: model-driven learning, networks and baseline without impairments.

    Returns:
        The series ``baseline``; ``model-driven/literal`` and ``model-driven/sector``, a reading of
        Eq. (13) each; ``networks/all/deg``, and for fewer omega_r the other readings of Eq. (11)
        and of the angle loss, ``networks/present/deg`` and ``networks/all/rad``; and all networks
        after their first training step, ``networks/all/deg/first step``.
    """
    started, config = time.perf_counter(), context.config
    sectors = [config.scenario.target_sector_deg]
    task = _baseline_task(context, "baseline", sectors, config.radar_weights)
    (outcome,) = context.sweep.map(measure_baseline, [task], context.state, label="baseline")
    series = _sector_series("baseline", outcome["sectors"], rho=config.radar_weights)
    matrices = [
        Matrix(f"model-driven/{reading}", replace(config.matrix, reading=reading))
        for reading in config.readings
    ]
    learned, folders = _run_matrices(context, matrices, sectors)
    networks, _ = _run_networks(context, _ideal_networks(config), sectors)
    weights = collect_weights(context, folders)
    return finished(context, [*series, *learned, *networks], started, weights)


def _ideal_networks(config: Any) -> list[Networks]:
    """The figure's own networks, and fewer for each reading that differs in one respect."""
    indicators, units = config.indicators, config.angle_units
    readings = [(indicators[0], units[0])]
    readings += [(indicator, units[0]) for indicator in indicators[1:]]
    readings += [(indicators[0], unit) for unit in units[1:]]
    return [
        Networks(
            f"networks/{indicator}/{unit}",
            replace(config.networks, indicator=indicator, angle_unit=unit),
            config.few_radar_weights if index else config.radar_weights,
        )
        for index, (indicator, unit) in enumerate(readings)
    ]


def run_impaired(context: RunContext) -> Result:
    """Fig. 4: the same with spacing errors, with and without a limit on the complexity.

    All systems are measured for the unseen sector too, which is what Fig. 5 shows.

    Returns:
        A series a draw of the errors, ``baseline/known/0`` (``unknown`` where the
        baseline assumes half a wavelength), ``model-driven/unlimited/0``,
        ``networks/limited/0``; and each of them with :data:`UNSEEN` for Fig. 5.
    """
    started, config = time.perf_counter(), context.config
    sectors = [config.scenario.target_sector_deg, config.unseen_sector_deg]
    series = _baselines(context, sectors)
    matrices, networks = _impaired_learners(config)
    learned, folders = _run_matrices(context, matrices, sectors)
    competitors, more = _run_networks(context, networks, sectors)
    weights = collect_weights(context, {**folders, **more})
    return finished(context, [*series, *learned, *competitors], started, weights)


def _impaired_learners(config: ImpairedConfig) -> tuple[list[Matrix], list[Networks]]:
    """Learners of Fig. 4 for each complexity and array."""
    matrices, networks = [], []
    for name in ("unlimited", "limited"):
        matrix, network = getattr(config, name)
        for draw in range(config.matrix_draws):
            impairment = Impairment(config.model, config.std_wavelengths, draw)
            matrices.append(Matrix(f"model-driven/{name}/{draw}", matrix, impairment))
        for draw in range(config.network_draws):
            impairment = Impairment(config.model, config.std_wavelengths, draw)
            networks.append(
                Networks(
                    f"networks/{name}/{draw}",
                    network,
                    config.radar_weights,
                    impairment,
                    stored=name == "limited",
                )
            )
    return matrices, networks


def _baselines(context: RunContext, sectors_deg: Sectors) -> list[Series]:
    """Baselines of Fig. 4 over all draws, knowing the spacings and assuming half a wavelength."""
    config = context.config
    names: list[str] = []
    tasks: list[Task] = []

    for known in (True, False):
        for draw in range(config.baseline_draws):
            impairment = Impairment(config.model, config.std_wavelengths, draw)
            names.append(f"baseline/{'known' if known else 'unknown'}/{draw}")
            tasks.append(
                _baseline_task(
                    context,
                    names[-1],
                    sectors_deg,
                    config.rhos,
                    known=known,
                    impairment=impairment,
                )
            )
    outcomes = context.sweep.map(measure_baseline, tasks, context.state, label="baselines")
    return [
        s
        for name, outcome in zip(names, outcomes, strict=True)
        for s in _sector_series(name, outcome["sectors"], rho=config.rhos)
    ]


def run_unseen(context: RunContext) -> Result:
    """Fig. 5: the systems of Fig. 4 for a target sector that is not in the training set."""
    started = time.perf_counter()
    stored = stored_sibling(context, "p2-fig4", same=asdict(context.config))
    series = [
        Series(s.name.removesuffix(UNSEEN), s.quantities)
        for s in stored.series
        if s.name.endswith(UNSEEN)
    ]
    notes = {"measured by": f"p2-fig4, commit {stored.provenance.commit}"}
    return finished(context, series, started, notes=notes)


def run_readings(context: RunContext) -> Result:
    """What Figs. 4 and 5 would be at omega_r = 1 under each reading of the spacing errors.

    Returns:
        For each reading the series ``known/cumulative``, ``unknown/cumulative`` (baselines) and
        ``model-driven/cumulative``, a point an array, and each with :data:`UNSEEN`.
    """
    started, config = time.perf_counter(), context.config
    sectors = [config.scenario.target_sector_deg, config.unseen_sector_deg]
    beams, matrices = {}, {}
    for model in config.models:
        for knowledge in ("known", "unknown"):
            beams[f"{knowledge}/{model}"] = [
                _baseline_task(
                    context,
                    f"{knowledge}/{model}/{draw}",
                    sectors,
                    [1.0],
                    known=knowledge == "known",
                    impairment=Impairment(model, config.std_wavelengths, draw),
                )
                for draw in range(config.baseline_draws)
            ]
        name = f"model-driven/{model}"
        matrices[name] = [
            _matrix_task(
                context,
                Matrix(
                    f"{name}/{draw}",
                    config.matrix,
                    Impairment(model, config.std_wavelengths, draw),
                ),
                sectors,
                [1.0],
            )
            for draw in range(config.matrix_draws)
        ]
    series = _one_point_series(context, measure_baseline, beams, "baselines")
    series += _one_point_series(context, train_matrix, matrices, "steering matrices")
    return finished(context, series, started)


def _one_point_series(
    context: RunContext,
    function: Callable[[dict[str, Any], Path], dict[str, Any]],
    groups: Mapping[str, Sequence[Task]],
    label: str,
) -> list[Series]:
    """Series with a point a draw, from tasks that measure one point a target sector each."""
    tasks = [task for group in groups.values() for task in group]
    outcomes = iter(context.sweep.map(function, tasks, context.state, label=label))
    series: list[Series] = []
    for name, group in groups.items():
        found = [next(outcomes)["sectors"] for _ in group]
        by_sector = [[sectors[i][0] for sectors in found] for i in range(len(found[0]))]
        series += _sector_series(name, by_sector, draw=range(len(group)))
    return series
