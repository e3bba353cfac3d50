"""Batches of rows out of CSV and parquet files, with their columns checked."""

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import nearest

BATCH_ROWS: Final = 65_536
BLOCK_BYTES: Final = 4 << 20
_DELIMITERS: Final = ",;\t"
_MAX_HEADER: Final = 65_536
_QUOTED: Final = re.compile(r"(columns, got \d+|conversion error to [^:]*).*")


def read_header(path: Path) -> tuple[str, list[str]]:
    """Return the delimiter and the column names of a CSV file, compressed or not.

    Raises:
        SettingsError: It cannot be read as text (``E_DATASET``).
    """
    with _reading(path):
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as stream:
            line = stream.readline(_MAX_HEADER).decode("utf-8-sig").strip()
    delimiter = max(_DELIMITERS, key=line.count)
    return delimiter, [cell.strip().strip('"') for cell in line.split(delimiter)]


def stream_csv(path: Path, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Yield a CSV file, compressed or not, in batches.

    Args:
        path: The file; its first line names the columns, in any case.
        types: Type of each column that is read, by its name in lower case.

    Yields:
        Batches with the columns of ``types`` in their order. Empty cells of text are empty texts.

    Raises:
        SettingsError: A column is missing, or a cell is not of its type (``E_DATASET``).
    """
    delimiter, columns = read_header(path)
    own_names = {column.lower(): column for column in columns}
    check_columns(path.name, list(own_names), list(types))
    with _reading(path):
        reader = arrow_csv.open_csv(
            str(path),
            read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[own_names[name] for name in types],
                column_types={own_names[name]: dtype for name, dtype in types.items()},
            ),
        )
        with reader:
            for batch in reader:
                yield batch.rename_columns(list(types))


def stream_parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of a parquet file in batches.

    Raises:
        SettingsError: It cannot be read, or a column is missing (``E_DATASET``).
    """
    check_columns(path.name, parquet_schema(path).names, columns)
    with _reading(path), arrow_parquet.ParquetFile(path) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False)


def parquet_schema(path: Path) -> Any:
    """Return the schema of a parquet file.

    Raises:
        SettingsError: It cannot be read (``E_DATASET``).
    """
    with _reading(path):
        return arrow_parquet.read_schema(path)


def check_columns(table: str, columns: Sequence[str], needs: Sequence[str]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        SettingsError: Names the column and the nearest that is there (``E_DATASET``).
    """
    for column in needs:
        if column not in columns:
            raise SettingsError(
                Code.E_DATASET, f"{table}: the column {column!r} is missing", fix=nearest(column, columns)
            )


def _reason(error: Exception) -> str:
    """Return what a library says of a table, without the cells and paths that it quotes."""
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are no text"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return _QUOTED.sub(r"\1", said)[:200]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise SettingsError(
            Code.E_DATASET,
            f"The table {path.name} cannot be read",
            found=_reason(error),
            fix="Make the file anew; text is UTF-8.",
        ) from error
