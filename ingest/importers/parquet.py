"""Rows of a Parquet file as lines of JSON, so that whoever reads an export's JSON reads its Parquet, too."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.importers.formats.values import encoded_json
from ingest.importers.lines import LONGEST_LINE, Line
from ingest.importers.sources import CHUNK_BYTES, SourceError

if TYPE_CHECKING:
    import polars as pl

MAGIC = b"PAR1"
_MOST_ROWS, _LEAST_ROWS = 4000, 50
_BYTES_AT_ONCE = 3 << 20
"""Of the file: text unpacks to ten times that at most, as a rule."""
_MISSING = "Parquet needs polars (llm-quality-observer[evaluators]); exports in JSONL work without"


def read_columns(path: Path) -> frozenset[str]:
    """The names of its columns. Raises SourceError for a file that is none, or that was not finished."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise SourceError("it is Parquet inside a packed file; unpack it first")
    return frozenset(_scan(path).collect_schema().names())


def read_rows(path: Path, *, on_read: Callable[[int], None]) -> Iterator[Line]:
    """Each row as a JSON object, numbered from 1; maps are objects, or lists of `key` and `value`.

    Raises SourceError, after all the rows before it, where a part cannot be read.
    """
    import polars as pl

    frame = _scan(path)
    size = path.stat().st_size
    try:
        total = frame.select(pl.len()).collect().item()
        step = max(_LEAST_ROWS, min(_MOST_ROWS, _BYTES_AT_ONCE * total // size))
        # Slices, not `collect_batches`: those are read as far ahead as there is memory.
        for start in range(0, total, step):
            rows = frame.slice(start, step).collect(engine="in-memory")
            yield from _lines(rows, after=start)
            on_read(max(0, size - CHUNK_BYTES) * rows.height // total)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"its Parquet is damaged: {_first_line(error)}") from None


def _lines(rows: "pl.DataFrame", *, after: int) -> Iterator[Line]:
    for number, data in enumerate(_written(rows), start=after + 1):
        is_whole = len(data) <= LONGEST_LINE
        yield Line(number, data if is_whole else data[:2000], len(data))


def _written(rows: "pl.DataFrame") -> Iterable[bytes]:
    """Each row as JSON, bytes as text: polars writes none in lists and maps, and none that are no UTF-8."""
    import polars as pl

    if not any("Binary" in str(kind) for kind in rows.dtypes if kind != pl.Binary):
        try:
            text = rows.with_columns(pl.col(pl.Binary).cast(pl.String))
            return text.write_ndjson().encode().split(b"\n")[: rows.height]
        except pl.exceptions.PolarsError:
            pass
    return (encoded_json(_as_text(row)) for row in rows.iter_rows(named=True))


def _as_text(value: Any) -> Any:
    """The value with its bytes as text; bytes that are no UTF-8 are written out, as in `\\xff`."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_as_text(key): _as_text(part) for key, part in value.items()}
    return [_as_text(part) for part in value] if isinstance(value, list) else value


def _scan(path: Path) -> "pl.LazyFrame":
    try:
        import polars as pl
    except ImportError:
        raise SourceError(_MISSING) from None
    try:
        # A name with brackets or a star is this file's, not a pattern of others.
        frame = pl.scan_parquet(path, glob=False)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        message = f"its Parquet cannot be read (half-written?): {_first_line(error)}"
        raise SourceError(message) from None
    return frame


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
