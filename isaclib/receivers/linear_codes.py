r"""Principal components as a code: what a linear transmission of images reaches, for comparison.

The learned encoder of P4 is one way to put an image into n numbers. The best linear one for
Gaussian images sends their first n principal components uncoded, each with its own fraction of the
power, and the receiver estimates them linearly (Lee and Petersen, 1976).
"""

import math
from dataclasses import dataclass

import torch

from isaclib._validation import check_positive_int
from isaclib.channels.codes import CodeChannel, CodeRealization, check_code_size, paired
from isaclib.data.images import SHAPE, ImageSet
from isaclib.signal.noise import NOISE_POWER, gain_variance


@dataclass(frozen=True, eq=False)
class LinearCode:
    """Principal components with their amplitudes, made by :meth:`PrincipalComponents.code`.

    Attributes:
        mean: ``[pixels]``, float32. Mean image.
        components: ``[pixels, size]``, float32. Principal directions, orthonormal.
        variances: ``[size]``, float32. Variance of the images along each.
        amplitudes: ``[size]``, float32. Factor that each is sent with.
        total_variance: Variance of the images over all pixels.
    """

    mean: torch.Tensor
    components: torch.Tensor
    variances: torch.Tensor
    amplitudes: torch.Tensor
    total_variance: float

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Codes ``[batch, size / 2]``, complex64, of pixels ``[batch, 3, 32, 32]`` in [0, 1].

        They have unit power a symbol on average over the images.
        """
        return paired((pixels.flatten(1) - self.mean) @ self.components * self.amplitudes)

    def reconstruct(
        self, received: torch.Tensor, channel: CodeChannel, realization: CodeRealization
    ) -> torch.Tensor:
        """Best linear estimate of the images by a receiver that knows the gain.

        One that does not know a Rayleigh gain has no linear estimate better than the mean image.

        Args:
            received: ``[batch, size / 2]``, complex64. Received symbols.
            channel: Channel that they came through.
            realization: Its realization.

        Returns:
            ``[batch, 3, 32, 32]``, float32. Pixels.
        """
        gain = realization.gain.unsqueeze(-1) * math.sqrt(gain_variance(channel.snr_db))
        coherent = torch.view_as_real(received * gain.conj()).flatten(1)
        # Each real dimension has half of the noise power.
        power = gain.abs().square() * self.amplitudes.square()
        gains = self.amplitudes * self.variances / (power * self.variances + NOISE_POWER / 2)
        estimate = self.mean + (coherent * gains) @ self.components.mT
        return estimate.unflatten(1, SHAPE)

    def expected_mse(self, snr_db: float) -> float:
        """Mean squared error over pixels at a gain that does not fade, for an SNR of a symbol [dB].

        It is exact for images of the moments that the code was made from.
        """
        signal = self.amplitudes.square() * self.variances * gain_variance(snr_db)
        left = self.variances / (1 + signal / (NOISE_POWER / 2))
        lost = self.total_variance - float((self.variances - left).double().sum())
        return lost / len(self.mean)


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Mean and principal directions of images, from which codes of any smaller size follow.

    Attributes:
        mean: ``[pixels]``, float32. Mean image.
        directions: ``[pixels, size]``, float32. Principal directions, orthonormal.
        variances: ``[size]``, float32. Variance of the images along each, in falling order.
        total_variance: Variance of the images over all pixels.
    """

    mean: torch.Tensor
    directions: torch.Tensor
    variances: torch.Tensor
    total_variance: float

    def code(self, size: int, snr_db: float) -> LinearCode:
        """Best linear code of the first components.

        Args:
            size: Real dimensions of a code, n.
            snr_db: SNR of a received symbol that the power is shared out for [dB].

        Raises:
            ValueError: If ``size`` is odd, not positive or more than there are components.
        """
        if check_code_size("size", size) > len(self.variances):
            raise ValueError(
                f"size must be at most {len(self.variances)}, the number of components, got {size}"
            )
        largest = self.variances[:size]
        snr = gain_variance(snr_db) / (NOISE_POWER / 2)
        power = shared_power(largest, size / 2, snr)
        # A component without variance is sent with no power, whatever its amplitude.
        amplitudes = torch.where(power > 0, (power / largest).sqrt(), torch.zeros_like(power))
        components = self.directions[:, :size].contiguous()
        return LinearCode(self.mean, components, largest, amplitudes, self.total_variance)


def principal_components(images: ImageSet, size: int) -> PrincipalComponents:
    """Find the principal components of images, those of the largest variances.

    Args:
        images: Training images, more than ``size``; some thousands are enough.
        size: Number of components.

    Raises:
        ValueError: If ``size`` is not positive or too large.
    """
    if check_positive_int("size", size) >= min(len(images), math.prod(SHAPE)):
        raise ValueError(
            f"size must be below the number of images, {len(images)}, and of pixels, "
            f"{math.prod(SHAPE)}, got {size}"
        )
    pixels = images.images.flatten(1).float() / 255
    mean = pixels.mean(0)
    centred = pixels - mean
    variances, directions = torch.linalg.eigh(centred.mT @ centred / len(images))
    return PrincipalComponents(
        mean,
        directions.flip(1)[:, :size].contiguous(),
        variances.flip(0)[:size].clamp_min(0),
        float(variances.double().sum()),
    )


def shared_power(variances: torch.Tensor, power: float, snr: float) -> torch.Tensor:
    r"""Share power out so that the sum of mean squared errors is least.

    .. math:: \min_{p} \sum_i \frac{\lambda_i}{1 + \mathrm{SNR}\,p_i}, \quad
        \sum_i p_i = P, \quad p_i \ge 0

    Its solution fills :math:`\sqrt{\lambda_i}` up to one level:
    :math:`p_i = (c\sqrt{\lambda_i} - 1)^+ / \mathrm{SNR}`.

    Args:
        variances: ``[size]``, real, in falling order. Variances :math:`\lambda_i`.
        power: Power P to share out.
        snr: Signal-to-noise ratio that unit power gives.

    Returns:
        ``[size]``, real. Power of each component.
    """
    roots = variances.sqrt()
    count = torch.arange(1, len(roots) + 1, dtype=roots.dtype, device=roots.device)
    levels = (snr * power + count) / roots.cumsum(0)
    # The first k are worth power if the k-th is still above the level that they lead to.
    used = int((levels * roots > 1).sum())
    return ((levels[used - 1] * roots - 1) / snr).clamp_min(0)
