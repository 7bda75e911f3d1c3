import dataclasses
import math

import matplotlib as mpl
import pytest
from drawn_curves import curves

from isaclib.experiments.engine.plotting import COLORS
from isaclib.experiments.p4.assembly import EARLY, record_at
from isaclib.experiments.p4.config import FADINGS
from isaclib.experiments.p4.drawing import CHOICES, LOOKS, draw_gradients
from isaclib.experiments.registry import figures
from isaclib.experiments.series.results import Series

mpl.use("Agg")

NAMES = {"awgn": "AWGN", "rayleigh": "Rayleigh fading"}
LOSS, SENSING = "reconstruction loss, MSE", "sensing accuracy"
TASK = "task accuracy, animal or not"


def bars(axes, label):
    """Ends of the error bars of a curve."""
    (container,) = (c for c in axes.containers if c.get_label() == label)
    (segments,) = container.lines[2]
    return [tuple(segment[:, 1]) for segment in segments.get_segments()]


def pairs(series, x, y):
    return list(zip(series[x].values, series[y].values, strict=True))


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def source(figure):
    (found,) = [text.get_text() for text in figure.texts if "preset" in text.get_text()]
    return found


def check_curves(axes, result, name, x, y):
    """Both channels with their intervals, and faintly what they were earlier."""
    found = curves(axes)
    for fading in FADINGS:
        series = result[name.format(fading)]
        assert found[NAMES[fading]] == pairs(series, x, y)
        intervals = list(zip(series[y].low, series[y].high, strict=True))
        for bar, interval in zip(bars(axes, NAMES[fading]), intervals, strict=True):
            assert bar == pytest.approx(interval)
        early = found[f"{NAMES[fading]}, after 1 of 2 epochs"]
        assert early == pairs(result[name.format(fading) + EARLY], x, y)


def check_repetitions(axes, result, place, y):
    found = curves(axes)
    for fading in FADINGS:
        label = f"{NAMES[fading]}: mean and range of 2 trainings"
        values = result[f"repetitions/{fading}"][y].values
        assert found[label] == [(place, pytest.approx(sum(values) / 2))]
        assert bars(axes, label) == [pytest.approx((min(values), max(values)))]


def check_psnr(axes):
    """The axis on the right says for each loss its PSNR."""
    (right,) = axes.child_axes
    assert right.get_ylabel() == "PSNR (dB)"
    ends = sorted(-10 * math.log10(end) for end in axes.get_ylim())
    assert sorted(right.get_ylim()) == pytest.approx(ends)
    # Larger downwards, and every tick at the height of its loss.
    for tick in right.get_yticks():
        (_, own), (_, other) = (
            right.transData.transform((0, tick)),
            axes.transData.transform((0, 10 ** (-tick / 10))),
        )
        assert own == pytest.approx(other, abs=0.5)


# Figures of the paper


