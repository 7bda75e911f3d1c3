import dataclasses
import json
import math

import matplotlib as mpl
import pytest
import torch
from drawn_curves import curves
from figure_runs import request
from same_records import same

from isaclib.experiments.engine import runs
from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point, graph, key_of
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.claims import CLAIMS
from isaclib.experiments.p2.config import IMPAIRED_PRESETS, NetworkTraining, Scenario
from isaclib.experiments.p2.figures import FIG4, FIG5, FIGURES, UNITS, trained_networks
from isaclib.experiments.p2.tasks import Measure, Setting, TrainMatrix, TrainNetworks, values
from isaclib.experiments.registry import figures
from isaclib.signal.arrays import Sector
from isaclib.systems.sector_networks.model import SectorAutoencoder, SectorTransceiver
from isaclib.systems.steering_matrix.model import ModelDriven, ModelDrivenTransceiver
from isaclib.systems.transceiver import Measurement, measure

mpl.use("Agg")

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = (0.0, 0.4, 1.0)
SECTORS = {"seen": (-40.0, -20.0), "unseen": (-20.0, 20.0)}
CONFIG = IMPAIRED_PRESETS["smoke"]
KNOWN, UNKNOWN = ({"system": "baseline", "spacings": s} for s in ("known", "unknown"))
MATRIX, NETWORKS = {"system": "model-driven"}, {"system": "networks"}


def measured(rows):
    """All quantities of rows, in a form that can be compared."""
    return repr(rows.quantities)


# What is stored


def test_every_figure_of_the_paper_is_registered():
    found = [name for name, spec in figures().items() if spec.paper == "p2"]
    assert found == ["p2-fig3", "p2-fig4", "p2-fig5", "p2-readings", "p2-limits"]


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_results_say_what_they_are(p2_stored, spec):
    result = p2_stored[spec.id]
    assert (result.figure, result.preset) == (spec.id, "smoke")
    assert same(result.config, json.loads(json.dumps(dataclasses.asdict(spec.presets["smoke"]))))
    assert spec.config(result) == spec.presets["smoke"]
    assert None not in result.rows.tasks


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_measured_rows_are_possible(p2_stored, spec):
    config, rows = spec.presets["smoke"], p2_stored[spec.id].rows
    samples = config.test.samples
    assert {name: q.unit for name, q in rows.quantities.items()} == UNITS
    for name, quantity in rows.quantities.items():
        for index, value in enumerate(quantity.values):
            assert math.isnan(value) or quantity.low[index] <= value <= quantity.high[index]
            if name in ("ser", "p_md", "p_fa"):
                assert 0 <= value <= 1
                assert quantity.count[index] == samples
    detected = [round((1 - p_md) * samples) for p_md in rows["p_md"].values]
    assert rows["rmse_deg"].count == detected
    # Threshold and check are each measured on 2000 samples.
    spread = math.sqrt(2 * 0.01 * 0.99 / samples)
    assert all(abs(p_fa - 0.01) < 4.5 * spread for p_fa in rows["p_fa"].values)


def test_fig_3_holds_both_learners_in_every_reading_and_the_baseline(p2_stored):
    result = p2_stored["p2-fig3"]
    assert result.where(system="baseline").at("rho") == list(WEIGHTS)
    for reading in ("literal", "sector"):
        assert result.where(**MATRIX, reading=reading).at("omega_r") == list(WEIGHTS)
    for step in ("detection", "angle"):
        rows = result.where(**NETWORKS, step=step)
        places = zip(*map(rows.at, ("indicator", "angle_unit", "omega_r")), strict=True)
        own = [("all", "deg", weight) for weight in WEIGHTS]
        assert list(places) == [*own, ("present", "deg", 0.4), ("all", "rad", 0.4)]
    assert len(result.rows) == 3 + 6 + 10


def test_a_reading_matters_where_it_is_read_and_nowhere_else(p2_stored):
    result = p2_stored["p2-fig3"]
    literal, sector = (result.where(reading=r)["rmse_deg"].values for r in ("literal", "sector"))
    assert literal != sector
    rows = result.where(**NETWORKS, omega_r=0.4)
    own, printed, radians = (
        {step: measured(part) for step, part in rows.where(**at).split("step").items()}
        for at in (
            {"indicator": "all", "angle_unit": "deg"},
            {"indicator": "present"},
            {"angle_unit": "rad"},
        )
    )
    # The unit of the angle: in Eq. (12), not in Eq. (11), whose indicator changes what follows.
    assert own["detection"] == radians["detection"]
    assert own["angle"] != radians["angle"]
    assert all(own[step] != printed[step] for step in own)


