import dataclasses
import json
import math

import pytest
import torch
from figure_runs import names, smoke_context
from p2_payloads import same

from isaclib.experiments.claims import evaluate
from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.runs import FIRST_STEP, METRICS, UNSEEN
from isaclib.experiments.p2.tasks import p2_record, performance_record
from isaclib.experiments.registry import figures
from isaclib.experiments.series.results import ResultError, load_weights
from isaclib.learning.networks import load_parameters
from isaclib.signal.arrays import Sector
from isaclib.systems.sector_networks.model import SectorAutoencoder, SectorTransceiver
from isaclib.systems.steering_matrix.model import ModelDriven, ModelDrivenTransceiver
from isaclib.systems.transceiver import Measurement, measure

pytestmark = pytest.mark.usefixtures("one_thread")

P2 = [name for name, spec in figures().items() if spec.paper == "p2"]
WEIGHTS = (0.0, 0.4, 1.0)
SECTORS = {"": (-40.0, -20.0), UNSEEN: (-20.0, 20.0)}


def point(series, index):
    """A point of a curve as the record that it was made of, as far as JSON can tell."""
    found = {}
    for metric in METRICS:
        q = series[metric]
        ends = {"value": q.values[index], "low": q.low[index], "high": q.high[index]}
        found[metric] = {**ends, "count": q.count[index]}
    return found


# What is stored


def test_results_say_what_they_are(p2_stored):
    for figure, result in p2_stored.items():
        assert (result.figure, result.preset) == (figure, "smoke")
        config = dataclasses.asdict(figures()[figure].presets["smoke"])
        assert same(result.config, json.loads(json.dumps(config)))
        assert (result.provenance.device, result.provenance.seed) == ("cpu", 0)
        assert result.provenance.wall_time_s > 0


@pytest.mark.parametrize("figure", [name for name in P2 if name != "p2-limits"])
def test_measured_points_are_possible(p2_stored, figure):
    config = figures()[figure].presets["smoke"]
    for series in p2_stored[figure].series:
        for metric, unit in METRICS.items():
            quantity = series[metric]
            assert quantity.unit == unit
            for i, value in enumerate(quantity.values):
                assert math.isnan(value) or quantity.low[i] <= value <= quantity.high[i]
                if metric in ("ser", "p_md", "p_fa"):
                    assert 0 <= value <= 1
                    assert quantity.count[i] == config.test.samples
        for i, p_md in enumerate(series["p_md"].values):
            detected = round((1 - p_md) * config.test.samples)
            assert series["rmse_deg"].count[i] == detected
        for p_fa in series["p_fa"].values:
            # Threshold and check are each measured on 2000 samples.
            spread = math.sqrt(2 * 0.01 * 0.99 / config.test.samples)
            assert abs(p_fa - config.scenario.p_fa) < 4.5 * spread


def test_fig_3_holds_both_learners_in_every_reading_and_the_baseline(p2_stored):
    own = {"networks/all/deg": WEIGHTS, "networks/present/deg": (0.4,), "networks/all/rad": (0.4,)}
    expected = {
        "baseline": WEIGHTS,
        "model-driven/literal": WEIGHTS,
        "model-driven/sector": WEIGHTS,
        **own,
        **{f"{name}{FIRST_STEP}": weights for name, weights in own.items()},
    }
    result = p2_stored["p2-fig3"]
    assert sorted(names(result)) == sorted(expected)
    for name, weights in expected.items():
        parameter = "rho" if name == "baseline" else "omega_r"
        assert result[name][parameter].values == list(weights)


def test_a_reading_matters_where_it_is_read_and_nowhere_else(p2_stored):
    result = p2_stored["p2-fig3"]
    literal, sector = (
        result[f"model-driven/{r}"]["rmse_deg"].values for r in ("literal", "sector")
    )
    assert literal != sector
    own, radians, printed = (
        {step: point(result[f"networks/{name}{step}"], index) for step in ("", FIRST_STEP)}
        for name, index in (("all/deg", 1), ("all/rad", 0), ("present/deg", 0))
    )
    # The unit of the angle: in Eq. (12), not in Eq. (11), whose indicator changes what follows.
    assert same(own[FIRST_STEP], radians[FIRST_STEP])
    assert not same(own[""], radians[""])
    assert not same(own[FIRST_STEP], printed[FIRST_STEP])
    assert not same(own[""], printed[""])


def test_the_second_step_keeps_the_threshold_of_the_first(p2_stored):
    for figure in ("p2-fig3", "p2-fig4"):
        for series in p2_stored[figure].series:
            if FIRST_STEP in series.name:
                later = p2_stored[figure][series.name.replace(FIRST_STEP, "")]
                assert series["threshold"].values == later["threshold"].values
                assert series["rmse_deg"].values != later["rmse_deg"].values


