import functools
import math
from dataclasses import replace

import pytest
import torch

from isaclib.channels.ofdm import GivenNoise, OfdmRadarChannel, Targets
from isaclib.learning.training import Schedule
from isaclib.receivers.angle_delay.reference import training_grid
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.signal.arrays import Sector, element_index
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.sectors import RandomSectors, Windows, grid_windows
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.systems.spacings import training as impairment_training
from isaclib.systems.spacings.calibration import calibrate
from isaclib.systems.spacings.model import SpacingArray
from isaclib.systems.spacings.schedule import (
    SUPERVISED_RATE,
    UNSUPERVISED_RATE,
    Stage,
    paper_schedule,
)
from isaclib.systems.spacings.training import (
    ImpairmentTraining,
    Scene,
    batch_loss,
    literal_loss,
    train_impairment,
)

pytestmark = pytest.mark.usefixtures("one_thread")

K = 16
SUBCARRIERS, RANGES = Subcarriers(32, 1e6), RangeSector(0, 60)
GRID = training_grid(K, SUBCARRIERS, RANGES, num_angles=180, num_distances=70)
BASIS = delay_basis(SUBCARRIERS, RANGES)
SPACING = draw_spacings(K, 1 / 25, generator=step_generator(0, "impairment", 0))
TRUE = spacing_positions(SPACING)
RADAR = OfdmRadarChannel(TRUE, Sector(-40, -20), RANGES, SUBCARRIERS, 20.0)
SCENE = Scene(RADAR, GRID, BASIS)
SUPERVISED = Stage("supervised", 24, batch=60, learning_rate=1e-3)
UNSUPERVISED = Stage("unsupervised", 24, batch=60, learning_rate=1e-3, p_present=0.5)


def generator(step=0):
    return step_generator(0, "train", step)


def gradient(loss, model):
    (found,) = torch.autograd.grad(loss, [model.values])
    return found


class SameNoise(OfdmRadarChannel):
    """The same noise for the literal echo and for that in the basis: QPSK turns it, no more."""

    def noise(self, batch, generator):
        del generator
        return OfdmRadarChannel.noise(self, batch, step_generator(0, "noise", 0))

    def in_basis(self, beam, targets, basis, generator, **options):
        echo = super().in_basis(beam, targets, basis, generator, **options)
        batch = len(targets)
        messages = torch.randint(4, (batch, self.subcarriers.count), generator=generator)
        symbols = impairment_training.psk(4)[messages]
        noise = basis.project(reciprocal_filter(self.noise(batch, None), symbols))
        return replace(echo, noise=GivenNoise(lambda index: noise[index], torch.arange(batch)))


# The loss


@pytest.mark.parametrize("stage", [SUPERVISED, UNSUPERVISED], ids=["supervised", "unsupervised"])
@pytest.mark.parametrize("transmitter", [True, False])
@pytest.mark.parametrize("parameter", ["spacing", "position"])
def test_loss_and_gradient_equal_the_literal_computation(stage, transmitter, parameter):
    """In single precision, over the whole batch, through receiver and transmitter."""
    radar = SameNoise(TRUE, RADAR.sector, RANGES, SUBCARRIERS, 30.0)
    scene = Scene(radar, GRID, BASIS)
    # Of noise alone, the search misses the one or other maximum, see test_angle_delay_search.
    stage = replace(stage, batch=200, transmitter=transmitter, p_present=1.0)
    results = []
    for loss in (literal_loss, batch_loss):
        model = SpacingArray(K, parameter=parameter)
        model.set_spacing(0.5 + 0.7 * (SPACING - 0.5))
        value = loss(model, scene, stage, generator())
        results.append((float(value.detach()), gradient(value, model)))
    (literal, first), (fast, second) = results
    assert fast == pytest.approx(literal, rel=1e-4)
    error = torch.linalg.vector_norm(second - first) / torch.linalg.vector_norm(first)
    assert float(error) < 1e-3


