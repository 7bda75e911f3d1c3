"""P1's claims, in words; :mod:`isaclib.experiments.p1.checks` has their criteria in code."""

from isaclib.experiments.p1.checks import (
    check_comm_end,
    check_impairments,
    check_maprt,
    check_radar_end,
    check_sequential,
    check_sweet_spot,
    check_tradeoff,
    check_uncertainty_monotone,
    check_uncertainty_under,
)
from isaclib.experiments.series.claims import Claim
from isaclib.experiments.series.criteria import CLOSE_P_D, CLOSE_RMSE, MOST

CLAIMS = [
    Claim(
        "p1-tradeoff",
        "p1",
        ("Fig. 2",),
        "Without impairments the autoencoder's SER-P_d and SER-RMSE trade-off is close to the "
        "model-based baseline.",
        f"In at least {MOST:.0%} of the points (omega_r > 0, all trainings) P_d is at most "
        f"{CLOSE_P_D} below, and in at least {MOST:.0%} the RMSE is at most {CLOSE_RMSE} times, "
        "the best that the baseline's sweep reaches without a larger SER.",
        ("p1-fig2",),
        check_tradeoff,
    ),
    Claim(
        "p1-radar-end",
        "p1",
        ("Fig. 2", "Fig. 3"),
        "As omega_r -> 1 the SER degrades sharply: the beam leaves the communication receiver.",
        "From the last omega_r below 1 to 1 the mean SER grows at least tenfold, and the beam of "
        "omega_r = 1 sends at most a tenth of the energy towards the receiver that the one of "
        "omega_r = 0 does.",
        ("p1-fig2", "p1-fig3"),
        check_radar_end,
    ),
    Claim(
        "p1-comm-end",
        "p1",
        ("Fig. 2", "Fig. 3"),
        "As omega_r -> 0 detection probability falls and angle RMSE rises severely.",
        "From omega_r = 0.09 over the smallest positive one to 0, mean P_d falls and mean RMSE "
        "rises: in all, P_d at least to half and the RMSE at least to twice.",
        ("p1-fig2",),
        check_comm_end,
    ),
    Claim(
        "p1-sweet-spot",
        "p1",
        ("Fig. 2", "Fig. 3"),
        "Near omega_r = 0.09 both are good, and the beampattern points at both sectors.",
        "At omega_r = 0.09 the mean P_d is at least 85 % of the largest and the mean SER at most "
        "five times the smallest over all omega_r, and the mean energy towards both sectors is "
        "above that of a single antenna.",
        ("p1-fig2", "p1-fig3"),
        check_sweet_spot,
    ),
    Claim(
        "p1-uncertainty-monotone",
        "p1",
        ("Fig. 4",),
        "The angle RMSE rises monotonically with the reported sigma across omega_r.",
        "Reproduced if sigma (root mean square) and RMSE put all pairs of omega_r in the same "
        f"order in every training, partly if {MOST:.0%} of the pairs.",
        ("p1-fig4",),
        check_uncertainty_monotone,
    ),
    Claim(
        "p1-uncertainty-under",
        "p1",
        ("Fig. 4",),
        "sigma slightly underestimates the RMSE.",
        f"In at least {MOST:.0%} of the points the RMSE is 1 to 1.5 times sigma; both for the root "
        "mean square of sigma and for its mean, since the paper does not say which it plots.",
        ("p1-fig4",),
        check_uncertainty_under,
    ),
    Claim(
        "p1-impairments",
        "p1",
        ("Fig. 5",),
        "With spacing errors of lambda/30 the autoencoder adapts, the lambda/2 baseline pays a "
        "significant penalty.",
        f"In at least {MOST:.0%} of the points the autoencoder is as close to the baseline that "
        "knows the spacings as p1-tradeoff asks, in as many its RMSE is below that of the baseline "
        "that assumes half a wavelength, and the latter's best RMSE is at least 1.5 times the "
        "former's (median over all draws). First reading of the errors.",
        ("p1-fig5",),
        check_impairments,
    ),
    Claim(
        "p1-sequential",
        "p1",
        ("Sec. IV-C",),
        "Training the radar receiver networks one after another beats training all six at once.",
        f"Sequential training has the larger P_d and the smaller RMSE in at least {MOST:.0%} of "
        "the pairs (omega_r, training): against joint training with as many samples a network, "
        "and against joint training with as many steps in all.",
        ("p1-sequential",),
        check_sequential,
    ),
    Claim(
        "p1-maprt",
        "p1",
        ("App. A",),
        "The detector of Eq. (18) is the maximum a-posteriori ratio test when the transmitted "
        "signal is maximised over.",
        "No brute-force maximization of Eq. (14) exceeds the closed form from Eq. (18) by more "
        "than a thousandth, and half of them reach it to a thousandth.",
        ("p1-maprt",),
        check_maprt,
    ),
]
