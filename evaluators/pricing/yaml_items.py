"""Price files in YAML: a list of mappings of plain text, each key once.

Read from the nodes and not as objects: a YAML float would lose the digits of a price, a key that comes twice
would silently be the last, and a few lines of anchors can stand for more than memory holds.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from evaluators.pricing.rejects import LONGEST_NAME, PriceFileError

NULLS: Final = frozenset({"~", "null", "Null", "NULL"})


def yaml_items(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number, text by key) of each item; raises PriceFileError, OSError, UnicodeDecodeError."""
    try:
        import yaml
    except ImportError:
        raise PriceFileError(f"{path}: reading YAML needs PyYAML; use CSV or install it") from None
    try:
        root: Any = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except RecursionError:
        raise PriceFileError(f"{path}: nested too deeply") from None
    except yaml.YAMLError as error:
        raise PriceFileError(f"{path}: {' '.join(str(error).split())}") from None
    items: list[Any] = root.value if isinstance(root, yaml.SequenceNode) else [root]
    if not all(isinstance(item, yaml.MappingNode) for item in items) or items == [root]:
        raise PriceFileError(f"{path}: not a list of mappings")
    for number, item in enumerate(items, start=1):
        yield number, _cells(item, where=f"{path}: item {number}")


def _cells(item: Any, *, where: str) -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, value in item.value:
        name, text = _plain(key), _plain(value)
        shown = (name or "?")[:LONGEST_NAME].encode("unicode_escape").decode()
        if name is None or text is None:
            raise PriceFileError(f"{where}: {shown} is no plain text")
        if name in cells:
            raise PriceFileError(f"{where}: key {shown} stands twice")
        cells[name] = text
    return cells


def _plain(node: Any) -> str | None:
    """The text of a scalar, empty for a null; None for what is no scalar."""
    if node.id != "scalar":
        return None
    return "" if node.style is None and node.value in NULLS else node.value
