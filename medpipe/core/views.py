"""Views asked for: moved copies of the images, which the stages that predict make for themselves."""

from typing import Annotated

from pydantic import Field

from medpipe.core.findings import Value


class ViewRequest(Value):
    """Asks stages that predict to predict moved copies of their images too, and to merge what they find.

    A case carries the request, never the copies: each is made when it is predicted and dropped after.

    Attributes:
        recipe: How copies move: an augmentation recipe as JSON, defaults included.
        copies: How many, beside the image itself.
        seed: The same one gives the same copies.
    """

    recipe: str
    copies: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
