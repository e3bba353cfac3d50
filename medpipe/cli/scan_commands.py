"""Commands over scans: index and validate, and one command for each stage."""

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer

from medpipe.cli import options as opt
from medpipe.cli.exit_codes import Exit
from medpipe.cli.screen import counted, print_json, print_table, progress_bars, say
from medpipe.cli.summaries import end, no_study, show_summary
from medpipe.io.series import Form, Skipped
from medpipe.runs.options import RunOptions
from medpipe.runs.stage import Stage

_REASONS_SHOWN: Final = 5


def index(inputs: opt.Inputs, as_json: opt.AsJson = False, quiet: opt.Quiet = False) -> None:
    """List the studies and series of folders by their content, without reading pixels."""
    from medpipe.io.tree import index_tree

    found = index_tree(inputs)
    rows = [
        {
            "study": number,
            "file": study.paths[0] if study.paths else "",
            "modality": series.modality,
            "form": series.form.value,
            "slices": series.num_slices,
            "size": f"{series.size[0]} x {series.size[1]}",
            "traits": ", ".join(sorted(trait.value for trait in series.traits)),
            "refused": series.refusal.code.value if series.refusal else "",
        }
        for number, study in enumerate(found.studies, start=1)
        for series in study.series
    ]
    if as_json:
        skipped = [{"file": item.path, "reason": item.reason} for item in found.skipped]
        print_json({"series": rows, "skipped": skipped, "files": found.num_files})
    else:
        columns = ("study", "file", "modality", "form", "slices", "size", "traits", "refused")
        print_table(columns, [[row[column] for column in columns] for row in rows])
        if not quiet:
            say(f"{counted(len(found.studies), 'study', 'studies')} in {counted(found.num_files, 'file')}")
            _say_skipped(found.skipped)
    if not found.studies:
        raise no_study(found.num_files)


def validate(
    inputs: opt.Inputs,
    slices: opt.SliceForm = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Read every series, pixels included, and say whether its geometry is proven."""
    from medpipe.runs.validate import validate as validate_series

    with progress_bars(quiet=quiet) as progress:
        found, verdicts = validate_series(
            inputs, form=Form.SLICES if slices else Form.VOLUME, progress=progress
        )
    if as_json:
        print_json([vars(verdict) for verdict in verdicts])
    else:
        print_table(
            ("file", "modality", "form", "size", "spacing mm", "axes", "verdict", "why"),
            [
                (
                    item.path,
                    item.modality,
                    item.form,
                    " x ".join(map(str, item.size)),
                    " x ".join(f"{value:.3g}" for value in item.spacing_mm),
                    item.orientation,
                    ("refused " if item.is_refused else "proven ") + " ".join(item.codes),
                    item.message,
                )
                for item in verdicts
            ],
        )
    refused = sum(verdict.is_refused for verdict in verdicts)
    if not quiet and not as_json:
        say(f"{len(verdicts)} series, {refused} refused; {counted(found.num_files, 'file')}")
        _say_skipped(found.skipped)
    if not verdicts:
        raise no_study(found.num_files)
    raise typer.Exit(Exit.SOME if refused else Exit.OK)


def _say_skipped(skipped: Sequence[Skipped]) -> None:
    if skipped:
        reasons = Counter(item.reason for item in skipped)
        shown = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(_REASONS_SHOWN))
        more = "; other reasons with --json" if len(reasons) > _REASONS_SHOWN else ""
        say(f"not taken: {shown}{more}")


def stage_command(stage: type[Stage], summary: str, **defaults: Any) -> Callable[..., None]:
    """Return the shell's command of a stage; its options are the stage's parameters.

    Args:
        stage: The stage.
        summary: First line of its help.
        **defaults: Parameters whose default differs in the shell.
    """
    fields = stage.params_type.model_fields

    def command(**values: Any) -> None:
        from medpipe.runs.single import run_stage

        params = {name: values[name] for name in fields}
        chosen = RunOptions(device=values["device"], workers=values["workers"], key=values["key"])
        forms = (Form.VOLUME, Form.SLICES, Form.PLANAR) if values["slices"] else (Form.VOLUME, Form.PLANAR)
        with progress_bars(quiet=values["quiet"]) as progress:
            summary = run_stage(
                stage.name,
                values["inputs"],
                values["output"],
                params=params,
                forms=forms,
                options=chosen,
                progress=progress,
            )
        show_summary(summary, as_json=values["as_json"], quiet=values["quiet"])
        end(summary, allow_refused=values["allow_refused"])

    command.__doc__ = summary
    command.__name__ = stage.name
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*_BEFORE, *(_option(name, field, defaults) for name, field in fields.items()), *_AFTER]
    )
    return command


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_BEFORE = [_parameter("inputs", opt.Inputs), _parameter("output", opt.Output)]
_AFTER = [
    _parameter("slices", opt.SliceForm, False),
    _parameter("device", opt.Device, "auto"),
    _parameter("workers", opt.WorkersOfStage, 0),
    _parameter("key", opt.KeyFile, None),
    _parameter("allow_refused", opt.AllowRefused, False),
    _parameter("as_json", opt.AsJson, False),
    _parameter("quiet", opt.Quiet, False),
]


def _option(name: str, field: Any, defaults: dict[str, Any]) -> inspect.Parameter:
    annotation, default = field.annotation, defaults.get(name, field.default)
    if field.is_required():
        default = inspect.Parameter.empty
    if get_origin(annotation) is tuple:
        # The shell repeats an option for each value; pydantic checks the values themselves.
        annotation, default = list[str], list(default)
    elif annotation not in (int, float, bool, str) and get_args(annotation):
        annotation = str
    option = typer.Option(help=field.description, metavar=_choices(field.annotation))
    return _parameter(name, Annotated[annotation, option], default)


def _choices(annotation: Any) -> str | None:
    """Return the values that a parameter can take, such as ``html|json``; None where they are endless."""
    if get_origin(annotation) is Literal:
        return "|".join(filter(None, get_args(annotation)))
    return next((found for item in get_args(annotation) if (found := _choices(item))), None)
