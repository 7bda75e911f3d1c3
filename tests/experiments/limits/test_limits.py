import dataclasses
import json
import math

import matplotlib as mpl
import pytest
import torch
from drawn_curves import curves
from figure_runs import check_presets, names, smoke_context
from p2_payloads import same

from isaclib.experiments.limits.beams import only, p1_rows, p1_systems, p2_systems, p3_systems
from isaclib.experiments.limits.config import MAP_PRESETS, SINGLE_CARRIER_PRESETS
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p1.config import Scenario as P1Scenario
from isaclib.experiments.p2.config import Scenario as P2Scenario
from isaclib.experiments.p2.runs import UNSEEN
from isaclib.experiments.registry import figures
from isaclib.experiments.series.results import ResultError, load_weights
from isaclib.learning.networks import load_parameters
from isaclib.limits.error_rates import BeamCriteria
from isaclib.metrics import pareto_front
from isaclib.signal.spacings import spacing_positions
from isaclib.systems.limit_measurement import measure_limit, measure_map_limit
from isaclib.systems.sector_networks.model import SectorAutoencoder, SectorTransceiver
from isaclib.systems.spacings.measurement import measure_sensing
from isaclib.systems.steering_matrix.model import ModelDriven, ModelDrivenTransceiver
from isaclib.systems.transceiver import Baseline, Measurement, measure

mpl.use("Agg")

pytestmark = pytest.mark.usefixtures("one_thread")

PAPERS = ("p1", "p2", "p3")
OMEGAS = {"p1": [0.0, 0.09, 1.0], "p2": [0.0, 0.4, 1.0]}
P2_SYSTEMS = [
    "baseline/known/0",
    "baseline/unknown/0",
    "model-driven/unlimited/0",
    "model-driven/limited/0",
    "networks/limited/0",
]
P3_SYSTEMS = ["known/0", "unknown/0", "SL/0", "UL/0", "SL+UL/0"]
P3_JOINT = ["known/0", "unknown/0", "SL/0", "SL short/0", "SL+UL/0"]
LIMITS = {"p_md", "p_fa", "rmse", "rmse_limit"}
FRONT = {"ser", "p_md_search", "floor", "floor_known", "reached", "starts", "ser_floor", *LIMITS}
SYSTEM = {"parameter", "measured_p_md", "measured_rmse", *LIMITS}
PRESETS = {**SINGLE_CARRIER_PRESETS, "p3": MAP_PRESETS}


@pytest.fixture
def stored(request):
    """Figures of a paper by its name."""
    return {paper: request.getfixturevalue(f"{paper}_stored") for paper in PAPERS}


@pytest.fixture
def folders(request):
    return {paper: request.getfixturevalue(f"{paper}_folder") for paper in PAPERS}


def weights(folders, figure):
    paper = figure.partition("-")[0]
    return load_weights(folders[paper] / "results" / paper / f"{figure}.safetensors")


def measurement(paper, p_fa=0.01):
    test = dataclasses.asdict(PRESETS[paper]["smoke"].test)
    return Measurement(p_fa=p_fa, seed=0, **test)


# Presets


@pytest.mark.parametrize("paper", PAPERS)
def test_presets(paper):
    presets = PRESETS[paper]
    check_presets(presets)
    for name, config in presets.items():
        source = figures()[{"p1": "p1-fig2", "p2": "p2-fig4", "p3": "p3-fig3"}[paper]]
        test = source.presets[name].test
        # The same targets, block by block: all of them, or the first ones.
        assert config.test.block == test.block
        assert config.test.samples == test.samples or paper == "p3"
        assert config.test.samples <= test.samples
        assert config.front.beams >= 2
    searched = [presets[name].front.random for name in ("smoke", "desk", "paper")]
    assert searched == sorted(searched)


# What is stored


