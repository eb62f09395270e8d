"""Answers in another language than asked."""

from collections.abc import Callable
from typing import Any

import pytest

ENGLISH = "The river runs through the valley and turns to the sea, where the old town stands on a hill."
KOREAN = "강은 골짜기를 따라 흐르다가 바다로 향하고, 그 언덕 위에는 오래된 마을이 서 있습니다."
JAPANESE = "川は谷を流れて海に向かい、丘の上には古い町があります。とても美しい景色です。"
FRENCH = "La rivière traverse la vallée puis rejoint la mer, où la vieille ville se dresse sur une colline."
ASK_ENGLISH = "Please describe the landscape that you see from the window of the train."
ASK_KOREAN = "기차 창밖으로 보이는 풍경을 자세히 묘사해 주시겠어요? 짧아도 좋습니다."


@pytest.mark.parametrize(
    ("prompt", "answer", "evidence"),
    [
        (ASK_ENGLISH, KOREAN, "asked for en, answered in ko"),
        (ASK_KOREAN, ENGLISH, "asked for ko, answered in en"),
        (ASK_ENGLISH + " Answer in Korean only.", ENGLISH, "asked for ko, answered in en"),
        (ASK_KOREAN + " 영어로 답해 주세요.", KOREAN, "asked for en, answered in ko"),
        (ASK_ENGLISH + " Your response should be in French.", ENGLISH, "asked for fr, answered in en"),
        ("景色を日本語で説明してください。", FRENCH, "asked for ja, answered in fr"),
        (
            "Décrivez le paysage. Votre réponse doit être rédigée en coréen.",
            FRENCH,
            "asked for ko, answered in fr",
        ),
        ("Describe el paisaje. Responde en inglés, por favor.", FRENCH, "asked for en, answered in fr"),
    ],
)
def test_another_language_than_asked_fails(
    judge: Callable[..., Any], prompt: str, answer: str, evidence: str
) -> None:
    verdict = judge("language_mismatch", input_text=prompt, output_text=answer)
    assert (verdict.failed, verdict.evidence) == (True, evidence)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (ASK_ENGLISH, ENGLISH),
        (ASK_KOREAN, KOREAN + " 🏞️"),
        (ASK_ENGLISH + " Answer in Korean only.", KOREAN),
        (ASK_KOREAN + " 영어로 답해 주세요.", ENGLISH),
        ("景色を説明してください。列車の窓から見えるものを全部書いてください。", JAPANESE),
        ("Décrivez le paysage que vous voyez depuis la fenêtre du train, s'il vous plaît.", FRENCH),
    ],
)
def test_the_language_asked_for_passes(judge: Callable[..., Any], prompt: str, answer: str) -> None:
    assert judge("language_mismatch", input_text=prompt, output_text=answer).failed is False


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (ASK_ENGLISH, "Oui."),
        (ASK_ENGLISH, "42"),
        (ASK_ENGLISH, "👍🎉" * 40),
        ("Translate this: " + KOREAN, ENGLISH),
        ("How do I say 'good morning' in French?", FRENCH),
        ("ok?", KOREAN),
        (ASK_ENGLISH, "```python\n" + "x = compute(y)\n" * 20 + "```"),
        (None, KOREAN),
    ],
)
def test_what_cannot_be_told_is_not_judged(judge: Callable[..., Any], prompt: str, answer: str) -> None:
    verdict = judge("language_mismatch", input_text=prompt, output_text=answer)
    assert (verdict.failed, verdict.reason) == (None, "not_applicable")


def test_the_system_text_can_name_the_language(judge: Callable[..., Any]) -> None:
    request = '{"messages": [{"role": "system", "content": "항상 한국어로 답변하세요."}]}'.encode()
    assert (
        judge("language_mismatch", request=request, input_text=ASK_ENGLISH, output_text=ENGLISH).failed
        is True
    )
