import dataclasses

import matplotlib as mpl
import pytest
from drawn_curves import curves

from isaclib.experiments.p2.runs import FIRST_STEP, UNSEEN
from isaclib.experiments.series.results import Series

mpl.use("Agg")

TRADEOFFS = ["p2-fig3", "p2-fig4", "p2-fig5"]


def pairs(series, y):
    return list(zip(series["ser"].values, series[y].values, strict=True))


@pytest.mark.parametrize("figure", TRADEOFFS)
def test_both_panels_say_what_is_on_their_axes(p2_stored, draw, figure, tmp_path):
    drawn = draw(p2_stored[figure])
    left, right = drawn.axes
    assert left.get_ylabel() == r"misdetection probability, $P_\mathrm{md}$"
    assert right.get_ylabel() == "angle RMSE (degrees)"
    for axes in drawn.axes:
        assert axes.get_xlabel() == "symbol error rate, SER"
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    (source,) = [text.get_text() for text in drawn.texts if "preset" in text.get_text()]
    assert source == f"{figure}, preset: smoke, 2,000 test samples a point"
    drawn.savefig(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000


NETWORKS_8 = "networks, $N=8$, 2 x 3 steps of 100"
LEGENDS = {
    "p2-fig3": {
        "baseline": "baseline",
        r"model-driven, $N_\mathrm{grid}=60$, 3 steps": "model-driven/literal",
        "the same, softmax over the sector alone": "model-driven/sector",
        NETWORKS_8: "networks/all/deg",
        "networks, Eq. (11) as printed": "networks/present/deg",
        "networks, angle loss in radians": "networks/all/rad",
        "networks after the first training step": f"networks/all/deg{FIRST_STEP}",
    },
    "p2-fig4": {
        "baseline, spacings known (band: 2 arrays)": "baseline/known/0",
        r"baseline, assumes $\lambda/2$ (band: 2 arrays)": "baseline/unknown/0",
        r"model-driven, $N_\mathrm{grid}=60$, 3 steps": "model-driven/unlimited/0",
        NETWORKS_8: "networks/unlimited/0",
        r"model-driven, $N_\mathrm{grid}=40$, 3 steps": "model-driven/limited/0",
        "networks, $N=4$, 2 x 3 steps of 100": "networks/limited/0",
    },
}
LEGENDS["p2-fig5"] = LEGENDS["p2-fig4"]


@pytest.mark.parametrize("figure", TRADEOFFS)
def test_the_legend_names_every_curve_and_each_shows_its_series(p2_stored, draw, figure):
    drawn = draw(p2_stored[figure])
    (legend,) = drawn.legends
    assert {text.get_text() for text in legend.get_texts()} == set(LEGENDS[figure])
    for axes, y in zip(drawn.axes, ("p_md", "rmse_deg"), strict=True):
        found = curves(axes)
        for label, name in LEGENDS[figure].items():
            # The right panel has nothing to say of the first step, which trains no angle.
            if y == "rmse_deg" and name.endswith(FIRST_STEP):
                assert label not in found
            else:
                assert found[label] == pairs(p2_stored[figure][name], y)


def scaled(series, name, factor):
    """A copy of a curve under another name, its sensing metrics scaled."""
    quantities = dict(series.quantities)
    for metric in ("p_md", "rmse_deg"):
        q = quantities[metric]
        columns = ([factor * v for v in column] for column in (q.values, q.low, q.high))
        values, low, high = columns
        quantities[metric] = dataclasses.replace(q, values=values, low=low, high=high)
    return Series(name, quantities)


def test_other_arrays_are_markers_of_the_same_colour_without_a_name(p2_stored, draw):
    result = p2_stored["p2-fig4"]
    more = [
        scaled(result[f"model-driven/limited/0{end}"], f"model-driven/limited/{i}{end}", 0.5**i)
        for i in (1, 2)
        for end in ("", UNSEEN)
    ]
    drawn = draw(dataclasses.replace(result, series=[*result.series, *more]))
    axes = drawn.axes[0]
    lines = [container.lines[0] for container in axes.containers]
    shown = {tuple(map(float, line.get_ydata())): line for line in lines}
    first, second, third = (
        shown[tuple(0.5**i * v for v in result["model-driven/limited/0"]["p_md"].values)]
        for i in range(3)
    )
    assert {line.get_color() for line in (first, second, third)} == {first.get_color()}
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "None")
    # Two networks, two matrices and the two others: not what they do in the unseen sector.
    assert len(lines) == 6
    assert len(drawn.legends[0].get_texts()) == 6


def test_the_band_of_a_baseline_spans_all_of_its_arrays(p2_stored, draw):
    result = p2_stored["p2-fig4"]
    axes = draw(result).axes[0]
    bands = [collection.get_paths()[0].vertices for collection in axes.collections]
    heights = [(float(b[:, 1].min()), float(b[:, 1].max())) for b in bands if len(b) > 2]
    for knowledge in ("known", "unknown"):
        values = [
            v for draw in (0, 1) for v in result[f"baseline/{knowledge}/{draw}"]["p_md"].values
        ]
        assert (min(values), max(values)) in [pytest.approx(h) for h in heights]


def test_the_readings_show_baselines_with_their_range_and_each_learned_array(p2_stored, draw):
    result = p2_stored["p2-readings"]
    figure = draw(result)
    labels = {
        "baseline, spacings known (2 arrays)": "known",
        r"baseline, assumes $\lambda/2$ (2 arrays)": "unknown",
        r"model-driven, $N_\mathrm{grid}=60$, 3 steps (1 arrays)": "model-driven",
    }
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(labels)
    groups = [(m, end) for m in ("cumulative", "per_element_centered") for end in ("", UNSEEN)]
    for axes, y in zip(figure.axes, ("p_md", "rmse_deg"), strict=True):
        assert axes.get_yscale() == "log"
        ticks = [text.get_text() for text in axes.get_xticklabels()]
        assert [tick.splitlines()[-1] for tick in ticks] == ["[-40°, -20°]", "[-20°, 20°]"] * 2
        assert [tick.startswith("neighbours") for tick in ticks] == [True, True, False, False]
        found = curves(axes)
        for label, name in labels.items():
            columns = [result[f"{name}/{model}{end}"][y].values for model, end in groups]
            middles = [sum(column) / len(column) for column in columns]
            assert [height for _, height in found[label]] == pytest.approx(middles)
    assert figure.axes[0].get_ylabel() == r"misdetection probability, $P_\mathrm{md}$"
    assert figure.axes[1].get_ylabel() == "angle RMSE (degrees)"