FIG_4 = [
    *(f"baseline/{knowledge}/{draw}" for knowledge in ("known", "unknown") for draw in (0, 1)),
    *(f"model-driven/{complexity}/0" for complexity in ("unlimited", "limited")),
    *(f"networks/{complexity}/0" for complexity in ("unlimited", "limited")),
    *(f"networks/{complexity}/0{FIRST_STEP}" for complexity in ("unlimited", "limited")),
]


def test_fig_4_holds_both_complexities_and_baselines_for_both_sectors(p2_stored):
    result = p2_stored["p2-fig4"]
    assert sorted(names(result)) == sorted(name + end for name in FIG_4 for end in SECTORS)
    for series in result.series:
        if series.name.startswith("baseline"):
            assert series["rho"].values == [0.0, 1.0]
        else:
            assert series["omega_r"].values == list(WEIGHTS)
    for name in FIG_4:
        assert result[name]["rmse_deg"].values != result[name + UNSEEN]["rmse_deg"].values


def test_what_only_the_communication_sector_decides_is_the_same_for_both_sectors(p2_stored):
    """With rho = 0 neither beam nor symbols of the model-based transmitters know the target."""
    for name in FIG_4:
        seen, unseen = (p2_stored["p2-fig4"][name + end]["ser"].values[0] for end in SECTORS)
        assert (seen == unseen) != name.startswith("networks")


def test_two_arrays_are_two_and_both_baselines_meet_them(p2_stored):
    result = p2_stored["p2-fig4"]
    curves = [result[name]["rmse_deg"].values for name in FIG_4[:4]]
    assert len({tuple(curve) for curve in curves}) == 4


def test_fig_5_is_the_unseen_sector_of_fig_4(p2_stored):
    fig4, fig5 = p2_stored["p2-fig4"], p2_stored["p2-fig5"]
    assert sorted(names(fig5)) == sorted(FIG_4)
    for series in fig5.series:
        assert str(series.quantities) == str(fig4[series.name + UNSEEN].quantities)
    assert fig5.provenance.weights == {}
    assert fig5.provenance.notes["measured by"].startswith("p2-fig4, commit ")


READINGS = [
    f"{system}/{model}"
    for model in ("cumulative", "per_element_centered")
    for system in ("known", "unknown", "model-driven")
]


def test_the_readings_hold_a_point_an_array_of_each(p2_stored):
    result = p2_stored["p2-readings"]
    assert sorted(names(result)) == sorted(name + end for name in READINGS for end in SECTORS)
    for series in result.series:
        draws = 1 if series.name.startswith("model-driven") else 2
        assert series["draw"].values == list(range(draws))
    first, second = (result[f"known/{m}"] for m in ("cumulative", "per_element_centered"))
    assert first["p_md"].values != second["p_md"].values


@pytest.mark.parametrize("end", SECTORS)
def test_the_reading_of_the_text_gives_the_points_of_fig_4(p2_stored, end):
    """At omega_r = 1, on the same arrays and samples."""
    readings, fig4 = p2_stored["p2-readings"], p2_stored["p2-fig4"]
    for knowledge in ("known", "unknown"):
        for draw in (0, 1):
            oracle = point(fig4[f"baseline/{knowledge}/{draw}{end}"], -1)
            assert same(point(readings[f"{knowledge}/cumulative{end}"], draw), oracle)
    oracle = point(fig4[f"model-driven/unlimited/0{end}"], -1)
    assert same(point(readings[f"model-driven/cumulative{end}"], 0), oracle)


# Stored weights


def test_the_files_of_weights_hold_what_small_systems_learned(p2_stored, p2_folder):
    """Wide networks would be too large."""
    limited = {f"networks/limited/0/omega={weight:g}" for weight in WEIGHTS}
    matrices = {"model-driven/unlimited/0", "model-driven/limited/0"}
    expected = {
        "p2-fig3": {"model-driven/literal", "model-driven/sector"},
        "p2-fig4": limited | matrices,
    }
    for figure, systems in expected.items():
        file = f"{figure}.safetensors"
        assert list(p2_stored[figure].provenance.weights) == [file]
        bundle = load_weights(p2_folder / "results" / "p2" / file)
        assert {name.rsplit("/", 1)[0] for name in bundle} == systems


def load(p2_folder, figure, name, model):
    bundle = load_weights(p2_folder / "results" / "p2" / f"{figure}.safetensors")
    prefix = f"{name}/"
    weights = {k.removeprefix(prefix): v for k, v in bundle.items() if k.startswith(prefix)}
    load_parameters(model, weights)
    return model


