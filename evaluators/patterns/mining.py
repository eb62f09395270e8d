"""From forms that were never seen to the templates they belong to, known ones or new."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluators.patterns.matching import SIMILAR, Template, bands, best_match, template_id

LookUp = Callable[[Sequence[Sequence[int]]], Sequence[Sequence[Template]]]
"""For the bands of each form, the known templates that share one."""


@dataclass(frozen=True, slots=True)
class Mined:
    """A form's template. `bands` are its keys where this form made the template, else None."""

    form: str
    template: Template
    bands: Sequence[int] | None = None


def mine(forms: Sequence[str], *, look_up: LookUp, similar: float = SIMILAR) -> list[Mined]:
    """The template of each form, in order: the most similar known one, else one made of the form.

    A form only ever joins a template that was made before it, so nothing that is known changes. The same
    forms in the same order give the same templates with the same ids. The forms must be distinct.
    """
    keys = [bands(form) for form in forms]
    known = look_up(keys)
    made: defaultdict[int, list[Template]] = defaultdict(list)
    mined: list[Mined] = []
    for form, own, stored in zip(forms, keys, known, strict=True):
        fresh = {each.id: each for key in own for each in made[key]}
        template = best_match(form, [*stored, *fresh.values()], similar=similar)
        if template:
            mined.append(Mined(form, template))
            continue
        template = Template(template_id("mined", form), form)
        for key in own:
            made[key].append(template)
        mined.append(Mined(form, template, own))
    return mined
