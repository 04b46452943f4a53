"""Where Airflow keeps the record: what is not certain to be kept, or not certain to be missing, is not believed.

Airflow's Variables are replaced by some that lose things as Airflow's do: a value that cannot be read is taken for
one that does not exist, and before 3.3 a worker's write that fails is only logged. The real ones are in
``tests/faults``, on several versions of Airflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import __version__
from packaging.version import Version

from airflow_provider_checknumber import submission_memory as module
from airflow_provider_checknumber.billing import RecordUnavailableError
from airflow_provider_checknumber.submission_memory import VariableInstructions, submission_memory


@dataclass
class Variables:
    values: dict[str, str] = field(default_factory=dict)
    lost_reads: int = 0
    lost_writes: int = 0
    undeletable: bool = False

    def read(self, key: str) -> str | None:
        if self.lost_reads:
            self.lost_reads -= 1
            return None
        return self.values.get(key)

    def set(self, key: str, value: str, description: str | None = None) -> None:
        if self.lost_writes:
            self.lost_writes -= 1
        else:
            self.values[key] = value

    def delete(self, key: str) -> None:
        if self.undeletable:
            raise RuntimeError("API server error")
        self.values.pop(key, None)


@dataclass
class Store:
    """Airflow 3.3's ``task_state_store``."""

    values: dict[str, Any] = field(default_factory=dict)
    retention: timedelta | None = None

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any, *, retention: timedelta) -> None:
        self.values[key], self.retention = value, retention


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    fake = Variables()
    monkeypatch.setattr(module, "Variable", fake)
    monkeypatch.setattr(module, "get_variable", fake.read)
    return fake


def context(*, map_index: int = -1, store: Store | None = None, task_id: str = "submit") -> Any:
    ti = SimpleNamespace(dag_id="daily", run_id="scheduled__2025-11-21", task_id=task_id, map_index=map_index)
    return {"ti": ti} | ({"task_state_store": store} if store else {})


class TestAVariable:
    """Before Airflow 3.3."""

    def test_keeps_the_record_between_tries(self, variables):
        submission_memory(context()).save("{}")

        assert submission_memory(context()).load() == "{}"

    def test_leaves_nothing_else_behind(self, variables):
        memory = submission_memory(context())
        assert memory.load() is None
        memory.save("{}")

        assert len(variables.values) == 1

    def test_that_could_not_be_read_is_not_taken_for_missing(self, variables):
        submission_memory(context()).save("{}")
        variables.lost_reads = 1

        assert submission_memory(context()).load() == "{}"

    @pytest.mark.parametrize("lost", [{"lost_reads": 2}, {"lost_writes": 1}])
    def test_is_not_taken_for_missing_where_nothing_can_be_read_or_written(self, variables, lost):
        for name, times in lost.items():
            setattr(variables, name, times)

        with pytest.raises(RecordUnavailableError, match="nothing was sent"):
            submission_memory(context()).load()

    def test_that_was_not_kept_is_not_taken_for_kept(self, variables):
        variables.lost_writes = 1
        with pytest.raises(RecordUnavailableError, match="did not keep the Variable checknumber_record_"):
            submission_memory(context()).save("{}")

    def test_belongs_to_one_task_instance(self, variables):
        for number, each in enumerate(
            [context(), context(map_index=0), context(map_index=1), context(task_id="other")]
        ):
            assert submission_memory(each).load() is None
            submission_memory(each).save(str(number))

    def test_has_a_name_that_airflow_takes(self, variables):
        submission_memory(context(task_id="x" * 250)).save("{}")

        (key,) = variables.values
        assert len(key) <= 250


@pytest.mark.skipif(Version(__version__) < Version("3.3"), reason="Airflow 3.3 brings the task state store")
class TestTheTaskStateStore:
    def test_keeps_the_record_as_long_as_the_dag_run(self, variables):
        store = Store()
        submission_memory(context(store=store)).save("{}")

        assert submission_memory(context(store=store)).load() == "{}"
        assert store.retention == timedelta.max
        assert variables.values == {}

    def test_takes_over_the_record_from_before_an_upgrade(self, variables):
        submission_memory(context()).save('"older"')
        memory = submission_memory(context(store=Store()))

        assert memory.load() == '"older"'
        memory.save('"newer"')
        assert memory.load() == '"newer"'

    def test_is_not_used_where_success_would_clear_it(self, variables, monkeypatch):
        monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")
        store = Store()
        submission_memory(context(store=store)).save("{}")

        assert store.values == {}
        assert len(variables.values) == 1


class TestInstructions:
    @staticmethod
    def leave(variables: Variables, text: str) -> VariableInstructions:
        """Do what the command says, as a shell would."""
        instructions = VariableInstructions(context())
        airflow, group, action, key, _ = instructions.command("x").split(" ")
        assert (airflow, group, action) == ("airflow", "variables", "set")
        variables.values[key] = text
        return VariableInstructions(context())

    def test_are_none_until_somebody_leaves_one(self, variables):
        assert VariableInstructions(context()).read() is None

    @pytest.mark.parametrize("text", ["resubmit", " Resubmit\n", '"resubmit"', "RESUBMIT"])
    def test_may_be_to_resubmit(self, variables, text):
        assert self.leave(variables, text).read() == "resubmit"

    @pytest.mark.parametrize("text", ["d4g8o46p", "<d4g8o46p>", "'d4g8o46p'\n"])
    def test_may_be_an_id(self, variables, text):
        assert self.leave(variables, text).read() == "d4g8o46p"

    def test_are_gone_once_removed(self, variables):
        instructions = self.leave(variables, "resubmit")
        instructions.remove()

        assert instructions.read() is None
        assert variables.values == {}

    def test_that_cannot_be_deleted_are_not_followed_again(self, variables):
        variables.undeletable = True
        instructions = self.leave(variables, "resubmit")
        instructions.remove()

        assert instructions.read() is None

    def test_that_cannot_be_removed_are_not_followed_at_all(self, variables):
        instructions = self.leave(variables, "resubmit")
        variables.lost_writes = 1

        with pytest.raises(RecordUnavailableError):
            instructions.remove()

    def test_are_for_one_task_instance(self, variables):
        self.leave(variables, "resubmit")

        assert VariableInstructions(context(map_index=0)).read() is None
