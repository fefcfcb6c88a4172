"""Engines that have changes made: which go together, and whom they answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netpol.questions.diff.candidate_engines import CandidateEngines, OneChange


def trials(limit: int = 100) -> tuple[CandidateEngines, list[tuple[int, ...]]]:
    made: list[tuple[int, ...]] = []

    def compiled(places: tuple[int, ...]) -> tuple[int, ...]:
        made.append(places)
        return places

    return CandidateEngines(compiled, limit), made


def test_changes_that_never_meet_are_made_in_one_engine() -> None:
    them, made = trials()
    them.plan(OneChange(1 << place, 1 << (place ^ 1)) for place in range(6))
    assert made == [(0, 2, 4), (1, 3, 5)]
    assert them.engine_for(OneChange(1 << 2, 1 << 3 | 1 << 5)) == (0, 2, 4)
    assert them.engine_for(OneChange(1 << 2, 1 << 0)) is None


def test_what_an_engine_answers_is_not_compiled_again() -> None:
    them, made = trials()
    for _ in range(2):
        them.plan([OneChange(1, 2), OneChange(4, 2), OneChange(1, 2 | 8)])
    assert made == [(0, 2)]


def test_the_first_questions_get_the_engines_there_may_be() -> None:
    them, made = trials(limit=2)
    them.plan([OneChange(1, 6), OneChange(2, 5), OneChange(4, 3)])
    assert made == [(0,), (1,)]
    assert them.engine_for(OneChange(4, 3)) is None
    them.plan([OneChange(4, 3)])
    assert len(made) == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(1, 127)).map(
            lambda drawn: OneChange(1 << drawn[0], drawn[1] & ~(1 << drawn[0]))
        )
    ),
    st.integers(0, 8),
)
def test_an_engine_that_answers_has_made_the_change_and_no_other_that_matters(
    questions: list[OneChange], limit: int
) -> None:
    them, made = trials(limit)
    them.plan(questions)
    assert len(made) <= limit
    unanswered = 0
    for question in questions:
        engine = them.engine_for(question)
        if engine is None:
            unanswered += 1
            continue
        bits = sum(1 << place for place in engine)
        assert bits & question.change
        assert not bits & question.others
    assert not unanswered or len(made) == limit
