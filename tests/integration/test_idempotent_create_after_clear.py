"""``on_clear``: images of a task that is cleared repeatedly, through both transports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey, Marker
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ApiError, NotebookNotReadyError, TagConflictError
from airflow_provider_modelarts.simulator import AfterSeconds, AtOnce, Fault, Simulator
from tests.transports import TransportRunner

OTHER_ID = "16fd2706-8baf-433b-82eb-8c7fada847da"
NAMED: dict[str, Any] = {"name": "research", "namespace": "team"}
RUN = ("nightly", "save", "scheduled__2026-11-21T02:00:00+00:00", -1)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A cloud whose saves are over at once."""
    with Simulator(save=AtOnce()) as simulator:
        yield simulator


def save(
    transport: TransportRunner,
    simulator: Simulator,
    max_tries: int | None = None,
    *,
    check_existing: bool = True,
    image_id_hint: str | None = None,
    if_exists: str = "fail",
    **fields: Any,
) -> tuple[Image, bool]:
    """Do what one try does."""

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        saving = IdempotentCreate(
            modelarts,
            CLOUDS["huaweicloud"],
            simulator.notebook_id,
            IdempotencyKey(*RUN, max_tries),
            if_exists=if_exists,
            **NAMED,
            **fields,
        )
        return await saving.save(check_existing=check_existing, image_id_hint=image_id_hint)

    return transport.run(simulator, scenario)


def tags(simulator: Simulator) -> list[str]:
    return [image["tag"] for image in simulator.images]


def operations(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal]


@pytest.mark.parametrize("tag", [None, "nightly"])
def test_save_adopts_after_every_clear_without_max_tries(
    tag: str | None, simulator: Simulator, transport: TransportRunner
) -> None:
    first, _ = save(transport, simulator, check_existing=False, tag=tag)

    again = [save(transport, simulator, tag=tag) for _ in range(3)]
    assert [(image.id, adopted) for image, adopted in again] == [(first.id, True)] * 3
    assert simulator.saves == 1


@pytest.mark.parametrize("remembers", [False, True], ids=["state discarded", "state kept"])
@pytest.mark.parametrize(
    ("tag", "wanted"), [("nightly", ["nightly", "nightly-3", "nightly-5"]), (None, None)], ids=str
)
def test_save_creates_one_image_per_clear_with_max_tries(
    tag: str | None,
    wanted: list[str] | None,
    remembers: bool,
    simulator: Simulator,
    transport: TransportRunner,
) -> None:
    """Retries adopt the image of their clear; no request has a tag that is known to be taken."""
    image_id_hint = None
    for clear, max_tries in enumerate((1, 3, 5)):
        image, adopted = save(
            transport,
            simulator,
            max_tries,
            tag=tag,
            check_existing=clear > 0,
            image_id_hint=image_id_hint if remembers else None,
        )
        retried = [save(transport, simulator, max_tries, tag=tag, image_id_hint=image.id) for _ in range(2)]
        image_id_hint = image.id

        assert not adopted
        assert [(one.id, is_adopted) for one, is_adopted in retried] == [(image.id, True)] * 2
        assert simulator.saves == clear + 1
    assert operations(simulator).count("CreateImage") == 3
    assert len(set(tags(simulator))) == 3
    assert wanted is None or tags(simulator) == wanted


