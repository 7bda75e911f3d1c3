"""Figures can be read: text is large enough on a page and a phone, colours stand out from white."""

import matplotlib as mpl
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.text import Text

from isaclib.experiments import figure, figures, load_result
from isaclib.experiments.engine.plotting import COLORS, STYLE, WIDTH

POINTS_PER_INCH = 72
SHOWN = {"page": (560, 11), "phone": (350, 9)}
"""Width at which a figure is shown at 1280 and 390 px, and the least height of its text [px]."""


@pytest.fixture(autouse=True)
def closed():
    mpl.use("Agg")
    yield
    plt.close("all")


def luminance(color):
    """Relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("name", COLORS)
def test_colors_stand_out(name):
    assert 1.05 / (luminance(colors.to_rgb(COLORS[name])) + 0.05) >= 3


@pytest.mark.parametrize("name", figures())
def test_text_is_large_enough(name):
    drawn = figure(name).draw(load_result(name))
    width = drawn.get_size_inches()[0]
    assert width == WIDTH
    sizes = [text.get_fontsize() for text in drawn.findobj(Text) if text.get_text().strip()]
    for pixels, least in SHOWN.values():
        assert min(sizes) / POINTS_PER_INCH * pixels / width >= least


def test_small_text_would_be_found():
    with plt.rc_context(STYLE):
        drawn, axes = plt.subplots(figsize=(WIDTH, 3))
        axes.set_title("small", fontsize=7.5)
    small = min(text.get_fontsize() for text in drawn.findobj(Text) if text.get_text())
    assert small / POINTS_PER_INCH * SHOWN["phone"][0] / WIDTH < SHOWN["phone"][1]
