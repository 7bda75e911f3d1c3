"""No measured receiver of the stored results beats its bound beyond its confidence interval.

There are two kinds of bounds. For the systems of the figures of limits they are those of their own
beams, measured on the same targets. All other points meet the certificates of
:mod:`isaclib.limits.beams`, which hold for every receiver and every beam on the same array.

Some 8000 comparisons at 95 % would fail a hundred times by chance alone. So intervals are widened
until the probability that anything here fails by chance is at most 5 %, see
:func:`limit_comparisons.beaten`.
"""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from limit_comparisons import (
    FOUR_SYMBOLS,
    MISSES,
    against_floors,
    against_limits,
    beaten,
    floors,
)
from rows_as_series import load_series
from stored_places import places

from isaclib.experiments.registry import figures
from isaclib.limits.error_rates import qam_error
from isaclib.signal.modulation import qam

RESULTS = Path(__file__).parents[2] / "results"
FIGURES = [name for name, spec in figures().items() if spec.paper in ("p1", "p2", "p3")]
LIMITS = [name for name in FIGURES if name.endswith("-limits")]
# What they show are beampatterns, and uncertainties of angles.
WITHOUT = {"p1-fig3", "p1-fig4"}


@pytest.fixture(scope="module")
def stored():
    return {figure: load_series(figure, RESULTS) for figure in FIGURES}