def test_the_gradient_of_the_beam_is_part_of_the_gradient():
    model = SpacingArray(K)
    whole, receiver = (
        gradient(batch_loss(model, SCENE, replace(UNSUPERVISED, transmitter=t), generator()), model)
        for t in (True, False)
    )
    assert float(torch.linalg.vector_norm(whole - receiver)) > 0.01 * float(
        torch.linalg.vector_norm(receiver)
    )


def test_the_supervised_loss_is_the_squared_position_error():
    """P3 Eq. (20): a strong target leaves the error of the grid and of the softmax alone."""
    model = SpacingArray(K)
    model.set_spacing(SPACING)
    strong = Scene(replace(RADAR, snr_db=45.0), GRID, BASIS)
    value = float(batch_loss(model, strong, replace(SUPERVISED, batch=500), generator()).detach())
    degrees = math.radians(180 / 179)
    worst = (60 / 69) ** 2 + (60 * degrees) ** 2
    assert 0 < value < worst


def test_a_gate_leaves_out_what_is_not_declared():
    model = SpacingArray(K)
    weak = Scene(replace(RADAR, snr_db=5.0), GRID, BASIS)
    stage = replace(SUPERVISED, batch=400)
    everything, gated, closed = (
        batch_loss(model, weak, replace(stage, gate=gate), generator()) for gate in (0.0, 90.0, 1e9)
    )
    assert float(gated.detach()) < 0.5 * float(everything.detach())
    assert float(closed.detach()) == 0
    assert not gradient(closed, model).any()


def test_unlabelled_batches_hold_targets_half_of_the_time():
    counts = []
    for step in range(20):
        stage = replace(UNSUPERVISED, batch=200)
        targets = impairment_training._draw(SCENE, stage, generator(step))[1]
        counts.append(int(targets.present.sum()))
    assert abs(sum(counts) / 4000 - 0.5) < 4.5 / math.sqrt(4 * 4000)
    labelled = impairment_training._draw(SCENE, SUPERVISED, generator())[1]
    assert labelled.present.all()


def test_the_samples_of_a_step_depend_on_seed_and_step_alone():
    module = ImpairmentTraining(SpacingArray(K), SCENE, SUPERVISED, seed=2)
    other = ImpairmentTraining(SpacingArray(K), SCENE, SUPERVISED, seed=3)
    torch.manual_seed(0)
    first = float(module.step_loss(3).detach())
    torch.manual_seed(1)
    assert float(module.step_loss(3).detach()) == first
    assert float(module.step_loss(4).detach()) != first
    assert float(other.step_loss(3).detach()) != first


# Schedules


def test_the_schedules_of_the_paper():
    (alone,) = paper_schedule("SL")
    assert (alone.loss, alone.steps, alone.batch) == ("supervised", 85_000, 3000)
    assert alone.learning_rate * 299792458 / 60e9 == pytest.approx(4e-7)
    assert (alone.factor(49_999), alone.factor(50_000)) == (1.0, 0.1)
    (unlabelled,) = paper_schedule("UL")
    assert unlabelled.learning_rate * 299792458 / 60e9 == pytest.approx(5e-7)
    assert unlabelled.factor(84_999) == 1.0
    assert (unlabelled.p_present, alone.p_present) == (0.5, 1.0)


@pytest.mark.parametrize(("order", "labels"), [("SL+UL", 0), ("UL+SL", 1)])
def test_semi_supervised_schedules_switch_once(order, labels):
    stages = paper_schedule(order)
    assert [s.loss for s in stages][labels] == "supervised"
    assert stages[labels].steps == 1000
    assert sum(s.steps for s in stages) == 85_000
    rates = {"supervised": SUPERVISED_RATE, "unsupervised": UNSUPERVISED_RATE}
    assert all(s.learning_rate == rates[s.loss] for s in stages)


def test_the_drop_counts_iterations_with_labels():
    stages = paper_schedule("UL+SL", steps=100, labelled_fraction=0.3, drop_at=20)
    assert (stages[1].factor(19), stages[1].factor(20)) == (1.0, 0.1)
    assert stages[0].factor(69) == 1.0


