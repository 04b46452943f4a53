"""The memory fails at each step, or holds something else than it should: never two bills, and no silence."""

from __future__ import annotations

import json

import pytest

from airflow_provider_checknumber.billing import RecordUnavailableError, UnknownOutcomeError
from airflow_provider_checknumber.client import BadRequestError, InternalServerError
from tests.billing.parts import LIST, Killed, raising


def out_of_reach(kind, *, when=lambda document: True, times=None):
    """A memory that does not answer a ``kind`` of call, for so many times (None: for good)."""
    left = [times]

    def broken(used, document):
        if used != kind or not when(document) or left[0] == 0:
            return
        if left[0] is not None:
            left[0] -= 1
        raise ConnectionError("the database is restarting")

    return broken


def with_intent(document):
    return '"intent": {' in document


def with_task(document):
    return '"task-1"' in document


def without_intent(document):
    return '"intent": null' in document


class TestOutOfReach:
    @pytest.mark.parametrize("kind", ["load", "save"])
    def test_before_the_intent_is_kept_nothing_is_sent(self, airflow, kind):
        airflow.memory.broken = out_of_reach(kind)
        with pytest.raises(RecordUnavailableError, match=r"ConnectionError.*database or API server"):
            airflow.run()

        assert airflow.service.calls == 0

    @pytest.mark.parametrize("kind", ["load", "save"])
    def test_for_a_moment_is_waited_out(self, airflow, kind, pauses):
        airflow.memory.broken = out_of_reach(kind, times=3)

        assert airflow.run() == "task-1"
        assert pauses == [1, 2, 4]

    def test_for_long_is_left_to_airflows_retry(self, airflow, pauses):
        airflow.memory.broken = out_of_reach("save")
        with pytest.raises(RecordUnavailableError):
            airflow.run()

        assert sum(pauses) == 14  # For the intent, and for taking it back.

    def test_an_intent_that_was_kept_though_it_failed_is_taken_back(self, airflow):
        def kept_but_failed(used, document):
            if used == "save" and with_intent(document):
                airflow.memory.document = document
                raise ConnectionError("the answer was lost")

        airflow.memory.broken = kept_but_failed
        with pytest.raises(RecordUnavailableError):
            airflow.run()

        assert airflow.service.calls == 0
        airflow.memory.broken = lambda *_: None
        assert airflow.run() == "task-1"

    def test_after_the_answer_the_id_is_returned_and_logged(self, airflow):
        airflow.memory.broken = out_of_reach("save", when=with_task)

        assert airflow.run() == "task-1"
        assert "Task task-1 could not be put on record; keep its id." in airflow.log.text

    def test_after_the_answer_a_later_try_stops(self, airflow):
        airflow.memory.broken = out_of_reach("save", when=with_task)
        airflow.run()

        airflow.memory.broken = lambda *_: None
        with pytest.raises(UnknownOutcomeError):
            airflow.run()
        assert airflow.charges == 1

    def test_after_a_refusal_the_refusal_is_what_is_told(self, airflow):
        airflow.service.faults = [raising(BadRequestError("no."))]
        airflow.memory.broken = out_of_reach("save", when=without_intent)
        with pytest.raises(BadRequestError):
            airflow.run()

        airflow.memory.broken = lambda *_: None
        with pytest.raises(UnknownOutcomeError):
            airflow.run()
        assert airflow.charges == 0

    def test_while_a_refusal_is_repeated_nothing_more_is_sent(self, airflow):
        def after_the_first(used, document):
            if used == "save" and airflow.service.calls:
                raise ConnectionError("the database is gone")

        airflow.service.faults = [raising(InternalServerError("no."))]
        airflow.memory.broken = after_the_first
        with pytest.raises(RecordUnavailableError):
            airflow.run()

        assert airflow.service.calls == 1


class TestKilledAt:
    """The worker dies while the memory is used; Airflow tries again."""

    @staticmethod
    def run_twice(airflow, *, when, before):
        def broken(used, document):
            if used == "save" and when(document):
                if not before:
                    airflow.memory.document = document
                airflow.memory.broken = lambda *_: None
                raise Killed

        airflow.memory.broken = broken
        with pytest.raises(Killed):
            airflow.run()
        return airflow.run()

    def test_before_the_intent_is_kept_the_next_try_sends(self, airflow):
        assert self.run_twice(airflow, when=with_intent, before=True) == "task-1"
        assert airflow.charges == 1

    def test_after_the_intent_is_kept_the_next_try_stops(self, airflow):
        with pytest.raises(UnknownOutcomeError):
            self.run_twice(airflow, when=with_intent, before=False)
        assert airflow.charges == 0

    def test_before_the_id_is_kept_the_next_try_stops(self, airflow):
        with pytest.raises(UnknownOutcomeError):
            self.run_twice(airflow, when=with_task, before=True)
        assert airflow.charges == 1

    def test_after_the_id_is_kept_the_next_try_returns_it(self, airflow):
        assert self.run_twice(airflow, when=with_task, before=False) == "task-1"
        assert airflow.charges == 1


GOOD_INTENT = {
    "identity": "0" * 32,
    "numbers": 2049,
    "task_type": "Twitter",
    "host": "api.checknumber.ai",
    "at": "2025-11-21T15:58:08+00:00",
}
DAMAGED = [
    "",
    "not JSON",
    "null",
    "[]",
    "{}",
    '{"salt": "00", "tasks": []}',
    '{"salt": "00", "tasks": ["task-1"], "intent": null}',
    '{"salt": "00", "tasks": {"0": null}, "intent": null}',
    '{"salt": "00", "tasks": {}, "intent": {}}',
    *(
        json.dumps({"salt": "00", "tasks": {}, "intent": {**GOOD_INTENT, **change}})
        for change in ({"numbers": "2049"}, {"at": "today"}, {"at": "2025-11-21T15:58:08"}, {"at": 0})
    ),
]


def test_a_sound_record_is_taken_for_one(airflow):
    airflow.memory.document = json.dumps({"salt": "00", "tasks": {}, "intent": GOOD_INTENT})
    with pytest.raises(UnknownOutcomeError, match=r"on their way to .* at 2025-11-21 15:58:08 UTC"):
        airflow.run()


@pytest.mark.parametrize("document", DAMAGED)
class TestADamagedRecord:
    @pytest.fixture(autouse=True)
    def damaged(self, airflow, document):
        airflow.memory.document = document

    def test_stops_every_try_and_says_so(self, airflow):
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match=r"2,049 numbers.*record.* cannot be read"):
                airflow.run()

        assert airflow.service.calls == 0

    def test_is_mended_by_a_persons_word(self, airflow):
        airflow.instructions.instruction = "resubmit"

        assert airflow.run() == "task-1"
        assert airflow.run() == "task-1"

    def test_is_mended_by_the_id_that_a_person_found(self, airflow):
        airflow.instructions.instruction = airflow.service.accept().task_id

        assert airflow.run() == "task-1"
        assert airflow.run() == "task-1"
        assert airflow.service.calls == 0

    def test_is_mended_where_the_dag_author_accepts_to_pay_twice(self, airflow):
        assert airflow.run(on_unknown="resubmit") == "task-1"
        assert airflow.run(on_unknown="resubmit") == "task-1"
        assert airflow.charges == 1


def test_a_record_grows_only_with_lists_that_were_submitted(airflow):
    for _ in range(20):
        airflow.run(LIST)

    assert len(json.loads(airflow.memory.document)["tasks"]) == 1
