"""The command that writes augmented copies of scans: augment."""

from pathlib import Path
from typing import Annotated

import typer

from medpipe.cli import options as opt
from medpipe.cli.exit_codes import Exit
from medpipe.cli.screen import print_json, print_table, progress_bars, say
from medpipe.runs.identity import Names


def augment(
    inputs: opt.Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the copies.", show_default=False)
    ],
    recipe: Annotated[
        str, typer.Option(help="ct, mr, mr-brain, mr-crop, xray, or a YAML file.", show_default=False)
    ],
    copies: Annotated[int, typer.Option(help="Copies of each study.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed makes the same copies.")] = 0,
    label_map: Annotated[
        Path | None,
        typer.Option(
            help="Labels on the grid of the one image: NIfTI, or PNG for a radiograph.", show_default=False
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(help="PNG of the originals and their copies side by side.", show_default=False),
    ] = None,
    device: opt.Device = "auto",
    names: Annotated[
        Names, typer.Option(help="Study names: keyed hashes, or original ones for de-identified data.")
    ] = Names.HASHED,
    key: opt.KeyFile = None,
    allow_refused: opt.AllowRefused = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Write augmented copies of scans, seeded, each with a record that makes it again."""
    from medpipe.runs.augmentation import AugmentOptions, augment_scans

    options = AugmentOptions(
        copies=copies,
        seed=seed,
        label_map=label_map,
        preview=preview,
        device=device,
        names=names,
        key=key,
    )
    with progress_bars(quiet=quiet) as progress:
        made = augment_scans(inputs, output, recipe=recipe, options=options, progress=progress)
    refused = [item for item in made if item.refusal is not None]
    if as_json:
        print_json(
            [
                {
                    "study": item.study,
                    "file": item.label,
                    "copies": [str(path) for path in item.files],
                    "changes": item.changes,
                    "refused": item.refusal.code.value if item.refusal else "",
                    "why": str(item.refusal) if item.refusal else "",
                }
                for item in made
            ]
        )
    else:
        rows = [
            (path.name, "; ".join(changes))
            for item in made
            for path, changes in zip(item.files, item.changes, strict=True)
        ]
        rows += [(item.label, f"refused {item.refusal.code.value}: {item.refusal}") for item in refused]  # type: ignore[union-attr]  # refused ones have a reason
        print_table(("copy", "what was done"), rows)
    if not quiet:
        say(f"{sum(len(item.files) for item in made)} copies of {len(made) - len(refused)} studies: {output}")
    if refused and not allow_refused:
        raise typer.Exit(Exit.SOME)