def test_results_say_what_they_are(stored):
    for paper in PAPERS:
        result = stored[paper][f"{paper}-limits"]
        assert (result.figure, result.preset) == (f"{paper}-limits", "smoke")
        config = dataclasses.asdict(PRESETS[paper]["smoke"])
        assert same(result.config, json.loads(json.dumps(config)))
    notes = stored["p3"]["p3-limits"].provenance.notes
    assert sorted(notes) == ["systems of p3-fig3", "systems of p3-fig5"]


def test_each_system_has_its_limits_beside_what_was_measured_of_it(stored):
    expected = {
        "p1": {"front/0": 3, "baseline": 3, "autoencoder/deg/0": 3},
        "p2": {"front/0": 3, f"front/0{UNSEEN}": 2},
        "p3": {"front/0": 3, **dict.fromkeys(P3_SYSTEMS, 1)},
    }
    for name in P2_SYSTEMS:
        expected["p2"][name] = 2 if name.startswith("baseline") else 3
        expected["p2"][name + UNSEEN] = 1
    beams = len(stored["p3"]["p3-fig5"].where(system="known", array=0))
    expected["p3"].update({f"{name}/joint": beams for name in P3_JOINT})
    for paper in PAPERS:
        result = stored[paper][f"{paper}-limits"]
        assert {series.name: len(series) for series in result.series} == expected[paper]
        for series in result.series:
            own = {"measured_ser"} if paper != "p3" else set()
            columns = FRONT if series.name.startswith("front") else SYSTEM | own
            if series.name.endswith("/joint"):
                columns = {"measured_ser", "measured_p_md", "measured_rmse"}
            assert set(series.quantities) == columns
            error = "m" if paper == "p3" else "deg"
            for metric in {"rmse", "rmse_limit"} & columns:
                assert series[metric].unit == error


def test_parameters_are_those_of_the_systems(stored):
    p1, p2, p3 = (stored[paper][f"{paper}-limits"] for paper in PAPERS)
    assert p1["baseline"]["parameter"].values == [0.0, 0.5, 1.0]
    assert p1["autoencoder/deg/0"]["parameter"].values == OMEGAS["p1"]
    for name in P2_SYSTEMS:
        parameters = [0.0, 1.0] if name.startswith("baseline") else OMEGAS["p2"]
        assert p2[name]["parameter"].values == parameters
        # Where nothing was trained, the radar alone is enough.
        assert p2[name + UNSEEN]["parameter"].values == [1.0]
    for name in P3_SYSTEMS:
        assert p3[name]["parameter"].values == [1.0]


def check_measured(series, source, indices, rmse):
    """The columns of what was measured, and those of the figure it comes from."""
    for own, name in (("ser", "ser"), ("rmse", rmse), ("p_md", "p_md")):
        if name in source.quantities and f"measured_{own}" in series.quantities:
            for end in ("values", "low", "high"):
                expected = [getattr(source[name], end)[i] for i in indices]
                assert same(getattr(series[f"measured_{own}"], end), expected)
    if "p_d" in source.quantities:
        found, p_d = series["measured_p_md"], source["p_d"]
        assert found.values == pytest.approx([1 - p_d.values[i] for i in indices])
        assert found.low == pytest.approx([1 - p_d.high[i] for i in indices])
        assert found.high == pytest.approx([1 - p_d.low[i] for i in indices])


def test_what_was_measured_is_that_of_the_other_figures(stored):
    p1, fig2 = stored["p1"]["p1-limits"], stored["p1"]["p1-fig2"]
    for name, rows in p1_rows(fig2).items():
        in_phase = rows.where(phase=0.0 if name == "baseline" else None)
        check_measured(p1[name], in_phase, range(3), "rmse_deg")
    p2, fig4 = stored["p2"]["p2-limits"], stored["p2"]["p2-fig4"]
    for name in P2_SYSTEMS:
        count = len(fig4[name])
        check_measured(p2[name], fig4[name], range(count), "rmse_deg")
        check_measured(p2[name + UNSEEN], fig4[name + UNSEEN], [count - 1], "rmse_deg")
    p3, fig3, fig5 = (stored["p3"][f"p3-{f}"] for f in ("limits", "fig3", "fig5"))
    for name in P3_SYSTEMS:
        rows = fig3.where(system=name.partition("/")[0], array=0)
        check_measured(p3[name], rows, [len(rows) - 1], "position")
    for name in P3_JOINT:
        rows = fig5.where(system=name.partition("/")[0], array=0)
        check_measured(p3[f"{name}/joint"], rows, range(len(rows)), "position")


