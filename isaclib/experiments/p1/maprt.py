r"""P1 App. A by brute force: does Eq. (18) decide as the ratio test of Eq. (12) does?

Two questions are answered with numbers. First, the ratio of Eq. (14) is maximized over gain, angle
and signal by a general-purpose optimizer that knows nothing of the derivation, echo by echo, and
compared with the closed form that Eq. (18) is a monotone function of. Second, the detection
probability of Eq. (18) is compared with that of Eq. (16) for the signal that was really sent,
which a monostatic receiver knows.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.tasks import Outcome, Point, Task, Test, Work
from isaclib.experiments.p1.config import DESK_TEST, SMOKE_TEST, Scenario
from isaclib.experiments.p1.tasks import baseline_transceiver, measurement_of
from isaclib.metrics import Estimate, wilson
from isaclib.receivers.ratio_test import log_map_ratio, maprt, threshold
from isaclib.signal.noise import NOISE_POWER, gain_variance, step_generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class MaprtConfig:
    """Configuration of the check of App. A.

    Attributes:
        scenario: Array, sectors and SNRs.
        test: Sample counts of the detection probabilities.
        echoes: Echoes, half of them with a target, whose ratio is maximized by brute force.
        restarts: Starting points of each maximization.
    """

    scenario: Scenario = Scenario()
    test: Test = Test()
    echoes: int = 100
    restarts: int = 4


def closed_form_ratio(
    statistic: torch.Tensor, num_antennas: int, variance: float, energy: float = 1.0
) -> torch.Tensor:
    r"""Maximum of P1 Eq. (14) over gain, angle and signal, from the statistic of Eq. (18).

    Putting Eq. (17) into Eq. (16) gives
    :math:`E K s / (N_0 (E K^2 + N_0/\sigma_r^2))` for the statistic s: an increasing function.
    """
    scale = energy * num_antennas
    return scale * statistic / (NOISE_POWER * (scale * num_antennas + NOISE_POWER / variance))


def brute_force_ratio(
    echo: np.ndarray, positions: np.ndarray, scenario: Scenario, restarts: int, seed: int
) -> float:
    """Maximize P1 Eq. (14) over gain, angle and unit-energy signal with ``scipy.optimize``.

    Written with NumPy, from Eq. (14) alone. The free variables are the gain (2), the angle mapped
    into the sector by a sine (1), and the signal (2K), which is scaled to unit energy.
    """
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    count = len(positions)
    variance = gain_variance(scenario.snr_r_db)
    sector = scenario.target_sector
    center, half = (sector.max + sector.min) / 2, (sector.max - sector.min) / 2

    def negative_ratio(x: np.ndarray) -> float:
        alpha = x[0] + 1j * x[1]
        steering = np.exp(-2j * np.pi * positions * np.sin(center + half * np.sin(x[2])))
        signal = x[3 : 3 + count] + 1j * x[3 + count :]
        signal = signal / np.linalg.norm(signal)
        residual = echo - alpha * steering * (steering @ signal)
        exponent = np.linalg.norm(residual) ** 2 / NOISE_POWER + abs(alpha) ** 2 / variance
        return float(exponent - np.linalg.norm(echo) ** 2 / NOISE_POWER)

    best = 0.0
    for start in np.linspace(-1.2, 1.2, restarts):
        x0 = np.concatenate([0.1 * rng.standard_normal(2), [start], rng.standard_normal(2 * count)])
        found = minimize(negative_ratio, x0, method="L-BFGS-B", options={"maxiter": 500})
        best = max(best, -float(found.fun))
    return best


@dataclass(frozen=True)
class BruteForce(Task):
    """Maximize the ratio of echoes, the first half with a target, and compare the closed form."""

    coordinates = ("echo",)

    scenario: Scenario
    echoes: int
    restarts: int
    seed: int

    def run(self, work: Work) -> Outcome:
        """Maximize."""
        scenario, positions = self.scenario, self.scenario.nominal_positions()
        echoes, variance = self.draw().to(torch.complex128), gain_variance(scenario.snr_r_db)
        statistic, _ = maprt(echoes, positions, scenario.target_sector, grid_size=4001)
        closed = closed_form_ratio(statistic, scenario.num_antennas, variance).tolist()
        found = (
            brute_force_ratio(echo.numpy(), positions.numpy(), scenario, self.restarts, index)
            for index, echo in enumerate(echoes)
        )
        pairs = enumerate(zip(closed, found, strict=True))
        return Outcome(
            [Point({"closed_form": c, "brute_force": b}, {"echo": i}) for i, (c, b) in pairs]
        )

    def draw(self) -> torch.Tensor:
        """The echoes: ``[echoes, antennas]``."""
        positions = self.scenario.nominal_positions()
        radar, _ = self.scenario.channels(positions)
        beam = baseline_transceiver(self.scenario, positions, 0.5, 0.0, 500).beam()
        half, parts = self.echoes // 2, []
        for present in (True, False):
            generator = step_generator(self.seed, "maprt/echoes", int(present))
            realization = radar.draw(half, generator, present=present)
            parts.append(radar(beam, torch.ones(half), realization))
        return torch.cat(parts)


def known_signal_statistic(
    echo: torch.Tensor, signal: torch.Tensor, scenario: Scenario, grid_size: int = 201
) -> torch.Tensor:
    """Largest ratio of Eq. (16) over the sector, for the signal that was sent: ``[batch]``."""
    positions = scenario.nominal_positions().to(echo.device)
    variance = gain_variance(scenario.snr_r_db)
    best = torch.full((len(echo),), -math.inf, device=echo.device)
    for theta in scenario.target_sector.grid(grid_size).float():
        angles = theta.to(echo.device).expand(len(echo))
        ratio = log_map_ratio(
            echo, angles, signal.expand_as(echo), positions=positions, variance=variance
        )
        best = torch.maximum(best, ratio)
    return best


@dataclass(frozen=True)
class Detect(Task):
    """Measure Eqs. (18) and (16) on the same echoes: without and with knowing the signal."""

    scenario: Scenario
    rho: float
    test: Test
    seed: int

    def run(self, work: Work) -> Outcome:
        """Measure."""
        scenario, positions = self.scenario, self.scenario.nominal_positions()
        radar, _ = scenario.channels(positions)
        measurement = measurement_of(scenario, self.test, self.seed, work)
        beam = baseline_transceiver(scenario, positions, self.rho, 0.0, 500).beam().to(work.device)
        ones = torch.ones(measurement.block, device=work.device)
        found: dict[tuple[str, bool], list[torch.Tensor]] = {}
        for present in (False, True):
            for generator in measurement.blocks(f"maprt/{present}"):
                realization = radar.draw(measurement.block, generator, present=present)
                echo = radar(beam, ones, realization)
                unknown, _ = maprt(echo, radar.positions, scenario.target_sector)
                known = known_signal_statistic(echo, beam, scenario)
                found.setdefault(("p_d_unknown", present), []).append(unknown.cpu())
                found.setdefault(("p_d_known", present), []).append(known.cpu())
        values: dict[str, Estimate] = {}
        for name in ("p_d_unknown", "p_d_known"):
            level = threshold(torch.cat(found[name, False]), scenario.p_fa)
            hits = torch.cat(found[name, True]) > level.value
            values[name] = wilson(int(hits.sum()), len(hits))
        return Outcome([Point(values)])


def maprt_rows(c: MaprtConfig, seed: int) -> Iterator[Row]:
    """Maxima of Eq. (14) echo by echo, and detection probabilities over rho."""
    yield Row({"check": "brute force"}, BruteForce(c.scenario, c.echoes, c.restarts, seed))
    for rho in (0.0, 0.5, 1.0):
        yield Row({"check": "detection", "rho": rho}, Detect(c.scenario, rho, c.test, seed))


def draw_maprt(result: Result) -> "Figure":
    """The closed-form MAPRT against brute force, and against knowing the signal."""
    from isaclib.experiments.engine import panels, plotting

    brute, detection = (result.where(check=name) for name in ("brute force", "detection"))
    blue, orange, gray = (plotting.COLORS[name] for name in ("blue", "orange", "gray"))
    with plotting.style():
        figure, (upper, lower) = plotting.new_figure(2)
        closed = brute["closed_form"].values
        upper.plot([0, max(closed)], [0, max(closed)], "--", color=gray)
        upper.plot(closed, brute["brute_force"].values, "o", color=blue, alpha=0.5)
        upper.set(xlabel="log-ratio, closed form", ylabel="log-ratio, found by scipy")
        for test, color, marker, label in (
            ("p_d_unknown", blue, "o", "Eq. (18), signal maximized over"),
            ("p_d_known", orange, "s", "Eq. (16), signal known"),
        ):
            plotting.plot_points(
                lower, detection, "rho", test, color=color, marker=marker, label=label
            )
        lower.set(xlabel=r"trade-off parameter $\rho$", ylabel=panels.LABELS["p_d"])
        lower.legend(loc="lower right")
        plotting.name_source(figure, result)
    return figure


MAPRT = FigureSpec(
    "p1-maprt",
    "The MAPRT against a brute-force maximization and against knowing the signal",
    {
        "smoke": MaprtConfig(test=SMOKE_TEST, echoes=4, restarts=2),
        "desk": MaprtConfig(test=DESK_TEST),
        "paper": MaprtConfig(),
    },
    maprt_rows,
    {"closed_form": "nat", "brute_force": "nat", "p_d_unknown": "1", "p_d_known": "1"},
    draw_maprt,
)
FIGURES = (MAPRT,)
