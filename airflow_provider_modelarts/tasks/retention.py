"""How a prune's arguments become rules, and how its result is logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_flags,
    duration_of,
    given,
    mapped_arguments,
    refuse_lost,
    refuse_nothing,
)
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    FieldViolation,
    PruneIncompleteError,
    RequestValidationError,
)
from airflow_provider_modelarts.tasks.stored_plan import StoredPlan

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_modelarts.client.planned_image import PlannedImage
    from airflow_provider_modelarts.client.prune import PruneResult
    from airflow_provider_modelarts.client.prune_rules import PruneRules

NOT_CHECKED = (
    "Only the notebooks of this project are checked for the images that they use. Training jobs, services "
    "and other projects are not: name the images that they need in keep_tags or protect"
)
MAX_ROWS = 100
"""Images of one kind in the log; the result has all of them."""
COUNTS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")

log = logging.getLogger(__name__)


def run_prune(task: Any, context: Context) -> dict[str, Any]:
    """
    Prune as a task's arguments demand, log what was done, and return the result.

    :param task: a :class:`~airflow_provider_modelarts.operators.retention.PruneNotebookImagesOperator`.
    :raises PruneIncompleteError: some images could not be removed; the result was pushed.
    """
    if task.mode == "delete":
        log.warning("%s", NOT_CHECKED)
    check_conn_id(task.modelarts_conn_id)
    rules = prune_rules(task)
    stored = StoredPlan(context)
    result = task.hook.prune_images(
        rules,
        workspace_id=given(task.workspace_id),
        own_notebooks_only=task.own_notebooks_only,
        earlier=[] if rules.mode == "report" else stored.load(is_required=True),
        store=stored.save,
    )
    log_result(result)
    found: dict[str, Any] = result.to_xcom()
    if not result.failed:
        if rules.mode != "report":
            stored.clear()
        return found
    # A task that fails returns nothing, but what it deleted must be known.
    context["ti"].xcom_push(key="return_value", value=found)
    if isinstance(result.error, PERMANENT):
        raise result.error
    raise PruneIncompleteError(
        f"{len(result.failed)} images could not be removed, {len(result.deleted)} were. Last error: "
        f"{result.error}. A retry continues with them"
    )


def prune_rules(task: Any) -> PruneRules:
    """
    Return the rules of a task's arguments, whose templates are rendered.

    A scope or protection that rendered or resolved to nothing is refused: the prune would remove more.

    :raises RequestValidationError: an argument is invalid, or there is no scope.
    """
    from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope, address_globs_of, globs_of
    from airflow_provider_modelarts.client.retention import Policy

    mapped = mapped_arguments(task)
    expected = [name for name in (*task.template_fields, *COUNTS) if name in mapped]
    refuse_lost(task, dict.fromkeys((*task.arguments_given, *expected)))
    refuse_nothing(
        namespace=task.namespace,
        name=task.name,
        notebook_ids=task.notebook_ids,
        workspace_id=task.workspace_id,
        keep_within=task.keep_within,
        timezone=task.timezone,
    )
    check_flags(own_notebooks_only=task.own_notebooks_only)
    return PruneRules(
        scope=Scope.of(
            namespace=task.namespace,
            name=task.name,
            notebook_ids=task.notebook_ids,
            all_of_project=task.all_of_project,
        ),
        policy=Policy.of(keep_within=task.keep_within, **{name: getattr(task, name) for name in COUNTS}),
        mode=task.mode,
        zone=_zone(task),
        keep_tags=globs_of("keep_tags", task.keep_tags),
        protect=address_globs_of("protect", task.protect),
        min_age=duration_of("min_age", task.min_age),
        max_deletions=task.max_deletions,
        include_unmarked=task.include_unmarked,
    )


def _zone(task: Any) -> tzinfo:
    """Return the time zone that is given, or the DAG's."""
    name = given(task.timezone)
    if name is None:
        dag = task.get_dag()
        zone = getattr(dag, "timezone", None)
        return zone if isinstance(zone, tzinfo) else timezone.utc
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, TypeError, KeyError) as error:
        rule = "must be the name of a time zone, such as Europe/Berlin"
        raise RequestValidationError([FieldViolation("timezone", rule, name)]) from error


def log_result(result: PruneResult) -> None:
    """Log what was done as a table, and what it comes to."""
    for line in result_lines(result):
        log.info("%s", line)
    if result.tags_without_record:
        log.info(
            "%d tags in SWR have no image in this workspace; they are never deleted: %s",
            *(len(result.tags_without_record), ", ".join(result.tags_without_record[:MAX_ROWS])),
        )


def result_lines(result: PruneResult) -> Iterator[str]:
    """Return the lines of the table."""
    verb = {"report": "would be deleted", "unregister": "unregistered"}.get(result.mode, "deleted")
    counts = {verb if name == "deleted" else name: images for name, images in result.lists.items()}
    words = ", ".join(f"{len(images)} {name}" for name, images in counts.items())
    freed = f"{result.freed_bytes / 1_000_000:.1f} MB at most"
    seen = "an unknown number of" if result.notebooks_seen is None else str(result.notebooks_seen)
    yield f"Prune ({result.mode}): {words}; freed: {freed}; {seen} notebooks use images"
    shown = [(name, image) for name, images in counts.items() for image in images[:MAX_ROWS]]
    if not shown:
        return
    width = max(len(_address(image)) for _, image in shown)
    decisions = max(len(name) for name, _ in shown)
    for name, image in shown:
        created = f"{image.created_at:%Y-%m-%d %H:%M}" if image.created_at else "unknown"
        reasons = "; ".join(image.reasons)
        yield f"{name:{decisions}}  {created:16}  {_address(image):{width}}  {image.image.id}  {reasons}"
    for name, images in counts.items():
        if len(images) > MAX_ROWS:
            yield f"{name}: {len(images) - MAX_ROWS} more are in the result"


def _address(image: PlannedImage) -> str:
    return (
        f"{image.repository}:{image.tag}" if image.address else image.image.swr_path or "without an address"
    )
