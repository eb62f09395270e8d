"""Whose change is it: the product's, or the evaluator's? A line may move for either reason."""

from dataclasses import dataclass, replace
from typing import Literal

from evaluators.statistics.differences import difference
from evaluators.statistics.estimate import Estimate

Cause = Literal["none", "product", "evaluator", "both", "unknown"]
Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of some calls under one version: its mean (or rate) with the 95 % interval and n."""

    version: str
    mean: Estimate


@dataclass(frozen=True, slots=True)
class Change:
    """A move from one reading to the next, and its parts: `total` = `evaluator` + `product`.

    `evaluator` is the bridge's shift, None where both readings are of one version. `product` is what is left,
    on the scale of the later version, with the doubt of the bridge in its interval; None where nobody can
    tell, because no bridge leads from one version to the other.
    """

    cause: Cause
    total: Estimate
    evaluator: Estimate | None
    product: Estimate | None

    def is_regression(self, *, better: Direction = "up") -> bool:
        """Whether the product got worse beyond doubt; a change of evaluator alone never is."""
        if self.product is None or not self.product.excludes(0.0):
            return False
        return self.product.value < 0 if better == "up" else self.product.value > 0


def attribute(earlier: Reading, later: Reading, *, bridge: Estimate | None = None) -> Change:
    """Say what moved the line between two readings; `bridge` is the shift from the earlier version to the
    later.

    Within one version all is the product's, and a bridge is ignored. Between two versions the bridge's shift
    is the evaluator's, and only what lies beyond it the product's. `unknown`: the versions differ, and no
    bridge says by how much.
    """
    total = difference(later.mean, earlier.mean)
    if earlier.version == later.version:
        return Change("product" if total.excludes(0.0) else "none", total, None, total)
    if bridge is None or not bridge.has_interval:
        return Change("unknown", total, bridge, None)
    # The bridge's calls are taken as others than these: where they are the same, it is a little wide.
    product = replace(difference(total, bridge), n=total.n)
    moved_product, moved_evaluator = product.excludes(0.0), bridge.excludes(0.0)
    cause: Cause = (
        "both"
        if moved_product and moved_evaluator
        else "product"
        if moved_product
        else "evaluator"
        if moved_evaluator
        else "none"
    )
    return Change(cause, total, bridge, product)
