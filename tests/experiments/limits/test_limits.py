import dataclasses
import json
import math

import matplotlib as mpl
import pytest
import torch
from drawn_curves import curves
from figure_runs import check_presets, request
from same_records import same

from isaclib.experiments.engine import runs
from isaclib.experiments.engine.cache import Working
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.limits.config import P1_PRESETS, P2_PRESETS, P3_PRESETS
from isaclib.experiments.limits.tasks import MeasureLimit
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p1.config import Scenario as P1Scenario
from isaclib.experiments.p2.config import Scenario as P2Scenario
from isaclib.experiments.registry import figures
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
SECTORS = ("seen", "unseen")
P2_SYSTEMS = (
    {"system": "baseline", "spacings": "known"},
    {"system": "baseline", "spacings": "unknown"},
    {"system": "model-driven", "complexity": "unlimited"},
    {"system": "model-driven", "complexity": "limited"},
    {"system": "networks", "complexity": "limited"},
)
P3_SYSTEMS = ("known", "unknown", "SL", "UL", "SL+UL")
P3_JOINT = ("known", "unknown", "SL", "SL short", "SL+UL")
LIMITS = {"p_md", "p_fa", "rmse", "rmse_limit"}
FRONT = {"ser", "p_md_search", "floor", "floor_known", "reached", "starts", "ser_floor", *LIMITS}
MEASURED = {"measured_ser", "measured_p_md", "measured_rmse"}
PRESETS = {"p1": P1_PRESETS, "p2": P2_PRESETS, "p3": P3_PRESETS}
FIRST = {"p1": {}, "p2": {"array": 0, "sector": "seen"}, "p3": {"array": 0}}


class Asked(dict):
    """Fixtures of the papers that a test asks for."""

    def __init__(self, get):
        self.get_of = get

    def __missing__(self, name):
        self.update(self.get_of(name[:2]))
        return self[name]


@pytest.fixture
def stored(request):
    """All figures of P1, P2 and P3."""
    return Asked(lambda paper: request.getfixturevalue(f"{paper}_stored"))


@pytest.fixture
def folders(request):
    return Asked(lambda paper: {paper: request.getfixturevalue(f"{paper}_folder")})


def measurement(paper, p_fa=0.01):
    test = dataclasses.asdict(PRESETS[paper]["smoke"].test)
    return Measurement(p_fa=p_fa, seed=0, **test)


def p2_scenario(sector):
    return P2Scenario().towards((-20.0, 20.0)) if sector == "unseen" else P2Scenario()


def p2_positions():
    return P2Scenario().positions(Impairment("cumulative", 1 / 30, 0), 0)


def known_beam(folders, paper, at):
    """The beam of a row, as its task takes it."""
    spec = request(folders[paper], f"{paper}-limits")
    (row,) = (row for row in spec.rows() if at.items() <= row.at.items())
    assert isinstance(row.task, MeasureLimit)
    return row.task.beam.known(Working(spec.cache(), folders[paper]))


# Presets


@pytest.mark.parametrize("paper", PAPERS)
def test_presets(paper):
    presets = PRESETS[paper]
    check_presets(presets)
    for name, config in presets.items():
        source = figures()[{"p1": "p1-fig2", "p2": "p2-fig4", "p3": "p3-fig5"}[paper]]
        assert config.systems == source.presets[name]
        # The same targets, block by block: all of them, or the first ones.
        test = source.presets[name].test
        assert config.test.block == test.block
        assert config.test.samples == test.samples or paper == "p3"
        assert config.test.samples <= test.samples
        assert config.front.beams >= 2
    searched = [presets[name].front.random for name in ("smoke", "desk", "paper")]
    assert searched == sorted(searched)


# What is stored


def test_results_say_what_they_are(stored):
    for paper in PAPERS:
        result = stored[f"{paper}-limits"]
        assert (result.figure, result.preset) == (f"{paper}-limits", "smoke")
        config = dataclasses.asdict(PRESETS[paper]["smoke"])
        assert same(result.config, json.loads(json.dumps(config)))
        assert figures()[f"{paper}-limits"].config(result) == PRESETS[paper]["smoke"]


def quantities(rows):
    """What is known of each of the rows, which is the same of all."""
    known = {
        tuple(name for name, q in rows.quantities.items() if not math.isnan(q.values[index]))
        for index in range(len(rows))
    }
    (names,) = known
    return set(names)


