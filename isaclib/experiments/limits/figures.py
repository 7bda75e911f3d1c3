"""What no receiver, and no beam, can beat, beside the figures of P1, P2 and P3."""

from isaclib.experiments.limits import drawing
from isaclib.experiments.limits.config import MAP_PRESETS, SINGLE_CARRIER_PRESETS
from isaclib.experiments.limits.runs import run_p1, run_p2, run_p3
from isaclib.experiments.series.figures import FigureSpec

FIGURES = [
    FigureSpec(
        "p1-limits",
        "p1",
        "P1 Fig. 2 beside what no receiver, and no beam, can beat",
        SINGLE_CARRIER_PRESETS["p1"],
        run_p1,
        drawing.draw_p1,
    ),
    FigureSpec(
        "p2-limits",
        "p2",
        "P2 Figs. 4 and 5 beside what no receiver, and no beam, can beat",
        SINGLE_CARRIER_PRESETS["p2"],
        run_p2,
        drawing.draw_p2,
    ),
    FigureSpec(
        "p3-limits",
        "p3",
        "P3 Figs. 3 and 5 beside what no receiver, and no beam, can beat",
        MAP_PRESETS,
        run_p3,
        drawing.draw_p3,
    ),
]
