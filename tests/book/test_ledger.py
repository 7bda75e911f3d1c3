"""The ledger has an entry for every claim, a reason for every failure, and links that lead on."""

import json
import re
from pathlib import Path

from ledger import LETTERS, evaluated

from isaclib.experiments.claims import claims

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "chapters"
SOURCE = (CHAPTERS / "06_ledger.md").read_text(encoding="utf-8")
REASONS = re.findall(r"^\(why-([\w-]+)\)=$", SOURCE, flags=re.MULTILINE)


def outputs():
    """All Markdown that the page's twin shows."""
    twin = json.loads((CHAPTERS / "06_ledger.ipynb").read_text(encoding="utf-8"))
    found = [
        "".join(output["data"]["text/markdown"])
        for cell in twin["cells"]
        for output in cell.get("outputs", [])
        if "text/markdown" in output.get("data", {})
    ]
    return "\n".join(found)


def targets():
    """Names that a link of the book can lead to: labels, and the names of figures."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in CHAPTERS.glob("*.md"))
    labels = re.findall(r"^\(([\w-]+)\)=$", text, flags=re.MULTILINE)
    return labels + re.findall(r"^    name: ([\w-]+)$", text, flags=re.MULTILINE)


def test_every_claim_has_a_row_and_an_entry_with_an_anchor():
    shown = outputs()
    anchors = re.findall(r'<details class="claim" id="claim-([\w-]+)">', shown)
    assert anchors == [claim.id for claim in claims()]
    assert re.findall(r'<a href="#claim-([\w-]+)">', shown) == anchors
    for claim, verdict in evaluated():
        measured = verdict.measured[1:]
        for name, letter in LETTERS.items():
            measured = measured.replace(name, letter)
        assert measured in shown, claim.id


def test_every_claim_that_does_not_hold_has_its_reason_once():
    failed = [claim.id for claim, verdict in evaluated() if verdict.status != "reproduced"]
    assert set(failed) <= set(REASONS)
    assert len(REASONS) == len(set(REASONS))
    for reason in REASONS:
        assert SOURCE.count(f"**`{reason}`**") == 1, reason


def test_no_reason_is_left_of_a_claim_that_holds():
    """A claim that holds has a word of explanation only where the page says so."""
    held = {claim.id for claim, verdict in evaluated() if verdict.status == "reproduced"}
    remarked = re.search(r"^remarked = (\{.*?\})$", SOURCE, flags=re.MULTILINE | re.DOTALL)
    assert remarked
    assert held & set(REASONS) == set(re.findall(r'"([\w-]+)"', remarked[1]))
    assert set(REASONS) <= {claim.id for claim in claims()}


def test_links_of_the_outputs_lead_somewhere():
    links = set(re.findall(r"\]\(#([\w-]+)\)", outputs()))
    assert links
    assert links <= set(targets())