def test_each_system_has_its_limits_beside_what_was_measured_of_it(stored):
    p1, p2, p3 = (stored[f"{paper}-limits"] for paper in PAPERS)
    assert [len(result.rows) for result in (p1, p2, p3)] == [9, 23, 28]
    for result, paper in ((p1, "p1"), (p2, "p2"), (p3, "p3")):
        front = result.where(system="front", **FIRST[paper])
        assert front.at("beam") == [0, 1, 2]
        assert quantities(front) == FRONT
        assert result.rows["rmse"].unit == ("m" if paper == "p3" else "deg")
    for at in ({"system": "baseline"}, {"system": "autoencoder"}):
        assert quantities(p1.where(**at)) == MEASURED | LIMITS
    for at in P2_SYSTEMS:
        assert quantities(p2.where(**at)) == MEASURED | LIMITS
    for name in P3_SYSTEMS:
        rows = p3.where(system=name, figure="p3-fig3", eta=1.0)
        assert quantities(rows) == (MEASURED | LIMITS) - {"measured_ser"}
    for name in P3_JOINT:
        assert quantities(p3.where(system=name, figure="p3-fig5")) == MEASURED


def check_measured(rows, source, rmse):
    """The columns of what was measured, and those of the figure that it comes from."""
    assert len(rows) == len(source)
    for own, name in (("ser", "ser"), ("rmse", rmse), ("p_md", "p_md")):
        for end in ("values", "low", "high") if name in source.quantities else ():
            found = getattr(rows[f"measured_{own}"], end)
            assert repr(found) == repr(getattr(source[name], end))
    if "p_d" in source.quantities:
        found, p_d = rows["measured_p_md"], source["p_d"]
        assert found.values == pytest.approx([1 - value for value in p_d.values])
        assert found.low == pytest.approx([1 - value for value in p_d.high])
        assert found.high == pytest.approx([1 - value for value in p_d.low])


def test_what_was_measured_is_that_of_the_other_figures(stored):
    p1, fig2 = stored["p1-limits"], stored["p1-fig2"]
    learned = fig2.where(system="autoencoder", unit="deg", repetition=0, receivers="learned")
    check_measured(p1.where(system="autoencoder"), learned, "rmse_deg")
    assert p1.where(system="autoencoder").at("omega_r") == [0.0, 0.09, 1.0]
    check_measured(
        p1.where(system="baseline"), fig2.where(system="baseline", phase=0.0), "rmse_deg"
    )
    assert p1.where(system="baseline").at("rho") == [0.0, 0.5, 1.0]
    p2, fig4 = stored["p2-limits"], stored["p2-fig4"]
    for at in P2_SYSTEMS:
        later = {"step": "angle"} if at["system"] == "networks" else {}
        swept = "rho" if at["system"] == "baseline" else "omega_r"
        seen, unseen = (fig4.where(**at, **later, array=0, sector=sector) for sector in SECTORS)
        own = p2.where(**at, sector="seen")
        check_measured(own, seen, "rmse_deg")
        assert own.at(swept) == seen.at(swept)
        # Where nothing was trained, the radar alone is enough.
        check_measured(p2.where(**at, sector="unseen"), unseen.where(**{swept: 1.0}), "rmse_deg")
    p3, fig3, fig5 = (stored[f"p3-{name}"] for name in ("limits", "fig3", "fig5"))
    for name in P3_SYSTEMS:
        rows = fig3.where(system=name, array=0).take([-1])
        check_measured(p3.where(system=name, figure="p3-fig3"), rows, "position")
    for name in P3_JOINT:
        rows, own = fig5.where(system=name, array=0), p3.where(system=name, figure="p3-fig5")
        check_measured(own, rows, "position")
        assert (own.at("eta"), own.at("phi")) == (rows.at("eta"), rows.at("phi"))


def test_counts_are_those_of_the_limits(stored):
    """Those of what was measured are another figure's."""
    for paper in PAPERS:
        result = stored[f"{paper}-limits"]
        assert result.samples == 2000
        assert all(result.rows[name].count is None for name in MEASURED)


