"""P4, "Joint Sensing and Semantic Communications": the list of its figures."""

from isaclib.experiments.p4 import drawing
from isaclib.experiments.p4.config import (
    CHOICES_PRESETS,
    SEMANTIC_PRESETS,
    SWEEPS_PRESETS,
    WEIGHTS_PRESETS,
)
from isaclib.experiments.p4.runs import run_choices, run_semantic, run_sweeps, run_weights
from isaclib.experiments.series.figures import FigureSpec

FIGURES = [
    FigureSpec(
        "p4-fig4",
        "p4",
        "Reconstruction loss and sensing accuracy over the weight of the sensing task",
        WEIGHTS_PRESETS,
        run_weights,
        drawing.draw_weights,
    ),
    FigureSpec(
        "p4-fig5",
        "p4",
        "The same over both SNRs, the encoder's output size and the number of ranges",
        SWEEPS_PRESETS,
        run_sweeps,
        drawing.draw_sweeps,
    ),
    FigureSpec(
        "p4-fig6",
        "p4",
        "Three tasks over the SNR: reconstruction, sensing, and animal or not",
        SEMANTIC_PRESETS,
        run_semantic,
        drawing.draw_semantic,
    ),
    FigureSpec(
        "p4-choices",
        "p4",
        "The default point under the choices that the paper leaves open",
        CHOICES_PRESETS,
        run_choices,
        drawing.draw_choices,
    ),
]
