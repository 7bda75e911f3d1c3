"""The ``isaclib`` command: list, run and show figures, and test the papers' claims."""

from __future__ import annotations

import io
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from isaclib.experiments.engine.interrupt import Interrupted, stop_signals
from isaclib.experiments.engine.tasks import TaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from isaclib.experiments.engine.claims import Claim, Verdict
    from isaclib.experiments.engine.results import Result, ResultError
    from isaclib.experiments.engine.rows import FigureSpec

FORMATS = (".png", ".svg", ".pdf")

Results = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the results; by default $ISACLIB_RESULTS, else results/ of the project.",
        show_default=False,
    ),
]


class _Group(TyperGroup):
    """Turns what users can mend into one line on stderr and an exit status."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run the command; with ``--debug`` the traceback is shown too."""
        try:
            # The whole command, so that a signal among its imports is answered too.
            with stop_signals():
                return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except Interrupted as error:
            _complain(f"{error}; finished work is kept, and the same command goes on from there")
            raise typer.Exit(error.exit_status) from error
        except (ValueError, OSError, TaskError) as error:
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            _complain(_one_line(error))
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


data = typer.Typer(no_args_is_help=True, help="Get the data set of P4.")
app.add_typer(data, name="data")
stored = typer.Typer(no_args_is_help=True, help="Look after stored results.")
app.add_typer(stored, name="results")


def main() -> None:
    """Run the command line; the entry point of the ``isaclib`` script."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from isaclib import __version__

        typer.echo(f"isaclib {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Reproduce four papers on learned integrated sensing and communication."""


@app.command("list")
def list_figures(results: Results = None) -> None:
    """List every figure, its presets, and what is stored of it."""
    from rich.table import Table

    from isaclib.experiments.engine.results import results_directory
    from isaclib.experiments.registry import figures

    table = Table("figure", "title", "presets", "stored")
    for spec in figures().values():
        stored = _stored(spec, results_directory(results))
        table.add_row(spec.id, spec.title, " ".join(spec.presets), stored)
    _console().print(table)


@app.command()
def run(  # noqa: PLR0917 - one argument an option is how typer works
    figures: Annotated[list[str], typer.Argument(metavar="FIGURE", help="Figure ids.")],
    preset: Annotated[str, typer.Option(help="smoke, desk or paper.")] = "desk",
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from unfinished work.")
    ] = True,
    workers: Annotated[
        int, typer.Option(help="Worker processes for independent tasks; 0: this process alone.")
    ] = 0,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running Dask scheduler.", show_default=False)
    ] = None,
    results: Results = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder for unfinished work; by default $ISACLIB_STATE, else runs/ beside the "
            "results.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a stored result of a higher preset.")
    ] = False,
) -> None:
    """Run figures and store their results; stopped runs can be resumed."""
    from isaclib.experiments.engine import runs as engine
    from isaclib.experiments.engine.results import results_directory
    from isaclib.experiments.engine.sweep import Sweep
    from isaclib.experiments.registry import figure

    folder = results_directory(results)
    sweep = Sweep(workers=workers, scheduler=scheduler)
    chosen = engine.resolve_device(device)
    runs = engine.runs_directory(folder, state)
    requests = [
        engine.Request(figure(name), preset, seed, chosen, folder, runs, resume)
        for name in dict.fromkeys(figures)
    ]
    for request in requests:
        engine.check_request(request, overwrite)
    engine.forget(requests)
    for request in requests:
        _note(f"{request.spec.id}: {request.spec.title} ({preset}, seed {seed}, {chosen})")
        typer.echo(engine.run(request, sweep))


@app.command()
def show(
    figure: Annotated[str, typer.Argument(help="Figure id.")],
    output: Annotated[
        Path | None,
        typer.Option(help="File to draw to: .png, .svg or .pdf; by default FIGURE.png here."),
    ] = None,
    results: Results = None,
) -> None:
    """Draw a stored result to a file and print its path."""
    from isaclib._files import write_atomically
    from isaclib.experiments import registry
    from isaclib.experiments.engine.results import load_result, results_directory

    spec = registry.figure(figure)
    target = output or Path(f"{figure}.png")
    if target.suffix.lower() not in FORMATS:
        raise ValueError(f"output must end in one of {', '.join(FORMATS)}, got '{target}'")
    result = load_result(figure, results_directory(results))
    write_atomically(target, _drawn(spec, result, target.suffix.lower()[1:]))
    typer.echo(target)


@app.command()
def claims(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of --json, and test nothing.")
    ] = False,
    codecheck: Annotated[
        Path | None,
        typer.Option(help="Write a codecheck.yml for a CODECHECK of this project to this file."),
    ] = None,
    results: Results = None,
) -> None:
    """Test the papers' claims on the stored results.

    The exit status is 1 when a result that a claim needs is missing or broken.
    """
    import json

    from isaclib.experiments.claims import evaluate, json_schema, report
    from isaclib.experiments.codecheck import write_codecheck
    from isaclib.experiments.engine.claims import Verdict
    from isaclib.experiments.engine.results import results_directory

    if schema:
        typer.echo(json.dumps(json_schema(), indent=1, ensure_ascii=False))
        return
    folder = results_directory(results)
    if as_json or codecheck:
        entries = report(folder)
        if codecheck:
            write_codecheck(codecheck, entries)
        typer.echo(json.dumps(entries, indent=1, ensure_ascii=False) if as_json else codecheck)
        errors = [entry["error"] for entry in entries if entry["error"]]
    else:
        outcomes = evaluate(folder)
        _print_claims(outcomes)
        errors = [str(item) for _, item in outcomes if not isinstance(item, Verdict)]
    broken = dict.fromkeys(errors)
    for message in broken:
        _complain(message)
    if broken:
        raise typer.Exit(1)


