"""Mined templates against 209 true ones; the bounds are a little below what docs/prompt-patterns.md says."""

import random

import pytest

from tests.evaluators.patterns.true_templates import Memory, Prompt, quality


@pytest.mark.parametrize(("is_held", "least_ari"), [(False, 0.9), (True, 0.9)])
def test_mined_templates_are_the_true_ones(
    true_prompts: list[Prompt], is_held: bool, least_ari: float
) -> None:
    prompts = [each for each in true_prompts if each.is_held == is_held]
    found = Memory().assign([each.text for each in prompts])
    reached = quality(prompts, [each.id for each in found])
    assert len(prompts) > 600
    assert reached.ari >= least_ari
    assert min(reached.homogeneity, reached.completeness) >= 0.95


def test_whatever_order_the_days_come_in_nearly_all_calls_get_the_same_template(
    true_prompts: list[Prompt],
) -> None:
    """A form that two templates are near may join the other one where days are done in another order."""
    texts = [each.text for each in true_prompts]
    shuffled = random.Random(1).sample(texts, len(texts))
    days = [shuffled[start::7] for start in range(7)]
    runs: list[dict[str, object]] = []
    for order in (days, days[::-1]):
        memory = Memory()
        for day in order:
            memory.assign(day)
        again = memory.assign(texts)
        runs.append({text: each.id for text, each in zip(texts, again, strict=True)})
    one, other = ([run[text] for text in texts] for run in runs)
    same = quality([Prompt(text, hash(each)) for text, each in zip(texts, one, strict=True)], other)
    assert same.ari > 0.9
