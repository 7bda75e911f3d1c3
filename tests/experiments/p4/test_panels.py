import dataclasses
import math

import matplotlib as mpl
import pytest
from drawn_curves import curves

from isaclib.experiments.engine.plotting import COLORS
from isaclib.experiments.p4.config import CHOICES_PRESETS, FADINGS
from isaclib.experiments.p4.figures import FIG4, final_rows
from isaclib.experiments.p4.panels import GRADIENTS, LABELS, channel_look
from isaclib.experiments.registry import figures

mpl.use("Agg")

NAMES = {"awgn": "AWGN", "rayleigh": "Rayleigh fading"}
METRICS = ("mse", "sensing", "animal")


def bars(axes, label):
    """Ends of the error bars of a curve."""
    (container,) = (c for c in axes.containers if c.get_label() == label)
    (segments,) = container.lines[2]
    return [tuple(segment[:, 1]) for segment in segments.get_segments()]


def pairs(rows, x, y):
    return list(zip(rows[x].values, rows[y].values, strict=True))


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def check_curves(axes, result, x, y, **at):
    """Both channels with their intervals, and faintly what they were earlier."""
    assert (axes.get_xlabel(), axes.get_ylabel()) == (LABELS[x], LABELS[y])
    found = curves(axes)
    for fading, name in NAMES.items():
        rows = result.where(measured="performance", fading=fading, **at)
        end, early = (rows.where(epochs=epochs) for epochs in (2, 1))
        assert found[name] == pairs(end, x, y)
        intervals = zip(end[y].low, end[y].high, strict=True)
        for bar, interval in zip(bars(axes, name), intervals, strict=True):
            assert bar == pytest.approx(interval)
        assert found[f"{name}, after 1 of 2 epochs"] == pairs(early, x, y)


def check_repetitions(axes, result, x, place, y):
    found = curves(axes)
    for fading, name in NAMES.items():
        label = f"{name}: mean and range of 2 trainings"
        values = final_rows(result, fading, **{x: place})[y].values
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


@pytest.mark.parametrize("figure", ["p4-fig4", "p4-fig5", "p4-fig6", "p4-choices"])
def test_figures_say_where_their_points_come_from_and_can_be_stored(
    p4_stored, draw, figure, tmp_path
):
    drawn = draw(p4_stored[figure])
    assert drawn.get_supxlabel() == f"{figure}, preset: smoke, 100 test samples a point"
    drawn.savefig(tmp_path / "figure.svg")
    labels = legend(drawn)
    assert len(labels) == len(set(labels))


def test_fig_4_shows_both_losses_over_the_weight(p4_stored, draw):
    result = p4_stored["p4-fig4"]
    figure = draw(result)
    left, right = figure.axes
    assert (left.get_yscale(), right.get_yscale()) == ("log", "linear")
    for axes, y, end in ((left, "mse", 1.0), (right, "sensing", 0.0)):
        check_curves(axes, result, "sensing_weight", y, repetition=0)
        check_repetitions(axes, result, "sensing_weight", 0.5, y)
        # Of each metric the end at which its decoder is trained afterwards, and no other.
        for fading, name in NAMES.items():
            after = result.where(measured="afterwards", fading=fading, sensing_weight=end)
            assert curves(axes)[f"{name}, decoder trained afterwards"] == [(end, after[y].value)]
    check_psnr(left)
    kinds = ("", ", after 1 of 2 epochs", ": mean and range of 2 trainings")
    kinds = (*kinds, ", decoder trained afterwards")
    assert set(legend(figure)) == {name + kind for name in NAMES.values() for kind in kinds}


def test_fig_5_shows_four_sweeps_and_principal_components(p4_stored, draw):
    result = p4_stored["p4-fig5"]
    figure = draw(result)
    sweeps = ("communication_snr_db", "sensing_snr_db", "size", "ranges")
    assert len(figure.axes) == 2 * len(sweeps)
    linear = {
        "principal components, AWGN": "awgn",
        "principal components, Rayleigh, known gain": "rayleigh",
    }
    fixed = {"communication_snr_db": {"size": 20}, "size": {"communication_snr_db": 3.0}}
    assert set(linear) <= set(legend(figure))
    for i, x in enumerate(sweeps):
        left, right = figure.axes[2 * i : 2 * i + 2]
        for axes, y in ((left, "mse"), (right, "sensing")):
            check_curves(axes, result, x, y, varied=x)
        check_psnr(left)
        assert not set(linear) & set(curves(right))
        for text, fading in linear.items():
            assert (text in curves(left)) == (x in fixed)
            if x in fixed:
                at = {"measured": "principal components", "fading": fading, **fixed[x]}
                assert curves(left)[text] == sorted(pairs(result.where(**at), x, "mse"))


