r"""Write the index of equations, ``chapters/equations.md``: equation, function, section.

An equation is in the library where a public docstring says so: in its summary, "P1 Eq. (9)", or in
a paragraph "Also P2 Eqs. (3), (4)." below it. Any other mention is prose. It stands in the book
where its paper's chapter has its tag, ``\tag{P1.9}``, or else names it first, "(P1.9)".
Short names, and the few equations that are text only, are listed here.

Run as ``make equations``.
"""

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from extensions import reference
from myst_parser.mdit_to_docutils.base import default_slugify

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "chapters" / "equations.md"


@dataclass(frozen=True)
class Paper:
    """The numbered equations of a paper.

    Attributes:
        title: What the book calls the paper.
        chapter: Its chapter, a file's stem.
        names: A few words for each number, in the paper's order.
        text_only: Why an equation has no code.
    """

    title: str
    chapter: str
    names: dict[int, str]
    text_only: dict[int, str] = field(default_factory=dict)


# The text of P1 that was read has no (5).
PAPERS = {
    "P1": Paper(
        "End-to-end learning",
        "01_end_to_end_learning",
        {
            1: "echo of a target",
            2: "received sample",
            3: "detection loss",
            4: "regression loss",
            6: "radar loss",
            7: "communication loss",
            8: "joint loss",
            9: "desired beampattern",
            10: "joint beam",
            11: "symbol decision",
            12: "MAPRT",
            13: "ratio by Bayes' theorem",
            14: "log ratio",
            15: "best gain",
            16: "best gain put in",
            17: "best signal",
            18: "detection test",
        },
        {12: "(14) is its logarithm", 13: "evaluated by a cell of the chapter"},
    ),
    "P2": Paper(
        "Model-driven learning",
        "02_model_driven_learning",
        {
            1: "echo of a target",
            2: "received sample",
            3: "desired beampattern",
            4: "least-squares beam",
            5: "joint beam",
            6: "MAPRT",
            7: "detection test",
            8: "angle estimate",
            9: "detection loss",
            10: "communication loss",
            11: "loss of step one",
            12: "loss of step two",
            13: "softmax of angles",
            14: "detection test",
        },
        {6: "(7) is what it leads to"},
    ),
    "P3": Paper(
        "Semi-supervised learning",
        "03_semi_supervised_learning",
        {
            1: "OFDM echo",
            2: "position",
            3: "received symbols",
            4: "joint beam",
            5: "desired beampattern",
            6: "least-squares beam",
            7: "reciprocal filter",
            8: "MAPRT",
            9: "detection test",
            10: "angle and delay",
            11: "resolution",
            12: "size of the window",
            13: "angle dictionary",
            14: "delay dictionary",
            15: "angle-delay map",
            16: "maximum of the map",
            17: "window of the map",
            18: "angle estimate",
            19: "range estimate",
            20: "supervised loss",
            21: "unsupervised loss",
        },
    ),
}

PAPER = re.compile(r"\bP\d\b")
NUMBER = re.compile(r"\((\d+)\)")
LIST = r"\(\d+\)(?:(?:-|,\s+(?:and\s+|or\s+)?|\s+(?:and|or)\s+)\(\d+\))*"
REFERENCE = re.compile(rf"\bEqs?\.\s+({LIST})")
NAMED_REFERENCE = re.compile(rf"\b(P\d)\s+Eqs?\.\s+({LIST})")
# Whatever else looks like a reference could be meant as one, and would be missed.
ANY_REFERENCE = re.compile(r"\bEqs?\b|\b[Ee]quations?\s+\(?\d")


class Fault(ValueError):
    """A reference that cannot be what its author meant."""


def numbers_of(paper: str, listed: str) -> list[int]:
    """Expand the numbers of a reference.

    Args:
        paper: Paper's name, such as P1.
        listed: Such as "(3), (4)" or "(17)-(19)".

    Returns:
        The numbers. A range leaves out what the paper's numbering does.

    Raises:
        Fault: If the paper has no such equation.
    """
    known = PAPERS[paper].names if paper in PAPERS else {}
    numbers: list[int] = []
    end = 0
    for match in NUMBER.finditer(listed):
        number = int(match[1])
        if number not in known:
            raise Fault(f"{paper} has no Eq. ({number})")
        if numbers and listed[end : match.start()] == "-":
            numbers += [n for n in known if numbers[-1] < n < number]
        numbers.append(number)
        end = match.end()
    return numbers


