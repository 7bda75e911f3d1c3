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
    label,
)
from stored_places import places

from isaclib.experiments.engine.results import load_result
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
    return {figure: load_result(figure, RESULTS) for figure in FIGURES}


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


def test_every_figure_is_compared_at_every_row(stored, compared):
    assert {figure for figure, found in compared.items() if not found} == WITHOUT
    for figure, result in stored.items():
        if figure not in LIMITS:
            columns = [q.values for m, q in result.rows.quantities.items() if m in ("ser", *MISSES)]
            metrics = sum(not math.isnan(value) for column in columns for value in column)
            assert len(compared[figure]) == metrics
        else:
            for index in range(len(result.rows)):
                assert any(c.what.startswith(label(result, index, "")) for c in compared[figure])


def test_limits_keep_the_false_alarm_probability(stored):
    for figure in LIMITS:
        result = stored[figure]
        samples = result.config["test"]["samples"]
        # The threshold is set on so many samples, and checked on as many others.
        spread = math.sqrt(2 * 0.01 * 0.99 / samples)
        known = [p_fa for p_fa in result.rows["p_fa"].values if not math.isnan(p_fa)]
        assert len(known) >= 27
        assert all(abs(p_fa - 0.01) < 4.5 * spread for p_fa in known), figure


@pytest.mark.parametrize(
    ("figure", "at"),
    [
        ("p1-fig2", {"system": "baseline"}),
        ("p2-fig3", {"system": "baseline"}),
        ("p3-fig5", {"system": "known", "array": 0}),
    ],
)
def test_bounds_of_the_papers_own_arrays_are_tight(stored, figure, at):
    """Bounds that nothing comes near would hold as well, and say nothing."""
    result = dataclasses.replace(stored[figure], rows=stored[figure].where(**at))
    misses, errors = floors(places(result)[0])
    assert min(result.rows["ser"].values) < 1.6 * errors
    detected = "p_d" in result.rows.quantities
    missed = result.rows["p_d" if detected else "p_md"].values
    # Nobody told the receivers where the target is.
    assert min(1 - value if detected else value for value in missed) < 3 * misses


# A test that cannot fail shows nothing


def index_of(result, at):
    """Index of the only row with some coordinates."""
    columns = result.rows.coordinates
    rows = range(len(result.rows))
    (index,) = (i for i in rows if all(columns[n][i] == v for n, v in at.items()))
    return index


def shifted(result, metric, index, value):
    """A copy of a result in which one measured value is another, its interval as wide."""
    q = result.rows[metric]
    by = value - q.values[index]
    columns = {}
    for end in ("values", "low", "high"):
        columns[end] = list(getattr(q, end))
        columns[end][index] += by
    quantities = {**result.rows.quantities, metric: dataclasses.replace(q, **columns)}
    return dataclasses.replace(result, rows=dataclasses.replace(result.rows, quantities=quantities))


AUTOENCODER = {"system": "autoencoder", "unit": "deg", "repetition": 0, "receivers": "learned"}
READING = {"system": "baseline", "spacings": "known", "model": "cumulative", "sector": "unseen"}
KNOWN = {"system": "baseline", "spacings": "known", "array": 0, "sector": "seen"}
MATRIX = {"system": "model-driven", "complexity": "unlimited"}


@pytest.mark.parametrize(
    "case",
    [
        ("p1-fig2", {**AUTOENCODER, "omega_r": 0.0}, "ser", 0.8),
        ("p2-readings", {**READING, "array": 7}, "p_md", 0.9),
        ("p3-fig3", {"system": "SL", "array": 1, "iteration": 8500}, "p_md", 0.7),
        ("p1-limits", {"system": "autoencoder", "omega_r": 1.0}, "p_md", 0.97),
        ("p2-limits", {**KNOWN, "rho": 1.0}, "rmse_limit", 0.9),
        ("p2-limits", {**MATRIX, "array": 1, "sector": "unseen"}, "p_md", 0.9),
        ("p3-limits", {"system": "known", "array": 0, "figure": "p3-fig3"}, "rmse_limit", 0.3),
        ("p3-limits", {"system": "known", "figure": "p3-fig5", "eta": 0.0}, "ser_floor", 0.8),
    ],
)
def test_a_value_beyond_its_bound_is_noticed(stored, compared, case):
    figure, at, metric, factor = case
    index = index_of(stored[figure], at)
    what = label(stored[figure], index, metric)
    (honest,) = (c for c in compared[figure] if c.what == what)
    measured = metric
    if figure in LIMITS:
        metrics = {"rmse_limit": "measured_rmse", "ser_floor": "measured_ser"}
        measured = metrics.get(metric, "measured_p_md")
    claimed = shifted(stored[figure], measured, index, factor * honest.bound)
    compare = against_limits if figure in LIMITS else against_floors
    others = [c for f, found in compared.items() if f != figure for c in found]
    assert [c.what for c in beaten([*others, *compare(claimed)])] == [what]


def test_a_system_with_fewer_misses_than_its_symbol_errors_allow_is_noticed(stored):
    """Each of the two alone is possible."""
    result, place = stored["p2-limits"], {"array": 0, "sector": "seen"}
    best = result.where(system="front", **place)
    own = result.where(**MATRIX, **place)
    ser = own["measured_ser"].values
    chosen = max(i for i in range(len(ser)) if ser[i] < best["ser"].values[4])
    index = index_of(result, {**MATRIX, **place, "omega_r": own.at("omega_r")[chosen]})
    fewest = best["floor_known"].values[-1]
    claimed = shifted(result, "measured_p_md", index, 1.2 * fewest)
    found = {c.what: c for c in against_limits(claimed)}
    joint = found[label(result, index, "floor_known")]
    assert fewest < joint.value < joint.bound
    assert joint in beaten(list(found.values()))
    assert found[label(result, index, "ser_floor")] not in beaten(list(found.values()))


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
