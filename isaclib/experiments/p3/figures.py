"""P3, "Semi-Supervised End-to-End Learning for ISAC": the list of its figures."""

from isaclib.experiments import FigureSpec
from isaclib.experiments.engine.assembly import drawing
from isaclib.experiments.limits.config import MAP_PRESETS
from isaclib.experiments.limits.runs import LIMITS_DRAWING, run_p3
from isaclib.experiments.p3.extra_runs import run_constellation, run_learning
from isaclib.experiments.p3.presets import (
    CONSTELLATION_PRESETS,
    METHODS_PRESETS,
    RATIO_PRESETS,
    SENSING_PRESETS,
    TRADEOFF_PRESETS,
)
from isaclib.experiments.p3.runs import run_ratio, run_sensing, run_tradeoff

DRAWING = "isaclib.experiments.p3.drawing"
"""Module that draws; imported when it is asked to, since it imports matplotlib."""

FIGURES = [
    FigureSpec(
        "p3-fig3",
        "p3",
        "Misdetection probability and position RMSE along all schedules",
        SENSING_PRESETS,
        run_sensing,
        drawing(DRAWING, "draw_sensing"),
    ),
    FigureSpec(
        "p3-fig4",
        "p3",
        "Misdetection probability over the labelled share",
        RATIO_PRESETS,
        run_ratio,
        drawing(DRAWING, "draw_ratio"),
    ),
    FigureSpec(
        "p3-fig5",
        "p3",
        "SER against misdetection probability and position RMSE over all joint beams",
        TRADEOFF_PRESETS,
        run_tradeoff,
        drawing(DRAWING, "draw_tradeoff"),
    ),
    FigureSpec(
        "p3-learning",
        "p3",
        "Ways to learn the spacings, on as many labelled samples",
        METHODS_PRESETS,
        run_learning,
        drawing(DRAWING, "draw_learning"),
    ),
    FigureSpec(
        "p3-constellation",
        "p3",
        "The detector of Eq. (9) with symbols of unequal moduli",
        CONSTELLATION_PRESETS,
        run_constellation,
        drawing(DRAWING, "draw_constellation"),
    ),
    FigureSpec(
        "p3-limits",
        "p3",
        "P3 Figs. 3 and 5 beside what no receiver, and no beam, can beat",
        MAP_PRESETS,
        run_p3,
        drawing(LIMITS_DRAWING, "draw_p3"),
    ),
]
