"""What `make pdf` prints, and what it fails for; LaTeX itself is not needed here."""

import yaml
from workbench import ROOT, load_tool

pdf = load_tool("pdf")


def test_pdf_has_every_page_but_those_for_the_screen():
    toc, names = pdf.pages()
    book = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [entry["file"] for part in book["parts"] for entry in part["chapters"]]
    assert names[0] == book["root"]
    left_out = set(listed) - set(names)
    assert {"chapters/api", "chapters/api/signal", "chapters/figures"} <= left_out
    assert not any(name.startswith("chapters/0") for name in left_out)
    assert toc["root"] not in names


def test_chapters_are_read_from_their_twins_and_nothing_is_executed(tmp_path):
    pdf.write_sources(tmp_path)
    assert (tmp_path / "chapters" / "05_limits.ipynb").is_file()
    assert not (tmp_path / "chapters" / "05_limits.md").exists()
    assert "<summary>" not in (tmp_path / "chapters" / "06_ledger.ipynb").read_text()
    config = yaml.safe_load((tmp_path / "_config.yml").read_text(encoding="utf-8"))
    assert config["execute"] == {"execute_notebooks": "off"}


def test_faults_are_found_in_the_log():
    log = """./isaclib.tex:1803: Undefined control sequence.
Overfull \\hbox (203.9948pt too wide) in alignment at lines 10331--10551
Overfull \\hbox (5.2pt too wide) in paragraph at lines 8199--8199
Missing character: There is no \u25d0 (U+25D0) in font [FreeSerifItalic.otf]
Output written on isaclib.xdv (171 pages, 5451736 bytes).
"""
    faults = pdf.find_faults(log)
    assert [fault.partition(":")[0] for fault in faults] == list(pdf.FAULTS)
    assert pdf.find_faults("Output written on isaclib.xdv (171 pages).") == []
