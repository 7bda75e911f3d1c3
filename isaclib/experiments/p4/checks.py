"""The criteria that test P4's claims on the stored results.

The thresholds were fixed before the sweeps were looked at, and stand in words in ``p4_claims``.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from isaclib.experiments.engine.claims import Number, Verdict
from isaclib.experiments.p4.assembly import record_at
from isaclib.experiments.p4.config import FADINGS
from isaclib.experiments.series.criteria import MOST, point, status_of
from isaclib.experiments.series.results import Result, Series

NAMES = {"awgn": "AWGN", "rayleigh": "Rayleigh"}

NEAR_LOSS = 1.25
"""Largest ratio of reconstruction losses that counts as nearly as low."""
NEAR_ACCURACY = 0.05
"""Largest difference of accuracies that counts as nearly as high."""
FAR_LOSS = 2.0
"""Smallest ratio of reconstruction losses that counts as much higher."""
GUESSED = 0.6
"""Largest accuracy of a decision between two labels that counts as not successful."""
QUICK_LOSS = 0.8
"""Largest ratio of the losses at the end and the beginning of a sweep that counts as a quick fall.
"""
QUICK_ERROR = 0.5
"""The same of error rates, one less the accuracies."""
QUICK_TASK = 0.1
"""Smallest rise of a semantic accuracy over a sweep that counts as quick."""
LEVEL_LOSS = 1.01
"""Largest ratio of the losses of neighbouring points that still counts as no rise."""
LEVEL_ACCURACY = 0.005
"""Largest fall of accuracies of neighbouring points that still counts as none."""
FALL = 0.05
"""Smallest fall of the sensing accuracy that counts as a cost of more ranges."""
SIZE = 20
"""Encoder output size that is said to suffice."""


def steadily_falls(values: Sequence[float]) -> bool:
    """Whether a loss does not rise in most steps of a sweep."""
    steps = [after <= LEVEL_LOSS * before for before, after in pairwise(values)]
    return sum(steps) >= MOST * len(steps)


def steadily_rises(values: Sequence[float]) -> bool:
    """Whether an accuracy does not fall in most steps of a sweep."""
    steps = [after >= before - LEVEL_ACCURACY for before, after in pairwise(values)]
    return sum(steps) >= MOST * len(steps)


def _value(series: Series, metric: str, parameter: str, value: float) -> float:
    return record_at(series, parameter, value)[metric]["value"]


LONG = {"mse": "MSE", "sensing": "sensing accuracy", "animal": "task accuracy"}
PARAMETERS = {
    "sensing_weight": "sensing weight {:g}",
    "communication_snr_db": "communication SNR {:g} dB",
    "sensing_snr_db": "sensing SNR {:g} dB",
    "snr_db": "{:g} dB",
    "size": "n = {:g}",
    "ranges": "ranges = {:g}",
}


def _numbers(
    fading: str, series: Series, metrics: Sequence[str], parameter: str, values: Sequence[float]
) -> list[Number]:
    """Some points of a sweep with their intervals."""
    return [
        point(
            f"{LONG[metric]}, {NAMES[fading]}, {PARAMETERS[parameter].format(value)}",
            series,
            metric,
            series[parameter].values.index(value),
        )
        for metric in metrics
        for value in values
    ]


def _ends_of(fading: str, series: Series, metrics: Sequence[str], parameter: str) -> list[Number]:
    """First and last point of a sweep with their intervals."""
    values = series[parameter].values
    return _numbers(fading, series, metrics, parameter, (values[0], values[-1]))


def _quick_loss(series: Series) -> bool:
    values = series["mse"].values
    return steadily_falls(values) and values[-1] <= QUICK_LOSS * values[0]


def _quick_sensing(series: Series) -> bool:
    values = series["sensing"].values
    return steadily_rises(values) and 1 - values[-1] <= QUICK_ERROR * (1 - values[0])


def _ends(series: Series, metric: str) -> str:
    """First and last value of a metric in words."""
    digits = 4 if metric == "mse" else 3
    values = series[metric].values
    return f"{values[0]:.{digits}f} to {values[-1]:.{digits}f}"


def check_weights(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p4-weights``."""
    result = results["p4-fig4"]
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        (mse_0, sense_0), (mse, sense), (mse_1, sense_1) = (
            [_value(result[fading], m, "sensing_weight", w) for m in ("mse", "sensing")]
            for w in (0.0, 0.5, 1.0)
        )
        passed += [
            sense_0 <= GUESSED,
            mse_1 >= FAR_LOSS * mse_0,
            mse <= NEAR_LOSS * mse_0 and sense >= sense_1 - NEAR_ACCURACY,
        ]
        after = result[f"afterwards/{fading}"]
        sense_after = _value(after, "sensing", "sensing_weight", 0.0)
        mse_after = _value(after, "mse", "sensing_weight", 1.0)
        words.append(
            f"{NAMES[fading]}, sensing weight 0, 1/2, 1: MSE {mse_0:.4f}, {mse:.4f}, {mse_1:.4f}, "
            f"sensing accuracy {sense_0:.3f}, {sense:.3f}, {sense_1:.3f} (with the missing decoder "
            f"trained afterwards: accuracy {sense_after:.3f} at 0, MSE {mse_after:.4f} at 1)"
        )
        numbers += _numbers(
            fading, result[fading], ("mse", "sensing"), "sensing_weight", (0.0, 0.5, 1.0)
        )
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))


