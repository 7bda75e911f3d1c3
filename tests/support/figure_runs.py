"""Runs of figures at the smoke preset, stored as the command line would, and their presets."""

import json
from dataclasses import asdict

from isaclib.experiments.engine import runs
from isaclib.experiments.engine.rows import FigureSpec
from isaclib.experiments.engine.sweep import Sweep as RowSweep
from isaclib.experiments.registry import figures
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.result_schema import PRESETS
from isaclib.experiments.series.results import save_result
from isaclib.experiments.series.sweep import Sweep
from isaclib.experiments.stored import load_result


def smoke_context(folder, figure, **changes):
    """What a figure's run is given; everything of one folder's runs stays below it."""
    options = {
        "figure": figure,
        "preset": "smoke",
        "config": figures()[figure].presets["smoke"],
        "seed": 0,
        "device": "cpu",
        "results": folder / "results",
        "state": folder / "state" / figure,
        "sweep": Sweep(progress=False),
    }
    return RunContext(**{**options, **changes})


def request(folder, figure, **changes):
    """What a figure is run by; everything of one folder's runs stays below it."""
    options = {"preset": "smoke", "seed": 0, "device": "cpu"}
    options |= {"results": folder / "results", "runs": folder / "runs"}
    return runs.Request(figures()[figure], **{**options, **changes})


def run_and_store(folder, figure):
    """Run a figure, store it as the command line would, and read it back."""
    if isinstance(figures()[figure], FigureSpec):
        runs.run(request(folder, figure), RowSweep(progress=False))
        return load_result(figure, folder / "results")
    context = smoke_context(folder, figure)
    context.state.mkdir(parents=True, exist_ok=True)
    result = figures()[figure].run(context)
    save_result(result, context.results, staged=context.state)
    return load_result(figure, context.results)


def names(result):
    return [series.name for series in result.series]


def check_presets(presets):
    """Three that JSON can hold, with ever more test samples that fit their blocks."""
    assert tuple(presets) == PRESETS
    for config in presets.values():
        assert json.loads(json.dumps(asdict(config))) is not None
        samples, block = sample_counts(config)
        assert samples % block == 0
        if hasattr(config, "scenario"):
            assert samples * config.scenario.p_fa >= 4
    (smoke, _), (desk, _), (paper, _) = (sample_counts(presets[name]) for name in PRESETS)
    # There are no more images than those of the paper.
    assert smoke < desk <= paper if hasattr(presets["paper"], "images") else smoke < desk < paper


def sample_counts(config):
    """Test samples, and how many of them are sent at a time."""
    if hasattr(config, "images"):
        return config.images.test, config.images.block
    return config.test.samples, config.test.block