def test_the_second_step_keeps_the_threshold_of_the_first(p2_stored):
    for figure in ("p2-fig3", "p2-fig4"):
        steps = p2_stored[figure].where(**NETWORKS).split("step")
        first, second = steps["detection"], steps["angle"]
        assert first["threshold"].values == second["threshold"].values
        assert all(map(float.__ne__, first["rmse_deg"].values, second["rmse_deg"].values))


@pytest.mark.parametrize("sector", SECTORS)
def test_fig_4_holds_both_complexities_and_baselines_for_both_sectors(p2_stored, sector):
    rows = p2_stored["p2-fig4"].where(sector=sector)
    baselines = [rows.where(**at, array=n) for at in (KNOWN, UNKNOWN) for n in (0, 1)]
    assert all(baseline.at("rho") == [0.0, 1.0] for baseline in baselines)
    # Two arrays are two, and both baselines meet them.
    assert len({tuple(baseline["rmse_deg"].values) for baseline in baselines}) == 4
    for complexity in ("unlimited", "limited"):
        for at in (MATRIX, {**NETWORKS, "step": "angle"}, {**NETWORKS, "step": "detection"}):
            own = rows.where(**at, complexity=complexity, array=0)
            assert own.at("omega_r") == list(WEIGHTS)
    assert len(rows) == 4 * 2 + 2 * (1 + 2) * 3


def test_what_only_the_communication_sector_decides_is_the_same_for_both_sectors(p2_stored):
    """With rho = 0 neither beam nor symbols of the model-based transmitters know the target."""
    result = p2_stored["p2-fig4"]
    seen, unseen = (result.where(sector=sector) for sector in SECTORS)
    for at in ({**KNOWN, "rho": 0.0}, {**MATRIX, "omega_r": 0.0}, {**NETWORKS, "omega_r": 0.0}):
        rates = [rows.where(**at)["ser"].values for rows in (seen, unseen)]
        assert (rates[0] == rates[1]) == (at["system"] != "networks")
        assert measured(seen.where(**at)) != measured(unseen.where(**at))


def test_fig_5_is_the_unseen_sector_of_fig_4(p2_stored):
    fig4, fig5 = p2_stored["p2-fig4"], p2_stored["p2-fig5"]
    assert repr(fig5.rows) == repr(fig4.where(sector="unseen"))
    assert fig5.trained is None


def test_the_readings_hold_a_point_an_array_of_each(p2_stored):
    result = p2_stored["p2-readings"]
    for model in ("cumulative", "per_element_centered"):
        for sector in SECTORS:
            rows = result.where(model=model, sector=sector)
            assert [rows.where(**at).at("array") for at in (KNOWN, UNKNOWN)] == [[0, 1]] * 2
            assert rows.where(**MATRIX).at("array") == [0]
    first, second = (rows["p_md"].values for rows in result.where(**KNOWN).split("model").values())
    assert first != second


def test_the_reading_of_the_text_gives_the_points_of_fig_4(p2_stored):
    """At omega_r = 1, on the same arrays and samples."""
    readings, fig4 = p2_stored["p2-readings"].where(model="cumulative"), p2_stored["p2-fig4"]
    for at in ({**KNOWN, "rho": 1.0}, {**UNKNOWN, "rho": 1.0}, {**MATRIX, "omega_r": 1.0}):
        own = fig4.where(**at)
        own = own.where(complexity="unlimited") if at["system"] == "model-driven" else own
        for array in own.split("array"):
            pair = (rows.where(**at, array=array) for rows in (readings, own))
            assert len({measured(rows) for rows in pair}) == 1


# Stored weights, and who goes on from them


def test_small_systems_are_stored(p2_stored):
    """Wide networks would be too large."""
    fig3, fig4 = (p2_stored[figure].trained for figure in ("p2-fig3", "p2-fig4"))
    assert fig3.at("reading") == ["literal", "sector"]
    assert fig4.where(**MATRIX).at("complexity") == ["unlimited", "limited"]
    networks = fig4.where(**NETWORKS)
    assert set(networks.at("complexity")) == {"limited"}
    assert networks.at("omega_r") == list(WEIGHTS)
    assert len(fig4) == 2 + 3


def rebuilt(result, at, weight, sector):
    """A system of Fig. 4 from its stored weights."""
    matrix, networks = CONFIG.trainings()[at["complexity"]]
    if at["system"] == "networks":
        model, stored = SectorAutoencoder(16, 4, networks.width), {**at, "omega_r": weight}
        system = SectorTransceiver(model, Sector(*sector), Sector(30, 50))
    else:
        model, stored = ModelDriven(16, matrix.grid_size), at
        system = ModelDrivenTransceiver(model, Sector(*sector), Sector(30, 50), weight)
    model.load_state_dict(result.tensors(**stored))
    return system


