"""How a task saves a notebook, and waits until the image is ACTIVE and the notebook runs again."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_flags,
    duration_of,
    given,
    refuse_nothing,
)
from airflow_provider_modelarts.exceptions import (
    FieldViolation,
    ModelArtsError,
    NotFoundError,
    RequestValidationError,
)
from airflow_provider_modelarts.links.console import push_image_links, push_notebook_links
from airflow_provider_modelarts.tasks.failures import name_execution_timeout
from airflow_provider_modelarts.tasks.image_id_store import load_image_id, store_image_id
from airflow_provider_modelarts.tasks.notebook_wait import NotebookWait
from airflow_provider_modelarts.tasks.operator import ModelArtsOperator
from airflow_provider_modelarts.tasks.save_progress import SaveProgress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.client.notebook_save import Saved, SaveRules
    from airflow_provider_modelarts.client.notebooks import Notebook
    from airflow_provider_modelarts.triggers.events import ImageEvent

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ActiveImage:
    """
    An image that is ACTIVE.

    :param image: as it goes to XCom, with what the registry has of it if it was verified.
    :param seen_at: epoch seconds of the poll that found it ACTIVE, if they are known.
    """

    image: dict[str, Any]
    seen_at: float | None


class SaveTask(ModelArtsOperator):
    """A task that saves a notebook; the operator sets these attributes."""

    notebook_id: Any
    name: Any
    namespace: Any
    tag: Any
    description: Any
    workspace_id: Any
    swr_instance_id: Any
    swr_instance_domain: Any
    if_exists: Literal["fail", "adopt"]
    if_not_running: Literal["fail", "skip"]
    on_clear: Literal["adopt", "save_again"]
    min_lease: Any
    wait_for_completion: bool
    wait_for_notebook: bool
    verify_in_registry: bool
    deferrable: bool
    poll_interval: float
    timeout: float
    ended_with: dict[str, Any] | None = None
    _image_id: str | None = None

    def __init__(self, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)

    def _run_task(self, context: Context) -> dict[str, Any]:
        """Save the notebook and, with ``wait_for_completion``, wait for image and notebook."""
        from airflow_provider_modelarts.metrics import measure_save
        from airflow_provider_modelarts.results import end_with_image, push_image_xcoms

        ti = context["ti"]
        with measure_save(context) as save:
            rules = self._check_arguments(context)
            push_notebook_links(ti, self.hook.settings)
            saved = self._save(context, rules)
            if saved.image is None:
                self._skip(saved)
            save.outcome = "adopted" if saved.is_adopted else "created"
        image = saved.image
        self._image_id = image.id
        push_image_links(ti, self.hook.settings, image.swr_path)
        progress = SaveProgress(
            self._facts(saved), self.wait_for_notebook, saved.accepted_at, image_id=image.id
        )
        if not self.wait_for_completion:
            return end_with_image(self, context, {**image.to_xcom(), **progress.facts})
        from airflow_provider_modelarts.triggers.deferral import wait_limit

        # Before the wait, so that the image id is in XCom even if the task is killed.
        push_image_xcoms(context, image.to_xcom())
        deadline = time.time() + (wait_limit(self) if self.deferrable else self.timeout)
        self._wait_for_image(context, image, progress, deadline, None if saved.notebook else rules)
        return self._continue(context, progress, deadline)

    def _continue_task(self, context: Context, event: Any) -> dict[str, Any]:
        """Continue after a wait in the triggerer, for the image or for the notebook."""
        from airflow_provider_modelarts.metrics import measure_wait
        from airflow_provider_modelarts.triggers.deferral import raise_execution_timeout, wait_limit
        from airflow_provider_modelarts.triggers.events import ImageEvent

        progress = SaveProgress.read(event)
        # The template is rendered again after a wait, by now perhaps to another notebook.
        self.notebook_id = progress.facts.get("notebook_id") or self.notebook_id
        with raise_execution_timeout(self):
            if progress.image is not None:
                self._image_id = progress.image["image_id"]
                NotebookWait(self, progress).end(event)
                return self._end(context, progress)
            with measure_wait(context) as wait:
                ended = ImageEvent.read(event)
                wait.since = ended.since
                if (active := self._read_last(ended, progress.image_id)) is None:
                    ended.raise_unless_success()
                    active = ActiveImage({**ended.image, **ended.content}, ended.seen_at)
            now = time.time()
            waited = None if ended.since is None else now - ended.since
            progress.end_wait(active.image, seen_at=active.seen_at, waited=waited)
            # A wait that timed out leaves no time for the next one.
            left = 0.0 if ended.status == "timeout" else wait_limit(self) - (waited or 0.0)
            return self._continue(context, progress, now + left)

    def _read_last(self, event: ImageEvent, image_id: str | None) -> ActiveImage | None:
        """Return the image if it is ACTIVE, although the wait in the triggerer timed out."""
        if image_id is None:
            return None
        return event.read_after_timeout(f"image {image_id}", lambda: self._read_image(image_id)[1])

    def _continue(self, context: Context, progress: SaveProgress, deadline: float) -> dict[str, Any]:
        """
        Go on with an ACTIVE image: wait for the notebook, and end the task.

        :param deadline: epoch seconds until which all waits of the try must end.
        """
        assert progress.image is not None  # noqa: S101 - the wait for it has set it
        self._image_id = progress.image["image_id"]
        if progress.waits_for_notebook:
            NotebookWait(self, progress).begin(context, deadline)
        return self._end(context, progress)

    def _end(self, context: Context, progress: SaveProgress) -> dict[str, Any]:
        """Push the XComs, fill the events of outlets and return the result; each task does this once."""
        from airflow_provider_modelarts.results import describe_wait, end_with_image

        result = {**(progress.image or {}), **progress.facts}
        log.info("%s", describe_wait(result["image_id"], result["swr_path"], progress.waited))
        return end_with_image(self, context, result, status="ACTIVE", notebook_id=self.notebook_id)

    # The save

    def _check_arguments(self, context: Context) -> SaveRules:
        """
        Validate what no cloud has a rule for.

        :raises RequestValidationError: an argument is invalid.
        """
        from airflow_provider_modelarts.client.notebook_save import SaveRules
        from airflow_provider_modelarts.results import refuse_outlets_without_wait

        check_conn_id(self.modelarts_conn_id)
        refuse_nothing(notebook_id=self.notebook_id, name=self.name, namespace=self.namespace)
        check_flags(
            wait_for_completion=self.wait_for_completion,
            wait_for_notebook=self.wait_for_notebook,
            verify_in_registry=self.verify_in_registry,
            deferrable=self.deferrable,
        )
        violations = [
            FieldViolation(name, f"must be {choices[0]!r} or {choices[1]!r}", value)
            for name, value, choices in (
                ("on_clear", self.on_clear, ("adopt", "save_again")),
                ("if_not_running", self.if_not_running, ("fail", "skip")),
            )
            if value not in choices
        ]
        if self.verify_in_registry and not self.wait_for_completion:
            rule = "needs wait_for_completion=True, as only an ACTIVE image is in the registry"
            violations.append(FieldViolation("verify_in_registry", rule, self.verify_in_registry))
        if violations:
            raise RequestValidationError(violations)
        if self.verify_in_registry:
            self.hook.settings.require_swr_endpoint()
        if not self.wait_for_completion:
            refuse_outlets_without_wait(context, self.outlets)
        return SaveRules(
            skips_stopped=self.if_not_running == "skip",
            min_lease=None if given(self.min_lease) is None else duration_of("min_lease", self.min_lease),
            max_duration=timedelta(seconds=self.timeout),
        )

    def _save(self, context: Context, rules: SaveRules) -> Saved:
        """Save the notebook, or find the image of an earlier try."""
        from airflow_provider_modelarts.client.marker import IdempotencyKey

        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        is_retry = ti.try_number > 1
        saved = self.hook.save_notebook(
            # max_tries as stored: the task's retries may be edited between two tries.
            IdempotencyKey(
                *(ti.dag_id, ti.task_id, ti.run_id, map_index),
                max_tries=ti.max_tries if self.on_clear == "save_again" else None,
            ),
            given(self.notebook_id),
            rules,
            check_existing=is_retry,
            image_id_hint=load_image_id(context) if is_retry else None,
            if_exists=self.if_exists,
            deadline=time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None,
            on_notebook=lambda notebook: self.push_notebook_link(context, notebook),
            name=given(self.name),
            namespace=given(self.namespace),
            tag=given(self.tag),
            description=given(self.description),
            workspace_id=given(self.workspace_id),
            swr_instance_id=given(self.swr_instance_id),
            swr_instance_domain=given(self.swr_instance_domain),
        )
        if (image := saved.image) is not None:
            store_image_id(context, image.id)
            self.log.info(
                "Notebook %s: %s. SWR address: %s", self.notebook_id, image.describe(), image.swr_path
            )
        return saved

    def _facts(self, saved: Saved) -> dict[str, Any]:
        """Return what the result has besides the image."""
        facts = {"notebook_id": self.notebook_id, "adopted": saved.is_adopted}
        previous = saved.previous_image_id
        return facts if previous is None else {**facts, "previous_image_id": previous}

    def _skip(self, saved: Saved) -> NoReturn:
        """
        End the task without an image, as the notebook is stopped.

        :raises AirflowSkipException: always.
        """
        assert saved.skipped is not None  # noqa: S101 - without an image there is a reason
        text = f"Nothing was saved, because notebook {self.notebook_id} is stopped. It {saved.skipped.reason}"
        log.log(logging.INFO if saved.skipped.is_safe else logging.WARNING, "%s", text)
        raise AirflowSkipException(text)

    # The wait for the image

    def _wait_for_image(
        self,
        context: Context,
        image: Image,
        progress: SaveProgress,
        deadline: float,
        rules: SaveRules | None,
    ) -> None:
        """
        Add the image to the progress when it is ACTIVE and, if requested, verified, or defer until then.

        :param deadline: epoch seconds of the last poll in the worker.
        :param rules: to warn of the lease; None if that was done.
        """
        from airflow_provider_modelarts.metrics import measure_wait

        began = time.monotonic()
        with measure_wait(context):
            if self.deferrable:
                polled = self._poll_or_defer(context, image, progress, rules)
            else:
                self._warn_of_lease(context, image, rules)
                polled = self._poll_image(image, deadline)
        progress.end_wait(polled.image, seen_at=polled.seen_at, waited=time.monotonic() - began)

    def _poll_image(self, image: Image, deadline: float) -> ActiveImage:
        """Return the image when it is ACTIVE, and verified."""
        last = image

        def on_poll(polled: Image) -> None:
            nonlocal last
            last = polled

        with name_execution_timeout(lambda: f"image {image.id}: last status {last.status}"):
            last = self.hook.wait_for_image(
                image.id, poll_interval=self.poll_interval, deadline=deadline, on_poll=on_poll
            )
            active = ActiveImage(last.to_xcom(), time.time())
            if self.verify_in_registry:
                active.image |= self.hook.wait_for_verification(
                    last, poll_interval=self.poll_interval, deadline=deadline
                )
        return active

    def _poll_or_defer(
        self, context: Context, image: Image, progress: SaveProgress, rules: SaveRules | None
    ) -> ActiveImage:
        """Return the image if it is ACTIVE, and verified, at the first poll, else defer."""
        retry_after = None
        try:
            polled, active = self._read_image(image.id)
            if active is not None:
                return active
        except ModelArtsError as error:
            # Reads of the service may lag behind its writes: a new image may not be found yet.
            if not (error.is_transient or isinstance(error, NotFoundError)):
                raise
            self.log.warning("Poll failed, the triggerer will retry: %s", error)
            retry_after = error.poll_pause
        else:
            self._warn_of_lease(context, polled, rules)
        from airflow_provider_modelarts.triggers.deferral import defer_until_done
        from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

        return defer_until_done(
            self,
            NotebookImageTrigger,
            image_id=image.id,
            poll_interval=self.poll_interval,
            retry_after=retry_after,
            passthrough=progress.passthrough(),
            workspace_id=image.workspace_id or given(self.workspace_id),
            verify_in_registry=self.verify_in_registry,
        )

    def _read_image(self, image_id: str) -> tuple[Image, ActiveImage | None]:
        """Return an image and, if it is ACTIVE, its end of the wait, verified; no request is retried."""
        from airflow_provider_modelarts.client.client import NO_RETRY

        image = self.hook.try_get_image(image_id)
        if image.is_pending:
            return image, None
        active = ActiveImage(image.to_xcom(), time.time())
        if self.verify_in_registry:
            active.image |= self.hook.verify_image(image, deadline=NO_RETRY)
        return image, active

    def _warn_of_lease(self, context: Context, image: Image, rules: SaveRules | None) -> None:
        """Warn if the notebook's lease may end before its save; without an answer nothing is known of it."""
        from airflow_provider_modelarts.client.notebook_save import warn_of_lease

        if rules is None or not image.is_pending:
            return
        try:
            notebook = self.hook.try_get_notebook(self.notebook_id)
        except ModelArtsError as error:
            log.debug(
                "The lease of notebook %s cannot be read and is not checked: %s", self.notebook_id, error
            )
            return
        self.push_notebook_link(context, notebook)
        warn_of_lease(notebook, notebook.service_time_or(time.time()), rules)

    def push_notebook_link(self, context: Context, notebook: Notebook) -> None:
        """Push the address of the notebook, which only the notebook has."""
        push_notebook_links(context["ti"], self.hook.settings, notebook.url)

    @property
    def _lost_wait(self) -> str:
        """The message of a wait in the triggerer that ended without a result."""
        return (
            f"Waiting in the triggerer for the image of notebook {self.notebook_id} ended without a "
            f"result (timeout {self.timeout:.0f} s; a retry reuses the image)"
        )

    def _count_lost_wait(self, context: Context) -> None:
        """Count a wait that Airflow itself ended."""
        from airflow_provider_modelarts.metrics import count_lost_wait

        count_lost_wait(context)

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return notebook and image as lineage; the OpenLineage provider calls this after the task."""
        from airflow_provider_modelarts.assets.lineage import image_lineage

        return image_lineage(self, ti)

    def on_kill(self) -> None:
        """Log that the save continues: ModelArts cannot cancel one."""
        image = f"image {self._image_id}" if self._image_id else "a new image if it was accepted"
        self.log.warning(
            "ModelArts cannot cancel the save of notebook %s; it continues as %s. A retry will reuse it",
            self.notebook_id,
            image,
        )
