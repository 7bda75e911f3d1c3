r"""P1 App. A by brute force: does Eq. (18) decide as the ratio test of Eq. (12) does?

Two questions are answered with numbers. First, the ratio of Eq. (14) is maximized over gain, angle
and signal by a general-purpose optimizer that knows nothing of the derivation, echo by echo, and
compared with the closed form that Eq. (18) is a monotone function of. Second, the detection
probability of Eq. (18) is compared with that of Eq. (16) for the signal that was really sent,
which a monostatic receiver knows.
"""

import math

import numpy as np
import torch

from isaclib.channels.narrowband import RadarChannel, target_echo
from isaclib.experiments.p1.config import MaprtConfig, Scenario
from isaclib.experiments.p1.tasks import baseline_transceiver
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Quantity, Series
from isaclib.metrics import wilson
from isaclib.receivers.ratio_test import log_map_ratio, maprt, threshold
from isaclib.signal.noise import NOISE_POWER, gain_variance, step_generator
from isaclib.systems.transceiver import Measurement


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


def _echoes(config: MaprtConfig, seed: int) -> torch.Tensor:
    """Echoes for the brute force, the first half with a target: ``[echoes, antennas]``."""
    scenario = config.scenario
    positions = scenario.nominal_positions()
    radar, _ = scenario.channels(positions)
    beam = baseline_transceiver(scenario, positions, 0.5, 0.0, 500).beam()
    half = config.echoes // 2
    parts = []
    for present in (True, False):
        generator = step_generator(seed, "maprt/echoes", int(present))
        realization = radar.draw(half, generator, present=present)
        parts.append(radar(beam, torch.ones(half), realization))
    return torch.cat(parts)


def _brute_force_series(config: MaprtConfig, seed: int) -> Series:
    scenario = config.scenario
    positions = scenario.nominal_positions()
    echoes = _echoes(config, seed).to(torch.complex128)
    statistic, _ = maprt(echoes, positions, scenario.target_sector, grid_size=4001)
    closed = closed_form_ratio(statistic, scenario.num_antennas, gain_variance(scenario.snr_r_db))
    brute = [
        brute_force_ratio(echo.numpy(), positions.numpy(), scenario, config.restarts, index)
        for index, echo in enumerate(echoes)
    ]
    return Series(
        "brute force",
        {
            "closed_form": Quantity("closed_form", closed.tolist(), unit="nat"),
            "brute_force": Quantity("brute_force", brute, unit="nat"),
        },
    )


def _known_signal_statistic(
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


def _detection(
    radar: RadarChannel, beam: torch.Tensor, scenario: Scenario, measurement: Measurement
) -> dict[str, list[float]]:
    """Detection statistics of both tests on the same echoes."""
    found: dict[str, list[torch.Tensor]] = {}
    for present in (False, True):
        for generator in measurement.blocks(f"maprt/{present}"):
            realization = radar.draw(measurement.block, generator, present=present)
            echo = target_echo(
                beam,
                torch.ones(measurement.block, device=generator.device),
                theta=realization.theta,
                gain=realization.gain,
                noise=realization.noise,
                positions=radar.positions,
                present=realization.present,
            )
            unknown, _ = maprt(echo, radar.positions, scenario.target_sector)
            known = _known_signal_statistic(echo, beam, scenario)
            found.setdefault(f"unknown/{present}", []).append(unknown.cpu())
            found.setdefault(f"known/{present}", []).append(known.cpu())
    detected = {}
    for test in ("unknown", "known"):
        level = threshold(torch.cat(found[f"{test}/False"]), scenario.p_fa)
        hits = torch.cat(found[f"{test}/True"]) > level.value
        estimate = wilson(int(hits.sum()), len(hits))
        detected[test] = [estimate.value, estimate.low, estimate.high]
    return detected


def maprt_series(context: RunContext) -> list[Series]:
    """Answer both questions of this module.

    Returns:
        ``brute force``: maxima of Eq. (14), closed form and optimizer, echo by echo; and
        ``detection``: for each ``rho`` the detection probability of Eq. (18), ``p_d_unknown``, and
        of Eq. (16) for the signal sent, ``p_d_known``.
    """
    config: MaprtConfig = context.config
    scenario = config.scenario
    positions = scenario.nominal_positions()
    radar, _ = scenario.channels(positions)
    measurement = Measurement(
        config.test.samples, scenario.p_fa, context.seed, config.test.block, context.device
    )
    rhos = [0.0, 0.5, 1.0]
    rows = []
    for rho in rhos:
        beam = baseline_transceiver(scenario, positions, rho, 0.0, 500).beam()
        rows.append(_detection(radar, beam.to(context.device), scenario, measurement))
    counts = [measurement.samples] * len(rhos)
    quantities = {"rho": Quantity("rho", rhos)}
    for test in ("unknown", "known"):
        value, low, high = (list(column) for column in zip(*(r[test] for r in rows), strict=True))
        quantities[f"p_d_{test}"] = Quantity(f"p_d_{test}", value, low, high, counts)
    return [_brute_force_series(config, context.seed), Series("detection", quantities)]
