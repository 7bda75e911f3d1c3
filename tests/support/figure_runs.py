"""Runs of figures at the smoke preset, stored as the command line would, and their presets."""

import json
from dataclasses import asdict

from isaclib.experiments.engine import runs
from isaclib.experiments.engine.results import PRESETS, load_result
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.registry import figures


def request(folder, figure, **changes):
    """What a figure is run by; everything of one folder's runs stays below it."""
    options = {"preset": "smoke", "seed": 0, "device": "cpu"}
    options |= {"results": folder / "results", "runs": folder / "runs"}
    return runs.Request(figures()[figure], **{**options, **changes})


def run_and_store(folder, figure):
    """Run a figure, store it as the command line would, and read it back."""
    runs.run(request(folder, figure), Sweep(progress=False))
    return load_result(figure, folder / "results")


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