@torch.no_grad()
def measured(system, figure, sector_deg, seed=0):
    """Record of a system on the figure's array, the samples being those of the seed."""
    config = figures()[figure].presets["smoke"]
    impairment = Impairment("cumulative", 1 / 30, 0) if figure == "p2-fig4" else None
    scenario = dataclasses.replace(config.scenario, target_sector_deg=sector_deg)
    channels = scenario.channels(scenario.positions(impairment, 0))
    measurement = Measurement(config.test.samples, block=config.test.block, seed=seed)
    return p2_record(performance_record(measure(system, *channels, measurement)))


@pytest.mark.parametrize("name", ["model-driven/literal", "model-driven/sector"])
def test_a_stored_matrix_of_fig_3_gives_its_points(p2_stored, p2_folder, name):
    reading = name.rpartition("/")[2]
    model = load(p2_folder, "p2-fig3", name, ModelDriven(16, 60, reading=reading))
    check_matrix(model, p2_stored["p2-fig3"], name, "")


@pytest.mark.parametrize("end", SECTORS)
@pytest.mark.parametrize(("complexity", "grid_size"), [("unlimited", 60), ("limited", 40)])
def test_a_stored_matrix_of_fig_4_gives_its_points(
    p2_stored, p2_folder, complexity, grid_size, end
):
    name = f"model-driven/{complexity}/0"
    model = load(p2_folder, "p2-fig4", name, ModelDriven(16, grid_size))
    check_matrix(model, p2_stored["p2-fig4"], name, end)


def check_matrix(model, result, name, end):
    """Every point of a curve, exactly: the samples are the same."""
    for index, weight in enumerate(WEIGHTS):
        system = ModelDrivenTransceiver(model, Sector(*SECTORS[end]), Sector(30, 50), weight)
        found = measured(system, result.figure, SECTORS[end])
        assert same(found, point(result[name + end], index))


@pytest.mark.parametrize("end", SECTORS)
def test_stored_networks_give_the_stored_points(p2_stored, p2_folder, end):
    for index, weight in enumerate(WEIGHTS):
        name = f"networks/limited/0/omega={weight:g}"
        model = load(p2_folder, "p2-fig4", name, SectorAutoencoder(16, 4, 4))
        system = SectorTransceiver(model, Sector(*SECTORS[end]), Sector(30, 50))
        found = measured(system, "p2-fig4", SECTORS[end])
        assert same(found, point(p2_stored["p2-fig4"][f"networks/limited/0{end}"], index))


def test_other_samples_agree_with_the_stored_intervals(p2_stored, p2_folder):
    """The stored systems do what is said of them, not only on the samples of the run."""
    model = load(p2_folder, "p2-fig3", "model-driven/literal", ModelDriven(16, 60))
    series = p2_stored["p2-fig3"]["model-driven/literal"]
    for index, weight in enumerate(WEIGHTS):
        system = ModelDrivenTransceiver(model, Sector(-40, -20), Sector(30, 50), weight)
        found, known = measured(system, "p2-fig3", (-40.0, -20.0), seed=1), point(series, index)
        assert not same(found, known)
        # Twice 4.5 standard deviations, of which an interval spans 2 times 1.96.
        for metric in ("ser", "rmse_deg"):
            width = known[metric]["high"] - known[metric]["low"]
            allowed = 4.5 * math.sqrt(2) * width / (2 * 1.96)
            assert abs(found[metric]["value"] - known[metric]["value"]) < allowed


# Claims


def test_every_claim_of_the_paper_can_be_tested_on_the_stored_results(p2_stored, p2_folder):
    found = [(c, v) for c, v in evaluate(p2_folder / "results") if c.paper == "p2"]
    assert len(found) == 6
    for claim, verdict in found:
        assert isinstance(verdict, Verdict)
        assert verdict.presets == (("smoke",) if claim.needs else ("paper",))


# What is missing


def test_fig_5_needs_fig_4(tmp_path):
    with pytest.raises(ResultError, match=r"p2-fig4"):
        figures()["p2-fig5"].run(smoke_context(tmp_path, "p2-fig5"))


@pytest.mark.parametrize(
    ("changes", "match", "command"),
    [
        ({"preset": "desk"}, "preset 'desk' and seed 0, got 'smoke' and 0", "--preset desk"),
        ({"seed": 3}, "preset 'smoke' and seed 3, got 'smoke' and 0", "--seed 3"),
    ],
)
@pytest.mark.usefixtures("p2_stored")
def test_fig_5_needs_fig_4_at_its_own_preset_and_seed(p2_folder, changes, match, command):
    needed = "p2-fig5 needs the trained systems of p2-fig4"
    with pytest.raises(ValueError, match=rf"{needed} .*{match}") as error:
        figures()["p2-fig5"].run(smoke_context(p2_folder, "p2-fig5", **changes))
    assert "isaclib run p2-fig4" in str(error.value)
    assert command in str(error.value)
