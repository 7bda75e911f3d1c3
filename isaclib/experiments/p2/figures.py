"""P2, "Model-Driven End-to-End Learning for ISAC": the list of its figures."""

from isaclib.experiments import FigureSpec
from isaclib.experiments.engine.assembly import drawing
from isaclib.experiments.limits.config import SINGLE_CARRIER_PRESETS
from isaclib.experiments.limits.runs import LIMITS_DRAWING, run_p2
from isaclib.experiments.p2.config import IDEAL_PRESETS, IMPAIRED_PRESETS, READINGS_PRESETS
from isaclib.experiments.p2.runs import run_ideal, run_impaired, run_readings, run_unseen

DRAWING = "isaclib.experiments.p2.drawing"
"""Module that draws; imported when it is asked to, since it imports matplotlib."""

FIGURES = [
    FigureSpec(
        "p2-fig3",
        "p2",
        "SER against misdetection probability and angle RMSE, without impairments",
        IDEAL_PRESETS,
        run_ideal,
        drawing(DRAWING, "draw_ideal"),
    ),
    FigureSpec(
        "p2-fig4",
        "p2",
        "The same with spacing errors, with and without a limit on the complexity",
        IMPAIRED_PRESETS,
        run_impaired,
        drawing(DRAWING, "draw_impaired"),
    ),
    FigureSpec(
        "p2-fig5",
        "p2",
        "The same for a target sector that is not in the training set",
        IMPAIRED_PRESETS,
        run_unseen,
        drawing(DRAWING, "draw_unseen"),
    ),
    FigureSpec(
        "p2-readings",
        "p2",
        "Baseline and model-driven learning under both readings of the spacing errors",
        READINGS_PRESETS,
        run_readings,
        drawing(DRAWING, "draw_readings"),
    ),
    FigureSpec(
        "p2-limits",
        "p2",
        "P2 Figs. 4 and 5 beside what no receiver, and no beam, can beat",
        SINGLE_CARRIER_PRESETS["p2"],
        run_p2,
        drawing(LIMITS_DRAWING, "draw_p2"),
    ),
]
