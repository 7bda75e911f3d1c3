"""The systems whose limits are measured: their arrays, their beams, and what was measured of them.

All that the limits know of the rows and tasks of P1, P2 and P3 is here.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from isaclib.channels.narrowband import RadarChannel
from isaclib.experiments.engine.tasks import At, Point, Work
from isaclib.experiments.limits.config import P1Limits, P2Limits, P3Limits
from isaclib.experiments.p1 import tasks as p1
from isaclib.experiments.p1.figures import tradeoff_rows as p1_rows
from isaclib.experiments.p2 import tasks as p2
from isaclib.experiments.p2.figures import impaired_rows as p2_rows
from isaclib.experiments.p3 import tasks as p3
from isaclib.experiments.p3.figures import ORDERS, REFERENCES, checkpoints
from isaclib.limits.error_rates import BeamCriteria
from isaclib.metrics import Estimate
from isaclib.signal.noise import gain_variance
from isaclib.signal.spacings import spacing_positions
from isaclib.systems.limit_measurement import Limit, measure_limit, measure_map_limit
from isaclib.systems.transceiver import Measurement, Transceiver

Baseline = p1.MeasureBaseline | p2.Measure | p3.Measure
"""Measurement of the baseline that knows an array: it says where limits hold."""

MEASURED = {"ser": "ser", "p_md": "p_md", "rmse_deg": "rmse", "position": "rmse"}
"""What is shown of a system beside its limits, by the names of its own figure."""


# Arrays


@dataclass(frozen=True, eq=False)
class Scene:
    """Where limits hold.

    Attributes:
        scenario: Sectors and SNRs.
        positions: ``[antennas]``, float64. True element positions [wavelengths].
        spacings: The same in P3, whose radar SNR is that of all antennas; None in P1 and P2.
    """

    scenario: Any
    positions: torch.Tensor
    spacings: torch.Tensor | None = None

    def criteria(self, level: float) -> BeamCriteria:
        """What beams are judged by at a level of the matched filter."""
        s, gain = self.scenario, 1 if self.spacings is not None else len(self.positions)
        snrs = gain * gain_variance(s.snr_r_db), gain_variance(s.snr_c_db)
        return BeamCriteria(self.positions, s.target_sector, s.receiver_sector, *snrs, level)

    def level(self, threshold: float) -> float:
        """Level of the matched filter that a receiver's threshold is."""
        if self.spacings is not None:
            return threshold**2 / (len(self.positions) * int(self.scenario.subcarriers))
        return threshold / len(self.positions)

    def limit(self, beam: torch.Tensor, symbols: torch.Tensor, measurement: Measurement) -> Limit:
        """What no receiver beats with a beam and symbols, which are of unit modulus in P3."""
        if self.spacings is not None:
            scene = self.scenario.scene(self.spacings)
            return measure_map_limit(scene.radar, beam, scene.basis, measurement)
        s = self.scenario
        radar = RadarChannel(self.positions, s.target_sector, s.snr_r_db)
        return measure_limit(radar, beam, measurement, symbols.to(torch.complex64))


def scene_of(baseline: Baseline) -> Scene:
    """Scene in which a baseline was measured."""
    if isinstance(baseline, p3.Measure):
        spacings = baseline.scenario.spacings(baseline.array, baseline.seed)
        return Scene(baseline.scenario, spacing_positions(spacings), spacings)
    if isinstance(baseline, p2.Measure):
        setting = baseline.system.setting
        return Scene(setting.scenario.towards(baseline.sector_deg), setting.positions())
    positions = baseline.scenario.positions(baseline.impairment, baseline.seed)
    return Scene(baseline.scenario, positions)


# Beams


@dataclass(frozen=True, eq=False)
class Known:
    """A beam and what is known of it before its limit is measured.

    Attributes:
        beam: ``[antennas]``, complex.
        symbols: ``[order]``, complex. Constellation.
        values: What was measured or searched.
        detected: Fraction of the targets that its system detects; 0 if that is not known.
    """

    beam: torch.Tensor
    symbols: torch.Tensor
    values: dict[str, Estimate | float]
    detected: float = 0.0