@stored.command()
def convert(
    figures: Annotated[list[str], typer.Argument(metavar="FIGURE", help="Figure ids.")],
    results: Results = None,
) -> None:
    """Convert results of an older schema in their place, numbers and provenance unchanged."""
    from isaclib.experiments.convert import figures as converters
    from isaclib.experiments.engine.results import results_directory

    for name in dict.fromkeys(figures):
        typer.echo(converters.convert_figure(name, results_directory(results)))


@data.command()
def cifar10(
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder, or archive, to adopt instead of downloading."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Mirror of the official archive, which is known by its checksum."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder of data sets; by default $ISACLIB_DATA, else the platform's cache.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Download CIFAR-10 (170 MB), or adopt a copy, check it, and print where it is."""
    from isaclib.data import cifar10 as archive
    from isaclib.data.images import DESCRIPTIONS, FOLDER, data_directory

    if source and url:
        raise ValueError(f"url must not be given together with --from, got {url!r}")
    root = data_directory(directory)
    try:
        with stop_signals():
            if source:
                found = archive.adopt(source, root, archive.CIFAR10)
            else:
                found = archive.present(root, archive.CIFAR10) or archive.download(
                    root, url, archive.CIFAR10
                )
    except Interrupted as error:
        _complain(f"{error}; nothing is kept of what was not finished")
        raise typer.Exit(error.exit_status) from error
    _note(
        f"{DESCRIPTIONS[found.origin.kind]}: {len(found.train):,} training and "
        f"{len(found.test):,} test images"
    )
    typer.echo(root / FOLDER)


def _console() -> Console:
    from rich.console import Console

    # Piped into a file or a pager, a table of 80 columns would break every second word.
    return Console() if sys.stdout.isatty() else Console(width=160)


def _stored(spec: FigureSpec[Any], directory: Path) -> str:
    """Say what is stored of a figure, in one line."""
    from rich.markup import escape

    from isaclib.experiments.engine.results import ResultError, load_result, result_path

    if not result_path(spec.id, directory).exists():
        return "nothing"
    try:
        result = load_result(spec.id, directory)
    except ResultError as error:
        return f"[red]broken[/red]: {escape(str(error))}"
    source = result.provenance
    samples = f", up to {result.samples:,} samples a point" if result.samples else ""
    commit = source.commit[:7] + ("+changes" if source.dirty else "")
    return f"{result.preset}, {source.created[:10]}, commit {commit}{samples}"


def _drawn(spec: FigureSpec[Any], result: Result, kind: str) -> bytes:
    """Draw a result and return the file's content."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    try:
        drawing = spec.draw(result)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        reason = error.args[0] if error.args else error
        raise ValueError(
            f"the stored result of {spec.id} cannot be drawn: {reason}; re-create it with "
            f"`isaclib run {spec.id} --preset {result.preset}`"
        ) from error
    content = io.BytesIO()
    drawing.savefig(content, format=kind)
    pyplot.close(drawing)
    return content.getvalue()


def _print_claims(outcomes: Sequence[tuple[Claim, Verdict | ResultError]]) -> None:
    """Print the claims as a table."""
    from rich.markup import escape
    from rich.table import Table

    from isaclib.experiments.engine.claims import Verdict

    colours = {"reproduced": "green", "partly": "yellow", "not reproduced": "red"}
    table = Table("claim", "verdict", "measured", "from", show_lines=True)
    for claim, outcome in outcomes:
        if isinstance(outcome, Verdict):
            colour = colours.get(outcome.status, "default")
            verdict, measured = f"[{colour}]{outcome.words}[/]", escape(outcome.measured)
            presets = ", ".join(outcome.presets)
        else:
            verdict, measured, presets = "[red]no result[/]", escape(str(outcome)), ""
        table.add_row(claim.id, verdict, measured, presets)
        for reading, other in outcome.readings if isinstance(outcome, Verdict) else ():
            colour = colours.get(other.status, "default")
            words = f"[{colour}]{other.words}[/]"
            table.add_row(f"  {escape(reading.name)}", words, escape(other.measured), "")
    _console().print(table)


def _note(message: str) -> None:
    """Say something to the person at the terminal; stdout is for what scripts read."""
    print(message, file=sys.stderr, flush=True)


def _complain(message: str) -> None:
    """Report an error in one line."""
    _note(f"isaclib: error: {message}")


def _one_line(error: BaseException) -> str:
    """Return an error's message on one line, without Python's decorations."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__
