"""P2, "Model-Driven End-to-End Learning for ISAC": the list of its figures."""

from isaclib.experiments.p2 import drawing
from isaclib.experiments.p2.config import IDEAL_PRESETS, IMPAIRED_PRESETS, READINGS_PRESETS
from isaclib.experiments.p2.runs import run_ideal, run_impaired, run_readings, run_unseen
from isaclib.experiments.series.figures import FigureSpec

FIGURES = [
    FigureSpec(
        "p2-fig3",
        "p2",
        "SER against misdetection probability and angle RMSE, without impairments",
        IDEAL_PRESETS,
        run_ideal,
        drawing.draw_ideal,
    ),
    FigureSpec(
        "p2-fig4",
        "p2",
        "The same with spacing errors, with and without a limit on the complexity",
        IMPAIRED_PRESETS,
        run_impaired,
        drawing.draw_impaired,
    ),
    FigureSpec(
        "p2-fig5",
        "p2",
        "The same for a target sector that is not in the training set",
        IMPAIRED_PRESETS,
        run_unseen,
        drawing.draw_unseen,
    ),
    FigureSpec(
        "p2-readings",
        "p2",
        "Baseline and model-driven learning under both readings of the spacing errors",
        READINGS_PRESETS,
        run_readings,
        drawing.draw_readings,
    ),
]
