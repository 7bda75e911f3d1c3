"""P2's claims, in words; :mod:`isaclib.experiments.p2.checks` has their criteria in code."""

from isaclib.experiments.p2.checks import (
    ALMOST,
    check_generalise,
    check_ideal,
    check_impaired,
    check_limited,
    check_nn_edge,
    check_parameters,
)
from isaclib.experiments.series.claims import Claim
from isaclib.experiments.series.criteria import CLOSE_P_D, CLOSE_RMSE, MOST

CLOSE = f"at most {CLOSE_P_D} above in P_md and at most {CLOSE_RMSE} times in RMSE"

CLAIMS = [
    Claim(
        "p2-ideal",
        "p2",
        ("Fig. 3",),
        "Without impairments and with unlimited complexity there is no significant difference "
        "between both learners and the baseline.",
        f"In at least {MOST:.0%} of the points (omega_r > 0) each learner is {CLOSE} the best that "
        "the baseline reaches without a larger SER.",
        ("p2-fig3",),
        check_ideal,
    ),
    Claim(
        "p2-impaired",
        "p2",
        ("Fig. 4",),
        "With impairments the baseline's angle estimate drops; both learners adapt.",
        f"Assuming half a wavelength costs the baseline an RMSE of at least {CLOSE_RMSE} times "
        "(median over all arrays), and both learners, their complexity unlimited, are in at least "
        f"{MOST:.0%} of their points {CLOSE} the baseline that knows the spacings.",
        ("p2-fig4",),
        check_impaired,
    ),
    Claim(
        "p2-nn-edge",
        "p2",
        ("Fig. 4",),
        "With unlimited complexity the neural networks do slightly better than model-driven "
        "learning.",
        f"The networks are ahead of model-driven learning at equal SER in at least {MOST:.0%} of "
        "their points in P_md, and in as many in RMSE.",
        ("p2-fig4",),
        check_nn_edge,
    ),
    Claim(
        "p2-limited",
        "p2",
        ("Fig. 4",),
        "Limited to about 5,000 parameters, the neural networks degrade in detection and angle; "
        "model-driven learning does not.",
        f"Limited networks lose at equal SER (medians) more than {CLOSE_P_D} in P_md, and more "
        f"than a factor {CLOSE_RMSE} in RMSE, to unlimited ones; limited model-driven learning is "
        f"in at least {MOST:.0%} of its points {CLOSE} the unlimited one.",
        ("p2-fig4",),
        check_limited,
    ),
    Claim(
        "p2-generalise",
        "p2",
        ("Fig. 5",),
        "On the unseen sector [-20°, 20°] model-driven learning is best, ahead of the baseline and "
        "of the networks, in detection and angle.",
        f"At equal SER and both complexities model-driven learning is ahead in P_md and in RMSE in "
        f"at least {MOST:.0%} of its points of the baseline that assumes half a wavelength, and in "
        "as many of the networks.",
        ("p2-fig5",),
        check_generalise,
    ),
    Claim(
        "p2-parameters",
        "p2",
        ("Sec. V-B", "Sec. V-C"),
        "The networks have 6.4 million (N = 1024) and about 5,000 (N = 21) real parameters, the "
        "matrices 8,000 (N_grid = 500) and about 2,500 (N_grid = 156) complex ones.",
        f"Each count of this implementation differs by at most {ALMOST:.0%}.",
        (),
        check_parameters,
    ),
]
