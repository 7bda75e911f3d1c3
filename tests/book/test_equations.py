"""Every numbered equation of the papers has code, or says that it is text only, and a section."""

import re
import shutil

import pytest
from workbench import ROOT, load_tool

equations = load_tool("equations")
CHAPTER = "chapters/01_end_to_end_learning.md"
RATIO_TEST = "isaclib/receivers/ratio_test.py"


def test_every_equation_has_code_or_says_text_only_and_stands_in_a_chapter():
    assert equations.find_faults() == []


def test_page_is_up_to_date():
    page = (ROOT / "chapters" / "equations.md").read_text(encoding="utf-8")
    assert page == equations.write_page(), "run `make equations`"


def test_page_has_a_row_for_each_equation():
    rows = re.findall(r"^\| \(\d+\) .+ \| .+ \| \[.+\]\(.+\) \|$", equations.write_page(), re.M)
    assert len(rows) == sum(len(paper.names) for paper in equations.PAPERS.values())


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("A beam, P1 Eq. (9).", [("P1", 9)]),
        ("P3 Eqs. (20) or (21).", [("P3", 20), ("P3", 21)]),
        ("A beam, P1 Eq. (9).\n\nAlso P2 Eqs. (3), (4), P3 Eq. (6).", "P1.9 P2.3 P2.4 P3.6"),
        ("Losses, P1 Eqs. (3)-(8).", "P1.3 P1.4 P1.6 P1.7 P1.8"),
        ("A window.\n\nIts size is that of P3 Eq. (12).", []),
        ("A beam, P1 Sec. IV-B.", []),
    ],
)
def test_summary_and_also_name_what_is_computed(docstring, expected):
    if isinstance(expected, str):
        expected = [(name[:2], int(name[3:])) for name in expected.split()]
    assert equations.implemented(docstring) == expected


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("P3's map. Its maximum is Eq. (16).", None),
        ("Its maximum is Eq. (16).", "P3"),
        ("P1's echo, and the map of P3 Eqs. (15) and\n(16).", "P1"),
        ("No equation at all.", None),
    ],
)
def test_a_mention_belongs_to_the_paper_named_last(text, context):
    equations.check_mentions(text, context)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Its maximum is Eq. (16).", "does not say of which paper"),
        ("P2 Eq. (15).", r"P2 has no Eq. \(15\)"),
        ("P1 Eq. (5).", r"P1 has no Eq. \(5\)"),
        ("P4 Eq. (1).", r"P4 has no Eq. \(1\)"),
        ("P1 Eqs. (17) and (19).", r"P1 has no Eq. \(19\)"),
        ("P1 Eq. 9.", 'is not written as "Eq'),
        ("P1 equation (9).", 'is not written as "Eq'),
    ],
)
def test_a_mention_that_cannot_be_meant_is_refused(text, fault):
    with pytest.raises(equations.Fault, match=fault):
        equations.check_mentions(text, None)


def test_a_summary_names_the_paper_of_each_equation():
    with pytest.raises(equations.Fault, match="wants its paper"):
        equations.implemented("What is left of P3 Eq. (8): the map of Eq. (9).")


def test_a_tag_counts_more_than_an_earlier_mention_and_code_has_no_headings():
    text = "\n".join(
        [
            "# Chapter, with tags such as (P1.1)",
            *("## Aim", "(P1.1) and (P1.3) lead to (P1.2).", "```", "## no heading (P1.4)", "```"),
            *("### Scene", r"$$x \tag{P1.1, P1.2}$$ as (P1.3)"),
        ]
    )
    sections = {number: heading for (_, number), heading in equations.find_sections(text).items()}
    assert sections == {1: "Scene", 2: "Scene", 3: "Aim", 4: "Aim"}


@pytest.fixture
def copy(tmp_path):
    """The texts that the index is made of, to change them."""
    for folder, pattern in (("isaclib", "*.py"), ("chapters", "*.md")):
        for source in (ROOT / folder).rglob(pattern):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (RATIO_TEST, ", P1 Eq. (15).", ".", "P1 Eq. (15) has no code"),
        (
            RATIO_TEST,
            ", P1 Eq. (15).",
            ", P1 Eqs. (15), (12).",
            "P1 Eq. (12) has code and is",
        ),
        (RATIO_TEST, ", P1 Eq. (15).", ", Eq. (15).", "in a summary each"),
        (RATIO_TEST, ", P1 Eq. (15).", ", P1 Eq. (51).", "P1 has no Eq. (51)"),
        (CHAPTER, r"\tag{P1.15}", "", "P1 Eq. (15) stands in no chapter"),
        (CHAPTER, r"\tag{P1.15}", r"\tag{P1.15, P1.5}", f"{CHAPTER[9:]}: P1 has no Eq. (5)"),
    ],
)
def test_a_gap_is_found(copy, name, old, new, fault):
    path = copy / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(fault in found for found in equations.find_faults(copy))