def test_fig_6_shows_three_tasks(p4_stored, draw):
    result = p4_stored["p4-fig6"]
    figure = draw(result)
    for axes, y in zip(figure.axes, METRICS, strict=True):
        check_curves(axes, result, "snr_db", y, repetition=0)
        check_repetitions(axes, result, "snr_db", 3.0, y)
    check_psnr(figure.axes[0])


def test_channels_can_be_told_apart_without_colours():
    looks = [channel_look(fading) for fading in FADINGS]
    colours, markers = ([look[key] for look in looks] for key in ("color", "marker"))
    assert len(set(colours)) == len(set(markers)) == len(FADINGS)
    assert set(colours) <= set(COLORS.values())


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
    figure, choices = draw(result), CHOICES_PRESETS["smoke"].choices()
    for axes, y in zip(figure.axes, METRICS, strict=True):
        assert axes.get_xlabel() == LABELS[y]
        found = scattered(axes)
        for fading, name in NAMES.items():
            known = {}
            for place, choice in enumerate(choices):
                if (choice.name, fading) == ("same way", "awgn"):
                    continue
                at = {"tasks": choice.tasks, "choice": choice.name, "fading": fading}
                values = result.where(measured="performance", **at)[y].values
                if not math.isnan(values[0]):
                    known[place] = values
            assert found[name] == {place: values[-1] for place, values in known.items()}
            early = found[f"{name}, after 1 of 2 epochs"]
            assert early == {place: values[0] for place, values in known.items()}
    # All but the way back, which only fading tells apart; only three tasks have a third.
    assert len(scattered(figure.axes[0])["AWGN"]) == len(choices) - 1
    assert len(scattered(figure.axes[0])["Rayleigh fading"]) == len(choices)
    assert set(scattered(figure.axes[2])["AWGN"]) == {6, 7, 8, 9}


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
        assert [line.get_ydata()[0] for line in axes.get_lines()] == [5.5, 10.5]


def test_gradients_are_shown_where_both_tasks_are_trained(p4_stored, draw):
    result = p4_stored["p4-fig4"]
    figure = draw(result, lambda found: GRADIENTS.draw(FIG4.config(found), found))
    left, right = figure.axes
    for fading, name in NAMES.items():
        rows = result.where(measured="gradients", fading=fading, epochs=2)
        cosines, shares, ends = [], [], []
        for weight in (0.5, 16 / 17):
            own = rows.where(sensing_weight=weight)
            cosine = own.where(other="sensing")["cosine"]
            cosines.append((weight, cosine.value))
            ends.append((cosine.low[0], cosine.high[0]))
            image, target = (
                own.where(task=task, other=None)["norm"].value
                for task in ("reconstruction", "sensing")
            )
            share = weight * target / (weight * target + 16 * (1 - weight) * image)
            shares.append((weight, pytest.approx(share)))
        shift = -0.006 if fading == "awgn" else 0.006
        assert curves(left)[name] == [(pytest.approx(x + shift), y) for x, y in cosines]
        for bar, end in zip(bars(left, name), ends, strict=True):
            assert bar == pytest.approx(end)
        assert curves(right)[name] == shares
    assert right.get_ylabel() == "share of the sensing gradient"


@pytest.mark.parametrize(
    ("figure", "at"),
    [
        ("p4-fig4", {"measured": "afterwards"}),
        ("p4-fig4", {"epochs": 1, "fading": "rayleigh"}),
        ("p4-fig5", {"measured": "principal components", "fading": "awgn"}),
        ("p4-fig6", {"fading": "rayleigh"}),
    ],
)
def test_rows_that_are_missing_are_named(p4_stored, figure, at):
    result = p4_stored[figure]
    rows = range(len(result.rows))
    kept = [i for i in rows if any(result.rows.at(k)[i] != v for k, v in at.items())]
    with pytest.raises(KeyError, match="no row has"):
        figures()[figure].draw(dataclasses.replace(result, rows=result.rows.take(kept)))


def test_undefined_values_are_left_out_of_the_drawing(p4_stored, draw):
    """A detector that never fires has no false alarms to count, for instance."""
    result = p4_stored["p4-fig6"]
    rows, q = result.rows, result.rows["animal"]
    place = {"measured": "performance", "fading": "awgn", "snr_db": -9.0, "epochs": 2}
    (index,) = (i for i in range(len(rows)) if all(rows.at(k)[i] == v for k, v in place.items()))
    ends = [list(column) for column in (q.values, q.low, q.high)]
    for column in ends:
        column[index] = math.nan
    other = dataclasses.replace(q, values=ends[0], low=ends[1], high=ends[2])
    rows = dataclasses.replace(rows, quantities={**rows.quantities, "animal": other})
    figure = draw(dataclasses.replace(result, rows=rows))
    (_, gone), (x, _) = curves(figure.axes[2])["AWGN"]
    assert math.isnan(gone)
    assert x == 3.0
