"""A codecheck.yml is YAML of CODECHECK's fields, and what it lists is there."""

from pathlib import Path

import fake_paper
import pytest
import yaml

from isaclib.experiments import claims, codecheck
from isaclib.experiments.engine.results import result_path

ROOT = Path(__file__).parents[2]


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write the file for the fake paper's claims, and read it back."""
    monkeypatch.setattr(claims, "listed", lambda: [fake_paper.CLAIMS])

    def write(name="codecheck.yml"):
        path = tmp_path / name
        codecheck.write_codecheck(path, claims.report(tmp_path / "results"))
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    return write


def test_the_manifest_lists_results_their_commands_and_their_claims(tmp_path, written):
    for spec, preset in zip(fake_paper.FIGURES, ("paper", "smoke"), strict=False):
        fake_paper.store(spec, preset, tmp_path)
    first, second = written()["manifest"]
    assert first == {
        "file": "results/p9/p9-fig1.json",
        "comment": "made by `isaclib run p9-fig1 --preset paper`; claims: p9-grow (reproduced); "
        "p9-same (partly, at reduced scale)",
    }
    assert second["file"] == "results/p9/p9-fig2.json"
    for entry in (first, second):
        assert (tmp_path / entry["file"]).is_file()
    assert written("deep/codecheck.yml")["manifest"][0]["file"] == "../results/p9/p9-fig1.json"


def test_a_missing_or_broken_result_is_not_listed(tmp_path, written):
    assert written()["manifest"] == []
    fake_paper.store(fake_paper.FIG1, "desk", tmp_path)
    result_path("p9-fig1", tmp_path / "results").write_text("{")
    found = written()
    assert found["manifest"] == []
    assert "2 without a result" in found["summary"]


def test_it_has_the_fields_of_the_specification(tmp_path, written):
    fake_paper.store(fake_paper.FIG1, "desk", tmp_path)
    found = written()
    assert found["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    assert list(found["paper"]) == ["title", "authors", "reference"]
    left = {key for key, value in found.items() if "FIXME" in str(value)}
    assert left == {
        *("paper", "codechecker", "repository"),
        *("check_time", "certificate", "report"),
    }
    assert [set(person) for person in found["codechecker"]] == [{"name", "ORCID"}]


def test_title_and_authors_are_those_to_cite(written):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = written()["paper"]
    assert paper["title"] == cited["title"]
    assert paper["authors"] == cited["authors"]


def test_texts_come_back_whatever_they_hold(written, monkeypatch):
    told = 'a "quoted" text: with # signs,\n a newline, ω_r → 1, and - a dash'
    monkeypatch.setattr(codecheck, "TITLE", told)
    assert written()["paper"]["title"] == told
