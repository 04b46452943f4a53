"""Waits without a worker, in a real triggerer that is killed and restarted on the way.

The test is the scheduler (with Airflow's own code) and the worker of the two tasks that the waits depend on.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_checknumber.client import CheckNumberClient, Endpoint
from airflow_provider_checknumber.links.checknumber import XCOM_KEY
from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.version_compat import STARTS_FROM_TRIGGER

pytestmark = pytest.mark.skipif(not STARTS_FROM_TRIGGER, reason="tasks start in workers before Airflow 3.3")

DAG_FILE = Path(__file__).with_name("without_worker_dag.py")
WAITS = 3


class Run:
    """A DAG run, and how to move it on."""

    def __init__(self, checknumber_task_ids: list[str], stuck: str) -> None:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
        from airflow.models.dagbag import DBDagBag
        from airflow.sdk import timezone
        from airflow.settings import Session
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        self.session = Session()
        bundles = DagBundlesManager()
        bundles.sync_bundles_to_db()
        (bundle,) = bundles.get_all_dag_bundles()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        sync_bag_to_db(bag, bundle.name, None)
        dag = DBDagBag().get_latest_version_of_dag("triggerer", session=self.session)
        self.run = dag.create_dagrun(
            run_id="waits",
            run_after=timezone.utcnow(),
            logical_date=None,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            conf={"stuck": stuck},
            session=self.session,
        )
        self.run.dag = dag
        self._returns("one", checknumber_task_ids[0])
        self._returns("many", checknumber_task_ids)
        self.session.commit()

    def _returns(self, task_id: str, value: Any) -> None:
        """Do what a worker and the API server do for a task that returns ``value``."""
        from airflow.models.taskmap import TaskMap
        from airflow.models.xcom import XComModel
        from airflow.utils.state import TaskInstanceState

        key = {"dag_id": "triggerer", "run_id": "waits", "task_id": task_id}
        XComModel.set(key="return_value", value=value, serialize=False, session=self.session, **key)
        if isinstance(value, list):
            self.session.add(TaskMap(map_index=-1, length=len(value), keys=None, **key))
        self.run.get_task_instance(task_id, session=self.session).set_state(
            TaskInstanceState.SUCCESS, session=self.session
        )

    def schedule(self) -> dict[tuple[str, int], Any]:
        """Schedule what is due; return the task instances."""
        schedulable, _ = self.run.update_state(session=self.session, execute_callbacks=False)
        self.run.schedule_tis(schedulable, session=self.session)
        self.session.commit()
        self.session.expire_all()
        return {(ti.task_id, ti.map_index): ti for ti in self.run.get_task_instances(session=self.session)}

    def let_an_hour_pass(self, task_id: str) -> None:
        """Bring the deadline that Airflow keeps for a deferred task nearer by an hour."""
        ti = self.run.get_task_instance(task_id, session=self.session)
        ti.trigger_timeout -= timedelta(hours=1)
        self.session.commit()

    def end_by_hand(self, task_id: str) -> None:
        """Do what the UI's button does."""
        from airflow.utils.state import TaskInstanceState

        self.run.get_task_instance(task_id, session=self.session).set_state(
            TaskInstanceState.FAILED, session=self.session
        )

    def schedule_until(
        self, condition: Callable[[dict[tuple[str, int], Any]], bool]
    ) -> dict[tuple[str, int], Any]:
        deadline = time.monotonic() + 120
        while not condition(instances := self.schedule()):
            assert time.monotonic() < deadline, str({key: state_of(ti) for key, ti in instances.items()})
            time.sleep(0.2)
        return instances


@contextmanager
def triggerer() -> Iterator[subprocess.Popen[bytes]]:
    """Run a triggerer, and kill it without a warning."""
    with (Path(os.environ["AIRFLOW_HOME"]) / "triggerer.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={
                **os.environ,
                "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
                "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "2",
            },
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def ended(tmp_path_factory, airflow_db) -> Iterator[tuple[dict[tuple[str, int], Any], list[str]]]:
    """What has become of the task instances, and the ids they waited for."""
    home = Path(os.environ["AIRFLOW_HOME"])
    shutil.copy(DAG_FILE, home / "dags")
    numbers = tmp_path_factory.mktemp("numbers") / "numbers.txt"
    numbers.write_text("+12025550100\n")
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_CHECKNUMBER_DEFAULT", sandbox.connection_json)
        patch.setenv(
            "AIRFLOW_CONN_NOWHERE", sandbox.connection_json.replace(sandbox.url, "http://127.0.0.1:1")
        )
        with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
            *ids, stuck = (client.submit_task(numbers, "Twitter").task_id for _ in range(WAITS + 1))
        for each in (*ids, stuck):
            sandbox.set_fault("task_status", status="processing", task_id=each, times=None)
        run = Run(ids, stuck)

        with triggerer():
            run.schedule_until(lambda _: sandbox.state()["calls"].get("gettasks", 0) > 3 * WAITS)
        run.let_an_hour_pass("too_late")
        sandbox.clear_faults()
        sandbox.set_fault("task_status", status="processing", task_id=stuck, times=None)
        with triggerer():
            run.schedule_until(
                lambda instances: all(
                    state_of(ti) in ("success", "scheduled")
                    for (task_id, _), ti in instances.items()
                    if task_id != "ended_by_hand"
                )
            )
            run.end_by_hand("ended_by_hand")
            run.schedule_until(lambda _: "trigger completed" in log_of("ended_by_hand"))
        yield run.schedule(), ids
        run.session.close()


