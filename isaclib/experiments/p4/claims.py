"""P4's claims: what the paper says, the criterion, and the check on stored results.

The thresholds were fixed before the sweeps were looked at.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from isaclib.experiments.engine.claims import Claims, Number, Verdict
from isaclib.experiments.engine.criteria import MOST, point, status_of
from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.p4.config import FADINGS
from isaclib.experiments.p4.figures import final_rows

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

STEADY = (
    f"In at least {MOST:.0%} of the steps the loss does not rise by more than {LEVEL_LOSS - 1:.0%} "
    f"and the accuracy does not fall by more than {LEVEL_ACCURACY}"
)
NAMES = {"awgn": "AWGN", "rayleigh": "Rayleigh"}
METRICS = {"mse": "MSE", "sensing": "sensing accuracy", "animal": "task accuracy"}
PLACES = {
    "sensing_weight": "sensing weight {:g}",
    "communication_snr_db": "communication SNR {:g} dB",
    "sensing_snr_db": "sensing SNR {:g} dB",
    "snr_db": "{:g} dB",
    "size": "n = {:g}",
    "ranges": "ranges = {:g}",
}

CLAIMS = Claims("p4")


def steadily_falls(values: Sequence[float]) -> bool:
    """Whether a loss does not rise in most steps of a sweep."""
    steps = [after <= LEVEL_LOSS * before for before, after in pairwise(values)]
    return sum(steps) >= MOST * len(steps)


def steadily_rises(values: Sequence[float]) -> bool:
    """Whether an accuracy does not fall in most steps of a sweep."""
    steps = [after >= before - LEVEL_ACCURACY for before, after in pairwise(values)]
    return sum(steps) >= MOST * len(steps)


def _quick_loss(rows: Table) -> bool:
    values = rows["mse"].values
    return steadily_falls(values) and values[-1] <= QUICK_LOSS * values[0]


def _quick_sensing(rows: Table) -> bool:
    values = rows["sensing"].values
    return steadily_rises(values) and 1 - values[-1] <= QUICK_ERROR * (1 - values[0])


def _points(rows: Table, x: str, *places: float) -> Table:
    """Rows at some places; the KeyError of one that is not there says which there are."""
    for place in places:
        rows.where(**{x: place})
    return rows.take([rows[x].values.index(place) for place in places])


def _numbers(fading: str, rows: Table, x: str, *metrics: str) -> list[Number]:
    """Each point's metrics with their intervals."""
    return [
        point(f"{METRICS[metric]}, {NAMES[fading]}, {PLACES[x].format(place)}", rows, metric, index)
        for metric in metrics
        for index, place in enumerate(rows[x].values)
    ]


def _ends(rows: Table, metric: str) -> str:
    """First and last value of a metric in words."""
    return " to ".join(_words(metric, [rows[metric].values[i] for i in (0, -1)]))


def _words(metric: str, values: Sequence[float]) -> list[str]:
    return [f"{value:.{4 if metric == 'mse' else 3}f}" for value in values]


@CLAIMS.claim(
    "p4-weights",
    "Fig. 4",
    says="Sensing weight 0 reconstructs well and senses badly, weight 1 the reverse, 1/2 does "
    "both.",
    criterion=f"Over each channel: at weight 0 the sensing accuracy is at most {GUESSED}; at "
    f"weight 1 the loss is at least {FAR_LOSS:g} times that at 0; at 1/2 the loss is at most "
    f"{NEAR_LOSS} times that at 0 and the accuracy at most {NEAR_ACCURACY} below that at 1.",
    needs="p4-fig4",
)
def weights(fig4: Result) -> Verdict:
    """Compare both tasks at three weights."""
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        rows = final_rows(fig4, fading, repetition=0)
        three = _points(rows, "sensing_weight", 0.0, 0.5, 1.0)
        mse, sensing = three["mse"].values, three["sensing"].values
        passed += [
            sensing[0] <= GUESSED,
            mse[2] >= FAR_LOSS * mse[0],
            mse[1] <= NEAR_LOSS * mse[0] and sensing[1] >= sensing[2] - NEAR_ACCURACY,
        ]
        after = fig4.where(measured="afterwards", fading=fading)
        words.append(
            f"{NAMES[fading]}, sensing weight 0, 1/2, 1: MSE {', '.join(_words('mse', mse))}, "
            f"sensing accuracy {', '.join(_words('sensing', sensing))} (with the missing decoder "
            f"trained afterwards: accuracy {after.where(sensing_weight=0)['sensing'].value:.3f} "
            f"at 0, MSE {after.where(sensing_weight=1)['mse'].value:.4f} at 1)"
        )
        numbers += _numbers(fading, three, "sensing_weight", "mse", "sensing")
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))


