"""Groups of options that several commands take: a frozen dataclass, whose fields are the options."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the options of each parameter that is annotated with a dataclass.

    On the command line the fields stand in place of the parameter; the command is given the dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        group = groups.get(parameter.name)
        parameters += [parameter.replace(annotation=hints[parameter.name])] if group is None else _of(group)

    @wraps(command)
    def with_groups(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{item.name: values.pop(item.name) for item in fields(group)})  # type: ignore[operator]  # a class
        command(**values)

    keyword_only = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in parameters]
    with_groups.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]  # read by typer
    with_groups.__annotations__ = {item.name: item.annotation for item in keyword_only}
    del with_groups.__wrapped__  # or its own signature would be read
    return with_groups


def _of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    signature = inspect.signature(group)
    return [signature.parameters[item.name].replace(annotation=hints[item.name]) for item in fields(group)]
