"""What a wait that starts in the triggerer is for: its templates, and which of the mapped ids is its own.

Airflow's triggerer renders templates, but maps arguments in workers only, and pulls an XCom only where
the map index is named. Not for: waits that a worker has deferred, which know everything by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class UnresolvableError(Exception):
    """An argument is mapped in a way that only a worker can follow."""


def triggerer_context(context: Context) -> Context:
    """Return a context for rendering in the triggerer, whose ``ti`` pulls XComs by map index."""
    ti = _Puller(context["ti"])
    return {**context, "ti": ti, "task_instance": ti}  # type: ignore[typeddict-item]


def mapped_argument(context: Context, name: str) -> Any:
    """
    Return the value of the one mapped argument ``name`` for this task instance, None if nothing is mapped.

    Understood is what ``.expand(name=[…])`` and ``.expand(name=upstream.output)`` make.

    :param context: as :func:`triggerer_context` returns it.
    :raises UnresolvableError: something else is mapped.
    """
    expand_input = getattr(context["task"], "expand_input", None)
    if expand_input is None:
        return None
    if not isinstance(expand_input.value, Mapping) or set(expand_input.value) != {name}:
        raise UnresolvableError(f"More than {name}, or something else, is mapped.")
    values: Any = expand_input.value[name]
    ti: Any = context["ti"]
    if isinstance(values, list | tuple):
        return values[ti.map_index]
    if not {"operator", "key"} <= set(dir(values)):
        raise UnresolvableError(f"{name} is mapped over a value that a worker has to compute.")
    return _upstream_value(ti, values.operator, values.key)


def _upstream_value(ti: Any, upstream: Any, key: str) -> Any:
    if not upstream.is_mapped:
        values = ti.xcom_pull(task_ids=upstream.task_id, key=key, map_indexes=None)
        if isinstance(values, list):
            return values[ti.map_index]
        raise UnresolvableError(f"The XCom of task {upstream.task_id} is not a list.")

    # Airflow counts the XComs that there are. Only where every task instance has left one is the one at
    # our index ours; with a hole before it, it would be another wait's.
    def instances(task_id: str) -> int:
        count: int = ti.get_ti_count(dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=[task_id])
        return count

    if instances(upstream.task_id) != instances(ti.task_id):
        raise UnresolvableError(f"Not every instance of task {upstream.task_id} has left an XCom.")
    return ti.xcom_pull(task_ids=upstream.task_id, key=key, map_indexes=ti.map_index)


class _Puller:
    """
    A task instance whose ``xcom_pull`` asks for one XCom at a time.

    Without ``map_indexes`` Airflow asks for all of them, a request that its triggerer does not know.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ti, name)

    def xcom_pull(self, task_ids: Any = None, *arguments: Any, **keywords: Any) -> Any:
        """Pull from the same map index where there is one, as within a mapped task group, or from none."""
        if "map_indexes" in keywords:
            return self._ti.xcom_pull(task_ids, *arguments, **keywords)
        default = keywords.pop("default", None)
        for index in (None,) if (self._ti.map_index or -1) < 0 else (self._ti.map_index, None):
            value = self._ti.xcom_pull(task_ids, *arguments, map_indexes=index, **keywords)
            if value is not None:
                return value
        return default