def check_limit(series, index, found, unit=1.0):
    """A stored limit, and its RMSE for as many targets as the system itself detects."""
    assert series["p_md"].values[index] == pytest.approx(found.p_md.value)
    assert series["p_fa"].values[index] == pytest.approx(found.p_fa.value)
    assert series["rmse"].values[index] == pytest.approx(unit * found.rmse.value)
    misses = "measured_p_md" if "measured_p_md" in series.quantities else "p_md"
    limit = found.rmse_limit(1 - series[misses].values[index])
    assert series["rmse_limit"].values[index] == pytest.approx(unit * limit.value)
    assert series["rmse_limit"].low[index] == pytest.approx(unit * limit.low)


@pytest.mark.parametrize("end", ["", UNSEEN])
def test_limits_of_p2_are_those_of_its_systems_beams(stored, folders, end):
    fig4, limits = stored["p2"]["p2-fig4"], stored["p2"]["p2-limits"]
    scenario = P2Scenario()
    scenario = scenario.towards((-20.0, 20.0)) if end else scenario
    radar, _ = scenario.channels(scenario.positions(Impairment("cumulative", 1 / 30, 0), 0))
    systems = p2_systems(fig4, weights(folders, "p2-fig4"), 0, unseen=bool(end))
    for system in only(systems, 1.0):
        found = measure_limit(radar, system.beam, measurement("p2"), system.symbols)
        check_limit(limits[system.name + end], -1, found, 180 / math.pi)


def test_limits_of_p3_are_those_of_its_systems_beams(stored, folders):
    scenario = figures()["p3-fig3"].presets["smoke"].scenario
    true = scenario.spacings(0, 0)
    scene = scenario.scene(true)
    limits = stored["p3"]["p3-limits"]
    for system in p3_systems(scenario, true, stored["p3"]["p3-fig3"], 0)[:3]:
        found = measure_map_limit(scene.radar, system.beam, scene.basis, measurement("p3"))
        check_limit(limits[system.name], 0, found)


# Systems from their weights


def test_systems_of_p1_are_those_that_were_measured(stored, folders):
    """Their beams and symbols with the model-based receivers, on the samples of Fig. 2."""
    fig2 = stored["p1"]["p1-fig2"]
    systems = p1_systems(fig2)
    assert [(s.name, s.parameter) for s in systems] == [
        *(("baseline", rho) for rho in (0.0, 0.5, 1.0)),
        *(("autoencoder/deg/0", omega) for omega in OMEGAS["p1"]),
    ]
    scenario = P1Scenario()
    positions = scenario.nominal_positions()
    for system in systems:
        receivers = Baseline(system.symbols, system.beam, positions, scenario.target_sector)
        found = measure(receivers, *scenario.channels(positions), measurement("p1"))
        at = {"system": "baseline", "rho": system.parameter, "phase": 0.0}
        if system.name != "baseline":
            at = {"unit": "deg", "receivers": "classical", "omega_r": system.parameter}
        row = fig2.where(**at)
        assert found.p_d.value == row["p_d"].value
        assert found.ser.value == row["ser"].value
        assert math.degrees(found.rmse.value) == pytest.approx(row["rmse_deg"].value)


