"""Options that several commands share, written once."""

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[Path],
    typer.Argument(help="Files and folders: DICOM, NIfTI, PNG, JPEG.", show_default=False),
]
Records = Annotated[
    Path,
    typer.Argument(help="Health records: a folder or file of any form that is read.", show_default=False),
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="Run folder; the same folder again goes on.", show_default=False),
]
RunFolderArgument = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no closing words.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Worker processes, 0 for none; one a GPU or one a core by default.", show_default=False
    ),
]
WorkersOfStage = Annotated[int, typer.Option(help="Worker processes, 0 for none.")]
TimeLimit = Annotated[
    float | None,
    typer.Option(help="Longest time for one study in seconds; none by default.", show_default=False),
]
Durable = Annotated[bool, typer.Option("--durable", help="Survive a power cut: fsync every result.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key", help="File with the key that ids are hashed with; your own by default.", show_default=False
    ),
]
AllowRefused = Annotated[
    bool, typer.Option("--allow-refused", help="Exit with 0 where studies were refused, but none failed.")
]
SliceForm = Annotated[
    bool,
    typer.Option("--slices", help="Keep unevenly spaced series as slices, flagged, instead of refusing."),
]
