"""dagster-dbt imported without dbt, which the code location never calls in its own process.

dagster-dbt works without dbt-core installed (that is how it runs the Fusion engine), but where dbt-core can
be imported it imports it: 1.8 s of CPU at every load of the code location, and 1.3 s more to hand "select
everything" to dbt's selection engine. dbt runs as a command of its own here, so for the moment of this
import `dbt` is hidden. Import dagster-dbt from here only.
"""

import sys
import warnings

_hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "dbt"}
sys.modules["dbt"] = None  # pyright: ignore[reportArgumentType]
try:
    # Its own dependencies warn of one another's ends of life at every import.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
        from dagster_dbt.asset_utils import get_upstream_unique_ids
finally:
    del sys.modules["dbt"]
    sys.modules.update(_hidden)

__all__ = ["DagsterDbtTranslator", "DbtCliResource", "DbtProject", "dbt_assets", "get_upstream_unique_ids"]