# Training


def train(folder, stages, monkeypatch, model=None, **options):
    monkeypatch.setattr(impairment_training, "Schedule", functools.partial(Schedule, block=6))
    model = model or SpacingArray(K)
    history = train_impairment(model, SCENE, stages, folder, seed=1, **options)
    return model.spacing.detach(), history


STAGES = (SUPERVISED, UNSUPERVISED)
MARKS = (0, 5, 24, 31, 48)


@pytest.mark.parametrize("batch", [60, 250], ids=["one chunk", "three chunks"])
def test_a_killed_training_goes_on_to_the_same_spacings(tmp_path, monkeypatch, batch):
    stages = tuple(replace(stage, batch=batch) for stage in STAGES)
    whole, history = train(tmp_path / "whole", stages, monkeypatch, marks=MARKS)
    done = []
    original = ImpairmentTraining.step_loss

    def until_killed(self, step):
        done.append(step)
        if len(done) == 24 + 16:
            raise RuntimeError("killed")
        return original(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(ImpairmentTraining, "step_loss", until_killed)
        with pytest.raises(RuntimeError, match="killed"):
            train(tmp_path / "parts", stages, patch, marks=MARKS)
    again, recorded = train(tmp_path / "parts", stages, monkeypatch, marks=MARKS)
    assert torch.equal(again, whole)
    assert torch.equal(recorded, history)
    assert not torch.isnan(history).any()
    finished = train(tmp_path / "parts", stages, monkeypatch, marks=MARKS)
    assert torch.equal(finished[0], whole)
    assert torch.equal(finished[1], history)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")
@pytest.mark.parametrize("stage", [SUPERVISED, UNSUPERVISED], ids=["supervised", "unsupervised"])
def test_a_step_on_a_gpu_is_that_on_the_cpu(tmp_path, monkeypatch, stage):
    """On the same sectors, targets and noise, in single precision; then it trains and resumes."""
    stage = replace(stage, batch=1500, p_present=1.0)
    sectors = RandomSectors().draw(1500, generator())
    drawn = RADAR.draw(1500, generator(1), present=True, sectors=sectors)
    noise = complex_normal((1500, K, BASIS.rank), generator=generator(2))

    class OnDevice(OfdmRadarChannel):
        def in_basis(self, beam, targets, basis, generator, **options):
            echo = super().in_basis(beam, targets, basis, generator, **options)
            there = noise.to(generator.device)
            order = torch.arange(1500, device=there.device)
            return replace(echo, noise=GivenNoise(lambda index: there[index], order))

    def on_device(scene, stage, generator):
        device = generator.device
        targets = Targets(**{name: part.to(device) for name, part in vars(drawn).items()})
        windows = grid_windows(GRID.angles, sectors)
        return Windows(windows.start.to(device), windows.stop.to(device)), targets

    scene = Scene(OnDevice(**vars(replace(RADAR, snr_db=30.0))), GRID, BASIS)
    with monkeypatch.context() as patch:
        patch.setattr(impairment_training, "_draw", on_device)
        found = []
        for device in ("cpu", "cuda"):
            model = SpacingArray(K).to(device)
            source = step_generator(0, "unused", 0, device)
            # The same chunks have the same coarse grids, which may miss the one or other maximum.
            search = MapSearch(GRID, BASIS, device=device, chunk=1024)
            value = batch_loss(model, scene, stage, source, search=search)
            found.append((float(value.detach()), gradient(value, model).cpu()))
    (value, slope), (other, found_slope) = found
    assert other == pytest.approx(value, rel=1e-4)
    error = torch.linalg.vector_norm(found_slope - slope) / torch.linalg.vector_norm(slope)
    assert float(error) < 1e-3
    short, long = replace(stage, steps=6), replace(stage, steps=12)
    whole, _ = train(tmp_path / "whole", (long,), monkeypatch, device="cuda")
    train(tmp_path / "parts", (short,), monkeypatch, device="cuda")
    again, _ = train(tmp_path / "parts", (long,), monkeypatch, device="cuda")
    assert float((whole - 0.5).abs().max()) > 1e-3
    torch.testing.assert_close(again, whole, atol=1e-5, rtol=0)


def test_spacings_are_recorded_on_their_way(tmp_path, monkeypatch):
    final, history = train(tmp_path / "a", STAGES, monkeypatch, marks=MARKS)
    torch.testing.assert_close(history[0], torch.full((K,), 0.5, dtype=torch.float64))
    short, _ = train(tmp_path / "b", (replace(SUPERVISED, steps=5),), monkeypatch)
    torch.testing.assert_close(history[1], short, atol=1e-12, rtol=0)
    assert torch.equal(history[-1], final)
    assert torch.equal(history[2], train(tmp_path / "c", STAGES[:1], monkeypatch)[0])


def test_a_training_ends_where_two_elements_are_at_one_place(tmp_path):
    model, index = SpacingArray(K), element_index(K)
    together = model.positions().detach()
    together[0] = together[1]
    model.set_spacing(together / index)
    history = train_impairment(model, SCENE, [SUPERVISED] * 2, tmp_path, seed=0, marks=[0, 24, 30])
    torch.testing.assert_close(history[0] * index, together)
    assert history[1:].isnan().all()


def test_the_learning_rate_drops_where_it_should(tmp_path, monkeypatch):
    """Adam's first steps are as long as its learning rate."""
    dropped = replace(SUPERVISED, steps=1, drop_at=0, drop=0.1)
    steps = [
        train(tmp_path / name, (stage,), monkeypatch)[0] - 0.5
        for name, stage in (("whole", replace(SUPERVISED, steps=1)), ("dropped", dropped))
    ]
    torch.testing.assert_close(steps[1], 0.1 * steps[0], atol=1e-9, rtol=1e-3)
    assert float(steps[0].abs().max()) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"batch": 61}, "stage.batch was 60 and is 61"),
        ({"learning_rate": 2e-3}, "stage.learning_rate was 0.001 and is 0.002"),
        ({"sectors": RandomSectors((-30, 30))}, "stage.sectors was RandomSectors"),
    ],
)
def test_a_training_of_another_configuration_is_not_gone_on_from(
    tmp_path, monkeypatch, change, match
):
    train(tmp_path, (SUPERVISED,), monkeypatch)
    with pytest.raises(ValueError, match=f"the same training, or none, .* {match}"):
        train(tmp_path, (replace(SUPERVISED, steps=30, **change),), monkeypatch)
    longer, _ = train(tmp_path, (replace(SUPERVISED, steps=30),), monkeypatch)
    assert torch.equal(
        longer, train(tmp_path / "x", (replace(SUPERVISED, steps=30),), monkeypatch)[0]
    )