@pytest.mark.parametrize("end", ["", UNSEEN])
def test_systems_of_p2_are_those_that_were_trained(stored, folders, end):
    fig4 = stored["p2"]["p2-fig4"]
    bundle = weights(folders, "p2-fig4")
    scenario = P2Scenario()
    scenario = scenario.towards((-20.0, 20.0)) if end else scenario
    sectors = scenario.target_sector, scenario.receiver_sector
    found = p2_systems(fig4, bundle, 0, unseen=bool(end))
    assert list(dict.fromkeys(s.name for s in found)) == P2_SYSTEMS
    for name, model in (
        ("model-driven/unlimited/0", ModelDriven(16, 60)),
        ("model-driven/limited/0", ModelDriven(16, 40)),
        ("networks/limited/0", SectorAutoencoder(16, 4, 4)),
    ):
        systems = [s for s in found if s.name == name]
        assert [s.parameter for s in systems] == OMEGAS["p2"]
        for system in systems:
            networks = name.startswith("networks")
            prefix = f"{name}/omega={system.parameter:g}/" if networks else f"{name}/"
            own = {k.removeprefix(prefix): v for k, v in bundle.items() if k.startswith(prefix)}
            load_parameters(model, own)
            oracle = (
                SectorTransceiver(model, *sectors)
                if networks
                else ModelDrivenTransceiver(model, *sectors, system.parameter)
            )
            with torch.no_grad():
                assert torch.equal(system.beam, oracle.beam())
                assert torch.equal(system.symbols, oracle.constellation())


def test_baselines_of_p2_are_those_that_were_measured(stored, folders):
    """What they assume is where their beams point, and what their receivers search with."""
    fig4 = stored["p2"]["p2-fig4"]
    scenario = P2Scenario()
    true = scenario.positions(Impairment("cumulative", 1 / 30, 0), 0)
    assumed = {"known": true, "unknown": scenario.nominal_positions()}
    for system in p2_systems(fig4, weights(folders, "p2-fig4"), 0)[:4]:
        positions = assumed[system.name.split("/")[1]]
        receivers = Baseline(system.symbols, system.beam, positions, scenario.target_sector)
        found = measure(receivers, *scenario.channels(true), measurement("p2"))
        series = fig4[system.name]
        assert 1 - found.p_d.value == series["p_md"].values[system.index]
        assert found.ser.value == series["ser"].values[system.index]


def test_systems_of_p3_are_those_at_the_end_of_their_trainings(stored, folders):
    scenario = figures()["p3-fig3"].presets["smoke"].scenario
    true, fig3 = scenario.spacings(0, 0), stored["p3"]["p3-fig3"]
    systems = {s.name: s for s in p3_systems(scenario, true, fig3, 0)}
    assert list(systems) == P3_SYSTEMS
    scene = scenario.scene(true)
    for name in ("SL", "SL+UL"):
        rows, own = fig3.where(system=name, array=0), systems[f"{name}/0"]
        assert own.index == len(rows) - 1
        spacings = fig3.tensors(system=name, array=0)["spacings"]
        learned = scenario.transceiver(spacings[-1])
        assert torch.equal(own.beam, learned.beam())
        found = measure_sensing(learned, scene.radar, scene.basis, measurement("p3"))
        assert found.p_md.value == pytest.approx(rows["p_md"].values[-1])


# The best beams


def criteria(stored, name):
    """What the beams of a front were searched by, from the papers' parameters."""
    paper, end = name
    if paper == "p3":
        scenario = figures()["p3-fig3"].presets["smoke"].scenario
        positions, radar_snr = spacing_positions(scenario.spacings(0, 0)), 10**1.5
        threshold = stored["p3"]["p3-fig3"].where(system="known", array=0)["threshold"].value
        level = threshold**2 / (scenario.num_antennas * scenario.subcarriers)
    elif paper == "p2":
        scenario = P2Scenario().towards((-20.0, 20.0)) if end else P2Scenario()
        positions = scenario.positions(Impairment("cumulative", 1 / 30, 0), 0)
        radar_snr = 16.0
        series = stored["p2"]["p2-fig4"][f"baseline/known/0{end}"]
        level = series["threshold"].values[0] / 16
    else:
        scenario, radar_snr = P1Scenario(), 16.0
        positions = scenario.nominal_positions()
        level = stored["p1"]["p1-fig2"].where(system="baseline")["threshold"].values[0] / 16
    sectors = scenario.target_sector, scenario.receiver_sector
    return BeamCriteria(positions, *sectors, radar_snr, 100.0, level)


