"""The errata page says of every entry what it rests on, checks it, and keeps conventions apart."""

import json
import re
from pathlib import Path

CHAPTERS = Path(__file__).parents[2] / "chapters"
TEXT = (CHAPTERS / "errata.md").read_text(encoding="utf-8")
ENTRIES, CONVENTIONS = TEXT.split("\n(conventions)=\n")
MARK = "*Seen in extracted text only.*"


def rows(text):
    """Cells of the table rows that lead to a section, by the section's label."""
    found = re.findall(r"^\| \[.*?\]\(#(errata-[\w-]+)\) \| (.*) \|$", text, flags=re.MULTILINE)
    return {label: cells.split(" | ") for label, cells in found}


def sections(text):
    """Text of the sections, by their label."""
    parts = re.split(r"^\((errata-[\w-]+)\)=$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def outputs():
    """All that the cells of the page's twin print."""
    twin = json.loads((CHAPTERS / "errata.ipynb").read_text(encoding="utf-8"))
    return "".join(
        "".join(output.get("text", ""))
        for cell in twin["cells"]
        for output in cell.get("outputs", [])
    )


def test_every_row_leads_to_its_section_and_every_section_has_a_check():
    for part in (ENTRIES, CONVENTIONS):
        assert list(rows(part)) == list(sections(part))
        for label, section in sections(part).items():
            assert "```{code-cell}" in section, label


def test_an_entry_that_rests_on_extracted_text_says_so_in_the_table_and_at_its_head():
    kinds = {label: cells[-1] for label, cells in rows(ENTRIES).items()}
    assert set(kinds.values()) == {"extracted text only", "two passages", "derivation"}
    for label, section in sections(ENTRIES).items():
        body = section.strip().split("\n", 1)[1].strip()  # without the heading
        assert body.startswith(MARK) == (kinds[label] == "extracted text only"), label
        assert section.count(MARK) == body.startswith(MARK), label
    assert MARK not in CONVENTIONS


def test_an_entry_of_p3_says_what_the_authors_simulation_does():
    of_p3 = {label: text for label, text in sections(ENTRIES).items() if "-p3-" in label}
    assert len(of_p3) == 7
    for label, section in of_p3.items():
        assert re.search(r"authors'\s+simulation", section), label


def test_the_version_of_every_paper_is_named():
    versions = re.findall(
        r"^\| (P\d) \{cite:p\}`\w+` \| (.+) \| (.+) \|$", TEXT, flags=re.MULTILINE
    )
    assert [paper for paper, *_ in versions] == ["P1", "P2", "P3", "P4"]
    assert "the **first** version" in versions[3][1]
    assert "second arXiv version" in versions[3][2]


def test_the_mask_of_p2_leaks_with_a_binary_vector_only():
    line = r"b = (binary|K) *, peak +([\d.]+): weight outside +([\d.]+)%, estimate +(-[\d.]+)°"
    found = {
        (b, float(peak)): (float(out), float(at))
        for b, peak, out, at in re.findall(line, outputs())
    }
    assert set(found) == {(b, peak) for b in ("binary", "K") for peak in (4.0, 8.0, 12.0)}
    assert all(found["K", peak] == (0.0, -30.0) for peak in (4.0, 8.0, 12.0))
    leak, estimate = found["binary", 4.0]
    assert leak > 10
    assert estimate > -25
