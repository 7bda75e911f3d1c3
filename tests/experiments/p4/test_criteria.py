"""Each criterion of P4's claims passes on results that show the claim and fails on others."""

import math

import pytest
from p4_results import FALLING, FIG5, GOOD, TASK, changed, verdict

from isaclib.experiments.p4 import claims
from isaclib.experiments.p4.config import FADINGS

NAN = math.nan


def above(value):
    return math.nextafter(value, math.inf)


def below(value):
    return math.nextafter(value, -math.inf)


# Steady sweeps


@pytest.mark.parametrize(
    ("values", "steady"),
    [
        ([1.0, 1.01], True),
        ([1.0, above(1.01)], False),
        ([5.0, 4.0, 3.0, 2.0, 1.0, 9.0], True),
        ([5.0, 4.0, 3.0, 9.0, 1.0, 9.0], False),
        ([1.0, NAN], False),
        ([NAN, 1.0], False),
    ],
)
def test_a_loss_that_falls_steadily_does_not_rise_in_four_of_five_steps(values, steady):
    assert claims.steadily_falls(values) is steady


@pytest.mark.parametrize(
    ("values", "steady"),
    [
        ([0.5, 0.5 - 0.005], True),
        ([0.5, below(0.5 - 0.005)], False),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.0], True),
        ([0.1, 0.2, 0.3, 0.0, 0.5, 0.0], False),
        ([0.5, NAN], False),
        ([NAN, 0.5], False),
    ],
)
def test_an_accuracy_that_rises_steadily_does_not_fall_in_four_of_five_steps(values, steady):
    assert claims.steadily_rises(values) is steady


# p4-weights: weights 0, 0.05, 1/2, 0.75 and 1


def weights_status(mse=None, sensing=None, results=GOOD):
    if mse is not None:
        results = changed(results, "p4-fig4", "mse", mse, fading="awgn", repetition=0)
    if sensing is not None:
        results = changed(results, "p4-fig4", "sensing", sensing, fading="awgn", repetition=0)
    return verdict("weights", results).status


@pytest.mark.parametrize(
    ("mse", "sensing", "status"),
    [
        ([4.0, 9.0, 4.0, 9.0, 8.0], None, "reproduced"),
        ([4.0, 9.0, 4.0, 9.0, below(8.0)], None, "partly"),
        ([4.0, 0.0, 5.0, 0.0, 9.0], None, "reproduced"),
        ([4.0, 0.0, above(5.0), 0.0, 9.0], None, "partly"),
        (None, [0.6, 0.0, 0.9, 0.0, 0.9], "reproduced"),
        (None, [above(0.6), 0.0, 0.9, 0.0, 0.9], "partly"),
        (None, [0.5, 0.0, 0.9 - 0.05, 0.0, 0.9], "reproduced"),
        (None, [0.5, 0.0, below(0.9 - 0.05), 0.0, 0.9], "partly"),
        ([NAN, 9.0, 4.0, 9.0, 8.0], None, "partly"),
        ([4.0, 9.0, 4.0, 9.0, NAN], None, "partly"),
        (None, [NAN, 0.0, 0.9, 0.0, 0.9], "partly"),
        # At 1/2 both must hold: neither half alone does.
        ([4.0, 0.0, 9.0, 0.0, 9.0], [0.5, 0.0, 0.5, 0.0, 0.9], "partly"),
    ],
)
def test_weights(mse, sensing, status):
    assert weights_status(mse, sensing) == status


def test_weights_that_do_nothing_reproduce_nothing():
    results = GOOD
    for fading in FADINGS:
        at = {"fading": fading, "repetition": 0}
        results = changed(results, "p4-fig4", "mse", [1.0, 1.0, 2.0, 1.0, 1.0], **at)
        results = changed(results, "p4-fig4", "sensing", [0.9, 0.9, 0.5, 0.9, 0.9], **at)
    assert verdict("weights", results).status == "not reproduced"