def only_paper(docstring: str, otherwise: str | None) -> str | None:
    """Paper that a bare "Eq. (9)" below a docstring belongs to: the one that it names, if one."""
    named = set(PAPER.findall(docstring))
    return named.pop() if len(named) == 1 else None if named else otherwise


def check_mentions(docstring: str, context: str | None) -> None:
    """Check that each equation that a docstring mentions exists.

    Args:
        docstring: Its text.
        context: Paper of the docstrings around it. A bare "Eq. (9)" belongs to the paper named last
            before it, or else to this.

    Raises:
        Fault: If one does not, or its paper is open.
    """
    readable = {match.start() for match in REFERENCE.finditer(docstring)}
    for match in ANY_REFERENCE.finditer(docstring):
        if match.start() not in readable:
            raise Fault(f'"{docstring[match.start() :][:20]}" is not written as "Eq. (9)"')
    for match in REFERENCE.finditer(docstring):
        named = PAPER.findall(docstring[: match.start()])
        paper = named[-1] if named else context
        if paper is None:
            raise Fault(f'"{match[0]}" does not say of which paper')
        numbers_of(paper, match[1])


def implemented(docstring: str) -> list[tuple[str, int]]:
    """Equations that a docstring says its function computes.

    Args:
        docstring: Its text.

    Returns:
        Paper and number of each, from the summary and from paragraphs that begin with "Also".

    Raises:
        Fault: If a reference there lacks its paper, or the paper such an equation.
    """
    summary, *paragraphs = re.split(r"\n\s*\n", docstring)
    found = []
    for text in [summary, *(p for p in paragraphs if re.match(r"Also P\d", p))]:
        if len(NAMED_REFERENCE.findall(text)) < len(REFERENCE.findall(text)):
            raise Fault('in a summary each "Eq." wants its paper: "P1 Eq. (9)"')
        for paper, listed in NAMED_REFERENCE.findall(text):
            found += [(paper, number) for number in numbers_of(paper, listed)]
    return found


@dataclass(frozen=True)
class Function:
    """Something public with a docstring.

    Attributes:
        role: Sphinx's role of a link to it.
        module: Its module.
        name: Its name there, with that of its class.
        docstring: What it says of itself.
        where: File and line.
    """

    role: str
    module: str
    name: str
    docstring: str
    where: str


def read_module(path: Path, root: Path = ROOT) -> tuple[list[Function], list[str]]:
    """Read the docstrings of a module.

    Args:
        path: Its file.
        root: Folder that the package is in.

    Returns:
        Its public functions, classes, methods and properties; and what is wrong with what
        docstrings mention, those of private ones too.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(root)
    module = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
    functions: list[Function] = []
    faults: list[str] = []

    def visit(node: ast.AST, outer: str, context: str | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                try:
                    check_mentions(str(child.value.value), context)
                except Fault as fault:
                    faults.append(f"{place}:{child.lineno}: {fault}")
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                docstring = ast.get_docstring(child) or ""
                name = f"{outer}{child.name}"
                if not re.search(r"(^|\.)[_<]", name):
                    role, where = role_of(child, outer), f"{place}:{child.lineno}"
                    functions.append(Function(role, module, name, docstring, where))
                local = "" if isinstance(child, ast.ClassDef) else "<locals>."
                visit(child, f"{name}.{local}", only_paper(docstring, context))

    visit(tree, "", only_paper(ast.get_docstring(tree) or "", None))
    return functions, faults


def role_of(node: ast.FunctionDef | ast.ClassDef, outer: str) -> str:
    """Sphinx's role of a link to a function, class, method or property."""
    if isinstance(node, ast.ClassDef):
        return "py:class"
    if any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list):
        return "py:attr"
    return "py:meth" if outer else "py:func"


def read_library(root: Path = ROOT) -> tuple[dict[tuple[str, int], list[Function]], list[str]]:
    """Read the whole package.

    Args:
        root: Folder that ``isaclib`` is in.

    Returns:
        What computes each equation, of what the reference documents and in its order; and what
        is wrong with any docstring.
    """
    shown = reference.modules(root=root)
    functions: list[Function] = []
    faults: list[str] = []
    for path in sorted((root / "isaclib").rglob("*.py")):
        found, wrong = read_module(path, root)
        functions += [function for function in found if function.module in shown]
        faults += wrong
    code: dict[tuple[str, int], list[Function]] = {}
    for function in sorted(functions, key=lambda function: shown.index(function.module)):
        try:
            for equation in implemented(function.docstring):
                code.setdefault(equation, []).append(function)
        except Fault as fault:
            faults.append(f"{function.where}: {fault}")
    return code, faults