@torch.no_grad()
def performance(system, sector, seed=0):
    scenario = CONFIG.scenario.towards(sector)
    channels = scenario.channels(scenario.positions(Impairment("cumulative", 1 / 30, 0), 0))
    measurement = Measurement(CONFIG.test.samples, block=CONFIG.test.block, seed=seed)
    return values(measure(system, *channels, measurement))


@pytest.mark.parametrize("sector", SECTORS)
@pytest.mark.parametrize(
    "at",
    [
        {**MATRIX, "complexity": "unlimited"},
        {**MATRIX, "complexity": "limited"},
        {**NETWORKS, "complexity": "limited", "step": "angle"},
    ],
)
def test_stored_systems_give_the_stored_points(p2_stored, at, sector):
    """Exactly: the samples are the same. Others agree with the intervals."""
    result = p2_stored["p2-fig4"]
    for weight in WEIGHTS:
        system = rebuilt(result, at, weight, SECTORS[sector])
        row = result.where(**at, sector=sector, omega_r=weight)
        found = performance(system, SECTORS[sector])
        stored = {name: quantity.estimate() for name, quantity in row.quantities.items()}
        assert repr(stored) == repr(found)
        other = performance(system, SECTORS[sector], seed=1)["ser"]
        # Twice 4.5 standard deviations, of which an interval spans 2 times 1.96.
        allowed = 4.5 * math.sqrt(2) * (stored["ser"].high - stored["ser"].low) / (2 * 1.96)
        assert abs(other.value - stored["ser"].value) < allowed


def again(folder, figure, clone):
    """Run a figure in a clone that has its results and nothing else; the tasks that it ran."""
    spec = request(folder, figure, runs=clone)
    before = load_result(figure, folder / "results")
    runs.run(spec, Sweep(progress=False))
    assert repr(load_result(figure, folder / "results").rows) == repr(before.rows)
    found = {key: (task, spec.cache().read(task)) for key, task in spec.tasks().items()}
    return [task for task, record in found.values() if record and not record.source]


@pytest.mark.usefixtures("p2_stored")
def test_a_fresh_clone_does_not_train_what_is_stored(p2_folder, tmp_path):
    assert again(p2_folder, "p2-fig5", tmp_path / "fig5") == []
    ran = again(p2_folder, "p2-fig4", tmp_path / "fig4")
    assert not any(isinstance(task, TrainMatrix) for task in ran)
    narrow = CONFIG.limited[1]
    trained = [task for task in ran if isinstance(task, TrainNetworks)]
    assert {task.start is None for task in trained if task.training == narrow} == {True}
    assert sum(task.training != narrow for task in trained) == 2 * len(WEIGHTS)


@pytest.mark.parametrize("preset", ["smoke", "desk", "paper"])
def test_fig_5_measures_what_fig_4_does(preset):
    fig4, fig5 = (
        graph(row.task for row in spec.rows(spec.presets[preset], 0)) for spec in (FIG4, FIG5)
    )
    assert fig5.keys() < fig4.keys()
    assert {type(fig4[key]) for key in fig4.keys() - fig5.keys()} == {Measure}


def test_a_long_training_is_one_of_fig_4_at_the_paper_s_size():
    """What ``tools/long_runs.py`` trains goes into the cache of the figure."""
    setting = Setting(Scenario(), 0, Impairment("cumulative", 1 / 30, 0))
    tasks = trained_networks(setting, NetworkTraining(width=21), 1.0).values()
    paper = graph(row.task for row in FIG4.rows(FIG4.presets["paper"], 0))
    assert {key_of(task) for task in tasks} <= paper.keys()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_can_be_tested_on_what_the_runs_store(p2_stored, claim):
    verdict = claim.verdict(p2_stored)
    assert isinstance(verdict, Verdict)
    assert any(character.isdigit() for character in verdict.measured)


# Drawings


def pairs(rows, y):
    return list(zip(rows["ser"].values, rows[y].values, strict=True))


IDEAL = {"indicator": "all", "angle_unit": "deg", "step": "angle"}
LEGENDS = {
    "p2-fig3": {
        "baseline": {"system": "baseline"},
        r"model-driven, $N_\mathrm{grid}=60$, 3 steps": {"reading": "literal"},
        "the same, softmax over the sector alone": {"reading": "sector"},
        "networks, $N=8$, 2 x 3 steps of 100": IDEAL,
        "networks, Eq. (11) as printed": {**IDEAL, "indicator": "present"},
        "networks, angle loss in radians": {**IDEAL, "angle_unit": "rad"},
        "networks after the first training step": {**IDEAL, "step": "detection"},
    },
    "p2-fig4": {
        "baseline, spacings known (band: 2 arrays)": {**KNOWN, "array": 0},
        r"baseline, assumes $\lambda/2$ (band: 2 arrays)": {**UNKNOWN, "array": 0},
        r"model-driven, $N_\mathrm{grid}=60$, 3 steps": {**MATRIX, "complexity": "unlimited"},
        "networks, $N=8$, 2 x 3 steps of 100": {"complexity": "unlimited", "step": "angle"},
        r"model-driven, $N_\mathrm{grid}=40$, 3 steps": {**MATRIX, "complexity": "limited"},
        "networks, $N=4$, 2 x 3 steps of 100": {"complexity": "limited", "step": "angle"},
    },
}
LEGENDS["p2-fig5"] = LEGENDS["p2-fig4"]