@CLAIMS.claim(
    "p4-snr",
    "Fig. 5",
    says="Reconstruction improves quickly with the communication SNR, sensing with the sensing "
    "SNR.",
    criterion="Over each channel, from the lowest to the highest SNR: the loss falls to at most "
    f"{QUICK_LOSS} times, the rate of wrong sensing decisions to at most {QUICK_ERROR} times. "
    f"{STEADY}.",
    needs="p4-fig5",
)
def snr(fig5: Result) -> Verdict:
    """Follow each task over its own SNR."""
    passed, words, numbers = [], [], []
    names = ("communication_snr_db", "sensing_snr_db")
    for fading in FADINGS:
        communication, sensing = (final_rows(fig5, fading, varied=name) for name in names)
        passed += [_quick_loss(communication), _quick_sensing(sensing)]
        snrs_db = communication["communication_snr_db"].values
        words.append(
            f"{NAMES[fading]}, from {snrs_db[0]:g} to {snrs_db[-1]:g} dB: MSE "
            f"{_ends(communication, 'mse')}, sensing accuracy {_ends(sensing, 'sensing')}"
        )
        numbers += _numbers(fading, communication.take([0, -1]), names[0], "mse")
        numbers += _numbers(fading, sensing.take([0, -1]), names[1], "sensing")
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))


def _pairs(fig4: Result, fig5: Result, fig6: Result) -> Iterator[tuple[str, float, float]]:
    """Each metric over AWGN and Rayleigh fading, in each point where its decoder is trained."""
    sweeps = [(fig5, {"varied": x}) for x in fig5.rows.split("varied")]
    for result, at in ((fig4, {"repetition": 0}), *sweeps, (fig6, {"repetition": 0})):
        one, other = (final_rows(result, fading, **at) for fading in FADINGS)
        for metric in ("mse", "sensing", *(["animal"] if result is fig6 else [])):
            untrained = {"mse": 1.0, "sensing": 0.0}.get(metric) if result is fig4 else None
            places = one.at("sensing_weight") if result is fig4 else [None] * len(one)
            for place, a, b in zip(places, one[metric].values, other[metric].values, strict=True):
                if place is None or place != untrained:
                    yield metric, a, b


@CLAIMS.claim(
    "p4-channel",
    *("Fig. 4", "Fig. 5", "Fig. 6"),
    says="Everything is better under AWGN than under Rayleigh fading.",
    criterion=f"AWGN is ahead in at least {MOST:.0%} of the points of Figs. 4 to 6 in each of "
    "loss, sensing accuracy and task accuracy; decoders that were not trained do not count.",
    needs=("p4-fig4", "p4-fig5", "p4-fig6"),
)
def channel(fig4: Result, fig5: Result, fig6: Result) -> Verdict:
    """Count the points in which AWGN is ahead."""
    found: dict[str, list[bool]] = {metric: [] for metric in METRICS}
    for metric, a, b in _pairs(fig4, fig5, fig6):
        found[metric].append(a < b if metric == "mse" else a > b)
    counts = {f"the {METRICS[m]}": (sum(ahead), len(ahead)) for m, ahead in found.items()}
    return Verdict(
        status_of(*(n >= MOST * total for n, total in counts.values())),
        "AWGN is ahead of Rayleigh in "
        + ", ".join(f"{name} at {n} of {total} points" for name, (n, total) in counts.items()),
        numbers=tuple(
            Number(f"share of the points where AWGN is ahead in {name}", n / total)
            for name, (n, total) in counts.items()
        ),
    )