def test_save_uses_suffixed_tag_when_tag_conflict_shows_earlier_image(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """As when a list lags, or an executor repeats a first try."""
    save(transport, simulator, 0, check_existing=False, tag="nightly")

    image, adopted = save(transport, simulator, 1, check_existing=False, tag="nightly")

    assert (image.tag, adopted, simulator.saves) == ("nightly-1", False, 2)
    assert save(transport, simulator, 1, tag="nightly")[0].id == image.id


@pytest.mark.parametrize("if_exists", ["fail", "adopt"])
@pytest.mark.parametrize("check_existing", [False, True])
def test_save_after_clear_does_not_adopt_image_of_earlier_clear(
    if_exists: str, check_existing: bool, simulator: Simulator, transport: TransportRunner
) -> None:
    """Whatever ``on_clear`` was when it was saved."""
    save(transport, simulator, check_existing=False, tag="nightly")

    image, adopted = save(
        transport, simulator, 2, check_existing=check_existing, if_exists=if_exists, tag="nightly"
    )

    assert (image.tag, adopted, simulator.saves) == ("nightly-2", False, 2)


def test_save_without_max_tries_adopts_image_saved_with_it(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """``on_clear`` was changed to ``adopt`` before the clear."""
    first, _ = save(transport, simulator, 2, check_existing=False, tag="nightly")

    assert save(transport, simulator, tag="nightly")[0].id == first.id
    assert simulator.saves == 1


@pytest.mark.parametrize("check_existing", [False, True])
def test_failed_image_of_earlier_clear_is_deleted(
    check_existing: bool, simulator: Simulator, transport: TransportRunner
) -> None:
    """It is no snapshot that needs its tag."""
    description = IdempotencyKey(*RUN, 0).append_to(None, simulator.notebook_id)
    simulator.add_image(**NAMED, tag="nightly", description=description, status="CREATE_FAILED")

    image, adopted = save(transport, simulator, 1, check_existing=check_existing, tag="nightly")

    assert (image.tag, adopted, simulator.saves) == ("nightly", False, 1)
    assert "DeleteImage" in operations(simulator)


@pytest.mark.parametrize(
    ("tag", "other"), [("x" * 64, "x" * 62 + "-7"), ("x" * 63, "x" * 62 + "-7")], ids=["64", "63"]
)
def test_long_tag_is_shortened_for_its_suffix(
    tag: str, other: str, simulator: Simulator, transport: TransportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    save(transport, simulator, 0, check_existing=False, tag=tag)

    image, _ = save(transport, simulator, 7, tag=tag)

    assert image.tag == other
    assert f"saving the notebook again with tag '{other}'" in caplog.text


def test_long_tag_that_equals_its_suffixed_form_is_rejected(
    simulator: Simulator, transport: TransportRunner
) -> None:
    tag = "x" * 62 + "-7"
    save(transport, simulator, 0, check_existing=False, tag=tag)

    with pytest.raises(TagConflictError, match="which this task saved before it was cleared, and cannot"):
        save(transport, simulator, 7, tag=tag)

    assert simulator.saves == 1


@pytest.mark.parametrize("if_exists", ["fail", "adopt"])
def test_suffixed_tag_of_foreign_image_raises_tag_conflict(
    if_exists: str, simulator: Simulator, transport: TransportRunner
) -> None:
    """``if_exists`` concerns the tag that was given."""
    save(transport, simulator, 0, check_existing=False, tag="nightly")
    theirs = simulator.add_image(**NAMED, tag="nightly-1")

    with pytest.raises(
        TagConflictError, match=f"'nightly-1' belongs to image {theirs}, which this task did not save"
    ):
        save(transport, simulator, 1, if_exists=if_exists, tag="nightly")

    assert simulator.saves == 1


@pytest.mark.parametrize("kind", ["reset", "reset_after"])
def test_lost_response_after_clear_creates_one_more_image(
    kind: str, simulator: Simulator, transport: TransportRunner
) -> None:
    save(transport, simulator, 0, check_existing=False, tag="nightly")
    simulator.inject(Fault(kind, "CreateImage"))

    image, adopted = save(transport, simulator, 1, tag="nightly")

    assert (image.tag, adopted, tags(simulator)) == ("nightly-1", False, ["nightly", "nightly-1"])


def test_clear_during_save_raises_retryable_error(transport: TransportRunner) -> None:
    """A cleared running task leaves a save behind that nothing cancels."""
    with Simulator(save=AfterSeconds(600)) as slow:
        first, _ = save(transport, slow, 2, check_existing=False, tag="nightly")
        with pytest.raises(NotebookNotReadyError):
            save(transport, slow, 3, tag="nightly")
        slow.advance(700)

        second, adopted = save(transport, slow, 3, tag="nightly")

        assert (first.tag, second.tag, adopted, slow.saves) == ("nightly", "nightly-3", False, 2)


@pytest.mark.parametrize("if_exists", ["fail", "adopt"])
@pytest.mark.parametrize("status", ["ACTIVE", "CREATING", "ERROR"])
@pytest.mark.parametrize("max_tries", [None, 1])
def test_image_of_another_notebook_is_not_adopted(
    if_exists: str, status: str, max_tries: int | None, simulator: Simulator, transport: TransportRunner
) -> None:
    description = f"theirs {Marker('0123456789abcdef', OTHER_ID)}"
    theirs = simulator.add_image(**NAMED, tag="nightly", description=description, status=status)

    with pytest.raises(ApiError) as caught:
        save(transport, simulator, max_tries, if_exists=if_exists, tag="nightly")

    assert isinstance(caught.value, TagConflictError) == (status != "ERROR")
    assert f"belongs to image {theirs}" in str(caught.value)
    assert f"of notebook {OTHER_ID} and is not reused for notebook {simulator.notebook_id}" in str(
        caught.value
    )
    assert simulator.saves == 0


@pytest.mark.parametrize(
    "description",
    ["by hand", None, "[airflow:0123456789abcdef notebook:{}]", "[airflow 0123456789abcdef]"],
)
def test_image_of_same_or_unknown_notebook_is_adopted_with_if_exists_adopt(
    description: str | None, simulator: Simulator, transport: TransportRunner
) -> None:
    theirs = simulator.add_image(
        **NAMED, tag="nightly", description=description and description.format(simulator.notebook_id.upper())
    )

    image, adopted = save(transport, simulator, if_exists="adopt", tag="nightly")

    assert (image.id, adopted, simulator.saves) == (theirs, True, 0)
