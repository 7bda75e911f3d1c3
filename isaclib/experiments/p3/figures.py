"""P3, "Semi-Supervised End-to-End Learning for ISAC": the list of its figures."""

from isaclib.experiments.engine.figures import FigureSpec
from isaclib.experiments.p3 import drawing
from isaclib.experiments.p3.extra_runs import run_constellation, run_learning
from isaclib.experiments.p3.presets import (
    CONSTELLATION_PRESETS,
    METHODS_PRESETS,
    RATIO_PRESETS,
    SENSING_PRESETS,
    TRADEOFF_PRESETS,
)
from isaclib.experiments.p3.runs import run_ratio, run_sensing, run_tradeoff

FIGURES = [
    FigureSpec(
        "p3-fig3",
        "p3",
        "Misdetection probability and position RMSE along all schedules",
        SENSING_PRESETS,
        run_sensing,
        drawing.draw_sensing,
    ),
    FigureSpec(
        "p3-fig4",
        "p3",
        "Misdetection probability over the labelled share",
        RATIO_PRESETS,
        run_ratio,
        drawing.draw_ratio,
    ),
    FigureSpec(
        "p3-fig5",
        "p3",
        "SER against misdetection probability and position RMSE over all joint beams",
        TRADEOFF_PRESETS,
        run_tradeoff,
        drawing.draw_tradeoff,
    ),
    FigureSpec(
        "p3-learning",
        "p3",
        "Ways to learn the spacings, on as many labelled samples",
        METHODS_PRESETS,
        run_learning,
        drawing.draw_learning,
    ),
    FigureSpec(
        "p3-constellation",
        "p3",
        "The detector of Eq. (9) with symbols of unequal moduli",
        CONSTELLATION_PRESETS,
        run_constellation,
        drawing.draw_constellation,
    ),
]