@pytest.mark.parametrize("figure", LEGENDS)
def test_every_curve_shows_its_rows(p2_stored, draw, figure, tmp_path):
    result = p2_stored[figure]
    rows = (
        result.rows
        if figure == "p2-fig3"
        else result.where(sector="seen" if figure == "p2-fig4" else "unseen")
    )
    drawn = draw(result)
    drawn.savefig(tmp_path / "figure.svg")
    assert drawn.get_supxlabel() == f"{figure}, preset: smoke, 2,000 test samples a point"
    (legend,) = drawn.legends
    assert {text.get_text() for text in legend.get_texts()} == set(LEGENDS[figure])
    names = (r"misdetection probability, $P_\mathrm{md}$", "angle RMSE (degrees)")
    for axes, y, name in zip(drawn.axes, ("p_md", "rmse_deg"), names, strict=True):
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("symbol error rate, SER", name)
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        found = curves(axes)
        for label, at in LEGENDS[figure].items():
            # The right panel has nothing to say of the first step, which trains no angle.
            if y == "rmse_deg" and at.get("step") == "detection":
                assert label not in found
            else:
                assert found[label] == pairs(rows.where(**at), y)


def test_the_band_of_a_baseline_spans_all_of_its_arrays(p2_stored, draw):
    result = p2_stored["p2-fig4"]
    axes = draw(result).axes[0]
    bands = [collection.get_paths()[0].vertices for collection in axes.collections]
    heights = [(float(b[:, 1].min()), float(b[:, 1].max())) for b in bands if len(b) > 2]
    for at in (KNOWN, UNKNOWN):
        values = result.where(**at, sector="seen")["p_md"].values
        assert (min(values), max(values)) in [pytest.approx(height) for height in heights]


def test_other_arrays_are_markers_of_the_same_colour_without_a_name(p2_stored, draw):
    result, limited = p2_stored["p2-fig4"], {**MATRIX, "complexity": "limited"}
    table = result.rows
    rows = [
        ({k: c[i] for k, c in table.coordinates.items() if c[i] is not None}, result._point(i, ()))
        for i in range(len(table))
    ]
    rows += [
        ({**at, "array": 1}, Point({"ser": point.values["ser"], "p_md": 0.125, "rmse_deg": 1.0}))
        for at, point in rows
        if MATRIX.items() <= at.items()
    ]
    more = tabulate([(at, point, None) for at, point in rows], UNITS)
    config = {**result.config, "matrix_draws": 2}
    drawn = draw(dataclasses.replace(result, rows=more, config=config))
    lines = [container.lines[0] for container in drawn.axes[0].containers]
    faint = [line for line in lines if set(line.get_ydata()) == {0.125}]
    first = pairs(result.where(**limited, sector="seen"), "p_md")
    (own,) = (line for line in lines if list(zip(*line.get_data(), strict=True)) == first)
    assert [line.get_linestyle() for line in (own, *faint)] == ["-", "None", "None"]
    assert own.get_color() in {line.get_color() for line in faint}
    assert len(drawn.legends[0].get_texts()) == 6


def test_the_readings_show_baselines_with_their_range_and_each_learned_array(p2_stored, draw):
    result = p2_stored["p2-readings"]
    figure = draw(result)
    labels = {
        "baseline, spacings known (2 arrays)": KNOWN,
        r"baseline, assumes $\lambda/2$ (2 arrays)": UNKNOWN,
        r"model-driven, $N_\mathrm{grid}=60$, 3 steps (1 arrays)": MATRIX,
    }
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(labels)
    places = [(m, s) for m in ("cumulative", "per_element_centered") for s in SECTORS]
    for axes, y in zip(figure.axes, ("p_md", "rmse_deg"), strict=True):
        assert axes.get_yscale() == "log"
        ticks = [text.get_text() for text in axes.get_xticklabels()]
        assert [tick.splitlines()[-1] for tick in ticks] == ["[-40°, -20°]", "[-20°, 20°]"] * 2
        assert [tick.startswith("neighbours") for tick in ticks] == [True, True, False, False]
        found = curves(axes)
        for label, at in labels.items():
            columns = [result.where(**at, model=m, sector=s)[y].values for m, s in places]
            middles = [sum(column) / len(column) for column in columns]
            assert [height for _, height in found[label]] == pytest.approx(middles)
