"""P3's claims, in words; :mod:`isaclib.experiments.p3.checks` has their criteria in code."""

from isaclib.experiments.engine.claims import Claim
from isaclib.experiments.engine.criteria import CLOSE_RMSE, MOST
from isaclib.experiments.p3.checks import (
    CLOSE,
    CONSIDERABLE,
    CUT_OFF,
    EARLY,
    WORSE_SER,
    check_constellation,
    check_cut_off,
    check_divergence,
    check_drop,
    check_known,
    check_limited,
    check_order,
    check_ratio,
    check_thousand,
    check_ul_first,
)

GAP = "the gap between the baselines that do not and do know the spacings (mean over all arrays)"

CLAIMS = [
    Claim(
        "p3-ul-first",
        "p3",
        ("Fig. 3",),
        "Unsupervised learning converges faster at first, supervised overtakes after about 20,000 "
        "iterations and ends better.",
        f"In the first {EARLY:.0%} of the iterations P_md of UL lies below that of SL by more than "
        "the interval of the difference at half of the marks or more, and at the end it lies "
        "above by more than the interval.",
        ("p3-fig3",),
        check_ul_first,
    ),
    Claim(
        "p3-order",
        "p3",
        ("Fig. 3",),
        "Supervised then unsupervised beats the other order at the same total.",
        "At the end P_md of UL+SL lies above that of SL+UL by more than the interval of the "
        "difference.",
        ("p3-fig3",),
        check_order,
    ),
    Claim(
        "p3-1000",
        "p3",
        ("Fig. 3",),
        "1,000 supervised iterations then unsupervised ones come close to 85,000 supervised ones.",
        f"At the end P_md of SL+UL is at most {CLOSE:.0%} of {GAP} above that of SL.",
        ("p3-fig3",),
        check_thousand,
    ),
    Claim(
        "p3-ratio",
        "p3",
        ("Fig. 4",),
        "A labelled share of 1.2 % reaches supervised performance: 98.8 % fewer labels.",
        f"P_md is at most {CLOSE:.0%} of {GAP} above that of SL with this share, and with each "
        "larger one.",
        ("p3-fig4",),
        check_ratio,
    ),
    Claim(
        "p3-cutoff",
        "p3",
        ("Fig. 4",),
        "Below about 1 % labelled, performance is considerably worse.",
        f"With the fewest labels P_md is at least {CONSIDERABLE:.0%} of {GAP} above that of SL, "
        f"and the share from which on it is at most {CLOSE:.0%} lies in "
        f"[{CUT_OFF[0]:.1%}, {CUT_OFF[1]:.0%}].",
        ("p3-fig4",),
        check_cut_off,
    ),
    Claim(
        "p3-known",
        "p3",
        ("Fig. 5",),
        "Supervised learning reaches the baseline that knows the impairments.",
        f"In at least {MOST:.0%} of SL's Pareto points the interval of P_md begins at most "
        f"{CLOSE:.0%} of the gap between the baselines above the best that the knowing baseline "
        f"has at no larger SER, and in as many the interval of the position RMSE at most at "
        f"{CLOSE_RMSE} times its best.",
        ("p3-fig5",),
        check_known,
    ),
    Claim(
        "p3-limited",
        "p3",
        ("Fig. 5",),
        "1,000 supervised iterations alone suffer, in misdetection and SER; continuing "
        "unsupervised recovers both.",
        f"Against SL with all iterations, SL with few has a smallest P_md more than {CLOSE:.0%} of "
        f"{GAP} above, and at least {WORSE_SER} times the smallest SER; continued without labels "
        "it has neither.",
        ("p3-fig5",),
        check_limited,
    ),
    Claim(
        "p3-lr-drop",
        "p3",
        ("Sec. V-A",),
        "Lowering the supervised learning rate after 50,000 iterations helps.",
        "P_md at the end is higher without the drop by more than the interval of the difference.",
        ("p3-learning",),
        check_drop,
    ),
    Claim(
        "p3-divergence",
        "p3",
        ("footnote 3",),
        "Higher learning rates diverge.",
        "With each learning rate above the paper's that was tried, P_md ends no lower than it "
        "began.",
        ("p3-learning",),
        check_divergence,
    ),
    Claim(
        "p3-constellation",
        "p3",
        ("footnote 1",),
        "The detector of Eq. (9) holds for any constellation.",
        "With 16-QAM, P_md of Eq. (9) after reciprocal filtering is not above that of the MAPRT "
        "derived with the symbols' moduli by more than the interval of the difference.",
        ("p3-constellation",),
        check_constellation,
    ),
]