def test_what_is_trained_afterwards_is_said_and_does_not_decide():
    results = GOOD
    for fading in FADINGS:
        for metric, values in (("mse", [9.0, 0.0123]), ("sensing", [0.987, 0.0])):
            at = {"measured": "afterwards", "fading": fading, "epochs": None}
            results = changed(results, "p4-fig4", metric, values, **at)
    found = verdict("weights", results)
    assert found.status == "reproduced"
    assert found.measured.count("accuracy 0.987 at 0, MSE 0.0123 at 1") == 2
    assert "AWGN, sensing weight 0, 1/2, 1: MSE 0.0400, 0.0420, 0.3000, " in found.measured
    assert "sensing accuracy 0.500, 0.900, 0.920 (" in found.measured


# p4-snr


def snr_status(parameter, metric, values, fading="awgn"):
    results = changed(GOOD, "p4-fig5", metric, values, varied=parameter, fading=fading)
    return verdict("snr", results).status


@pytest.mark.parametrize("fading", FADINGS)
@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([1.0, 0.9, 0.9, 0.9, 0.9, 0.8], "reproduced"),
        ([1.0, 0.9, 0.9, 0.9, 0.9, above(0.8)], "partly"),
        ([1.0, 0.9, 0.95, 0.9, 0.85, 0.8], "reproduced"),
        ([1.0, 0.9, 0.95, 0.85, 0.9, 0.8], "partly"),
        ([1.0, 0.9, 0.9, 0.9, 0.9, NAN], "partly"),
        ([NAN, 0.9, 0.9, 0.9, 0.9, 0.8], "partly"),
    ],
)
def test_the_loss_falls_quickly_over_the_communication_snr(fading, values, status):
    assert snr_status("communication_snr_db", "mse", values, fading) == status


@pytest.mark.parametrize("fading", FADINGS)
@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([0.5, 0.6, 0.6, 0.7, 0.7, 0.75], "reproduced"),
        ([0.5, 0.6, 0.6, 0.7, 0.7, below(0.75)], "partly"),
        ([0.5, 0.6, 0.5, 0.7, 0.7, 0.8], "reproduced"),
        ([0.5, 0.6, 0.5, 0.7, 0.6, 0.8], "partly"),
        ([0.5, 0.6, 0.6, 0.7, 0.7, NAN], "partly"),
        ([NAN, 0.6, 0.6, 0.7, 0.7, 0.8], "partly"),
    ],
)
def test_the_sensing_errors_halve_over_the_sensing_snr(fading, values, status):
    assert snr_status("sensing_snr_db", "sensing", values, fading) == status


def test_what_the_other_snr_does_is_not_asked():
    assert snr_status("communication_snr_db", "sensing", [0.0] * 6) == "reproduced"
    assert snr_status("sensing_snr_db", "mse", [9.0] * 6) == "reproduced"


def test_an_snr_that_changes_nothing_reproduces_nothing():
    results = GOOD
    for fading in FADINGS:
        for parameter, metric in (("communication_snr_db", "mse"), ("sensing_snr_db", "sensing")):
            at = {"varied": parameter, "fading": fading}
            results = changed(results, "p4-fig5", metric, [0.5] * 6, **at)
    found = verdict("snr", results)
    assert found.status == "not reproduced"
    assert "from -9 to 11 dB: MSE 0.5000 to 0.5000" in found.measured


# p4-channel


CURVES = [
    ("p4-fig4", {"repetition": 0}, 5),
    *(("p4-fig5", {"varied": x}, len(places)) for x, (places, *_) in FIG5.items()),
    ("p4-fig6", {"repetition": 0}, 6),
]
"""Every curve that both channels have, and the number of its points."""

UNTRAINED = {("p4-fig4", "sensing", 0), ("p4-fig4", "mse", 4)}


def values_of(results, figure, metric, **at):
    return results[figure].where(measured="performance", epochs=100, **at)[metric].values


def channel(**behind):
    """Verdict on results in which AWGN is behind in so many points of a metric."""
    results = GOOD
    for metric, count in behind.items():
        points = [
            (figure, at, i)
            for figure, at, length in CURVES
            for i in range(length)
            if (figure, metric, i) not in UNTRAINED and (metric != "animal" or figure == "p4-fig6")
        ]
        for figure, at, i in points[-count:]:
            better, values = (
                list(values_of(results, figure, metric, fading=f, **at)) for f in FADINGS
            )
            values[i] = better[i] + (-1 if metric == "mse" else 1)
            results = changed(results, figure, metric, values, fading="rayleigh", **at)
    return verdict("channel", results)