@pytest.mark.parametrize("figure", ["p4-fig4", "p4-fig5", "p4-fig6", "p4-choices"])
def test_figures_say_where_their_points_come_from_and_can_be_stored(
    p4_stored, draw, figure, tmp_path
):
    drawn = draw(p4_stored[figure])
    assert source(drawn) == f"{figure}, preset: smoke, 100 test samples a point"
    drawn.savefig(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    labels = legend(drawn)
    assert len(labels) == len(set(labels))


def test_fig_4_shows_both_losses_over_the_weight(p4_stored, draw):
    result = p4_stored["p4-fig4"]
    figure = draw(result)
    left, right = figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == (LOSS, SENSING)
    assert (left.get_yscale(), right.get_yscale()) == ("log", "linear")
    for axes, y, end in ((left, "mse", 1.0), (right, "sensing", 0.0)):
        assert axes.get_xlabel() == r"weight of the sensing loss, $w_\mathrm{s}$"
        check_curves(axes, result, "{}", "sensing_weight", y)
        check_repetitions(axes, result, 0.5, y)
        # Of each metric the end at which its decoder is trained afterwards, and no other.
        for fading in FADINGS:
            record = record_at(result[f"afterwards/{fading}"], "sensing_weight", end)
            label = f"{NAMES[fading]}, decoder trained afterwards"
            assert curves(axes)[label] == [(end, record[y]["value"])]
    check_psnr(left)
    assert set(legend(figure)) == {
        label
        for name in NAMES.values()
        for label in (
            name,
            f"{name}, after 1 of 2 epochs",
            f"{name}: mean and range of 2 trainings",
            f"{name}, decoder trained afterwards",
        )
    }


def test_fig_5_shows_four_sweeps_and_principal_components(p4_stored, draw):
    result = p4_stored["p4-fig5"]
    figure = draw(result)
    rows = {
        "communication_snr_db": "communication SNR (dB)",
        "sensing_snr_db": "sensing SNR (dB)",
        "size": "encoder output size, $n$",
        "ranges": "potential ranges, $R$",
    }
    assert len(figure.axes) == 8
    for i, (x, label) in enumerate(rows.items()):
        left, right = figure.axes[2 * i : 2 * i + 2]
        for axes, y, name in ((left, "mse", LOSS), (right, "sensing", SENSING)):
            assert (axes.get_xlabel(), axes.get_ylabel()) == (label, name)
            check_curves(axes, result, f"{x}/{{}}", x, y)
        check_psnr(left)
        found = curves(left)
        linear = {
            "principal components, AWGN": "awgn",
            "principal components, Rayleigh, known gain": "rayleigh",
        }
        for text, fading in linear.items():
            if x in ("communication_snr_db", "size"):
                assert found[text] == pairs(result[f"linear/{x}/{fading}"], x, "mse")
            else:
                assert text not in found
            assert text not in curves(right)
            assert text in legend(figure)


def test_fig_6_shows_three_tasks(p4_stored, draw):
    result = p4_stored["p4-fig6"]
    figure = draw(result)
    assert [axes.get_ylabel() for axes in figure.axes] == [LOSS, SENSING, TASK]
    for axes, y in zip(figure.axes, ("mse", "sensing", "animal"), strict=True):
        assert axes.get_xlabel() == "SNR of both channels (dB)"
        check_curves(axes, result, "{}", "snr_db", y)
        check_repetitions(axes, result, 3.0, y)
    check_psnr(figure.axes[0])


def test_channels_can_be_told_apart_without_colours():
    colours, markers = ([look[key] for look in LOOKS.values()] for key in ("color", "marker"))
    assert len(set(colours)) == len(set(markers)) == len(FADINGS)
    assert set(colours) <= set(COLORS.values())


# Choices


def scattered(axes):
    """Points by label: row to value."""
    found = {}
    for collection in axes.collections:
        rows = {round(float(row)): float(value) for value, row in collection.get_offsets()}
        assert len(rows) == len(collection.get_offsets())
        found[collection.get_label()] = rows
    return found


def test_choices_are_rows_of_the_values_at_the_end_and_early(p4_stored, draw):
    result = p4_stored["p4-choices"]
    figure = draw(result)
    names = list(CHOICES)
    assert [axes.get_xlabel() for axes in figure.axes] == [LOSS, SENSING, TASK]
    for axes, y in zip(figure.axes, ("mse", "sensing", "animal"), strict=True):
        found = scattered(axes)
        for fading in FADINGS:
            known = {
                names.index(series.name.removesuffix(f"/{fading}")): series[y].values
                for series in result.series
                if series.name.endswith(f"/{fading}")
                and series.name.removesuffix(f"/{fading}") in names
                and y in series.quantities
            }
            assert found[NAMES[fading]] == {row: values[-1] for row, values in known.items()}
            early = found[f"{NAMES[fading]}, after 1 of 2 epochs"]
            assert early == {row: values[0] for row, values in known.items()}
    # All but the way back, which only fading tells apart; only three tasks have a third.
    assert len(scattered(figure.axes[0])["AWGN"]) == len(names) - 1
    assert len(scattered(figure.axes[0])["Rayleigh fading"]) == len(names)
    three = {names.index(name) for name in names if "three tasks" in name}
    assert set(scattered(figure.axes[2])["AWGN"]) == three


def test_choices_are_named_with_their_numbers(p4_stored, draw):
    figure = draw(p4_stored["p4-choices"])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "two tasks",
        "2 times the epochs",
        "channels known to the receivers",
        "plain MSE of pixels in [0, 1]",
        "networks of 4, 4, 4 channels",
        "same way to the target and back",
        "three tasks",
        "2 times the epochs",
        "channels known to the receivers",
        "plain MSE of pixels in [0, 1]",
        "ten classes as the third task",
        "3 ranges, 3 dB apart",
        "3 ranges, 6 dB apart",
    ]
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert low > high
        # A line before each group but the first.
        lines = [line.get_ydata()[0] for line in axes.get_lines()]
        assert lines == [5.5, 10.5]