def test_a_training_of_another_array_is_not_gone_on_from(tmp_path, monkeypatch):
    train(tmp_path, (SUPERVISED,), monkeypatch)
    moved = Scene(replace(RADAR, positions=TRUE + 0.1), GRID, BASIS)
    with pytest.raises(ValueError, match=r"array was \[.*\] and is \["):
        train_impairment(SpacingArray(K), moved, (SUPERVISED,), tmp_path, seed=1)
    with pytest.raises(ValueError, match="seed was 1 and is 2"):
        train_impairment(SpacingArray(K), SCENE, (SUPERVISED,), tmp_path, seed=2)


@pytest.mark.parametrize("stage", [SUPERVISED, UNSUPERVISED], ids=["supervised", "unsupervised"])
def test_training_closes_most_of_the_gap_to_the_known_array(tmp_path, stage):
    """On fresh samples, of a signal so strong that the array alone makes the difference."""
    scene = Scene(replace(RADAR, snr_db=30.0), GRID, BASIS)
    test = replace(stage, batch=4000, p_present=1.0)

    def loss_of(model):
        with torch.no_grad():
            return float(batch_loss(model, scene, test, step_generator(9, "test", 0)))

    nominal, known, trained = (SpacingArray(K) for _ in range(3))
    known.set_spacing(SPACING)
    stage = replace(stage, steps=300, batch=200)
    train_impairment(trained, scene, (stage,), tmp_path, seed=0)
    before, best, after = (loss_of(model) for model in (nominal, known, trained))
    assert best < before
    assert before - after > 0.6 * (before - best)