def state_of(ti: Any) -> str:
    return str(ti.state)


def log_of(task_id: str, map_index: int = -1) -> str:
    """Return what the triggerers have logged for one wait."""
    where = f"task_id={task_id}" if map_index < 0 else f"task_id={task_id}/map_index={map_index}"
    logs = Path(os.environ["AIRFLOW_HOME"], "logs").glob(f"dag_id=triggerer/run_id=waits/{where}/*.trigger.*")
    return "".join(log.read_text() for log in logs)


def xcom_of(task_id: str, key: str = "return_value") -> list[Any]:
    """Return what the instances of a task have left, by default returned, as a worker would read it."""
    from airflow.models.xcom import XComModel
    from airflow.settings import Session

    with Session() as session:
        rows = session.query(XComModel).filter_by(dag_id="triggerer", task_id=task_id, key=key)
        return [row.value for row in rows.order_by("map_index")]


@pytest.mark.parametrize("task_id", ["mapped", "mapped_over_mapped"])
def test_mapped_waits_start_and_end_without_a_worker(ended, task_id):
    instances, ids = ended

    assert [state_of(instances[task_id, index]) for index in range(WAITS)] == ["success"] * WAITS
    assert xcom_of(task_id) == ids


def test_a_wait_for_an_upstreams_output_starts_and_ends_without_a_worker(ended):
    instances, ids = ended

    assert state_of(instances["from_xcom", -1]) == "success"
    assert xcom_of("from_xcom") == ids[:1]


def test_each_wait_links_to_the_dashboard_and_logs_into_its_own_file(ended):
    _, ids = ended

    links = xcom_of("mapped", XCOM_KEY)
    assert len(links) == WAITS
    assert all(link.endswith("/_sandbox/state") for link in links)
    for index, each in enumerate(ids):
        told = [
            other for other in ids if f"CheckNumber task {other} is processing" in log_of("mapped", index)
        ]
        assert told == [each]


def test_an_xcom_that_nobody_wants_is_not_left(ended):
    instances, _ = ended

    assert state_of(instances["no_xcom", -1]) == "success"
    assert xcom_of("no_xcom") == []


def test_templates_are_rendered_and_a_worker_ends_what_may_not_end_there(ended):
    instances, ids = ended

    assert state_of(instances["templated", -1]) == "scheduled"
    assert event_of(instances["templated", -1])["checknumber_task_id"] == ids[0]


def test_what_only_a_worker_can_map_is_handed_to_one(ended):
    instances, _ = ended

    assert [event_of(instances["computed", index])["status"] for index in range(WAITS)] == [
        "unresolved"
    ] * WAITS


def test_the_deadline_passes_while_no_triggerer_is_alive(ended):
    instances, _ = ended

    assert event_of(instances["too_late", -1])["status"] == "timeout"


def test_each_wait_outlives_its_triggerer_and_fires_once(ended):
    instances, _ = ended
    waits = [key for key in instances if key[0] not in ("one", "many", "ended_by_hand")]

    assert len(waits) == 3 * WAITS + 4
    assert {key: log_of(*key).count("Trigger fired event") for key in waits} == dict.fromkeys(waits, 1)
    assert log_of("mapped", 0).count(" starting") == 2


def test_ending_a_wait_by_hand_ends_its_trigger(ended):
    log = log_of("ended_by_hand")

    assert "Stopped waiting for CheckNumber task" in log
    assert "Trigger fired event" not in log


def event_of(ti: Any) -> dict[str, Any]:
    from airflow.sdk.serde import deserialize

    return deserialize(ti.next_kwargs)["event"]  # type: ignore[no-any-return]