def check_snr(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p4-snr``."""
    result = results["p4-fig5"]
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        communication, sensing = (
            result[f"{parameter}/{fading}"]
            for parameter in ("communication_snr_db", "sensing_snr_db")
        )
        passed += [_quick_loss(communication), _quick_sensing(sensing)]
        low, high = (communication["communication_snr_db"].values[i] for i in (0, -1))
        words.append(
            f"{NAMES[fading]}, from {low:g} to {high:g} dB: MSE {_ends(communication, 'mse')}, "
            f"sensing accuracy {_ends(sensing, 'sensing')}"
        )
        numbers += _ends_of(fading, communication, ("mse",), "communication_snr_db")
        numbers += _ends_of(fading, sensing, ("sensing",), "sensing_snr_db")
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))


def _comparisons(results: Mapping[str, Result]) -> dict[str, list[bool]]:
    """For each metric, whether AWGN is better than Rayleigh in each point of Figs. 4 to 6."""
    found: dict[str, list[bool]] = {"mse": [], "sensing": [], "animal": []}
    places = {"p4-fig4": [("{}", "sensing_weight")], "p4-fig6": [("{}", "snr_db")]}
    places["p4-fig5"] = [
        (f"{p}/{{}}", p) for p in ("communication_snr_db", "sensing_snr_db", "size", "ranges")
    ]
    for figure, curves in places.items():
        for name, parameter in curves:
            one, other = (results[figure][name.format(fading)] for fading in FADINGS)
            for metric, better in found.items():
                if metric not in one.quantities:
                    continue
                untrained = {"mse": 1.0, "sensing": 0.0}.get(metric)
                for x, a, b in zip(
                    one[parameter].values, one[metric].values, other[metric].values, strict=True
                ):
                    if not (parameter == "sensing_weight" and x == untrained):
                        better.append(a < b if metric == "mse" else a > b)
    return found


def check_channel(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p4-channel``."""
    found = _comparisons(results)
    counts = {metric: (sum(better), len(better)) for metric, better in found.items()}
    words = {"mse": "the MSE", "sensing": "the sensing accuracy", "animal": "the task accuracy"}
    return Verdict(
        status_of(*(n >= MOST * total for n, total in counts.values())),
        "AWGN is ahead of Rayleigh in "
        + ", ".join(
            f"{words[metric]} at {n} of {total} points" for metric, (n, total) in counts.items()
        ),
        numbers=tuple(
            Number(f"share of the points where AWGN is ahead in {words[metric]}", n / total)
            for metric, (n, total) in counts.items()
        ),
    )


def check_size(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p4-size``."""
    result = results["p4-fig5"]
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        series = result[f"size/{fading}"]
        small, large = (series["size"].values[i] for i in (0, -1))
        mse, sensing = (
            [_value(series, metric, "size", n) for n in (small, SIZE, large)]
            for metric in ("mse", "sensing")
        )
        passed += [
            mse[1] <= QUICK_LOSS * mse[0],
            1 - sensing[1] <= QUICK_ERROR * (1 - sensing[0]),
            mse[1] - mse[2] <= 0.5 * (mse[0] - mse[1]) and sensing[1] >= sensing[2] - NEAR_ACCURACY,
        ]
        words.append(
            f"{NAMES[fading]}, n = {small:g}, {SIZE}, {large:g}: MSE "
            + ", ".join(f"{v:.4f}" for v in mse)
            + "; sensing accuracy "
            + ", ".join(f"{v:.3f}" for v in sensing)
        )
        numbers += _numbers(fading, series, ("mse", "sensing"), "size", (small, SIZE, large))
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))


def check_ranges(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p4-ranges``."""
    result = results["p4-fig5"]
    falls, words, numbers = [], [], []
    for fading in FADINGS:
        series = result[f"ranges/{fading}"]
        values = series["sensing"].values
        falls.append(values[0] - values[-1])
        words.append(
            f"{NAMES[fading]}: sensing accuracy {_ends(series, 'sensing')} from "
            f"{series['ranges'].values[0]:g} to {series['ranges'].values[-1]:g} ranges"
        )
        numbers += _ends_of(fading, series, ("sensing",), "ranges")
    awgn, rayleigh = falls
    return Verdict(
        status_of(awgn >= FALL, rayleigh >= FALL, rayleigh > awgn),
        f"{'; '.join(words)}: a fall of {awgn:.3f} and of {rayleigh:.3f}",
        numbers=tuple(numbers),
    )


def check_semantic(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p4-semantic``."""
    result = results["p4-fig6"]
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        series = result[fading]
        task = series["animal"].values
        passed += [
            _quick_sensing(series),
            steadily_rises(task) and task[-1] - task[0] >= QUICK_TASK,
            _quick_loss(series),
        ]
        low, high = (series["snr_db"].values[i] for i in (0, -1))
        words.append(
            f"{NAMES[fading]}, from {low:g} to {high:g} dB: sensing accuracy "
            f"{_ends(series, 'sensing')}, task accuracy {_ends(series, 'animal')}, MSE "
            f"{_ends(series, 'mse')}"
        )
        numbers += _ends_of(fading, series, ("sensing", "animal", "mse"), "snr_db")
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))
