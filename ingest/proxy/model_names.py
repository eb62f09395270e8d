"""Which model names may be metric labels: a client must not be able to invent time series."""

OTHER = "other"
_MOST_SERVED = 200


class ModelNames:
    """Configured names, and the first 200 that a provider has answered with; everything else is `other`."""

    def __init__(self) -> None:
        self._served: set[str] = set()

    def name(self, planned: str, *, served: str | None) -> str:
        """`planned` is the plan's bounded name; `served` what a provider says in a successful answer."""
        if planned != OTHER or not served:
            return planned
        if served not in self._served:
            if len(self._served) >= _MOST_SERVED or len(served) > 100:
                return OTHER
            self._served.add(served)
        return served
