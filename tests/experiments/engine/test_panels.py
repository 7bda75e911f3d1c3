"""Panels draw the rows that their layers select, and nothing else."""

import matplotlib as mpl
import pytest
from drawn_curves import curves
from matplotlib import pyplot as plt
from stored_results import a_result

from isaclib.experiments.engine.panels import (
    Band,
    Drawing,
    Front,
    Level,
    Line,
    Notes,
    Panel,
    Ranges,
)
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point
from isaclib.metrics import Estimate

mpl.use("Agg")

UNITS = {"ser": "1", "p_md": "1"}
P_MD = {("SL", 0): [0.4, 0.2, 0.1], ("SL", 1): [0.6, 0.4], ("known", 0): [0.1], ("known", 1): [0.2]}


def estimate(value):
    return Estimate(value, value - 0.05, value + 0.1, 1000)


ROWS = [
    (
        {"system": system, "array": array, "step": step},
        Point({"p_md": estimate(value), "ser": 1 - value if step != 1 else 0.95}),
        None,
    )
    for (system, array), values in P_MD.items()
    for step, value in enumerate(values)
]
RESULT = a_result(rows=tabulate(ROWS, UNITS))
KNOWN = Level({"system": "known"}, "known", "black")


@pytest.fixture
def drawn():
    made = []

    def draw(*layers, x="step", **look):
        panel = Panel(x, "p_md", layers, **look)
        made.append(Drawing(lambda _: [panel]).draw(None, RESULT))
        return made[-1].axes[0]

    yield draw
    for figure in made:
        plt.close(figure)


def test_a_line_over_arrays_is_their_mean_and_ends_with_the_shortest(drawn):
    axes = drawn(Line({"system": "SL"}, "learned", over="array"))
    assert curves(axes)["learned"] == [(0, pytest.approx(0.5)), (1, pytest.approx(0.3))]
    (bars,) = axes.containers[0].lines[2]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([0.4, 0.6]), pytest.approx([0.2, 0.4])]


def test_the_line_of_one_array_has_the_intervals_of_its_points(drawn):
    axes = drawn(Line({"system": "SL", "array": 0}, "learned", over="array"))
    assert [y for _, y in curves(axes)["learned"]] == [0.4, 0.2, 0.1]
    (bars,) = axes.containers[0].lines[2]
    first = bars.get_segments()[0][:, 1].tolist()
    assert first == pytest.approx([0.35, 0.5])


def test_a_level_is_a_mean_with_a_band(drawn):
    axes = drawn(KNOWN)
    assert axes.lines[0].get_ydata() == pytest.approx([0.15, 0.15])
    (band,) = axes.patches
    assert (band.get_y(), band.get_height()) == (pytest.approx(0.1), pytest.approx(0.1))
    assert not drawn(Level({"system": "known"}, band=False)).patches


def test_a_front_is_of_the_first_array_and_faint_of_the_others(drawn):
    axes = drawn(Front({"system": "SL"}, "learned", "blue", "o", over="array"), x="ser")
    found = sorted(curves(axes)["learned"])
    assert found == [(pytest.approx(0.6), 0.4), (pytest.approx(0.9), 0.1)]
    every, other = axes.lines[0], axes.lines[-1]
    assert len(every.get_xdata()) == 3
    assert other.get_alpha() == 0.25
    better = drawn(Front({"array": 0}, "x", "blue", larger_is_better=True), x="ser")
    assert [y for _, y in sorted(curves(better)["x"])] == [0.4]


def test_a_band_is_a_range_about_the_mean_or_the_first(drawn):
    for first, line in ((False, [0.15]), (True, [0.1])):
        axes = drawn(Band({"system": "known"}, "known", "black", first=first))
        assert axes.lines[0].get_ydata() == pytest.approx(line)
        (shade,) = axes.collections
        assert sorted({y for _, y in shade.get_paths()[0].vertices}) == pytest.approx([0.1, 0.2])


def test_ranges_stand_at_categories_with_their_average(drawn):
    axes = drawn(Ranges({"system": "SL"}, "learned", "blue", shift=0.2, average=max))
    assert curves(axes)["learned"] == [(0.2, 0.6), (1.2, 0.4), (2.2, 0.1)]
    (bars,) = axes.containers[0].lines[2]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx(pair) for pair in ([0.4, 0.6], [0.2, 0.4], [0.1, 0.1])]


def test_ranges_stand_at_places_too_and_few_rows_as_markers(drawn):
    places = [{"step": 1}, {"step": 2}]
    axes = drawn(Ranges({"system": "SL"}, "learned", "blue", average=None, places=places), x="")
    assert [[*map(float, line.get_ydata())] for line in axes.lines] == [[0.2, 0.1], [0.4]]
    assert [[*map(float, line.get_xdata())] for line in axes.lines] == [[0, 1], [0]]
    assert axes.get_legend_handles_labels()[1] == ["learned"]


def test_notes_stand_beside_the_points_that_are_there(drawn):
    axes = drawn(Notes({"system": "SL", "array": 0}, "step", {1: "one", 7: "seven"}))
    (text,) = axes.texts
    assert (text.get_text(), text.xy) == ("one", (1, 0.2))


def test_rows_that_are_not_there_are_a_mistake_unless_said_to_be_none(drawn):
    with pytest.raises(KeyError, match="no row has system='UL'"):
        drawn(Line({"system": "UL"}))
    assert not drawn(KNOWN, Line({"system": "UL"}, optional=True)).containers


def test_axes_have_names_and_scales(drawn):
    axes = drawn(KNOWN, x="ser", xscale="log", yscale="plain", title="t")
    assert axes.get_xlabel() == "symbol error rate, SER"
    assert axes.get_ylabel().startswith("misdetection probability")
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_title()) == ("log", "log", "t")
    axes = drawn(
        KNOWN, xlabel="x", ylabel="", finish=lambda axes, rows: axes.set_xlim(0, len(rows))
    )
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("x", "", (0, len(ROWS)))


def test_one_legend_names_each_label_once_and_the_source_is_below():
    layers = [KNOWN, Line({"system": "SL"}, "learned", over="array")]
    panels = [Panel("step", "p_md", layers), Panel("step", "ser", layers[:1])] * 2
    figure = Drawing(lambda _: panels, height=2.0).draw(None, RESULT)
    assert len(figure.axes) == 4
    assert figure.get_size_inches().tolist() == [5.2, 4 * 2.0 + 0.2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["known", "learned"]
    assert figure.get_supxlabel() == "p1-fig2, preset: desk, 1,000 test samples a point"
    plt.close(figure)


def test_a_panel_may_have_a_legend_of_its_own():
    panel = Panel("step", "p_md", [KNOWN], legend="upper left")
    figure = Drawing(lambda _: [panel], legend=False).draw(None, RESULT)
    assert not figure.legends
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["known"]
    plt.close(figure)
