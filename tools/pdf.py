r"""Make the book's PDF from the executed twins: ``_build/pdf/isaclib.pdf``.

Nothing is executed: a chapter is its ``.ipynb`` twin, with the outputs that nbval has compared. The
library reference and the gallery stay on the site. TeX and its fonts are Debian's:
``apt-get install --no-install-recommends latexmk texlive-xetex texlive-latex-extra
texlive-fonts-recommended fonts-freefont-otf fonts-dejavu-core``.

Run as ``make pdf``. It fails where LaTeX reports an error, a table that is too wide, or a character
that the fonts lack.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "_build" / "pdf"
# Pages that are for the screen: written from docstrings, or pictures and links alone.
SCREEN_ONLY = re.compile(r"chapters/(api|figures$|concepts$)")
PREAMBLE = r"""
\setmonofont{DejaVu Sans Mono}[Scale=0.8]
\newfontfamily\symbols{DejaVu Sans}
\usepackage{etoolbox,newunicodechar}
\newunicodechar{●}{{\symbols ●}}
\newunicodechar{◐}{{\symbols ◐}}
\newunicodechar{○}{{\symbols ○}}
\AtBeginEnvironment{tabulary}{\footnotesize}
\AtBeginEnvironment{longtable}{\footnotesize}
\setlength{\emergencystretch}{3em}
\hypersetup{bookmarksnumbered}
"""
FAULTS = {
    "errors": re.compile(r"^! .*|^.*:\d+: (?:LaTeX|Package|Undefined|Missing|Extra).*", re.M),
    "tables that are too wide": re.compile(r"^Overfull \\hbox .*in alignment.*", re.M),
    "characters that the fonts lack": re.compile(r"^Missing character:.*", re.M),
}


def pages() -> tuple[dict, list[str]]:
    """The book's table of contents without what is for the screen, and its pages."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = []
    for part in toc["parts"]:
        kept = [entry for entry in part["chapters"] if not SCREEN_ONLY.match(entry["file"])]
        if kept:
            parts.append({**part, "chapters": [{"file": entry["file"]} for entry in kept]})
    names = [entry["file"] for part in parts for entry in part["chapters"]]
    # A root of its own, as the first page would otherwise hold all chapters as its sections.
    parts.insert(0, {"chapters": [{"file": toc["root"]}]})
    return {"format": "jb-book", "root": "book", "parts": parts}, [toc["root"], *names]


def write_sources(folder: Path) -> None:
    """Write what Sphinx reads: the twins, other pages, and the configuration for LaTeX."""
    toc, names = pages()
    for name in names:
        twin, target = ROOT / f"{name}.ipynb", folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if twin.is_file():
            text = twin.read_text(encoding="utf-8")
            # A disclosure of the ledger has no way to be opened on paper.
            text = re.sub(r"<summary>(.*?)</summary>", r"**\1**\\n", text)
            target.with_suffix(".ipynb").write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(ROOT / f"{name}.md", target.with_suffix(".md"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    front = (folder / "index.md").read_text(encoding="utf-8")
    counter = "```{raw} latex\n\\setcounter{chapter}{-1}\n```\n"
    (folder / "index.md").write_text(counter + front, encoding="utf-8")
    (folder / "book.md").write_text(f"# {config['title']}\n", encoding="utf-8")
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    for name in config["bibtex_bibfiles"]:
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(ROOT / "_static", folder / "_static")
    config["execute"] = {"execute_notebooks": "off"}
    config["latex"] = {"latex_engine": "xelatex", "use_jupyterbook_latex": False}
    config["exclude_patterns"] = []
    sphinx = config["sphinx"]
    sphinx["local_extensions"] = {"printed": str(ROOT / "tools" / "extensions")}
    site_only = {"reference", "gallery", "page_links", "sphinx-mathjax-offline"}
    settings = sphinx["config"]
    settings["extensions"] = [
        *(name for name in settings["extensions"] if name not in site_only),
        "printed",
    ]
    settings["latex_documents"] = [
        ["book", "isaclib.tex", config["title"], config["author"], "manual", True]
    ]
    settings["latex_elements"] = {
        "preamble": PREAMBLE,
        "papersize": "a4paper",
        "extraclassoptions": "openany,oneside",
        "sphinxsetup": "verbatimwithframe=false",
    }
    settings |= {"latex_show_urls": "no", "latex_use_xindy": False, "latex_domain_indices": False}
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


def find_faults(log: str) -> list[str]:
    """What a reader of the PDF would miss or stumble over, from LaTeX's log."""
    return [
        f"{what}: {match}" for what, pattern in FAULTS.items() for match in pattern.findall(log)
    ]


def main() -> int:
    """Make the PDF, and say how many pages and megabytes it has."""
    shutil.rmtree(OUT, ignore_errors=True)
    source = OUT / "source"
    source.mkdir(parents=True)
    write_sources(source)
    book = Path(sys.executable).with_name("jupyter-book")
    command = [book, "build", "--all", "--builder", "latex", "--path-output", OUT, source]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    latex = OUT / "_build" / "latex"
    if made.returncode != 0 or not (latex / "isaclib.tex").is_file():
        print(made.stdout[-3000:], made.stderr[-3000:], sep="\n", file=sys.stderr)
        return 1
    # Its status counts warnings as well; what matters is in the log.
    subprocess.run(
        [
            "latexmk",
            "-xelatex",
            "-interaction=nonstopmode",
            "-file-line-error",
            "-silent",
            "isaclib",
        ],
        cwd=latex,
        check=False,
        capture_output=True,
    )
    log = (latex / "isaclib.log").read_text(encoding="utf-8", errors="replace")
    faults = find_faults(log)
    size = re.search(r"Output written on \S+ \((\d+) pages?", log)
    if faults or size is None:
        print("\n".join(faults) or "LaTeX wrote no PDF", file=sys.stderr)
        return 1
    pdf = shutil.copyfile(latex / "isaclib.pdf", OUT / "isaclib.pdf")
    print(f"{pdf.relative_to(ROOT)}: {size[1]} pages, {pdf.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