def test_every_choice_that_is_stored_is_drawn(p4_stored):
    stored = {
        series.name.rpartition("/")[0]
        for series in p4_stored["p4-choices"].series
        if not series.name.startswith(("confusion", "gradients"))
    }
    assert stored == set(CHOICES)


# Gradients


def test_gradients_are_shown_where_both_tasks_are_trained(p4_stored, draw):
    result = p4_stored["p4-fig4"]
    figure = draw(result, draw_gradients)
    left, right = figure.axes
    for fading in FADINGS:
        cosines, shares, ends = [], [], []
        for weight in (0.5, 16 / 17):
            series = result[f"gradients/{fading}/weight={weight:.3g}"]
            pair = series["reconstruction~sensing"]
            cosines.append(pair.values[-1])
            ends.append((pair.low[-1], pair.high[-1]))
            image, target = (
                series[f"norm/{task}"].values[-1] for task in ("reconstruction", "sensing")
            )
            shares.append(weight * target / (weight * target + 16 * (1 - weight) * image))
        found = curves(left)[NAMES[fading]]
        assert [x for x, _ in found] == pytest.approx([0.5, 16 / 17], abs=0.01)
        assert [y for _, y in found] == cosines
        for bar, end in zip(bars(left, NAMES[fading]), ends, strict=True):
            assert bar == pytest.approx(end)
        # The names of the series hold three digits of the weight.
        assert [y for _, y in curves(right)[NAMES[fading]]] == pytest.approx(shares, rel=2e-2)
    assert right.get_ylabel() == "share of the sensing gradient"


# Results that lack something


@pytest.mark.parametrize(
    ("figure", "name"),
    [
        ("p4-fig4", "afterwards/awgn"),
        ("p4-fig4", f"rayleigh{EARLY}"),
        ("p4-fig5", "linear/size/awgn"),
        ("p4-fig6", "repetitions/rayleigh"),
    ],
)
def test_a_missing_curve_is_named(p4_stored, figure, name):
    result = p4_stored[figure]
    left = [series for series in result.series if series.name != name]
    with pytest.raises(KeyError, match=f"has no series '{name}'"):
        figures()[figure].draw(dataclasses.replace(result, series=left))


def test_undefined_values_are_left_out_of_the_drawing(p4_stored, draw):
    """A detector that never fires has no false alarms to count, for instance."""
    result, changed = p4_stored["p4-fig6"], []
    for series in result.series:
        quantities = dict(series.quantities)
        if series.name == "awgn":
            q = quantities["animal"]
            first = ([math.nan, *column[1:]] for column in (q.values, q.low, q.high))
            values, low, high = first
            quantities["animal"] = dataclasses.replace(q, values=values, low=low, high=high)
        changed.append(Series(series.name, quantities))
    figure = draw(dataclasses.replace(result, series=changed))
    (_, gone), (x, shown) = curves(figure.axes[2])["AWGN"]
    assert math.isnan(gone)
    assert (x, shown) == (3.0, result["awgn"]["animal"].values[1])
