"""Amounts on the wire: exact decimals in strings, which JSON readers would else turn into floats."""

from typing import Annotated

import msgspec

Amount = Annotated[str, msgspec.Meta(description="An exact decimal.")]