def test_awgn_is_ahead_everywhere():
    found = verdict("channel")
    assert found.status == "reproduced"
    # 4 points of Fig. 4 whose decoder is trained, 6 + 6 + 5 + 5 of Fig. 5, 6 of Fig. 6.
    expected = "the MSE at 32 of 32 points, the sensing accuracy at 32 of 32 points, the task"
    assert expected in found.measured
    assert "the task accuracy at 6 of 6 points" in found.measured


@pytest.mark.parametrize(
    ("behind", "status"),
    [
        ({"mse": 6}, "reproduced"),
        ({"mse": 7}, "partly"),
        ({"sensing": 6}, "reproduced"),
        ({"sensing": 7}, "partly"),
        ({"animal": 1}, "reproduced"),
        ({"animal": 2}, "partly"),
        ({"mse": 7, "sensing": 7}, "partly"),
        ({"mse": 7, "sensing": 7, "animal": 2}, "not reproduced"),
    ],
)
def test_awgn_is_ahead_in_four_fifths_of_the_points(behind, status):
    found = channel(**behind)
    assert found.status == status
    if "mse" in behind:
        assert f"the MSE at {32 - behind['mse']} of 32 points" in found.measured


def test_channels_that_are_equal_or_undefined_are_not_ahead():
    for metric, bad in (("animal", TASK), ("animal", [NAN] * 6), ("mse", FALLING)):
        results = changed(GOOD, "p4-fig6", metric, bad, fading="rayleigh")
        wanted = {"animal": "task accuracy at 0 of 6", "mse": "MSE at 26 of 32"}[metric]
        assert wanted in verdict("channel", results).measured


def test_decoders_that_were_not_trained_do_not_count():
    at = {"fading": "awgn", "repetition": 0}
    results = changed(GOOD, "p4-fig4", "mse", [0.040, 0.040, 0.042, 0.045, 99.0], **at)
    results = changed(results, "p4-fig4", "sensing", [0.0, 0.7, 0.9, 0.91, 0.92], **at)
    assert verdict("channel", results).measured == verdict("channel").measured


# p4-size: sizes 2, 4, 10, 20 and 40


@pytest.mark.parametrize("fading", FADINGS)
@pytest.mark.parametrize(
    ("mse", "sensing", "status"),
    [
        ([1.0, 9.0, 9.0, 0.8, 0.75], None, "reproduced"),
        ([1.0, 0.0, 0.0, above(0.8), 0.75], None, "partly"),
        (None, [0.5, 0.0, 0.0, 0.75, 0.75], "reproduced"),
        (None, [0.5, 0.9, 0.9, below(0.75), 0.75], "partly"),
        # 40 takes at most half of what 20 took.
        ([1.0, 0.0, 0.0, 0.5, 0.25], None, "reproduced"),
        ([1.0, 0.0, 0.0, 0.5, 0.2499], None, "partly"),
        (None, [0.5, 0.0, 0.0, 0.95 - 0.05, 0.95], "reproduced"),
        (None, [0.5, 0.0, 0.0, below(0.95 - 0.05), 0.95], "partly"),
        ([NAN, 0.5, 0.5, 0.5, 0.5], None, "partly"),
        ([1.0, 0.5, 0.5, NAN, 0.5], None, "partly"),
        ([1.0, 0.5, 0.5, 0.5, NAN], None, "partly"),
        (None, [0.5, 0.9, 0.9, 0.9, NAN], "partly"),
        # Larger codes that do worse do not speak against 20.
        ([1.0, 0.5, 0.5, 0.5, 0.9], [0.5, 0.9, 0.9, 0.9, 0.6], "reproduced"),
    ],
)
def test_size(fading, mse, sensing, status):
    results = GOOD
    for metric, values in (("mse", mse), ("sensing", sensing)):
        if values is not None:
            results = changed(results, "p4-fig5", metric, values, varied="size", fading=fading)
    assert verdict("size", results).status == status


