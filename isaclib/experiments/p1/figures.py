"""P1, "End-to-End Learning for Integrated Sensing and Communication": the list of its figures."""

from isaclib.experiments.p1 import drawing
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
from isaclib.experiments.series.figures import FigureSpec

FIGURES = [
    FigureSpec(
        "p1-fig2",
        "p1",
        "SER against detection probability and angle RMSE, without impairments",
        TRADEOFF_PRESETS,
        run_tradeoff,
        drawing.draw_tradeoff,
    ),
    FigureSpec(
        "p1-fig3",
        "p1",
        "Learned beampatterns",
        TRADEOFF_PRESETS,
        run_beampatterns,
        drawing.draw_beampatterns,
    ),
    FigureSpec(
        "p1-fig4",
        "p1",
        "Angle RMSE against the claimed uncertainty",
        TRADEOFF_PRESETS,
        run_uncertainty,
        drawing.draw_uncertainty,
    ),
    FigureSpec(
        "p1-fig5",
        "p1",
        "SER against detection probability and angle RMSE, with spacing errors",
        IMPAIRED_PRESETS,
        run_impaired,
        drawing.draw_impaired,
    ),
    FigureSpec(
        "p1-penalty",
        "p1",
        "What assuming half a wavelength costs the baseline, over readings and sizes of the errors",
        PENALTY_PRESETS,
        run_penalties,
        drawing.draw_penalties,
    ),
    FigureSpec(
        "p1-sequential",
        "p1",
        "Sequential against joint training of the radar networks",
        SEQUENTIAL_PRESETS,
        run_sequential,
        drawing.draw_sequential,
    ),
    FigureSpec(
        "p1-maprt",
        "p1",
        "The MAPRT against a brute-force maximization and against knowing the signal",
        MAPRT_PRESETS,
        run_maprt,
        drawing.draw_maprt,
    ),
]
