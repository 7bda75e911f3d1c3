"""Results on which every claim of P4 holds, and ways to change them, for tests of the criteria."""

from dataclasses import asdict, replace

from stored_series import SOURCE

from isaclib.experiments.p4.config import FADINGS, SemanticConfig, SweepsConfig, WeightsConfig
from isaclib.experiments.series.results import Quantity, Result, Series

CONFIGS = {"p4-fig4": WeightsConfig, "p4-fig5": SweepsConfig, "p4-fig6": SemanticConfig}


def measured(name, values):
    values = list(values)
    counts = [10_000] * len(values)
    return Quantity(name, values, [v - 0.01 for v in values], [v + 0.01 for v in values], counts)


def series(name, parameter, values, **metrics):
    found = {parameter: Quantity(parameter, [float(v) for v in values])}
    return Series(name, {**found, **{m: measured(m, v) for m, v in metrics.items()}})


def stored(figure, *curves):
    return Result(figure, "smoke", asdict(CONFIGS[figure]()), list(curves), SOURCE)


def changed(results, figure, name, metric, values):
    """The same results with other values of one metric of one curve."""
    curves = []
    for old in results[figure].series:
        quantities = dict(old.quantities)
        if old.name == name:
            assert len(values) == len(quantities[metric].values)
            quantities[metric] = measured(metric, values)
        curves.append(Series(old.name, quantities))
    return {**results, figure: replace(results[figure], series=curves)}


# Results on which every claim holds


def fig_4():
    curves = []
    for fading, worse in zip(FADINGS, (0.0, 1.0), strict=True):
        mse = [v + 0.001 * worse for v in (0.040, 0.040, 0.042, 0.045, 0.3)]
        sensing = [v - 0.03 * worse for v in (0.5, 0.7, 0.9, 0.91, 0.92)]
        weights = [0.0, 0.05, 0.5, 0.75, 1.0]
        curves.append(series(fading, "sensing_weight", weights, mse=mse, sensing=sensing))
        after = {"mse": [0.04, 0.05], "sensing": [0.8, 0.92]}
        curves.append(series(f"afterwards/{fading}", "sensing_weight", [0.0, 1.0], **after))
    return stored("p4-fig4", *curves)


SNRS = [-9.0, -5.0, -1.0, 3.0, 7.0, 11.0]
FALLING = [0.060, 0.052, 0.046, 0.042, 0.039, 0.037]
RISING = [0.60, 0.70, 0.80, 0.88, 0.93, 0.96]
TASK = [0.60, 0.64, 0.68, 0.72, 0.74, 0.75]
SIZES = [2, 4, 10, 20, 40]
RANGES = [1, 2, 3, 4, 6]


def worse(values, by):
    return [v + by for v in values]


def fig_5():
    curves = []
    for fading, share in zip(FADINGS, (0.0, 1.0), strict=True):
        mse, sensing = worse(FALLING, 0.002 * share), worse(RISING, -0.02 * share)
        curves += [
            series(
                f"communication_snr_db/{fading}",
                "communication_snr_db",
                SNRS,
                mse=mse,
                sensing=worse([0.88] * 6, -0.02 * share),
            ),
            series(
                f"sensing_snr_db/{fading}",
                "sensing_snr_db",
                SNRS,
                mse=worse([0.042] * 6, 0.002 * share),
                sensing=sensing,
            ),
            series(
                f"size/{fading}",
                "size",
                SIZES,
                mse=worse([0.060, 0.052, 0.044, 0.040, 0.038], 0.002 * share),
                sensing=worse([0.60, 0.70, 0.82, 0.90, 0.93], -0.02 * share),
            ),
            series(
                f"ranges/{fading}",
                "ranges",
                RANGES,
                mse=worse([0.042] * 5, 0.002 * share),
                sensing=[0.88 - (0.02 + 0.03 * i) * share - 0.05 * i for i in range(5)],
            ),
        ]
    return stored("p4-fig5", *curves)


def fig_6():
    curves = []
    for fading, share in zip(FADINGS, (0.0, 1.0), strict=True):
        mse, sensing = worse(FALLING, 0.002 * share), worse(RISING, -0.02 * share)
        animal = worse(TASK, -0.01 * share)
        curves.append(series(fading, "snr_db", SNRS, mse=mse, sensing=sensing, animal=animal))
    return stored("p4-fig6", *curves)


GOOD = {"p4-fig4": fig_4(), "p4-fig5": fig_5(), "p4-fig6": fig_6()}
