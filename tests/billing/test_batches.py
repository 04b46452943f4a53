"""A list in several batches: each billed once, whatever dies between two of them; and recalling without sending."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_provider_checknumber.billing import (
    InstructionError,
    Submission,
    UnknownOutcomeError,
    recall,
    submit_each,
)
from airflow_provider_checknumber.client import GatewayError, InsufficientBalanceError, TaskStatus
from tests.billing.parts import LIST, Airflow, Killed, raising

BATCHES = [replace(LIST, fingerprint=letter * 64, numbers=1000) for letter in "abcde"]
IDS = [f"task-{number}" for number in range(1, 6)]


def run(airflow: Airflow, batches: list[Submission] = BATCHES, **arguments: str) -> list[str]:
    return submit_each(
        [(batch, airflow.service) for batch in batches],
        memory=airflow.memory,
        instructions=airflow.instructions,
        log=airflow.log,
        **{"on_unknown": "fail", **arguments},
    )


def accepting(airflow: Airflow, times: int) -> list:
    return [lambda: airflow.service.accept(total=1000)] * times


def test_each_batch_becomes_a_task_in_its_order(airflow):
    assert run(airflow) == IDS
    assert run(airflow) == IDS
    assert airflow.service.calls == 5


def test_one_batch_is_a_list_like_any_other(airflow):
    assert run(airflow, [LIST]) == [airflow.run(LIST)]
    assert airflow.charges == 1


def test_a_refusal_in_the_middle_is_gone_on_from(airflow):
    airflow.service.faults = [*accepting(airflow, 3), raising(InsufficientBalanceError("too little."))]
    with pytest.raises(InsufficientBalanceError):
        run(airflow)
    assert airflow.charges == 3

    assert run(airflow) == IDS
    assert airflow.charges == 5


@pytest.mark.parametrize("save", range(1, 11))
def test_a_death_at_any_step_never_bills_twice(airflow, save):
    """Each batch saves twice: before it is sent, and after."""
    left = [save]

    def dies(kind, document):
        left[0] -= kind == "save"
        if kind == "save" and left[0] == 0:
            raise Killed

    airflow.memory.broken = dies
    with pytest.raises(Killed):
        run(airflow)
    airflow.memory.broken = lambda *_: None

    if save % 2:  # Before the intent was kept.
        assert run(airflow) == IDS
        assert airflow.charges == 5
    else:
        with pytest.raises(UnknownOutcomeError, match="1,000 numbers"):
            run(airflow)
        assert airflow.charges == save // 2


class TestAnOpenBatch:
    @pytest.fixture(autouse=True)
    def died(self, airflow):
        def die():
            airflow.service.accept(total=1000)
            raise Killed

        airflow.service.faults = [*accepting(airflow, 3), die]
        with pytest.raises(Killed):
            run(airflow)

    def test_stops_every_try(self, airflow):
        for _ in range(3):
            with pytest.raises(UnknownOutcomeError):
                run(airflow)
        assert airflow.charges == 4

    def test_takes_the_id_that_a_person_found_and_the_others_keep_theirs(self, airflow):
        airflow.instructions.instruction = "task-4"

        assert run(airflow) == IDS
        assert run(airflow) == IDS
        assert airflow.charges == 5
        assert airflow.instructions.instruction is None

    def test_alone_is_sent_again_where_a_person_says_so(self, airflow):
        airflow.instructions.instruction = "resubmit"

        assert run(airflow) == ["task-1", "task-2", "task-3", "task-5", "task-6"]

    def test_alone_is_sent_again_where_the_dag_author_accepts_to_pay_twice(self, airflow):
        assert run(airflow, on_unknown="resubmit") == ["task-1", "task-2", "task-3", "task-5", "task-6"]

    def test_of_a_list_that_has_changed_takes_no_id(self, airflow):
        changed = [replace(batch, fingerprint=batch.fingerprint[::-1] + "0") for batch in BATCHES]
        with pytest.raises(UnknownOutcomeError):
            run(airflow, changed)
        airflow.instructions.instruction = "task-4"
        with pytest.raises(InstructionError, match=r"list of 5 batches.*`instruct resubmit`"):
            run(airflow, changed)
        assert airflow.charges == 4

        airflow.instructions.instruction = "resubmit"
        assert len(run(airflow, changed)) == 5
        assert airflow.charges == 9


class TestAllOnRecord:
    @pytest.fixture(autouse=True)
    def submitted(self, airflow):
        run(airflow)

    def test_all_are_sent_again_where_a_person_says_so(self, airflow):
        airflow.instructions.instruction = "resubmit"

        again = run(airflow)
        assert set(again).isdisjoint(IDS)
        assert run(airflow) == again
        assert airflow.charges == 10

    def test_no_single_id_can_be_exchanged(self, airflow):
        airflow.instructions.instruction = "task-2"
        with pytest.raises(InstructionError, match="none of them is known to wait"):
            run(airflow)
        assert airflow.charges == 5

    def test_the_one_whose_task_failed_is_sent_anew(self, airflow):
        airflow.service.end("task-2", TaskStatus.FAILED)

        assert run(airflow) == ["task-1", "task-6", "task-3", "task-4", "task-5"]

    def test_only_batches_that_changed_are_sent(self, airflow):
        assert run(airflow, [*BATCHES[:4], LIST]) == [*IDS[:4], "task-6"]


def test_a_damaged_record_is_mended_by_one_word_for_all_batches(airflow):
    airflow.memory.document = "{"
    with pytest.raises(UnknownOutcomeError):
        run(airflow)
    airflow.instructions.instruction = airflow.service.accept().task_id
    with pytest.raises(InstructionError):
        run(airflow)
    airflow.instructions.instruction = "resubmit"

    assert len(run(airflow)) == 5
    assert airflow.service.calls == 5


class TestRecall:
    """A list that is known by its query, before the query has run."""

    UNCOUNTED = replace(LIST, numbers=0)

    def recall(self, airflow, submission=UNCOUNTED):
        return recall(
            submission,
            memory=airflow.memory,
            instructions=airflow.instructions,
            service=airflow.service,
            on_unknown="fail",
            log=airflow.log,
        )

    def test_of_nothing_is_none_and_sends_nothing(self, airflow):
        assert self.recall(airflow) is None
        assert (airflow.service.calls, airflow.memory.kept) == (0, [])

    def test_finds_the_id_whatever_the_count_was(self, airflow):
        airflow.run()

        assert self.recall(airflow) == ("task-1", {})
        assert airflow.service.calls == 1

    def test_gives_the_counts_that_it_was_sent_with(self, airflow):
        airflow.run(replace(LIST, counts={"duplicates": 7}))

        assert self.recall(airflow) == ("task-1", {"duplicates": 7})

    def test_takes_a_record_of_before_there_were_counts(self, airflow):
        airflow.run()
        document = json.loads(airflow.memory.document)
        del document["counts"]
        airflow.memory.document = json.dumps(document)

        assert self.recall(airflow) == ("task-1", {})

    def test_of_a_failed_task_is_none(self, airflow):
        airflow.run()
        airflow.service.end("task-1", TaskStatus.FAILED)

        assert self.recall(airflow) is None
        assert airflow.run() == "task-2"

    def test_stops_at_an_unknown_outcome_and_takes_the_id_that_a_person_found(self, airflow):
        airflow.service.faults = [raising(GatewayError("away."))]
        with pytest.raises(UnknownOutcomeError):
            airflow.run(replace(LIST, counts={"duplicates": 7}))

        with pytest.raises(UnknownOutcomeError, match="2,049 numbers"):
            self.recall(airflow)
        with pytest.raises(UnknownOutcomeError, match=r"by now: the numbers for 'Twitter'"):
            self.recall(airflow, replace(self.UNCOUNTED, fingerprint="0" * 64))
        found = airflow.instructions.instruction = airflow.service.accept(
            created_at=datetime.now(UTC)
        ).task_id
        assert self.recall(airflow) == (found, {"duplicates": 7})

    def test_takes_an_id_in_exchange_without_knowing_the_count(self, airflow):
        airflow.run()
        given = airflow.instructions.instruction = airflow.service.accept(total=9999).task_id

        assert self.recall(airflow) == (given, {})
