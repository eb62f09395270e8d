"""Amounts on the wire: strings that hold an exact decimal, which JSON readers would else turn into floats."""

from typing import Annotated

import msgspec

Amount = Annotated[str, msgspec.Meta(pattern=r"^-?\d+(\.\d+)?$", description="An exact decimal.")]
