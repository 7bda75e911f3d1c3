"""P1, "End-to-End Learning for Integrated Sensing and Communication": the list of its figures."""

from isaclib.experiments import FigureSpec
from isaclib.experiments.engine.assembly import drawing
from isaclib.experiments.limits.config import SINGLE_CARRIER_PRESETS
from isaclib.experiments.limits.runs import LIMITS_DRAWING, run_p1
from isaclib.experiments.p1.config import (
    IMPAIRED_PRESETS,
    MAPRT_PRESETS,
    PENALTY_PRESETS,
    SEQUENTIAL_PRESETS,
    TRADEOFF_PRESETS,
)
from isaclib.experiments.p1.runs import (
    run_beampatterns,
    run_impaired,
    run_maprt,
    run_penalties,
    run_sequential,
    run_tradeoff,
    run_uncertainty,
)

DRAWING = "isaclib.experiments.p1.drawing"
"""Module that draws; imported when it is asked to, since it imports matplotlib."""

FIGURES = [
    FigureSpec(
        "p1-fig2",
        "p1",
        "SER against detection probability and angle RMSE, without impairments",
        TRADEOFF_PRESETS,
        run_tradeoff,
        drawing(DRAWING, "draw_tradeoff"),
    ),
    FigureSpec(
        "p1-fig3",
        "p1",
        "Learned beampatterns",
        TRADEOFF_PRESETS,
        run_beampatterns,
        drawing(DRAWING, "draw_beampatterns"),
    ),
    FigureSpec(
        "p1-fig4",
        "p1",
        "Angle RMSE against the claimed uncertainty",
        TRADEOFF_PRESETS,
        run_uncertainty,
        drawing(DRAWING, "draw_uncertainty"),
    ),
    FigureSpec(
        "p1-fig5",
        "p1",
        "SER against detection probability and angle RMSE, with spacing errors",
        IMPAIRED_PRESETS,
        run_impaired,
        drawing(DRAWING, "draw_impaired"),
    ),
    FigureSpec(
        "p1-penalty",
        "p1",
        "What assuming half a wavelength costs the baseline, over readings and sizes of the errors",
        PENALTY_PRESETS,
        run_penalties,
        drawing(DRAWING, "draw_penalties"),
    ),
    FigureSpec(
        "p1-sequential",
        "p1",
        "Sequential against joint training of the radar networks",
        SEQUENTIAL_PRESETS,
        run_sequential,
        drawing(DRAWING, "draw_sequential"),
    ),
    FigureSpec(
        "p1-maprt",
        "p1",
        "The MAPRT against a brute-force maximization and against knowing the signal",
        MAPRT_PRESETS,
        run_maprt,
        drawing(DRAWING, "draw_maprt"),
    ),
    FigureSpec(
        "p1-limits",
        "p1",
        "P1 Fig. 2 beside what no receiver, and no beam, can beat",
        SINGLE_CARRIER_PRESETS["p1"],
        run_p1,
        drawing(LIMITS_DRAWING, "draw_p1"),
    ),
]