def check_limit(row, found, unit=1.0):
    """A stored limit, and its RMSE for as many targets as the system itself detects."""
    assert row["p_md"].value == pytest.approx(found.p_md.value)
    assert row["p_fa"].value == pytest.approx(found.p_fa.value)
    assert row["rmse"].value == pytest.approx(unit * found.rmse.value)
    limit = found.rmse_limit(1 - row["measured_p_md"].value)
    assert row["rmse_limit"].value == pytest.approx(unit * limit.value)
    assert row["rmse_limit"].low == pytest.approx([unit * limit.low])


@pytest.mark.parametrize("sector", SECTORS)
def test_limits_of_p2_are_those_of_its_systems_beams(stored, folders, sector):
    radar, _ = p2_scenario(sector).channels(p2_positions())
    for system in P2_SYSTEMS:
        at = {**system, "rho" if system["system"] == "baseline" else "omega_r": 1.0}
        known = known_beam(folders, "p2", {**at, "sector": sector})
        found = measure_limit(radar, known.beam, measurement("p2"), known.symbols)
        check_limit(stored["p2-limits"].where(**at, sector=sector), found, 180 / math.pi)


def test_limits_of_p3_are_those_of_its_systems_beams(stored, folders):
    scenario = figures()["p3-fig3"].presets["smoke"].scenario
    scene = scenario.scene(scenario.spacings(0, 0))
    for name in P3_SYSTEMS[:3]:
        at = {"system": name, "figure": "p3-fig3"}
        known = known_beam(folders, "p3", at)
        found = measure_map_limit(scene.radar, known.beam, scene.basis, measurement("p3"))
        check_limit(stored["p3-limits"].where(**at), found)


# Systems from their weights


def test_beams_of_p1_are_those_that_were_measured(stored, folders):
    """With their symbols and the classical receivers, on the samples of Fig. 2."""
    fig2, scenario = stored["p1-fig2"], P1Scenario()
    positions = scenario.nominal_positions()
    learned = {"system": "autoencoder", "unit": "deg", "repetition": 0, "receivers": "classical"}
    places = [({"system": "baseline", "rho": rho}, {"phase": 0.0}) for rho in (0.0, 0.5, 1.0)]
    places += [({"system": "autoencoder", "omega_r": w}, learned) for w in (0.0, 0.09, 1.0)]
    for at, beyond in places:
        known = known_beam(folders, "p1", at)
        receivers = Baseline(known.symbols, known.beam, positions, scenario.target_sector)
        found = measure(receivers, *scenario.channels(positions), measurement("p1"))
        row = fig2.where(**(at | beyond))
        assert found.p_d.value == row["p_d"].value
        assert found.ser.value == row["ser"].value
        assert math.degrees(found.rmse.value) == pytest.approx(row["rmse_deg"].value)


@pytest.mark.parametrize("sector", SECTORS)
def test_beams_of_p2_are_those_that_were_trained(stored, folders, sector):
    fig4, scenario = stored["p2-fig4"], p2_scenario(sector)
    sectors = scenario.target_sector, scenario.receiver_sector
    for at, model in zip(
        P2_SYSTEMS[2:],
        (ModelDriven(16, 60), ModelDriven(16, 40), SectorAutoencoder(16, 4, 4)),
        strict=True,
    ):
        for omega in (0.0, 0.4, 1.0) if sector == "seen" else (1.0,):
            place = {**at, "array": 0}
            if at["system"] == "networks":
                place |= {"step": "angle", "omega_r": omega}
            load_parameters(model, fig4.tensors(**place))
            oracle = (
                SectorTransceiver(model, *sectors)
                if at["system"] == "networks"
                else ModelDrivenTransceiver(model, *sectors, omega)
            )
            known = known_beam(folders, "p2", {**at, "sector": sector, "omega_r": omega})
            with torch.no_grad():
                assert torch.equal(known.beam, oracle.beam())
                assert torch.equal(known.symbols, oracle.constellation())


def test_baselines_of_p2_are_those_that_were_measured(stored, folders):
    """What they assume is where their beams point, and what their receivers search with."""
    scenario, true = P2Scenario(), p2_positions()
    for spacings, assumed in (("known", true), ("unknown", scenario.nominal_positions())):
        for rho in (0.0, 1.0):
            at = {"system": "baseline", "spacings": spacings, "sector": "seen", "rho": rho}
            known = known_beam(folders, "p2", at)
            receivers = Baseline(known.symbols, known.beam, assumed, scenario.target_sector)
            found = measure(receivers, *scenario.channels(true), measurement("p2"))
            row = stored["p2-fig4"].where(**at, array=0)
            assert 1 - found.p_d.value == row["p_md"].value
            assert found.ser.value == row["ser"].value