@dataclass(frozen=True)
class SystemBeam:
    """The beam of a system, from the measurement of it, and what it is swept over."""

    measured: Baseline | p1.MeasureAutoencoder
    at: tuple[tuple[str, float], ...] = ()

    @torch.no_grad()
    def known(self, work: Work) -> Known | None:
        """The beam; None where nothing was measured, as a training diverged."""
        for point in work.outcome(self.measured).points:
            if point.at.items() <= dict(self.at).items():
                system = self._transceiver(work)
                detected = point.values.get("p_d") or point.values["p_md"]
                assert isinstance(detected, Estimate)
                share = detected.value if "p_d" in point.values else 1 - detected.value
                return Known(system.beam(), system.constellation(), measured_values(point), share)
        return None

    def _transceiver(self, work: Work) -> Transceiver:
        measured, at = self.measured, dict(self.at)
        if isinstance(measured, p1.MeasureAutoencoder):
            return measured.training.model(work)
        scenario = scene_of(measured).scenario
        if isinstance(measured, p3.Measure):
            transceiver: Transceiver = scenario.transceiver(measured.spacings(work))
            return transceiver
        if isinstance(measured, p2.Measure):
            ((_, own),) = measured.system.transceivers(scenario, tuple(at.values()), work)
            return own
        assumed = scenario.nominal_positions()
        return p1.baseline_transceiver(scenario, assumed, **at, grid_size=measured.grid_size)


def measured_values(point: Point) -> dict[str, Estimate | float]:
    """What was measured of a system, under names that begin with ``measured_``.

    Counts are left out: those of a result of limits are the samples of the limits.
    """
    values = point.values
    found = {MEASURED[name]: value for name, value in values.items() if name in MEASURED}
    if isinstance(detected := values.get("p_d"), Estimate):
        found["p_md"] = detected.complement()
    known = {name: value for name, value in found.items() if isinstance(value, Estimate)}
    return {f"measured_{name}": replace(value, count=0) for name, value in known.items()}


# What each paper has


@dataclass(frozen=True)
class Array:
    """An array with its systems.

    Attributes:
        at: Its coordinates.
        baseline: Measurement of the baseline that knows it.
        systems: The systems' beams with their coordinates.
    """

    at: At
    baseline: Baseline
    systems: list[tuple[At, SystemBeam]] = field(default_factory=list)


def p1_arrays(c: P1Limits, seed: int) -> list[Array]:
    """Fig. 2: the baseline at the phase zero, and the first autoencoders."""
    rows = list(p1_rows(c.systems, seed))
    first = {"unit": c.systems.angle_units[0], "repetition": 0, "receivers": "learned"}
    (baseline,) = (row.task for row in rows if isinstance(row.task, p1.MeasureBaseline))
    array = Array({}, baseline)
    for rho in c.systems.rhos:
        beam = SystemBeam(baseline, (("rho", rho), ("phase", 0.0)))
        array.systems.append(({"system": "baseline", "rho": rho}, beam))
    for row in rows:
        if isinstance(row.task, p1.MeasureAutoencoder) and first.items() <= row.at.items():
            at = {"system": "autoencoder", "omega_r": row.at["omega_r"]}
            array.systems.append((at, SystemBeam(row.task)))
    return [array]


def p2_arrays(c: P2Limits, seed: int) -> list[Array]:
    """Figs. 4 and 5: all whose weights are stored; where none was trained, the radar alone."""
    arrays: dict[Any, Array] = {}
    for row in p2_rows(c.systems, seed):
        at = {name: value for name, value in row.at.items() if name != "step"}
        wide = at["system"] == "networks" and at["complexity"] == "unlimited"
        if at["array"] not in range(c.draws) or wide or row.at.get("step") == "detection":
            continue
        assert isinstance(row.task, p2.Measure)
        place = {name: at[name] for name in ("array", "sector")}
        array = arrays.setdefault(tuple(place.values()), Array(place, row.task))
        swept = "rho" if at["system"] == "baseline" else "omega_r"
        for share in row.task.shares or (at["omega_r"],):
            if share == 1 or place == {"array": 0, "sector": "seen"}:
                beam = SystemBeam(row.task, ((swept, float(share)),))
                array.systems.append(({**at, swept: share}, beam))
    return list(arrays.values())


def p3_arrays(c: P3Limits, seed: int) -> list[Array]:
    """The systems of Fig. 3 at their ends, for the beam on the radar alone."""
    s, found = c.systems, []
    for number in range(c.draws):
        tasks = {
            name: p3.Measure(s.scenario, number, seed, assumed, s.test, receiver)
            for name, (assumed, receiver) in REFERENCES.items()
        }
        for order in ORDERS:
            end = checkpoints(s, order, number, seed)[s.training.steps]
            tasks[order] = p3.Measure(s.scenario, number, seed, end, s.test)
        array = Array({"array": number}, tasks["known"])
        for name in ("known", "unknown", "SL", "UL", "SL+UL"):
            at = {"system": name, **array.at, "figure": "p3-fig3", "eta": 1.0}
            array.systems.append((at, SystemBeam(tasks[name])))
        found.append(array)
    return found
