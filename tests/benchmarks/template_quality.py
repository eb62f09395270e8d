"""Mined prompt templates against 209 true ones, the figures of docs/prompt-patterns.md.

    python tests/benchmarks/template_quality.py [DATA_FOLDER] [--sweep] [--read MINIMUM]

Each half is clustered by itself; nothing was tuned on the held one. `--sweep` tries thresholds on the tuning
half alone; `--read` prints that half's clusters that hold several templates. Drain3 is compared where it is
installed (`uv pip install drain3`).
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.patterns.form import form
from tests.evaluators.patterns.true_templates import Memory, Prompt, quality, read_prompts

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
Method = Callable[[Sequence[str]], Sequence[Hashable]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--read", action="store_true")
    given = parser.parse_args()
    prompts = read_prompts(given.data)
    tuning = [each for each in prompts if not each.is_held]
    if given.sweep:
        for similar in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8):
            show(f"minhash {similar}", by_minhash(similar), tuning, half="tuning")
        return
    if given.read:
        read_clusters(tuning)
        return
    print("| method | half | texts | clusters | templates | ARI | homogeneity | completeness | texts/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    halves = {"tuning": tuning, "held": [each for each in prompts if each.is_held], "both": prompts}
    for name, method in methods().items():
        for half, chosen in halves.items():
            show(name, method, chosen, half=half)
    show_order(prompts)


def methods() -> dict[str, Method]:
    found: dict[str, Method] = {
        "forms alone": lambda texts: [form(text) for text in texts],
        "forms, MinHash (ours)": by_minhash(),
        "words, MinHash": lambda texts: by_minhash()([text.lower() for text in texts]),
        "forms, TF-IDF and HDBSCAN": by_hdbscan,
    }
    if find_spec("drain3"):
        found["Drain3"] = by_drain
        found["forms, Drain3"] = lambda texts: by_drain([form(text) for text in texts])
    return found


def by_minhash(similar: float | None = None) -> Method:
    def assign(texts: Sequence[str]) -> list[Hashable]:
        memory = Memory() if similar is None else Memory(similar=similar)
        return [each.id for each in memory.assign(texts)]

    return assign


def by_drain(texts: Sequence[str]) -> list[Hashable]:
    """Drain3 as reference/…: similarity .5, depth 4, with masks for numbers, addresses and e-mails."""
    from drain3 import TemplateMiner  # pyright: ignore[reportMissingImports]
    from drain3.masking import MaskingInstruction  # pyright: ignore[reportMissingImports]
    from drain3.template_miner_config import TemplateMinerConfig  # pyright: ignore[reportMissingImports]

    config = TemplateMinerConfig()
    config.drain_sim_th, config.drain_depth = 0.5, 4
    config.masking_instructions = [
        MaskingInstruction(r"\S+@\S+", "EMAIL"),
        MaskingInstruction(r"https?://\S+", "URL"),
        MaskingInstruction(r"\b[A-Za-z]*\d[\w./:-]*", "NUM"),
    ]
    miner = TemplateMiner(config=config)
    return [miner.add_log_message(text.replace("\n", " "))["cluster_id"] for text in texts]


def by_hdbscan(texts: Sequence[str]) -> list[Hashable]:
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    words = TfidfVectorizer(ngram_range=(1, 2)).fit_transform([form(text) for text in texts])
    vectors = normalize(TruncatedSVD(100, random_state=0).fit_transform(words))
    labels = HDBSCAN(min_cluster_size=3).fit_predict(vectors)
    return [label if label >= 0 else f"alone {number}" for number, label in enumerate(labels)]


def show(name: str, method: Method, prompts: Sequence[Prompt], *, half: str) -> None:
    texts = [each.text for each in prompts]
    started = time.perf_counter()
    clusters = method(texts)
    seconds = time.perf_counter() - started
    found = quality(prompts, clusters)
    print(
        f"| {name} | {half} | {len(prompts)} | {found.n_clusters} | {found.n_templates} | {found.ari:.3f} "
        f"| {found.homogeneity:.3f} | {found.completeness:.3f} | {len(texts) / seconds:,.0f} |",
        flush=True,
    )


def show_order(prompts: Sequence[Prompt]) -> None:
    """How many calls keep company when seven days are done in other orders, from nothing."""
    texts = [each.text for each in prompts]
    kept: list[float] = []
    for seed in range(5):
        order = random.Random(seed)
        days = [order.sample(texts, len(texts))[start::7] for start in range(7)]
        first, second = Memory(), Memory()
        for day in days:
            first.assign(day)
        for day in order.sample(days, 7):
            second.assign(day)
        one = [hash(each.id) for each in first.assign(texts)]
        pairs = [Prompt(text, label) for text, label in zip(texts, one, strict=True)]
        kept.append(quality(pairs, [each.id for each in second.assign(texts)]).ari)
    print(f"ARI between two orders of the same seven days: {min(kept):.3f} to {max(kept):.3f}")


def read_clusters(prompts: Sequence[Prompt]) -> None:
    """The tuning half's mistakes: clusters of several templates, templates in several clusters."""
    found = Memory().assign([each.text for each in prompts])
    by_cluster: dict[object, set[int]] = defaultdict(set)
    by_template: dict[int, set[str]] = defaultdict(set)
    for prompt, template in zip(prompts, found, strict=True):
        by_cluster[template.form].add(prompt.template)
        by_template[prompt.template].add(template.form)
    for text, several in by_cluster.items():
        if len(several) > 1:
            print("mixed", sorted(several), text)
    for number, forms in by_template.items():
        if len(forms) > 1:
            print("split", number, *sorted(forms)[:6], sep="\n    ")


if __name__ == "__main__":
    main()