def test_beams_of_p3_are_those_at_the_end_of_their_trainings(stored, folders):
    scenario, fig3 = figures()["p3-fig3"].presets["smoke"].scenario, stored["p3-fig3"]
    scene = scenario.scene(scenario.spacings(0, 0))
    for name in ("SL", "SL+UL"):
        spacings = fig3.tensors(system=name, array=0)["spacings"]
        learned = scenario.transceiver(spacings[-1])
        known = known_beam(folders, "p3", {"system": name, "figure": "p3-fig3"})
        assert torch.equal(known.beam, learned.beam())
        found = measure_sensing(learned, scene.radar, scene.basis, measurement("p3"))
        row = fig3.where(system=name, array=0).take([-1])
        assert found.p_md.value == pytest.approx(row["p_md"].value)


# The best beams


def criteria(stored, paper, sector):
    """What the beams of a front were searched by, from the papers' parameters."""
    if paper == "p3":
        scenario = figures()["p3-fig3"].presets["smoke"].scenario
        positions, radar_snr = spacing_positions(scenario.spacings(0, 0)), 10**1.5
        threshold = stored["p3-fig3"].where(system="known", array=0)["threshold"].value
        level = threshold**2 / (scenario.num_antennas * scenario.subcarriers)
    elif paper == "p2":
        scenario, positions, radar_snr = p2_scenario(sector), p2_positions(), 16.0
        rows = stored["p2-fig4"].where(spacings="known", array=0, sector=sector)
        level = rows["threshold"].values[0] / 16
    else:
        scenario, radar_snr = P1Scenario(), 16.0
        positions = scenario.nominal_positions()
        level = stored["p1-fig2"].where(system="baseline")["threshold"].values[0] / 16
    sectors = scenario.target_sector, scenario.receiver_sector
    return BeamCriteria(positions, *sectors, radar_snr, 100.0, level)


@pytest.mark.parametrize(
    ("paper", "sector"), [("p1", ""), ("p2", "seen"), ("p2", "unseen"), ("p3", "")]
)
def test_stored_tensors_are_the_best_beams(stored, paper, sector):
    at = {"system": "front", **FIRST[paper], **({"sector": sector} if sector else {})}
    result = stored[f"{paper}-limits"]
    rows, tensors = result.where(**at), result.tensors(**at)
    beams = torch.view_as_complex(tensors["beam"])
    assert set(tensors) == {"beam", *FRONT} - LIMITS
    torch.testing.assert_close(
        torch.linalg.vector_norm(beams, dim=-1), torch.ones(len(rows), dtype=torch.float64)
    )
    judge = criteria(stored, paper, sector)
    ser, misses = judge.ser(beams).tolist(), judge.p_md(beams).tolist()
    assert rows["ser"].values == pytest.approx(ser, rel=1e-9)
    assert rows["p_md_search"].values == pytest.approx(misses, rel=1e-9)
    assert ser == sorted(ser)
    assert misses == sorted(misses, reverse=True)
    columns = ("floor_known", "floor", "p_md_search", "reached", "starts")
    for known, floor, found, reached, starts in zip(
        *(rows[name].values for name in columns), strict=True
    ):
        assert known < floor < found * (1 + 1e-9)
        assert 1 <= reached <= starts
    assert rows["ser_floor"].values[0] < ser[0]


# Runs


@pytest.mark.parametrize("paper", PAPERS)
def test_a_fresh_clone_goes_on_from_what_is_stored(stored, folders, paper, tmp_path):
    """It searches, trains and measures nothing again, and finds the same limits."""
    name = f"{paper}-limits"
    clone = request(folders[paper], name, runs=tmp_path)
    runs.run(clone, Sweep(progress=False))
    after = load_result(name, folders[paper] / "results")
    assert repr(after.rows) == repr(stored[name].rows)
    assert after.provenance.weights == stored[name].provenance.weights
    records = [(task, clone.cache().read(task)) for task in clone.tasks().values()]
    computed = {type(t).__name__ for t, record in records if record and not record.source}
    assert computed == {"MeasureLimit"} | ({"ShowMeasured"} if paper == "p3" else set())