# Calibration, beyond the paper


def test_labelled_echoes_give_the_array_at_once():
    model = SpacingArray(K)
    history = calibrate(model, SCENE, samples=400, seed=0)
    assert history.shape == (2, K)
    torch.testing.assert_close(history[-1], model.spacing.detach())
    error = model.positions().detach() - TRUE
    assert float((error - error.mean()).square().mean().sqrt()) < 0.02
    assert float((spacing_positions(torch.full((K,), 0.5)) - TRUE).abs().max()) > 0.3
    again = SpacingArray(K)
    assert torch.equal(calibrate(again, SCENE, samples=400, seed=0), history)


def test_the_element_in_the_middle_of_an_odd_array_stays():
    true = spacing_positions(draw_spacings(15, 0.03, generator=step_generator(0, "odd", 0)))
    model = SpacingArray(15)
    calibrate(model, Scene(replace(RADAR, positions=true), GRID, BASIS), samples=300, seed=0)
    assert float(model.spacing[7].detach()) == 0.5
    assert float((model.positions().detach() - true).abs().max()) < 0.1


# Bad input


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"loss": "labels"}, "loss must be one of 'supervised', 'unsupervised', got 'labels'"),
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"batch": 0}, "batch must be an integer >= 1, got 0"),
        ({"learning_rate": -1}, "learning_rate must be a finite number > 0, got -1"),
        ({"drop": 0}, "drop must be a finite number > 0, got 0"),
        ({"gate": -1}, "gate must be a finite number >= 0, got -1"),
        ({"p_present": 0}, "p_present must be a finite number > 0, got 0"),
        ({"p_present": 2}, r"p_present must be a number in \[0, 1\], got 2"),
    ],
)
def test_stages_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        Stage(**{"loss": "supervised", "steps": 5, **options})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("SSL", {}), "order must be one of 'SL', 'UL', 'SL\\+UL', 'UL\\+SL', got 'SSL'"),
        (("SL", {"steps": 0}), "steps must be an integer >= 1, got 0"),
        (
            ("SL+UL", {"labelled_fraction": 1.0}),
            r"labelled_fraction must be a probability in \(0, 1\)",
        ),
        (
            ("SL+UL", {"labelled_fraction": 1e-9}),
            "labelled_fraction must leave each stage an iteration",
        ),
    ],
)
def test_schedules_are_checked(arguments, match):
    order, options = arguments
    with pytest.raises(ValueError, match=match):
        paper_schedule(order, **options)


def test_marks_beyond_the_training_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"marks must lie in \[0, 24\] iterations, got 25"):
        train_impairment(SpacingArray(K), SCENE, (SUPERVISED,), tmp_path, seed=0, marks=(3, 25))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"samples": 0}, "samples must be an integer >= 1, got 0"),
        ({"samples": 1}, "samples must be at least one for each of 2 rounds, got 1"),
        ({"samples": 5, "rounds": 0}, "rounds must be an integer >= 1, got 0"),
    ],
)
def test_a_calibration_needs_samples(options, match):
    with pytest.raises(ValueError, match=match):
        calibrate(SpacingArray(K), SCENE, seed=0, **options)


def test_outer_elements_are_the_ones_that_are_off():
    """What the paper's impairments mean: the error grows with the index."""
    error = (TRUE - spacing_positions(torch.full((K,), 0.5, dtype=torch.float64))).abs()
    outwards = element_index(K).abs()
    assert float(error[outwards > 5].mean()) > 4 * float(error[outwards < 3].mean())
