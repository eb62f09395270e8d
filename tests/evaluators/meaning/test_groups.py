"""Groups by meaning: near vectors come together, and nothing that is grouped moves."""

import numpy as np

from evaluators.meaning.groups import group


def unit(*angles: float) -> np.ndarray:
    """Unit vectors of the plane at these angles in degrees."""
    radians = np.deg2rad(np.asarray(angles))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_near_texts_share_a_leader_and_far_ones_lead() -> None:
    found = group(unit(0, 5, 90, 85, 180), alike=0.98)
    assert found.leader == (0, 0, 1, 1, 2)
    assert found.found == (0, 2, 4)


def test_known_leaders_keep_their_numbers_and_their_members() -> None:
    known = unit(0, 90)
    found = group(unit(88, 180, 3, 181), leaders=known, alike=0.98)
    assert found.leader == (1, 2, 0, 2)
    assert found.found == (1,)


def test_the_nearest_leader_is_taken_not_the_first() -> None:
    assert group(unit(20), leaders=unit(0, 25), alike=0.9).leader == (1,)


def test_nothing_is_no_group() -> None:
    assert group(np.empty((0, 2), dtype=np.float32)).leader == ()
