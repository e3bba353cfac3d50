"""Commands of vectors of codes: embed codes, embed nearest."""

from pathlib import Path
from typing import Annotated

import typer

from medpipe.cli import options as opt
from medpipe.cli.screen import print_json, print_table, progress_bars, say
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.text.code_vectors import Method, VectorSettings

app = typer.Typer(
    help="Learn vectors of medical codes: codes that are met together lie near each other.",
    no_args_is_help=True,
)

_DEFAULTS = VectorSettings()


@app.command("codes")
def embed_codes(
    records: Annotated[
        Path,
        typer.Argument(
            help="Health records: MEDS, a YAIB task, MIMIC-III, or a CSV of events.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, .safetensors.", show_default=False)
    ],
    predicates: Annotated[
        str,
        typer.Option(help="What the records' codes mean: a name or a YAML file.", show_default=False),
    ] = "",
    method: Annotated[Method, typer.Option(help="How word2vec learns.")] = _DEFAULTS.method,
    dimension: Annotated[int, typer.Option(help="Numbers of a vector.", min=1)] = _DEFAULTS.dimension,
    hours: Annotated[
        float, typer.Option(help="Hours of a step: what is met within it is one sentence.", min=0.01)
    ] = 6.0,
    epochs: Annotated[int, typer.Option(help="Times that all is read.", min=1)] = _DEFAULTS.epochs,
    negative: Annotated[
        int, typer.Option(help="Codes drawn by chance against each pair.", min=1)
    ] = _DEFAULTS.negative,
    least_patients: Annotated[
        int, typer.Option(help="Patients who must have a code.", min=1)
    ] = _DEFAULTS.least_patients,
    bands: Annotated[
        int, typer.Option(help="Parts that the values of a variable are cut into: 1, 3 or 5.")
    ] = _DEFAULTS.bands,
    split: Annotated[
        Path | None,
        typer.Option(
            help="A training's patients.json: only its training patients are read.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same vectors.", min=0)] = _DEFAULTS.seed,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Learn vectors of measured variables, drugs, diagnoses and procedures by skip-gram or CBOW."""
    from medpipe.training.codes.embedding import embed_codes as embed

    if output.exists() and not overwrite:
        raise SettingsError(
            Code.E_OUTPUT, f"There is a file {output} already", fix="Give another name, or --overwrite."
        )
    if bands not in (1, 3, 5):
        raise SettingsError(
            Code.E_SETTINGS, "Values are cut into 1, 3 or 5 bands", found=f"{bands}", fix="Give --bands 3."
        )
    settings = VectorSettings(
        method=method,
        dimension=dimension,
        epochs=epochs,
        negative=negative,
        least_patients=least_patients,
        bands=bands,
        seed=seed,
    )
    with progress_bars(quiet=quiet) as progress:
        made = embed(
            records,
            output,
            settings,
            predicates=predicates,
            hours=hours,
            split=split,
            progress=progress,
        )
    origin = made.made_by
    if as_json:
        print_json(
            {
                "file": str(output),
                "codes": list(made.codes),
                "patients": origin.patients,
                "sentences": origin.sentences,
                "borders": {name: list(borders) for name, borders in origin.borders.items()},
            }
        )
    elif not quiet:
        say(
            f"vectors of {len(made.codes)} codes from {origin.sentences} sentences of {origin.patients} "
            f"patients: {output}"
        )


@app.command("nearest")
def nearest(
    vectors: Annotated[Path, typer.Argument(help="File of `embed codes`.", show_default=False)],
    code: Annotated[
        str, typer.Argument(help="Such as creatinine//high or drug//vancomycin.", show_default=False)
    ],
    number: Annotated[int, typer.Option("--number", "-n", help="How many.", min=1)] = 10,
    as_json: opt.AsJson = False,
) -> None:
    """Print the codes that lie nearest to a code, by the cosine of their vectors."""
    from medpipe.text.code_vector_file import read_code_vectors

    found = read_code_vectors(vectors).nearest(code, number)
    if as_json:
        print_json([item._asdict() for item in found])
    else:
        print_table(("code", "similarity"), [(item.code, f"{item.similarity:.3f}") for item in found])