@pytest.mark.parametrize("name", [("p1", ""), ("p2", ""), ("p2", UNSEEN), ("p3", "")])
def test_stored_weights_are_the_best_beams(stored, folders, name):
    paper, end = name
    series = stored[paper][f"{paper}-limits"][f"front/0{end}"]
    bundle = weights(folders, f"{paper}-limits")
    beams = torch.stack(
        [torch.view_as_complex(bundle[f"front/0{end}/{i}"]) for i in range(len(series))]
    )
    torch.testing.assert_close(
        torch.linalg.vector_norm(beams, dim=-1), torch.ones(len(series), dtype=torch.float64)
    )
    judge = criteria(stored, name)
    ser, misses = judge.ser(beams).tolist(), judge.p_md(beams).tolist()
    assert series["ser"].values == pytest.approx(ser, rel=1e-9)
    assert series["p_md_search"].values == pytest.approx(misses, rel=1e-9)
    assert ser == sorted(ser)
    assert misses == sorted(misses, reverse=True)
    rows = zip(
        *(series[c].values for c in ("floor_known", "floor", "p_md_search")),
        *(series[c].values for c in ("reached", "starts")),
        strict=True,
    )
    for known, floor, found, reached, starts in rows:
        assert known < floor < found * (1 + 1e-9)
        assert 1 <= reached <= starts
    assert series["ser_floor"].values[0] < ser[0]


def test_the_weights_are_those_of_all_fronts_and_nothing_else(stored, folders):
    counts = {"p1": {"front/0": 3}, "p2": {"front/0": 3, f"front/0{UNSEEN}": 2}}
    counts["p3"] = {"front/0": 3}
    for paper in PAPERS:
        expected = {f"{n}/{i}" for n, count in counts[paper].items() for i in range(count)}
        assert set(weights(folders, f"{paper}-limits")) == expected
        file = f"{paper}-limits.safetensors"
        assert list(stored[paper][f"{paper}-limits"].provenance.weights) == [file]


# Runs


def test_a_second_run_finds_its_tasks_done_and_gives_the_same(stored, folders, monkeypatch):
    def computed(*_):
        raise AssertionError("a finished task was computed again")

    monkeypatch.setattr("isaclib.experiments.series.sweep._execute", computed)
    for paper in PAPERS:
        name = f"{paper}-limits"
        again = figures()[name].run(smoke_context(folders[paper], name))
        assert str(again.series) == str(stored[paper][name].series)
        assert again.provenance.weights == stored[paper][name].provenance.weights


NEEDED = {"p1": "p1-fig2", "p2": "p2-fig4", "p3": "p3-fig3"}


@pytest.mark.parametrize("paper", PAPERS)
def test_limits_need_the_systems_of_other_figures(tmp_path, paper):
    with pytest.raises(ResultError, match=NEEDED[paper]):
        figures()[f"{paper}-limits"].run(smoke_context(tmp_path, f"{paper}-limits"))


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("changes", [{"preset": "desk"}, {"seed": 3}], ids=["preset", "seed"])
@pytest.mark.usefixtures("stored")
def test_limits_need_systems_of_their_own_preset_and_seed(folders, paper, changes):
    name = f"{paper}-limits"
    needed = rf"{name} needs (the trained systems of )?{NEEDED[paper]} at .* got 'smoke' and 0"
    with pytest.raises(ValueError, match=needed):
        figures()[name].run(smoke_context(folders[paper], name, **changes))


