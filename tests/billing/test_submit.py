"""A submission is billed once: every state the record can be in, and what each fault leaves behind."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_checknumber.billing import InstructionError, UnknownOutcomeError
from airflow_provider_checknumber.client import (
    AuthenticationError,
    BadRequestError,
    BatchSizeError,
    ConnectionLostError,
    FileTooLargeError,
    GatewayError,
    InsufficientBalanceError,
    InternalServerError,
    RateLimitedError,
    RequestRefusedError,
    ServiceUnreachableError,
    TaskStatus,
    UnreadableAnswerError,
)
from tests.billing.parts import LIST, OTHER_LIST, Killed, raising

REFUSED_FOR_NOW = [ServiceUnreachableError, RateLimitedError, InternalServerError]
REFUSED_FOR_GOOD = [
    BadRequestError,
    BatchSizeError,
    AuthenticationError,
    InsufficientBalanceError,
    FileTooLargeError,
    RequestRefusedError,
]
AMBIGUOUS = [ConnectionLostError, GatewayError, UnreadableAnswerError]


class TestNothingOnRecord:
    def test_the_numbers_are_sent_and_the_id_is_returned(self, airflow):
        assert airflow.run() == "task-1"
        assert airflow.charges == 1

    def test_the_intent_is_on_record_before_the_request_and_the_id_after(self, airflow):
        seen = []

        def accept():
            seen.append(airflow.memory.document)
            return airflow.service.accept()

        airflow.service.faults = [accept]
        airflow.run()

        assert '"intent": {"identity"' in seen[0]
        assert "task-1" not in seen[0]
        assert '"intent": null' in airflow.memory.document
        assert "task-1" in airflow.memory.document

    def test_the_record_tells_no_fingerprint(self, airflow):
        airflow.run()

        assert all(LIST.fingerprint not in document for document in airflow.memory.kept)

    def test_the_same_list_has_another_identity_in_every_record(self, airflow):
        airflow.run()
        (first,) = re.findall(r'"tasks": \{"([0-9a-f]{32})"', airflow.memory.document)
        airflow.memory.document = None
        airflow.run()

        assert first not in airflow.memory.document


class TestAnIdOnRecord:
    @pytest.fixture(autouse=True)
    def submitted(self, airflow):
        airflow.run()

    def test_is_returned_and_nothing_is_sent(self, airflow):
        assert airflow.run() == "task-1"
        assert (airflow.charges, airflow.service.calls) == (1, 1)
        assert "nothing is billed" in airflow.log.text
        assert "`instruct resubmit`" in airflow.log.text

    @pytest.mark.parametrize(
        "changed",
        [{"fingerprint": "0" * 64}, {"task_type": "htx"}, {"host": "api.ekycpro.com"}],
        ids=lambda changed: next(iter(changed)),
    )
    def test_of_something_else_does_not_hold_the_numbers_back(self, airflow, changed):
        assert airflow.run(replace(LIST, **changed)) == "task-2"

    def test_is_found_again_after_another_list_was_submitted(self, airflow):
        airflow.run(OTHER_LIST)

        assert airflow.run(LIST) == "task-1"
        assert airflow.run(OTHER_LIST) == "task-2"
        assert airflow.charges == 2

    def test_of_a_failed_task_makes_way_for_a_new_one(self, airflow):
        airflow.service.end("task-1", TaskStatus.FAILED)

        assert airflow.run() == "task-2"
        assert airflow.run() == "task-2"

    @pytest.mark.parametrize("status", [TaskStatus.EXPORTED, TaskStatus.PROCESSING, TaskStatus.UNKNOWN])
    def test_of_any_other_task_does_not(self, airflow, status):
        airflow.service.end("task-1", status)

        assert airflow.run() == "task-1"

    @pytest.mark.parametrize("error", [GatewayError("away."), AuthenticationError("refused.")], ids=repr)
    def test_is_returned_where_the_task_cannot_be_looked_up(self, airflow, error):
        airflow.service.lookup_error = error

        assert airflow.run() == "task-1"
        assert "could not be looked up" in airflow.log.text

    def test_is_dropped_once_where_a_person_says_so(self, airflow):
        airflow.instructions.instruction = "resubmit"

        assert airflow.run() == "task-2"
        assert airflow.run() == "task-2"
        assert airflow.charges == 2

    def test_is_dropped_though_the_forced_submission_died_before_it_was_sent(self, airflow):
        airflow.instructions.instruction = "resubmit"
        airflow.memory.broken = _dies_at("save", 2)
        with pytest.raises(Killed):
            airflow.run()
        airflow.memory.broken = lambda *_: None

        assert airflow.run() == "task-2"
        assert airflow.instructions.instruction is None

    def test_is_exchanged_for_the_one_that_a_person_gives(self, airflow):
        given = airflow.service.accept().task_id
        airflow.instructions.instruction = given

        assert airflow.run() == given
        assert airflow.run() == given
        assert airflow.service.calls == 1


class TestAnIntentOnRecord:
    """The worker died between the intent and the answer."""

    @pytest.fixture(autouse=True, params=["accepted", "not accepted"])
    def died(self, airflow, request):
        def die():
            if request.param == "accepted":
                airflow.service.accept()
            raise Killed

        airflow.service.faults = [die]
        with pytest.raises(Killed):
            airflow.run()
        self.before = airflow.charges

    def test_stops_the_next_try_and_every_one_after_it(self, airflow):
        for _ in range(3):
            with pytest.raises(UnknownOutcomeError):
                airflow.run()

        assert airflow.charges == self.before
        assert airflow.service.calls == 1

    def test_the_message_is_all_that_a_person_needs_at_night(self, airflow):
        with pytest.raises(UnknownOutcomeError) as caught:
            airflow.run()

        message = str(caught.value)
        assert "2,049 numbers for 'Twitter'" in message
        assert re.search(r"to api\.checknumber\.ai at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", message)
        assert "an earlier try ended before an answer was on record" in message
        assert "dashboard" in message
        assert re.search(r"^  It is there: +instruct <its task id>$", message, re.M)
        assert re.search(r"^  It is not there: +instruct resubmit$", message, re.M)
        assert "clear this task" in message

    def test_stops_another_list_too_and_says_that_it_is_another(self, airflow):
        with pytest.raises(UnknownOutcomeError, match=r"2,049 numbers[^$]*by now: 2,100 numbers"):
            airflow.run(OTHER_LIST)

        assert airflow.charges == self.before

    def test_one_more_submission_can_be_allowed(self, airflow):
        airflow.instructions.instruction = "resubmit"

        airflow.run()
        airflow.run()

        assert airflow.charges == self.before + 1

    def test_one_more_submission_that_dies_again_is_unknown_again(self, airflow):
        airflow.instructions.instruction = "resubmit"
        airflow.service.faults = [raising(Killed())]
        with pytest.raises(Killed):
            airflow.run()

        with pytest.raises(UnknownOutcomeError):
            airflow.run()

    def test_the_id_that_a_person_found_is_gone_on_with(self, airflow):
        found = airflow.service.accept().task_id
        airflow.instructions.instruction = found

        assert airflow.run() == found
        assert airflow.run() == found
        assert airflow.service.calls == 1

    def test_the_id_that_a_person_found_holds_for_a_list_that_has_changed_since(self, airflow):
        found = airflow.service.accept().task_id
        airflow.instructions.instruction = found

        assert airflow.run(OTHER_LIST) == found
        assert airflow.run(OTHER_LIST) == found
        assert airflow.run(LIST) == found

    def test_an_id_that_does_not_exist_is_refused(self, airflow):
        airflow.instructions.instruction = "tpyo"

        with pytest.raises(InstructionError, match=r"knows no task 'tpyo'.*`instruct <its task id>`"):
            airflow.run()
        airflow.instructions.instruction = None
        with pytest.raises(UnknownOutcomeError):
            airflow.run()

    def test_the_id_of_a_larger_task_is_refused(self, airflow):
        airflow.instructions.instruction = airflow.service.accept(total=2050).task_id

        with pytest.raises(InstructionError, match=r"checks 2,050 numbers, but only 2,049 were to be sent"):
            airflow.run()

    def test_the_id_of_an_older_task_is_refused(self, airflow):
        yesterday = datetime.now(UTC) - timedelta(days=1)
        airflow.instructions.instruction = airflow.service.accept(created_at=yesterday).task_id

        with pytest.raises(InstructionError, match="before they were to be sent"):
            airflow.run()

    def test_clocks_that_differ_are_no_reason_to_refuse_an_id(self, airflow):
        skewed = datetime.now(UTC) - timedelta(minutes=5)
        airflow.instructions.instruction = airflow.service.accept(created_at=skewed).task_id

        airflow.run()

    def test_an_id_of_which_the_service_has_not_counted_the_numbers_yet_is_taken(self, airflow):
        airflow.instructions.instruction = airflow.service.accept(total=0, created_at=None).task_id

        airflow.run()

    def test_an_id_that_cannot_be_looked_up_just_now_is_kept_for_the_next_try(self, airflow):
        found = airflow.instructions.instruction = airflow.service.accept().task_id
        airflow.service.lookup_error = GatewayError("away.")
        with pytest.raises(GatewayError):
            airflow.run()

        airflow.service.lookup_error = None
        assert airflow.run() == found

    def test_is_sent_again_where_the_dag_author_accepts_to_pay_twice(self, airflow):
        airflow.run(on_unknown="resubmit")

        assert airflow.charges == self.before + 1
        assert "on_unknown='resubmit'" in airflow.log.text

    def test_a_persons_word_counts_more_than_the_dag_authors(self, airflow):
        found = airflow.instructions.instruction = airflow.service.accept().task_id

        assert airflow.run(on_unknown="resubmit") == found


@pytest.mark.parametrize("error", REFUSED_FOR_NOW)
class TestCertainRefusals:
    def test_are_repeated_within_the_try(self, airflow, error):
        airflow.service.faults = [raising(error("no."))] * 4

        assert airflow.run() == "task-1"
        assert (airflow.service.calls, airflow.charges) == (5, 1)
        assert airflow.log.text.count("not accepted and not billed") == 4

    def test_are_left_to_airflow_when_they_last(self, airflow, error):
        airflow.service.faults = [raising(error("no."))] * 5
        with pytest.raises(error):
            airflow.run()

        assert airflow.service.calls == 5
        assert airflow.run() == "task-1"

    def test_leave_nothing_open_while_the_worker_waits(self, airflow, error, monkeypatch):
        """A worker that is evicted during the pause has sent nothing, so nobody has to be asked."""
        airflow.service.faults = [raising(error("no."))]
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: raising(Killed())())
        with pytest.raises(Killed):
            airflow.run()

        assert airflow.run() == "task-1"


def test_the_service_decides_how_long_to_wait(airflow, pauses):
    airflow.service.faults = [raising(RateLimitedError("slow down.", retry_after=120.0))]
    airflow.run()

    assert max(pauses) >= 120


def test_a_worker_does_not_sleep_for_an_hour(airflow, pauses):
    airflow.service.faults = [raising(RateLimitedError("slow down.", retry_after=3600.0))]
    with pytest.raises(RateLimitedError):
        airflow.run()

    assert pauses == []
    assert airflow.run() == "task-1"


@pytest.mark.parametrize("error", REFUSED_FOR_GOOD)
def test_a_lasting_refusal_is_told_at_once_and_leaves_nothing_open(airflow, error):
    airflow.service.faults = [raising(error("no."))]
    with pytest.raises(error):
        airflow.run()

    assert airflow.service.calls == 1
    assert airflow.run() == "task-1"


@pytest.mark.parametrize("error", AMBIGUOUS)
class TestAmbiguousFaults:
    @pytest.fixture(autouse=True)
    def accepted_all_the_same(self, airflow, error):
        def fault():
            airflow.service.accept()
            raise error("the wire went dead.")

        airflow.service.faults = [fault]

    def test_stop_at_once_and_say_what_happened(self, airflow, error):
        with pytest.raises(UnknownOutcomeError, match=r"billed: the wire went dead\. Nothing will be sent"):
            airflow.run()

        assert airflow.service.calls == 1

    def test_stop_every_later_try(self, airflow, error):
        for _ in range(3):
            with pytest.raises(UnknownOutcomeError):
                airflow.run()

        assert airflow.charges == 1

    def test_are_left_to_airflow_where_the_dag_author_accepts_to_pay_twice(self, airflow, error):
        """Once a try, which Airflow counts; never several times within one."""
        with pytest.raises(error):
            airflow.run(on_unknown="resubmit")
        assert airflow.service.calls == 1

        assert airflow.run(on_unknown="resubmit") == "task-2"


def test_an_error_that_nobody_has_foreseen_leaves_the_outcome_unknown(airflow):
    airflow.service.faults = [raising(ZeroDivisionError())]
    with pytest.raises(ZeroDivisionError):
        airflow.run()

    with pytest.raises(UnknownOutcomeError):
        airflow.run()


def _dies_at(kind, count):
    """The worker dies before the ``count``-th time that the memory is used so."""
    left = [count]

    def broken(used, document):
        left[0] -= used == kind
        if left[0] == 0 and used == kind:
            raise Killed

    return broken
