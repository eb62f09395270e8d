"""One conversation out of the calls of a session."""

from evaluators.judging.items import Message
from orchestration.comparison.sampling import assemble_session

SYSTEM = Message("system", "Be kind.")


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str, *, role: str = "assistant") -> Message:
    return Message(role, text)


WHOLE = (
    SYSTEM,
    user("Hi"),
    said("Hello"),
    user("Capital of France?"),
    said("Paris"),
    user("Thanks"),
    said("Bye"),
)


def test_a_client_that_sends_all_of_it_again_is_told_once() -> None:
    calls = [((*WHOLE[:at],), WHOLE[at].text) for at in (2, 4, 6)]
    assert assemble_session(calls) == WHOLE


def test_a_client_that_sends_only_what_is_new_is_put_together() -> None:
    calls = [((SYSTEM, WHOLE[at - 1]), WHOLE[at].text) for at in (2, 4, 6)]
    assert assemble_session(calls) == WHOLE


def test_a_client_that_forgets_its_oldest_turns_loses_nothing() -> None:
    calls = [((*WHOLE[:2],), "Hello"), ((*WHOLE[:4],), "Paris"), ((SYSTEM, *WHOLE[4:6]), "Bye")]
    assert assemble_session(calls) == WHOLE


def test_the_same_words_again_are_said_again() -> None:
    calls = [
        ((user("yes"),), "Which one?"),
        ((user("yes"), said("Which one?"), user("yes")), "Both, then."),
        ((user("yes"),), "Done."),
    ]
    assert [turn.text for turn in assemble_session(calls)] == [
        *("yes", "Which one?", "yes", "Both, then.", "yes", "Done.")
    ]


def test_roles_and_blanks_of_other_providers_are_the_same_turn() -> None:
    calls = [((user("Hi"),), "Hello"), ((user("Hi"), said("Hello\n", role="model"), user("More")), "OK")]
    assert [turn.text for turn in assemble_session(calls)] == ["Hi", "Hello", "More", "OK"]
