"""How dbt nodes look in Dagster: keys by schema, groups by folder, freshness, and order through views."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.assets.raw import DAILY_FRESHNESS
from orchestration.dagster_dbt_light import DagsterDbtTranslator, DbtProject, get_upstream_unique_ids


class WarehouseTranslator(DagsterDbtTranslator):
    """Sources carry `meta.dagster.asset_key`, which the base class reads; the rest stands here."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`<schema>/<model>`; a source without a key of its own is `<schema>/<table>`."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder under `models/`: staging, intermediate or marts."""
        return dbt_resource_props["fqn"][1] if len(dbt_resource_props["fqn"]) > 2 else None

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The base spec with freshness on marts, and with dependencies that reach through views.

        A run that selects `evaluation/rule_scores` and a mart but not the view between them must still
        run them in this order, so the mart also depends on what its views depend on.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        if props["resource_type"] != "model":
            return spec
        known = {dep.asset_key for dep in spec.deps}
        hidden = [
            dg.AssetDep(key)
            for key in sorted(self._behind_views(manifest, props, project))
            if key not in known
        ]
        freshness = None if is_view(props) else DAILY_FRESHNESS
        return spec.replace_attributes(deps=[*spec.deps, *hidden], freshness_policy=freshness)

    def _behind_views(
        self, manifest: Mapping[str, Any], props: Mapping[str, Any], project: DbtProject | None
    ) -> set[dg.AssetKey]:
        found: set[dg.AssetKey] = set()
        for parent_id in get_upstream_unique_ids(manifest, props):
            parent = self.get_resource_props(manifest, parent_id)
            if parent["resource_type"] == "model" and is_view(parent):
                found |= {dep.asset_key for dep in self.get_asset_spec(manifest, parent_id, project).deps}
        return found


def is_view(props: Mapping[str, Any]) -> bool:
    """Whether a manifest node is a view: built at deploy, never in a refresh."""
    return props["config"]["materialized"] == "view"