@CLAIMS.claim(
    "p4-size",
    "Fig. 5",
    says="Performance improves quickly with the encoder's output size, and 20 of 3,072 dimensions "
    "(0.65 %) suffice.",
    criterion=f"Over each channel: from the smallest size to {SIZE} the loss falls to at most "
    f"{QUICK_LOSS} times; so does the rate of wrong sensing decisions, to at most "
    f"{QUICK_ERROR} times; and the largest size takes from the loss at {SIZE} at most half of what "
    f"{SIZE} took from the smallest size's, and is at most {NEAR_ACCURACY} ahead in sensing "
    "accuracy.",
    needs="p4-fig5",
)
def size(fig5: Result) -> Verdict:
    """Compare the size that suffices with the smallest and the largest."""
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        rows = final_rows(fig5, fading, varied="size")
        sizes = rows["size"].values
        three = _points(rows, "size", sizes[0], SIZE, sizes[-1])
        mse, sensing = three["mse"].values, three["sensing"].values
        passed += [
            mse[1] <= QUICK_LOSS * mse[0],
            1 - sensing[1] <= QUICK_ERROR * (1 - sensing[0]),
            mse[1] - mse[2] <= 0.5 * (mse[0] - mse[1]) and sensing[1] >= sensing[2] - NEAR_ACCURACY,
        ]
        words.append(
            f"{NAMES[fading]}, n = {', '.join(f'{n:g}' for n in three['size'].values)}: MSE "
            f"{', '.join(_words('mse', mse))}; sensing accuracy "
            f"{', '.join(_words('sensing', sensing))}"
        )
        numbers += _numbers(fading, three, "size", "mse", "sensing")
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))


@CLAIMS.claim(
    "p4-ranges",
    "Fig. 5",
    says="More potential ranges cost sensing accuracy, most under Rayleigh fading.",
    criterion="From one range to the most of them the sensing accuracy falls by at least "
    f"{FALL} over each channel, and by more under Rayleigh fading than under AWGN.",
    needs="p4-fig5",
)
def ranges(fig5: Result) -> Verdict:
    """Compare the falls from one range to the most."""
    falls, words, numbers = [], [], []
    for fading in FADINGS:
        ends = final_rows(fig5, fading, varied="ranges").take([0, -1])
        first, last = ends["sensing"].values
        falls.append(first - last)
        words.append(
            f"{NAMES[fading]}: sensing accuracy {_ends(ends, 'sensing')} from "
            f"{' to '.join(f'{count:g}' for count in ends['ranges'].values)} ranges"
        )
        numbers += _numbers(fading, ends, "ranges", "sensing")
    awgn, rayleigh = falls
    return Verdict(
        status_of(awgn >= FALL, rayleigh >= FALL, rayleigh > awgn),
        f"{'; '.join(words)}: a fall of {awgn:.3f} and of {rayleigh:.3f}",
        numbers=tuple(numbers),
    )


@CLAIMS.claim(
    "p4-semantic",
    "Fig. 6",
    says="With a third task, sensing and task accuracy rise with SNR while the reconstruction loss "
    "falls further.",
    criterion="Over each channel, from the lowest to the highest SNR: the rate of wrong sensing "
    f"decisions falls to at most {QUICK_ERROR} times, the task accuracy rises by at least "
    f"{QUICK_TASK}, the loss falls to at most {QUICK_LOSS} times. {STEADY}.",
    needs="p4-fig6",
)
def semantic(fig6: Result) -> Verdict:
    """Follow each of the three tasks over the SNR."""
    passed, words, numbers = [], [], []
    for fading in FADINGS:
        rows = final_rows(fig6, fading, repetition=0)
        task, snrs_db = rows["animal"].values, rows["snr_db"].values
        passed += [
            _quick_sensing(rows),
            steadily_rises(task) and task[-1] - task[0] >= QUICK_TASK,
            _quick_loss(rows),
        ]
        words.append(
            f"{NAMES[fading]}, from {snrs_db[0]:g} to {snrs_db[-1]:g} dB: "
            + ", ".join(f"{METRICS[m]} {_ends(rows, m)}" for m in ("sensing", "animal", "mse"))
        )
        numbers += _numbers(fading, rows.take([0, -1]), "snr_db", "sensing", "animal", "mse")
    return Verdict(status_of(*passed), "; ".join(words), numbers=tuple(numbers))
