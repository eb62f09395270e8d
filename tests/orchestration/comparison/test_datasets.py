"""Datasets and recorded answers as files of people."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from evaluators.judging.items import Message
from orchestration.comparison.datasets import DatasetError, read_answers, read_dataset
from orchestration.comparison.items import dataset_hash


def written(folder: Path, *rows: Any, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_the_three_ways_to_ask(tmp_path: Path) -> None:
    plain, chat, turns = read_dataset(
        written(
            tmp_path,
            {"id": 7, "prompt": "Hello?", "system": "Be brief.", "reference": "Hi.", "context": ["a", "b"]},
            {
                "id": "chat",
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello"},
                    {"role": "user", "content": [{"type": "text", "text": "And?"}]},
                ],
                "cluster": "c",
                "tags": {"any": ["thing"]},
            },
            {"turns": ["One?", "Two?"], "answers": ["1", "2"]},
        )
    )
    assert plain.opening == (Message("system", "Be brief."), Message("user", "Hello?"))
    assert (plain.item_id, plain.reference, plain.context, plain.n_turns) == ("7", "Hi.", "a\n\nb", 1)
    assert [turn.text for turn in chat.opening] == ["Hi", "Hello", "And?"]
    assert (chat.cluster, chat.recorded) == ("c", None)
    assert (turns.item_id, turns.n_turns, turns.recorded) == ("3", 2, ("1", "2"))
    assert turns.conversation(("1",)) == (
        Message("user", "One?"),
        Message("assistant", "1"),
        Message("user", "Two?"),
    )


def test_items_that_ask_the_same_are_one_cluster(tmp_path: Path) -> None:
    rows = [{"id": n, "prompt": "Same?" if n < 3 else "Other?", "reference": str(n)} for n in range(4)]
    clusters = [item.cluster for item in read_dataset(written(tmp_path, *rows))]
    assert clusters[0] == clusters[1] == clusters[2] != clusters[3]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": 1}, "needs one of prompt, messages or turns"),
        ({"prompt": "a", "turns": ["b"]}, "has prompt and turns"),
        ({"prompt": " "}, "its prompt is empty"),
        ({"turns": []}, "its turns is empty"),
        ({"prompt": "a", "refrence": "b"}, "refrence"),
        ({"messages": []}, "must end with the user's"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "must end"),
        ({"messages": [{"role": "wizard", "content": "a"}, {"role": "user", "content": "b"}]}, "'wizard'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "text": ""}]}]}, "'image_url'"),
        ({"prompt": "a", "answer": "b", "answers": ["c"]}, "both answer and answers"),
        ({"prompt": "a", "answers": ["b", "c"]}, "1 turns and 2 answers"),
        ({"prompt": 5}, "Expected `str"),
        ({"id": "x\n", "prompt": "a"}, "printable"),
        ({"id": "x" * 300, "prompt": "a"}, "printable"),
        ("[1, 2]", "line 2: "),
        ("{broken", "is no JSON object"),
        pytest.param('{"tags": {"a": ' + "[" * 100_000, "is no JSON object", id="deep"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: Any, says: str) -> None:
    path = written(tmp_path, {"id": "good", "prompt": "fine"}, row)
    with pytest.raises(DatasetError) as caught:
        read_dataset(path)
    assert f"{path}, line 2: " in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="line 2: the id '1' came before"):
        read_dataset(written(tmp_path, {"id": 1, "prompt": "a"}, {"id": "1", "prompt": "b"}))


def test_an_empty_file_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no item"):
        read_dataset(written(tmp_path, "", "  "))


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"prompt": "a"}\n' * 500)[:-30])
    with pytest.raises(DatasetError, match=r"cut\.jsonl\.xz: its compressed data"):
        read_dataset(path)


def test_text_of_any_kind_arrives_as_it_was(tmp_path: Path) -> None:
    odd = "안녕 🎈 \u0000 \ud83d end"
    (item,) = read_dataset(written(tmp_path, "\ufeff" + json.dumps({"prompt": odd})))
    assert item.opening[0].text == odd
    assert len(item.prompt_hash) == 32


def test_answers_are_found_by_item_and_model(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"id": 1, "answer": "ours", "model": "new"},
        {"id": 1, "answer": "theirs", "model": "old"},
        {"id": "2", "answers": ["a", "b"]},
    )
    assert read_answers(path, model="new") == {"1": ("ours",), "2": ("a", "b")}
    assert read_answers(path, model="old") == {"1": ("theirs",), "2": ("a", "b")}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"id": 1, "answer": "a", "model": "x"}], "holds no answer of new"),
        ([], "holds no answer"),
        ([{"id": 1}], "line 1: needs an answer"),
        ([{"id": 1, "answers": []}], "line 1: needs an answer"),
        ([{"id": 1, "answer": "a", "answers": ["b"]}], "has both"),
        ([{"id": 1, "answer": "a"}, {"id": 1, "answer": "b"}], "line 2: the id '1' came before"),
        ([{"answer": "a"}], "id"),
    ],
)
def test_bad_answers_are_named_with_their_line(tmp_path: Path, rows: list[Any], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        read_answers(written(tmp_path, *rows), model="new")


def test_the_hash_is_of_all_that_is_asked_and_judged_by(tmp_path: Path) -> None:
    base = {"id": "a", "prompt": "p", "reference": "r", "context": "c", "answer": "x", "cluster": "k"}
    changed = [{**base, name: f"{value}!"} for name, value in base.items()]
    files = [written(tmp_path, row, name=f"{at}.jsonl") for at, row in enumerate([base, *changed])]
    assert len({dataset_hash(read_dataset(path)) for path in files}) == len(files)