def find_sections(text: str) -> dict[tuple[str, int], str]:
    """Find the section of a chapter that each equation stands in.

    Args:
        text: The chapter.

    Returns:
        Heading by paper and number: of its tag, or of its first mention where it has none. What
        comes before the first section is not looked at: that is where a chapter explains its tags.
    """
    tagged: dict[tuple[str, int], str] = {}
    mentioned: dict[tuple[str, int], str] = {}
    heading, fence = "", ""
    for line in text.splitlines():
        if mark := re.match(r"\s*(`{3,}|:{3,})", line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence and (match := re.match(r"##+ (.+)", line)):
            heading = match[1].strip()
        if heading:
            tags = " ".join(re.findall(r"\\tag\{(.*?)\}", line))
            for found, where in ((tagged, tags), (mentioned, line)):
                for paper, number in re.findall(r"\b(P\d)\.(\d+)\b", where):
                    found.setdefault((paper, int(number)), heading)
    return mentioned | tagged


def sections_of_book(root: Path = ROOT) -> tuple[dict[tuple[str, int], tuple[str, str]], list[str]]:
    """Read all numbered chapters.

    Args:
        root: Folder that ``chapters`` is in.

    Returns:
        Chapter and heading of each equation, in its paper's own chapter where it stands there; and
        a fault for each equation that its paper does not have.
    """
    places: dict[tuple[str, int], tuple[str, str]] = {}
    faults = []
    for path in sorted((root / "chapters").glob("[0-9]*.md")):
        for (paper, number), heading in find_sections(path.read_text(encoding="utf-8")).items():
            if paper not in PAPERS or number not in PAPERS[paper].names:
                faults.append(f"{path.name}: {paper} has no Eq. ({number})")
            elif path.stem == PAPERS[paper].chapter:
                places[paper, number] = path.stem, heading
            else:
                places.setdefault((paper, number), (path.stem, heading))
    return places, faults


def find_faults(root: Path = ROOT) -> list[str]:
    """What keeps the index from being whole; empty where nothing does."""
    code, faults = read_library(root)
    places, wrong = sections_of_book(root)
    faults += wrong
    for name, paper in PAPERS.items():
        for number in paper.names:
            equation = f"{name} Eq. ({number})"
            if (name, number) not in places:
                faults.append(f"{equation} stands in no chapter")
            if (name, number) not in code and number not in paper.text_only:
                faults.append(f'{equation} has no code: name it in a docstring, or in "text_only"')
            if (name, number) in code and number in paper.text_only:
                faults.append(f'{equation} has code and is listed as "text_only"')
    return faults


def write_page(root: Path = ROOT) -> str:
    """The index as a page of the book."""
    code, _ = read_library(root)
    places, _ = sections_of_book(root)
    lines = [
        "<!-- Written by tools/equations.py from docstrings and chapters: make equations -->",
        "",
        "# Equations",
        "",
        "Every numbered equation of the papers, what computes it, and where this book explains it.",
        '"Text only" has no code of its own. P4 numbers no equations; its chapter is',
        "{doc}`04_semantic_communication`.",
    ]
    for name, paper in PAPERS.items():
        lines += [
            "",
            f"## {name}: {paper.title}",
            "",
            "| Equation | In the library | In the book |",
            "|---|---|---|",
        ]
        for number, words in paper.names.items():
            links = [
                f"{{{function.role}}}`{function.name} <{function.module}.{function.name}>`"
                for function in code.get((name, number), [])
            ]
            library = ", ".join(links) or f"text only: {paper.text_only.get(number)}"
            chapter, heading = places[name, number]
            target = f"{chapter}.md#{default_slugify(heading)}"
            lines.append(f"| ({number}) {words} | {library} | [{heading}]({target}) |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or say what is missing."""
    faults = find_faults()
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    page = write_page()
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        PAGE.write_text(page, encoding="utf-8")
        print(f"{PAGE.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