# Drawings


ERRORS = {"p1": "angle RMSE (degrees)", "p2": "angle RMSE (degrees)", "p3": "position RMSE (m)"}
LEGENDS = {
    "p1": {
        "baseline: least squares, MAPRT": "baseline",
        "autoencoder": "autoencoder/deg/0",
    },
    "p2": {
        "baseline, spacings known": "baseline/known/0",
        r"baseline, assumes $\lambda/2$": "baseline/unknown/0",
        "model-driven": "model-driven/unlimited/0",
        "networks, $N=21$": "networks/limited/0",
    },
    "p3": {
        "baseline, spacings known": "known/0/joint",
        r"baseline, assumes $\lambda/2$": "unknown/0/joint",
        "SL, all iterations": "SL/0/joint",
        "SSL": "SL+UL/0/joint",
    },
}
BEST = "best receiver, best beam"


@pytest.mark.parametrize("paper", PAPERS)
def test_the_legend_names_every_curve_and_each_shows_its_series(stored, draw, paper, tmp_path):
    result = stored[paper][f"{paper}-limits"]
    assert set(LEGENDS[paper].values()) <= set(names(result))
    drawn = draw(result)
    (legend,) = drawn.legends
    assert {text.get_text() for text in legend.get_texts()} == {*LEGENDS[paper], BEST}
    for axes, y in zip(drawn.axes, ("p_md", "rmse"), strict=True):
        assert axes.get_xlabel() == "symbol error rate, SER"
        label = r"misdetection probability, $P_\mathrm{md}$" if y == "p_md" else ERRORS[paper]
        assert axes.get_ylabel() == label
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        found = curves(axes)
        front = result["front/0"]
        assert found[BEST] == list(zip(front["ser"].values, front[y].values, strict=True))
        for label, name in LEGENDS[paper].items():
            x, measured = (result[name][f"measured_{q}"].values for q in ("ser", y))
            points = pareto_front(x, measured)
            assert found[label] == [(x[i], measured[i]) for i in points]
    drawn.savefig(tmp_path / "figure.svg")


@pytest.mark.parametrize("paper", ["p1", "p2"])
def test_each_system_has_the_limit_of_its_own_beams_below_it(stored, draw, paper):
    """Dotted, in its colour; on the right for as many targets as the system detects."""
    result = stored[paper][f"{paper}-limits"]
    drawn = draw(result)
    for axes, y, limit in zip(drawn.axes, ("p_md", "rmse"), ("p_md", "rmse_limit"), strict=True):
        dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert len(dotted) == len(LEGENDS[paper])
        colors = {c.get_label(): c.lines[0].get_color() for c in axes.containers}
        for line, (label, name) in zip(dotted, LEGENDS[paper].items(), strict=True):
            x, measured = (result[name][f"measured_{q}"].values for q in ("ser", y))
            points = pareto_front(x, measured)
            values = result[name][limit].values
            expected = [(x[i], values[i]) for i in points]
            assert list(zip(*line.get_data(), strict=True)) == expected
            assert line.get_color() == colors[label]


@pytest.mark.parametrize("paper", PAPERS)
def test_what_is_out_of_reach_is_shaded(stored, draw, paper):
    """To the left of the smallest SER everything, and below the floors for the others."""
    result = stored[paper][f"{paper}-limits"]
    axes, right = draw(result).axes
    (shade,) = [c for c in axes.collections if c.get_label() == "" or c.get_alpha() == 0.15]
    corners = shade.get_paths()[0].vertices
    front = result["front/0"]
    assert front["ser_floor"].values[0] in corners[:, 0]
    for ser, floor in zip(front["ser"].values, front["floor_known"].values, strict=True):
        assert [ser, floor] in corners.tolist()
    assert not [c for c in right.collections if c.get_alpha() == 0.15]
