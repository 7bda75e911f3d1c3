"""P4's claims, in words; :mod:`isaclib.experiments.p4.checks` has their criteria in code."""

from isaclib.experiments.p4.checks import (
    FALL,
    FAR_LOSS,
    GUESSED,
    LEVEL_ACCURACY,
    LEVEL_LOSS,
    NEAR_ACCURACY,
    NEAR_LOSS,
    QUICK_ERROR,
    QUICK_LOSS,
    QUICK_TASK,
    SIZE,
    check_channel,
    check_ranges,
    check_semantic,
    check_size,
    check_snr,
    check_weights,
)
from isaclib.experiments.series.claims import Claim
from isaclib.experiments.series.criteria import MOST

STEADY = (
    f"In at least {MOST:.0%} of the steps the loss does not rise by more than {LEVEL_LOSS - 1:.0%} "
    f"and the accuracy does not fall by more than {LEVEL_ACCURACY}"
)

CLAIMS = [
    Claim(
        "p4-weights",
        "p4",
        ("Fig. 4",),
        "Sensing weight 0 reconstructs well and senses badly, weight 1 the reverse, 1/2 does both.",
        f"Over each channel: at weight 0 the sensing accuracy is at most {GUESSED}; at weight 1 "
        f"the loss is at least {FAR_LOSS:g} times that at 0; at 1/2 the loss is at most "
        f"{NEAR_LOSS} times that at 0 and the accuracy at most {NEAR_ACCURACY} below that at 1.",
        ("p4-fig4",),
        check_weights,
    ),
    Claim(
        "p4-snr",
        "p4",
        ("Fig. 5",),
        "Reconstruction improves quickly with the communication SNR, sensing with the sensing SNR.",
        f"Over each channel, from the lowest to the highest SNR: the loss falls to at most "
        f"{QUICK_LOSS} times, the rate of wrong sensing decisions to at most {QUICK_ERROR} times. "
        f"{STEADY}.",
        ("p4-fig5",),
        check_snr,
    ),
    Claim(
        "p4-channel",
        "p4",
        ("Fig. 4", "Fig. 5", "Fig. 6"),
        "Everything is better under AWGN than under Rayleigh fading.",
        f"AWGN is ahead in at least {MOST:.0%} of the points of Figs. 4 to 6 in each of loss, "
        "sensing accuracy and task accuracy; decoders that were not trained do not count.",
        ("p4-fig4", "p4-fig5", "p4-fig6"),
        check_channel,
    ),
    Claim(
        "p4-size",
        "p4",
        ("Fig. 5",),
        "Performance improves quickly with the encoder's output size, and 20 of 3,072 dimensions "
        "(0.65 %) suffice.",
        f"Over each channel: from the smallest size to {SIZE} the loss falls to at most "
        f"{QUICK_LOSS} times; so does the rate of wrong sensing decisions, to at most "
        f"{QUICK_ERROR} times; and the largest size takes from the loss at {SIZE} at most half of "
        f"what {SIZE} took from the smallest size's, and is at most {NEAR_ACCURACY} ahead in "
        "sensing accuracy.",
        ("p4-fig5",),
        check_size,
    ),
    Claim(
        "p4-ranges",
        "p4",
        ("Fig. 5",),
        "More potential ranges cost sensing accuracy, most under Rayleigh fading.",
        f"From one range to the most of them the sensing accuracy falls by at least {FALL} over "
        "each channel, and by more under Rayleigh fading than under AWGN.",
        ("p4-fig5",),
        check_ranges,
    ),
    Claim(
        "p4-semantic",
        "p4",
        ("Fig. 6",),
        "With a third task, sensing and task accuracy rise with SNR while the reconstruction loss "
        "falls further.",
        f"Over each channel, from the lowest to the highest SNR: the rate of wrong sensing "
        f"decisions falls to at most {QUICK_ERROR} times, the task accuracy rises by at least "
        f"{QUICK_TASK}, the loss falls to at most {QUICK_LOSS} times. {STEADY}.",
        ("p4-fig6",),
        check_semantic,
    ),
]