@pytest.fixture(scope="module")
def compared(stored):
    """All comparisons of each figure."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {f: (against_limits if f in LIMITS else against_floors)(r) for f, r in stored.items()}
    torch.set_num_threads(before)
    return found


def test_no_receiver_beats_its_bound(compared):
    everything = [c for figure in compared.values() for c in figure]
    assert len(everything) > 5000
    assert beaten(everything) == []


def test_every_figure_is_compared_at_every_point(stored, compared):
    assert {figure for figure, found in compared.items() if not found} == WITHOUT
    for figure, result in stored.items():
        if figure not in LIMITS:
            metrics = sum(
                len(s) for s in result.series for m in ("ser", *MISSES) if m in s.quantities
            )
            assert len(compared[figure]) == metrics
    for figure in LIMITS:
        for series in stored[figure].series:
            assert any(f" {series.name}[" in c.what for c in compared[figure])


def test_limits_keep_the_false_alarm_probability(stored):
    for figure in LIMITS:
        result = stored[figure]
        samples = result.config["test"]["samples"]
        # The threshold is set on so many samples, and checked on as many others.
        spread = math.sqrt(2 * 0.01 * 0.99 / samples)
        for series in result.series:
            for p_fa in series["p_fa"].values if "p_fa" in series.quantities else []:
                assert abs(p_fa - 0.01) < 4.5 * spread, (figure, series.name)


def test_bounds_of_the_papers_own_arrays_are_tight(stored):
    """Bounds that nothing comes near would hold as well, and say nothing."""
    for figure, name in (("p1-fig2", "baseline"), ("p2-fig3", "baseline"), ("p3-fig5", "known/0")):
        series = stored[figure][name]
        misses, errors = floors(places(stored[figure], series)[0])
        assert min(series["ser"].values) < 1.6 * errors
        missed = series["p_md"].values if "p_md" in series.quantities else None
        missed = missed or [1 - p_d for p_d in series["p_d"].values]
        # Nobody told the receivers where the target is.
        assert min(missed) < 3 * misses


# A test that cannot fail shows nothing


def shifted(result, name, metric, index, value):
    """A copy of a result in which one measured point is another, its interval as wide."""
    series = result[name]
    q = series[metric]
    by = value - q.values[index]
    columns = {}
    for end in ("values", "low", "high"):
        columns[end] = list(getattr(q, end))
        columns[end][index] += by
    changed = dataclasses.replace(
        series, quantities={**series.quantities, metric: dataclasses.replace(q, **columns)}
    )
    return dataclasses.replace(
        result, series=[changed if s.name == name else s for s in result.series]
    )


@pytest.mark.parametrize(
    "case",
    [
        ("p1-fig2", "autoencoder/deg/0", 0, "ser", 0.8),
        ("p2-readings", "known/cumulative/unseen", 7, "p_md", 0.9),
        ("p3-fig3", "SL/1", 14, "p_md", 0.7),
        ("p1-limits", "autoencoder/deg/0", 10, "p_md", 0.97),
        ("p2-limits", "baseline/known/0", 12, "rmse_limit", 0.9),
        ("p2-limits", "model-driven/unlimited/1/unseen", 0, "p_md", 0.9),
        ("p3-limits", "known/0", 0, "rmse_limit", 0.3),
        ("p3-limits", "known/0/joint", 0, "ser_floor", 0.8),
    ],
)
def test_a_point_beyond_its_bound_is_noticed(stored, compared, case):
    figure, name, index, metric, factor = case
    what = f"{figure} {name}[{index}] {metric}"
    (honest,) = (c for c in compared[figure] if c.what == what)
    measured = metric
    if figure in LIMITS:
        metrics = {"rmse_limit": "measured_rmse", "ser_floor": "measured_ser"}
        measured = metrics.get(metric, "measured_p_md")
    claimed = shifted(stored[figure], name, measured, index, factor * honest.bound)
    compare = against_limits if figure in LIMITS else against_floors
    others = [c for f, found in compared.items() if f != figure for c in found]
    assert [c.what for c in beaten([*others, *compare(claimed)])] == [what]


def test_a_point_with_fewer_misses_than_its_symbol_errors_allow_is_noticed(stored):
    """Each of the two alone is possible."""
    result = stored["p2-limits"]
    name, best = "model-driven/unlimited/0", result["front/0"]
    ser = result[name]["measured_ser"].values
    index = max(i for i in range(len(ser)) if ser[i] < best["ser"].values[4])
    fewest = best["floor_known"].values[-1]
    claimed = shifted(result, name, "measured_p_md", index, 1.2 * fewest)
    found = {c.what: c for c in against_limits(claimed)}
    joint = found[f"p2-limits {name}[{index}] floor_known"]
    assert fewest < joint.value < joint.bound
    assert joint in beaten(list(found.values()))
    assert found[f"p2-limits {name}[{index}] ser_floor"] not in beaten(list(found.values()))


def test_a_bound_that_is_only_just_beaten_is_not_called_so(stored, compared):
    """One standard deviation is what chance does."""
    everything = [c for found in compared.values() for c in found]
    near = [c._replace(value=c.bound - c.half / 2) for c in everything]
    assert beaten(near) == []


# Learned symbols are not QPSK


def error_rate(symbols, snr):
    """SER of maximum-likelihood decisions in Rayleigh fading, for symbols of any shape.

    Noise errs if it goes beyond the region of the symbol sent; in the direction phi, with the
    probability exp(-r²(phi)) at the distance r, whose mean over the fading is 1/(1 + snr r²).
    """
    symbols = symbols - symbols.mean()
    symbols = symbols / symbols.abs().square().mean().sqrt()
    phi = (torch.arange(720, dtype=torch.float64) + 0.5) * (2 * math.pi / 720)
    apart = symbols - symbols.unsqueeze(-1) + torch.eye(len(symbols))
    towards = (torch.exp(-1j * phi[:, None, None]) * apart).real / (apart.abs().square() / 2)
    near = torch.where(torch.eye(len(symbols)).bool(), 0.0, towards).amax(dim=-1).clamp(min=0)
    return (near.square() / (near.square() + snr)).mean()


@pytest.mark.parametrize("snr", [0.1, 1.0, 100.0])
def test_no_four_symbols_have_a_ser_much_below_that_of_qpsk(snr):
    """Where there is next to no signal, a triangle round a symbol at zero is better than it."""
    exact = float(qam_error(torch.tensor(snr, dtype=torch.float64)))
    assert float(error_rate(qam(4).to(torch.complex128), snr)) == pytest.approx(exact, rel=1e-4)
    found = []
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        parts = torch.randn(4, 2, generator=generator, dtype=torch.float64).requires_grad_()
        search = torch.optim.Adam([parts], lr=0.05)
        for _ in range(150):
            search.zero_grad()
            loss = error_rate(torch.view_as_complex(parts), snr)
            loss.backward()
            search.step()
        found.append(float(loss.detach()))
    assert FOUR_SYMBOLS * exact < min(found) < (1 + 1e-3) * exact
    corners = torch.exp(2j * math.pi * torch.arange(3, dtype=torch.float64) / 3)
    triangle = error_rate(torch.cat([corners, torch.zeros(1)]), snr)
    assert (float(triangle) < exact) == (snr < 0.2)