def test_the_verdict_on_the_size_says_its_numbers():
    expected = "AWGN, n = 2, 20, 40: MSE 0.0600, 0.0400, 0.0380; sensing accuracy 0.600, 0.900, "
    assert expected in verdict("size").measured


# p4-ranges


@pytest.mark.parametrize(
    ("awgn", "rayleigh", "status"),
    [
        ((0.5, 0.25), (0.75, 0.25), "reproduced"),
        # As large a fall is not a larger one.
        ((0.5, 0.25), (0.75, 0.5), "partly"),
        ((0.75, 0.25), (0.5, 0.25), "partly"),
        ((0.05, 0.0), (0.5, 0.25), "reproduced"),
        ((below(0.05), 0.0), (0.5, 0.25), "partly"),
        ((0.0, 0.0), (0.05, 0.0), "partly"),
        ((0.0, 0.0), (below(0.05), 0.0), "partly"),
        ((0.0, 0.0), (0.0, 0.0), "not reproduced"),
        ((0.5, 0.6), (0.5, 0.7), "not reproduced"),
        ((0.5, NAN), (0.5, 0.25), "partly"),
        ((NAN, 0.5), (NAN, 0.5), "not reproduced"),
    ],
)
def test_ranges(awgn, rayleigh, status):
    results = GOOD
    for fading, (first, last) in zip(FADINGS, (awgn, rayleigh), strict=True):
        # What happens in between does not decide.
        values = [first, 9.0, -9.0, 9.0, last]
        results = changed(results, "p4-fig5", "sensing", values, varied="ranges", fading=fading)
    assert verdict("ranges", results).status == status


def test_the_verdict_on_the_ranges_says_its_numbers():
    measured = verdict("ranges").measured
    assert "AWGN: sensing accuracy 0.880 to 0.680 from 1 to 6 ranges" in measured
    assert measured.endswith("a fall of 0.200 and of 0.320")


# p4-semantic


@pytest.mark.parametrize("fading", FADINGS)
@pytest.mark.parametrize(
    ("metric", "values", "status"),
    [
        ("sensing", [0.5, 0.6, 0.6, 0.7, 0.7, 0.75], "reproduced"),
        ("sensing", [0.5, 0.6, 0.6, 0.7, 0.7, below(0.75)], "partly"),
        ("sensing", [0.5, 0.6, 0.5, 0.7, 0.6, 0.8], "partly"),
        ("sensing", [0.5, 0.6, 0.6, 0.7, 0.7, NAN], "partly"),
        ("animal", [0.0, 0.02, 0.04, 0.06, 0.08, 0.1], "reproduced"),
        ("animal", [0.0, 0.02, 0.04, 0.06, 0.08, below(0.1)], "partly"),
        ("animal", [0.5, 0.6, 0.55, 0.65, 0.6, 0.7], "partly"),
        ("animal", [0.5, 0.6, 0.6, 0.7, 0.7, NAN], "partly"),
        ("mse", [1.0, 0.9, 0.9, 0.9, 0.9, 0.8], "reproduced"),
        ("mse", [1.0, 0.9, 0.9, 0.9, 0.9, above(0.8)], "partly"),
        ("mse", [1.0, 0.9, 0.95, 0.85, 0.9, 0.8], "partly"),
        ("mse", [1.0, 0.9, 0.9, 0.9, 0.9, NAN], "partly"),
    ],
)
def test_semantic(fading, metric, values, status):
    results = changed(GOOD, "p4-fig6", metric, values, fading=fading)
    assert verdict("semantic", results).status == status


def test_three_tasks_that_no_snr_helps_reproduce_nothing():
    results = GOOD
    for fading in FADINGS:
        for metric in ("mse", "sensing", "animal"):
            results = changed(results, "p4-fig6", metric, [0.5] * 6, fading=fading)
    assert verdict("semantic", results).status == "not reproduced"


def test_the_verdict_on_three_tasks_says_its_numbers():
    expected = (
        "AWGN, from -9 to 11 dB: sensing accuracy 0.600 to 0.960, task accuracy 0.600 to 0.750, "
        "MSE 0.0600 to 0.0370"
    )
    assert expected in verdict("semantic").measured
