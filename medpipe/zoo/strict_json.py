"""JSON as data that says one thing: each key once, every number finite."""

import json
from typing import Any, Final, NoReturn

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

_SHOWN: Final = 100
"""Characters of a foreign file that a message repeats."""


def parse_json(content: bytes, *, name: str) -> Any:
    """Read JSON as data.

    Args:
        content: UTF-8.
        name: File name for messages.

    Raises:
        SettingsError: It is no JSON, states a key twice, or holds NaN or infinity (``E_PACKAGE``).
    """

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise SettingsError(Code.E_PACKAGE, f"{name}: a key stands twice", found=repr(twice[:_SHOWN]))
        return dict(pairs)

    def refuse_constant(constant: str) -> NoReturn:
        raise SettingsError(Code.E_PACKAGE, f"{name}: every number must be finite", found=constant)

    try:
        return json.loads(content, object_pairs_hook=each_once, parse_constant=refuse_constant)
    except SettingsError:
        raise
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, numbers of thousands of digits
        raise SettingsError(Code.E_PACKAGE, f"{name} is not valid JSON", found=str(error)[:_SHOWN]) from error
