r"""Detection, angle and symbol metrics with confidence intervals, accumulated over chunks.

Each is a torchmetrics ``Metric``: ``update`` with a chunk, ``compute`` for the value, and
``estimate`` for the value with its interval. The result does not depend on how samples are cut
into chunks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torchmetrics import Metric

from isaclib._validation import check_nonnegative_int, check_probability


@dataclass(frozen=True)
class Estimate:
    """A measured value with its confidence interval.

    Attributes:
        value: The estimate; NaN if there were no samples.
        low: Lower end of the interval.
        high: Upper end of the interval.
        count: Number of samples.
    """

    value: float
    low: float
    high: float
    count: int

    def complement(self) -> "Estimate":
        """One less a probability's value and ends: the estimate of the opposite event's."""
        return Estimate(1 - self.value, 1 - self.high, 1 - self.low, self.count)


def _normal_quantile(confidence: float) -> float:
    """Two-sided quantile of the standard normal distribution, 1.96 for 0.95."""
    check_probability("confidence", confidence)
    return math.sqrt(2) * float(torch.erfinv(torch.tensor(confidence, dtype=torch.float64)))


def wilson(successes: int, count: int, *, confidence: float = 0.95) -> Estimate:
    """Estimate a probability, with Wilson's score interval.

    The interval stays inside [0, 1] and holds its level for rare events too, unlike the normal
    approximation.

    Args:
        successes: Number of events.
        count: Number of trials; without any, the frequency is NaN and the interval [0, 1].
        confidence: Probability in (0, 1) that the interval holds the true probability.

    Raises:
        ValueError: If a number is out of range.
    """
    check_nonnegative_int("successes", successes)
    check_nonnegative_int("count", count)
    if successes > count:
        raise ValueError(f"successes must not exceed count, {count}, got {successes}")
    z = _normal_quantile(confidence)
    if count == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    p = successes / count
    center = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count**2))
    low = 0.0 if successes == 0 else max(center - half, 0.0)
    high = 1.0 if successes == count else min(center + half, 1.0)
    return Estimate(p, low, high, count)


class _Frequency(Metric):
    """Counts of trials and successes; a subclass's ``update`` says what they are."""

    full_state_update = False
    successes: torch.Tensor
    trials: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("successes", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("trials", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def _count(self, events: torch.Tensor) -> None:
        """Count a chunk of events, ``[...]``, bool."""
        self.successes += events.sum()
        self.trials += events.numel()

    def compute(self) -> torch.Tensor:
        """Relative frequency: ``[]``, float64; NaN if nothing was counted."""
        return self.successes.double() / self.trials

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """Relative frequency with its interval, which holds the true probability so probably."""
        return wilson(int(self.successes), int(self.trials), confidence=confidence)


class SymbolErrorRate(_Frequency):
    """Symbol error rate (SER): how often the decided message is not the one sent."""

    def update(self, decided: torch.Tensor, messages: torch.Tensor) -> None:
        """Count a chunk of decided and transmitted messages, ``[batch]``, int64, each."""
        self._count(decided != messages)


class Accuracy(_Frequency):
    """Accuracy of a classifier: how often the decided class is the true one."""

    def update(self, decided: torch.Tensor, classes: torch.Tensor) -> None:
        """Count a chunk of decided and true classes, ``[batch]``, int64, each."""
        self._count(decided == classes)


class DetectionProbability(_Frequency):
    """Detection probability P_d: how often a present target is declared."""

    def update(self, declared: torch.Tensor, present: torch.Tensor) -> None:
        """Count a chunk: whether a target is declared, and is there, ``[batch]``, bool, each."""
        self._count(declared[present])


class FalseAlarmProbability(_Frequency):
    """False-alarm probability P_fa: how often a target is declared where there is none."""

    def update(self, declared: torch.Tensor, present: torch.Tensor) -> None:
        """Count a chunk: whether a target is declared, and is there, ``[batch]``, bool, each."""
        self._count(declared[~present])


class Mean(Metric):
    r"""Mean of real samples.

    The samples need not be kept: the interval comes from the central limit theorem,
    :math:`\bar x \pm z \sqrt{(\overline{x^2} - \bar x^2)/n}`, what a bootstrap over them converges
    to.
    """

    full_state_update = False
    total: torch.Tensor
    squares: torch.Tensor
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("squares", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, samples: torch.Tensor) -> None:
        """Add a chunk of samples, ``[...]``, real."""
        samples = samples.double()
        self.total += samples.sum()
        self.squares += samples.square().sum()
        self.count += samples.numel()

    def compute(self) -> torch.Tensor:
        """Mean: ``[]``, float64, in the unit of the samples; NaN if there were none."""
        return self.total / self.count

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """Mean with its interval, which holds the true one so probably."""
        z = _normal_quantile(confidence)
        count = int(self.count)
        if count == 0:
            return Estimate(math.nan, math.nan, math.nan, 0)
        mean = float(self.total) / count
        half = z * math.sqrt(max(float(self.squares) / count - mean**2, 0.0) / count)
        return Estimate(mean, mean - half, mean + half, count)


def psnr_db(mse: Estimate) -> Estimate:
    r"""Peak signal-to-noise ratio of reconstructed images from their mean squared error.

    Args:
        mse: Mean squared error over all images, of pixels in [0, 1].

    Returns:
        :math:`-10 \log_{10} \mathrm{MSE}` [dB] with the interval of the error; infinite where it
        is zero.
    """
    value, high, low = (
        10 * math.log10(1 / x) if x > 0 else math.inf if x <= 0 else math.nan
        for x in (mse.value, mse.low, mse.high)
    )
    return Estimate(value, low, high, mse.count)


class RootMeanSquare(Mean):
    """Root mean square of real samples: root of the mean of squares, and of its interval's ends."""

    def update(self, samples: torch.Tensor) -> None:
        """Add a chunk of samples, ``[...]``, real."""
        super().update(samples.double().square())

    def compute(self) -> torch.Tensor:
        """Root mean square: ``[]``, float64, in the unit of the samples; NaN if there were none."""
        return super().compute().sqrt()

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """Root mean square with its interval, which holds the true one so probably."""
        square = super().estimate(confidence)
        value, low, high = (
            math.sqrt(x) if not x < 0 else 0.0 for x in (square.value, square.low, square.high)
        )
        return Estimate(value, low, high, square.count)


class AngleRMSE(RootMeanSquare):
    """Root mean squared angle error (RMSE) over present and detected targets, P1 Sec. IV-A."""

    def update(  # type: ignore[override]
        self,
        estimate: torch.Tensor,
        theta: torch.Tensor,
        declared: torch.Tensor,
        present: torch.Tensor,
    ) -> None:
        """Add the samples of a chunk that hold a target and are declared to.

        Args:
            estimate: ``[batch]``, real. Angle estimates [rad].
            theta: ``[batch]``, real. True angles [rad].
            declared: ``[batch]``, bool. Whether a target is declared.
            present: ``[batch]``, bool. Whether there is a target.
        """
        super().update((estimate - theta)[declared & present])


def pareto_front(first: Sequence[float], second: Sequence[float]) -> list[int]:
    """Points that no other point beats in both of two costs, the smaller the better.

    Returns:
        Indices of the front, by rising first cost. Of equal points the first is kept; points with
        a NaN are left out.

    Raises:
        ValueError: If there are not as many second costs as first ones.
    """
    if len(first) != len(second):
        raise ValueError(
            f"second must have as many points as first, {len(first)}, got {len(second)}"
        )
    order = sorted(
        (i for i in range(len(first)) if not math.isnan(first[i] + second[i])),
        key=lambda i: (first[i], second[i], i),
    )
    front: list[int] = []
    for i in order:
        if not front or second[i] < second[front[-1]]:
            front.append(i)
    return front
