"""Runs of the limits: what no receiver, and no receiver with any beam, can beat."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from isaclib.experiments.engine.results import Result as StoredRows
from isaclib.experiments.engine.results import load_result as load_rows
from isaclib.experiments.limits.beams import (
    System,
    only,
    p1_rows,
    p1_systems,
    p2_positions,
    p2_scenario,
    p2_systems,
    p3_series,
    p3_systems,
    rows_series,
)
from isaclib.experiments.limits.tasks import (
    complex_data,
    complex_vector,
    find_front,
    measure_beam_limit,
    measure_map_beam_limit,
)
from isaclib.experiments.p1.config import Scenario as P1Scenario
from isaclib.experiments.p1.figures import FIG2
from isaclib.experiments.p2.runs import UNSEEN
from isaclib.experiments.p3.scenario import Scenario as P3Scenario
from isaclib.experiments.series.assembly import (
    finished,
    folder_name,
    measurement_data,
    metric_series,
    stored_sibling,
    stored_weights,
    with_tuples,
)
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Quantity, Result, Series, save_weights
from isaclib.experiments.series.sweep import Task
from isaclib.signal.modulation import qam
from isaclib.signal.noise import gain_variance
from isaclib.signal.spacings import spacing_positions

FRONT = "front"
"""Name of the series of the best beams, before the index of the array."""

FRONT_COLUMNS = ("ser", "p_md_search", "floor", "floor_known", "reached", "starts")


@dataclass(frozen=True, eq=False)
class Place:
    """Where a limit holds: an array in a scene.

    Attributes:
        number: Index of the array.
        payload: What the task that measures a beam there needs to know.
        criteria: What the task that searches for beams there needs to know.
        suffix: End of the names of its series.
    """

    number: int
    payload: dict[str, Any]
    criteria: dict[str, Any]
    suffix: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """A beam whose limit is measured.

    Attributes:
        name: Name of its series.
        system: The beam.
        place: Where.
        measured: Series that holds what the system itself was measured to do; None for the best
            beams.
    """

    name: str
    system: System
    place: Place
    measured: Series | None = None

    @property
    def share(self) -> float | None:
        """Share of the targets that the system itself detects."""
        if self.measured is None:
            return None
        if "p_md" in self.measured.quantities:
            return 1 - self.measured["p_md"].values[self.system.index]
        return self.measured["p_d"].values[self.system.index]


def run_p1(context: RunContext) -> Result:
    """Limits of P1 Fig. 2: for each system's own beam, and for all beams.

    Returns:
        The series ``front/0`` of the best beams, and for each system its limits beside what was
        measured of it. The stored weights are the best beams.
    """
    started = time.perf_counter()
    stored = _stored_rows(context, "p1-fig2")
    scenario, rows = FIG2.config(stored).scenario, p1_rows(stored)
    level = rows["baseline"]["threshold"].values[0] / scenario.num_antennas
    place = _angle_place(scenario, scenario.nominal_positions(), 0, level)
    cases = [Case(s.name, s, place, rows_series(s.name, rows[s.name])) for s in p1_systems(stored)]
    fronts = _fronts(context, [place])
    series = _limits(context, fronts, cases, measure_beam_limit)
    return _finished(context, started, series, fronts, [stored])


def run_p2(context: RunContext) -> Result:
    """Limits of P2 Figs. 4 and 5: the first array at all trade-offs, others for the radar alone.

    Returns:
        Series as of :func:`run_p1`, for each array and each of the two target sectors; those for
        the unseen one end in ``/unseen``.
    """
    started = time.perf_counter()
    stored = stored_sibling(context, "p2-fig4")
    weights = stored_weights(context, stored)
    places, cases = [], []
    for draw in range(context.config.draws):
        for suffix in ("", UNSEEN):
            scenario = p2_scenario(stored, unseen=bool(suffix))
            threshold = stored[f"baseline/known/{draw}{suffix}"]["threshold"].values[0]
            level = threshold / scenario.num_antennas
            place = _angle_place(scenario, p2_positions(stored, draw), draw, level, suffix)
            systems = p2_systems(stored, weights, draw, unseen=bool(suffix))
            if draw or suffix:
                systems = only(systems, 1.0)
            places.append(place)
            cases += [Case(s.name + suffix, s, place, stored[s.name + suffix]) for s in systems]
    fronts = _fronts(context, places)
    series = _limits(context, fronts, cases, measure_beam_limit)
    return _finished(context, started, series, fronts, [stored])


def run_p3(context: RunContext) -> Result:
    """Limits of P3 Figs. 3 and 5, for the beam on the radar alone, and of all beams.

    Returns:
        Series as of :func:`run_p1`, for each array; and what Fig. 5 measured of the first one's
        joint beams, under names that end in ``/joint``.
    """
    started = time.perf_counter()
    stored, joint = (_stored_rows(context, f"p3-{figure}") for figure in ("fig3", "fig5"))
    scenario = P3Scenario(**with_tuples(stored.config["scenario"]))
    seed, energy = stored.provenance.seed, scenario.num_antennas * scenario.subcarriers
    places, cases = [], []
    for draw in range(context.config.draws):
        true = scenario.spacings(draw, seed)
        threshold = stored.where(system="known", array=draw)["threshold"].value
        level = threshold**2 / energy
        payload = {"scenario": asdict(scenario), "draw": draw, "seed": seed}
        criteria = _scene_data(scenario, spacing_positions(true), level)
        criteria["radar_snr"] = gain_variance(scenario.snr_r_db)
        place = Place(draw, payload, criteria)
        places.append(place)
        cases += [
            Case(s.name, s, place, p3_series(stored, s.name.partition("/")[0], draw))
            for s in p3_systems(scenario, true, stored, draw)
        ]
    fronts = _fronts(context, places)
    first = [p3_series(joint, str(system), 0) for system in joint.rows.split("system")]
    measured = [_measured_series(f"{s.name}/joint", s, range(len(s))) for s in first]
    series = _limits(context, fronts, cases, measure_map_beam_limit)
    return _finished(context, started, [*series, *measured], fronts, [stored, joint])


def _stored_rows(context: RunContext, figure: str) -> StoredRows:
    """Stored rows, at the preset and seed of this run."""
    stored = load_rows(figure, context.results)
    found = (stored.preset, stored.provenance.seed)
    if found != (context.preset, context.seed):
        raise ValueError(
            f"{context.figure} needs {figure} at the preset {context.preset!r} and seed "
            f"{context.seed}, got {found[0]!r} and {found[1]}: run `isaclib run {figure} --preset "
            f"{context.preset} --seed {context.seed}` first"
        )
    return stored


def _scene_data(
    scenario: P1Scenario | P3Scenario, positions: torch.Tensor, level: float
) -> dict[str, Any]:
    """What a search for beams needs, but the radar SNR."""
    return {
        "positions": positions.tolist(),
        "target_sector_deg": list(scenario.target_sector_deg),
        "receiver_sector_deg": list(scenario.receiver_sector_deg),
        "communication_snr": gain_variance(scenario.snr_c_db),
        "level": level,
        "order": 4,
        "p_fa": scenario.p_fa,
    }


def _angle_place(
    scenario: P1Scenario, positions: torch.Tensor, number: int, level: float, suffix: str = ""
) -> Place:
    """Array of P1 or P2."""
    criteria = _scene_data(scenario, positions, level)
    criteria["radar_snr"] = scenario.num_antennas * gain_variance(scenario.snr_r_db)
    payload = {
        "positions": positions.tolist(),
        "sector_deg": list(scenario.target_sector_deg),
        "snr_db": scenario.snr_r_db,
        "p_fa": scenario.p_fa,
    }
    return Place(number, payload, criteria, suffix)


@dataclass(frozen=True, eq=False)
class Fronts:
    """The best beams of all places.

    Attributes:
        outcomes: For each place what :func:`~.limits_tasks.find_front` returns.
        cases: Their beams.
    """

    outcomes: dict[str, dict[str, Any]]
    cases: list[Case]


def _fronts(context: RunContext, places: Sequence[Place]) -> Fronts:
    """Search the whole front for the first place, and its ends for the others."""
    config = context.config.front
    names = [f"{FRONT}/{place.number}{place.suffix}" for place in places]
    tasks = [
        Task(
            folder_name(name),
            {
                **place.criteria,
                "beams": 2 if index else config.beams,
                "random": config.random,
                "seed": context.seed,
            },
        )
        for index, (name, place) in enumerate(zip(names, places, strict=True))
    ]
    outcomes = context.sweep.map(find_front, tasks, context.state, label="best beams")
    found = dict(zip(names, outcomes, strict=True))
    cases = [
        Case(name, System(name, index, 0.0, complex_vector(beam["beam"]), qam(4)), place)
        for place, (name, outcome) in zip(places, found.items(), strict=True)
        for index, beam in enumerate(outcome["beams"])
    ]
    return Fronts(found, cases)


def _finished(
    context: RunContext,
    started: float,
    series: list[Series],
    fronts: Fronts,
    siblings: Sequence[Result | StoredRows],
) -> Result:
    """The result, with the best beams as its weights."""
    beams = {
        f"{case.name}/{case.system.index}": torch.view_as_real(case.system.beam)
        for case in fronts.cases
    }
    file = f"{context.figure}.safetensors"
    weights = {file: save_weights(context.state / file, beams)}
    notes = {f"systems of {s.figure}": f"commit {s.provenance.commit}" for s in siblings}
    return finished(context, series, started, weights, notes)


def _limits(context: RunContext, fronts: Fronts, cases: Sequence[Case], task: Any) -> list[Series]:
    """Measure the limits of all beams, and put them beside what was measured."""
    every = [*fronts.cases, *cases]
    records = _records(context, every, task)
    unit = "m" if task is measure_map_beam_limit else "deg"
    series = []
    for name in dict.fromkeys(case.name for case in every):
        chosen = [i for i, case in enumerate(every) if case.name == name]
        found = [records[i] for i in chosen]
        columns = _columns(fronts.outcomes.get(name), [every[i].system for i in chosen])
        metrics = {"p_md": "1", "p_fa": "1", "rmse": unit, "rmse_limit": unit}
        limits = metric_series(name, found, metrics, **columns)
        source = every[chosen[0]].measured
        if source is not None:
            own = _measured_series(name, source, [every[i].system.index for i in chosen])
            limits.quantities.update(own.quantities)
        series.append(limits)
    return series


def _records(context: RunContext, cases: Sequence[Case], task: Any) -> list[Mapping[str, Any]]:
    """Measure the limit of each beam."""
    tasks = []
    for case in cases:
        payload = {
            **case.place.payload,
            "beam": complex_data(case.system.beam),
            "share": case.share or None,
            "measurement": measurement_data(context.config.test, context),
        }
        if task is measure_beam_limit:
            payload["symbols"] = complex_data(case.system.symbols)
        tasks.append(Task(f"limit_{folder_name(case.name)}_{case.system.index}", payload))
    return list(context.sweep.map(task, tasks, context.state, label="limits"))


def _columns(
    outcome: Mapping[str, Any] | None, systems: Sequence[System]
) -> dict[str, list[float]]:
    """What is known of the points of a series before they are measured."""
    if outcome is None:
        return {"parameter": [system.parameter for system in systems]}
    beams = [{**beam, "p_md_search": beam["p_md"]} for beam in outcome["beams"]]
    columns = {name: [beam[name] for beam in beams] for name in FRONT_COLUMNS}
    return {**columns, "ser_floor": [outcome["ser_floor"]] * len(beams)}


def _measured_series(name: str, source: Series, indices: Sequence[int]) -> Series:
    """What a system itself was measured to do, under names that begin with ``measured_``."""
    names = {"ser": "ser", "p_md": "p_md", "rmse_deg": "rmse", "position": "rmse"}
    shown = source.take(indices).quantities
    found = {}
    for own, short in names.items():
        if own in shown:
            key = f"measured_{short}"
            found[key] = replace(shown[own], name=key, count=None)
    if "p_d" in shown:
        q, key = shown["p_d"], "measured_p_md"
        values, low, high = ([1 - v for v in end or []] for end in (q.values, q.high, q.low))
        found[key] = Quantity(key, values, low, high, unit="1")
    return Series(name, found)
