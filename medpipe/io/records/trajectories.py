"""Files of trajectories: a JSON file a stay."""

from pathlib import Path

from pydantic import ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.trajectory import StayTrajectory
from medpipe.io.atomic import write_text


def write_trajectory(path: Path, trajectory: StayTrajectory) -> None:
    """Write a trajectory; equal trajectories give equal bytes.

    Args:
        path: The JSON file; it appears once it is complete.
        trajectory: What is written.

    Raises:
        MachineError: Writing failed.
    """
    write_text(path, trajectory.to_json())


def read_trajectory(path: Path) -> StayTrajectory:
    """Read what :func:`write_trajectory` wrote.

    Args:
        path: The JSON file.

    Raises:
        RefusedError: The file cannot be read (``E_UNREADABLE``) or holds no valid trajectory (``E_HEADER``).
    """
    try:
        return StayTrajectory.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RefusedError(
            Code.E_UNREADABLE,
            f"The trajectory {path.name} cannot be read",
            found=error.strerror or type(error).__name__,
            fix="Check the path, or run the records again.",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RefusedError(
            Code.E_HEADER,
            f"The trajectory {path.name} is not valid",
            found=f"{where}: {first['msg']}" if where else first["msg"],
            fix="Run the records again.",
        ) from error
