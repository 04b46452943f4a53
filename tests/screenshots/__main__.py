"""``uv run --group screenshots python -m tests.screenshots``: makes the README's pictures anew, in a few minutes.

They are taken from ``airflow standalone`` after a run of an example, with a sandbox as the service. Needs
Chromium and its driver (Debian: ``apt-get install chromium chromium-driver``).
"""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_numbers import made_up_numbers
from tests.screenshots import browser
from tests.screenshots.browser import Browser
from tests.support.deployment import REPOSITORY, Deployment
from tests.support.postgres import postgres_server

FOLDER = Path(__file__).parent
DAG_ID = "example_checknumber_twitter"
NUMBERS = 50_000
#: Seconds that the sandbox takes: long enough for some progress to be told.
SERVICE_SECONDS = 40


def main() -> None:
    """Run the example and take the pictures."""
    browser.check()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # So that it tidies up.
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="checknumber-screenshots-")))
        airflow = stack.enter_context(_deployment(stack, folder))
        airflow.start("standalone")
        airflow.wait_until(airflow.listens)
        run_id = airflow.trigger(DAG_ID, number_file=str(folder / "numbers.txt"))
        chromium = stack.enter_context(Browser(airflow.url))
        _take_form(chromium)
        if airflow.ended(DAG_ID)[""] != "success":
            sys.exit(
                f"The run of {DAG_ID} has failed: start again, on a machine that has nothing else to do."
            )
        _take_log(chromium, run_id)
        _take_graph(chromium, run_id)
    for file in sorted(FOLDER.glob("*.png")):
        print(f"{file.relative_to(REPOSITORY)}: {file.stat().st_size / 1000:.0f} kB")


def _deployment(stack: ExitStack, folder: Path) -> Deployment:
    """Return an Airflow that knows the example, a sandbox and a warehouse."""
    (folder / "numbers.txt").write_text("\n".join(made_up_numbers(NUMBERS)))
    metadata = stack.enter_context(postgres_server())
    warehouse = stack.enter_context(metadata.new_database())
    sandbox = stack.enter_context(Sandbox(speed=NUMBERS / SERVICE_SECONDS))
    return Deployment(
        folder / "airflow",
        database=metadata,
        dag_files=[REPOSITORY / "example_dags" / f"{DAG_ID}.py"],
        connections={
            "checknumber_default": sandbox.connection_json,
            "warehouse": warehouse.airflow_connection,
        },
        settings={},
    )


def _take_form(chromium: Browser) -> None:
    chromium.open("/connections", height=860)
    chromium.press("Add Connection")
    chromium.type("//input[@name='connection_id']", "checknumber_default")
    chromium.type("//*[@role='dialog']//input[@role='combobox']", "CheckNumber", browser.ENTER)
    chromium.find("//*[@role='dialog']//h2").click()  # Away from the field, whose cursor blinks.
    chromium.save(FOLDER / "connection.png")


def _take_graph(chromium: Browser, run_id: str) -> None:
    chromium.open(f"/dags/{DAG_ID}/runs/{run_id}", height=620)
    chromium.press("Show Graph")
    chromium.find("//*[text()='submit']")
    chromium.save(FOLDER / "graph.png")


def _take_log(chromium: Browser, run_id: str) -> None:
    chromium.open(f"/dags/{DAG_ID}/runs/{run_id}/tasks/wait", height=760)
    chromium.find("//*[contains(text(), 'is exported')]")
    chromium.press("Press f for fullscreen")
    chromium.find("//*[@role='dialog']//*[contains(text(), 'is exported')]")
    chromium.save(FOLDER / "log.png", height=440)


if __name__ == "__main__":
    main()