@pytest.mark.parametrize("paper", PAPERS)
def test_limits_are_of_systems_of_their_own_preset_and_seed(stored, folders, paper):
    needed = {"p1": "p1-fig2", "p2": "p2-fig4", "p3": "p3-fig3"}[paper]
    for changes, taken in (({}, True), ({"preset": "desk"}, False), ({"seed": 3}, False)):
        tasks = request(folders[paper], f"{paper}-limits", **changes).tasks()
        assert bool(stored[needed].outcomes(tasks, measured=True)) == taken


# Drawings


ERRORS = {"p1": "angle RMSE (degrees)", "p2": "angle RMSE (degrees)", "p3": "position RMSE (m)"}
LEGENDS = {
    "p1": {
        "baseline: least squares, MAPRT": {"system": "baseline"},
        "autoencoder": {"system": "autoencoder"},
    },
    "p2": {
        "baseline, spacings known": P2_SYSTEMS[0],
        r"baseline, assumes $\lambda/2$": P2_SYSTEMS[1],
        "model-driven": P2_SYSTEMS[2],
        "networks, $N=21$": P2_SYSTEMS[4],
    },
    "p3": {
        "baseline, spacings known": {"system": "known", "figure": "p3-fig5"},
        r"baseline, assumes $\lambda/2$": {"system": "unknown", "figure": "p3-fig5"},
        "SL, all iterations": {"system": "SL", "figure": "p3-fig5"},
        "SSL": {"system": "SL+UL", "figure": "p3-fig5"},
    },
}
BEST = "best receiver, best beam"


@pytest.mark.parametrize("paper", PAPERS)
def test_the_legend_names_every_curve_and_each_shows_its_rows(stored, draw, paper, tmp_path):
    result = stored[f"{paper}-limits"]
    drawn = draw(result)
    (legend,) = drawn.legends
    assert {text.get_text() for text in legend.get_texts()} == {*LEGENDS[paper], BEST}
    for axes, y in zip(drawn.axes, ("p_md", "rmse"), strict=True):
        assert axes.get_xlabel() == "symbol error rate, SER"
        label = r"misdetection probability, $P_\mathrm{md}$" if y == "p_md" else ERRORS[paper]
        assert axes.get_ylabel() == label
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        found = curves(axes)
        front = result.where(system="front", **FIRST[paper])
        assert found[BEST] == list(zip(front["ser"].values, front[y].values, strict=True))
        for label, at in LEGENDS[paper].items():
            rows = result.where(**at, **FIRST[paper])
            x, measured = (rows[f"measured_{q}"].values for q in ("ser", y))
            points = pareto_front(x, measured)
            assert found[label] == [(x[i], measured[i]) for i in points]
    drawn.savefig(tmp_path / "figure.svg")


@pytest.mark.parametrize("paper", ["p1", "p2"])
def test_each_system_has_the_limit_of_its_own_beams_below_it(stored, draw, paper):
    """Dotted, in its colour; on the right for as many targets as the system detects."""
    result = stored[f"{paper}-limits"]
    drawn = draw(result)
    for axes, y, limit in zip(drawn.axes, ("p_md", "rmse"), ("p_md", "rmse_limit"), strict=True):
        dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert len(dotted) == len(LEGENDS[paper])
        colors = {c.get_label(): c.lines[0].get_color() for c in axes.containers}
        for line, (label, at) in zip(dotted, LEGENDS[paper].items(), strict=True):
            rows = result.where(**at, **FIRST[paper])
            x, measured = (rows[f"measured_{q}"].values for q in ("ser", y))
            points = pareto_front(x, measured)
            expected = [(x[i], rows[limit].values[i]) for i in points]
            assert list(zip(*line.get_data(), strict=True)) == expected
            assert line.get_color() == colors[label]


@pytest.mark.parametrize("paper", PAPERS)
def test_what_is_out_of_reach_is_shaded(stored, draw, paper):
    """To the left of the smallest SER everything, and below the floors for the others."""
    result = stored[f"{paper}-limits"]
    axes, right = draw(result).axes
    (shade,) = [c for c in axes.collections if c.get_label() == "" or c.get_alpha() == 0.15]
    corners = shade.get_paths()[0].vertices
    front = result.where(system="front", **FIRST[paper])
    assert front["ser_floor"].values[0] in corners[:, 0]
    for ser, floor in zip(front["ser"].values, front["floor_known"].values, strict=True):
        assert [ser, floor] in corners.tolist()
    assert not [c for c in right.collections if c.get_alpha() == 0.15]
