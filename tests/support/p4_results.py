"""Results on which every claim of P4 holds, and ways to change them, for tests of the criteria."""

import json
from dataclasses import asdict, replace

from stored_results import SOURCE

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point
from isaclib.experiments.p4.claims import CLAIMS
from isaclib.experiments.p4.config import FADINGS, SemanticConfig, SweepsConfig, WeightsConfig
from isaclib.experiments.p4.figures import UNITS
from isaclib.metrics import Estimate

CONFIGS = {"p4-fig4": WeightsConfig(), "p4-fig5": SweepsConfig(), "p4-fig6": SemanticConfig()}


def measured(value):
    return Estimate(value, value - 0.01, value + 0.01, 10_000)


def curve(fading, x, places, at, **metrics):
    """Rows over a coordinate, at the end of the training and halfway, where all is lost."""
    rows = []
    for index, place in enumerate(places):
        values = {name: measured(column[index]) for name, column in metrics.items()}
        whole = {"measured": "performance", "fading": fading, x: place, **at}
        early = dict.fromkeys(metrics, measured(-1.0))
        rows += [({**whole, "epochs": 50}, Point(early)), ({**whole, "epochs": 100}, Point(values))]
    return rows


def stored(figure, rows):
    config = json.loads(json.dumps(asdict(CONFIGS[figure])))
    table = tabulate([(at, point, None) for at, point in rows], UNITS)
    return Result(figure, "smoke", config, table, SOURCE)


def changed(results, figure, metric, values, **at):
    """The same results with other values of one metric at the end of one curve."""
    table = results[figure].rows
    at = {"measured": "performance", "epochs": 100, **at}
    at = {name: value for name, value in at.items() if value is not None}
    rows = [i for i in range(len(table)) if all(table.at(k)[i] == v for k, v in at.items())]
    column = table.quantities[metric]
    ends = [list(end) for end in (column.values, column.low, column.high)]
    for row, value in zip(rows, values, strict=True):
        for end, other in zip(ends, (value, value - 0.01, value + 0.01), strict=True):
            end[row] = other
    other = replace(column, values=ends[0], low=ends[1], high=ends[2])
    table = replace(table, quantities={**table.quantities, metric: other})
    return {**results, figure: replace(results[figure], rows=table)}


# Results on which every claim holds

SNRS = [-9.0, -5.0, -1.0, 3.0, 7.0, 11.0]
FALLING = [0.060, 0.052, 0.046, 0.042, 0.039, 0.037]
RISING = [0.60, 0.70, 0.80, 0.88, 0.93, 0.96]
TASK = [0.60, 0.64, 0.68, 0.72, 0.74, 0.75]
FIG5 = {
    "communication_snr_db": (SNRS, FALLING, [0.88] * 6),
    "sensing_snr_db": (SNRS, [0.042] * 6, RISING),
    "size": (
        [2, 4, 10, 20, 40],
        [0.060, 0.052, 0.044, 0.040, 0.038],
        [0.60, 0.70, 0.82, 0.90, 0.93],
    ),
    "ranges": ([1, 2, 3, 4, 6], [0.042] * 5, [0.88, 0.83, 0.78, 0.73, 0.68]),
}


def worse(values, by):
    return [v + by for v in values]


def good():
    fig4, fig5, fig6 = [], [], []
    for fading, share in zip(FADINGS, (0.0, 1.0), strict=True):
        mse = worse([0.040, 0.040, 0.042, 0.045, 0.3], 0.001 * share)
        sensing = worse([0.5, 0.7, 0.9, 0.91, 0.92], -0.03 * share)
        weights, first = [0.0, 0.05, 0.5, 0.75, 1.0], {"repetition": 0}
        fig4 += curve(fading, "sensing_weight", weights, first, mse=mse, sensing=sensing)
        # A repetition that would spoil the claim if it was taken for the curve.
        fig4 += curve(fading, "sensing_weight", [0.5], {"repetition": 1}, mse=[9.0], sensing=[0.0])
        for weight, mse, sensing in ((0.0, 0.04, 0.8), (1.0, 0.05, 0.92)):
            at = {"measured": "afterwards", "fading": fading, "sensing_weight": weight}
            fig4.append((at, Point({"mse": measured(mse), "sensing": measured(sensing)})))
        for x, (places, mse, sensing) in FIG5.items():
            steps = [0.02 + 0.03 * i if x == "ranges" else 0.02 for i in range(len(places))]
            sensing = [v - step * share for v, step in zip(sensing, steps, strict=True)]
            mse = worse(mse, 0.002 * share)
            fig5 += curve(fading, x, places, {"varied": x}, mse=mse, sensing=sensing)
        mse, sensing = worse(FALLING, 0.002 * share), worse(RISING, -0.02 * share)
        animal = worse(TASK, -0.01 * share)
        fig6 += curve(fading, "snr_db", SNRS, first, mse=mse, sensing=sensing, animal=animal)
    rows = {"p4-fig4": fig4, "p4-fig5": fig5, "p4-fig6": fig6}
    return {figure: stored(figure, own) for figure, own in rows.items()}


GOOD = good()


def verdict(claim, results=GOOD):
    (found,) = (c for c in CLAIMS if c.id == f"p4-{claim}")
    return found.verdict(results)
