"""One image per run, whatever happens to request, response or worker."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import (
    ApiError,
    ModelArtsError,
    NotebookNotReadyError,
    PermissionDeniedError,
    ServerError,
    TagConflictError,
)
from airflow_provider_modelarts.simulator import AfterSeconds, AtOnce, Fault, Simulator
from tests.transports import TransportRunner

NAMED: dict[str, Any] = {"name": "research", "namespace": "team"}


def key(*, run_id: str = "scheduled__2026-11-21T02:00:00+00:00", map_index: int = -1) -> IdempotencyKey:
    return IdempotencyKey("nightly", "save", run_id, map_index)


def saving(
    modelarts: ModelArtsClient,
    simulator: Simulator,
    *,
    cloud: str = "huaweicloud",
    of: IdempotencyKey | None = None,
    tag: str | None = None,
    if_exists: str = "fail",
    named: dict[str, Any] = NAMED,
) -> IdempotentCreate:
    fields = {"tag": tag, "description": "after the course", **named}
    return IdempotentCreate(
        modelarts, CLOUDS[cloud], simulator.notebook_id, of or key(), if_exists=if_exists, **fields
    )


def map_params(table: dict[str, Any]) -> list[Any]:
    return [pytest.param(value, id=name) for name, value in table.items()]


@pytest.fixture(
    params=[("huaweicloud", NAMED), ("otc", NAMED), ("otc", {})], ids=["huawei", "otc", "otc unnamed"]
)
def profile(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each cloud, and the one where a save may go without a name."""
    profile: tuple[str, dict[str, Any]] = request.param
    return profile


LOST = [
    pytest.param(Fault("reset_after", "CreateImage"), id="reset after the effect"),
    pytest.param(Fault("torn", "CreateImage"), id="torn"),
    pytest.param(Fault("garbage", "CreateImage"), id="broken JSON"),
    pytest.param(Fault("empty", "CreateImage", status=200, takes_effect=True), id="empty"),
    pytest.param(Fault("html", "CreateImage", takes_effect=True), id="502 after the effect"),
    pytest.param(Fault("error", "CreateImage", status=500, takes_effect=True), id="500 after the effect"),
    pytest.param(Fault("throttle", "CreateImage", takes_effect=True), id="429 after the effect"),
    pytest.param(Fault("empty", "CreateImage", status=201, takes_effect=True), id="201 without a body"),
    pytest.param(Fault("html", "CreateImage", status=404, takes_effect=True), id="404 after the effect"),
]
NEVER_THERE = [
    pytest.param(Fault("reset", "CreateImage"), id="reset"),
    pytest.param(Fault("html", "CreateImage"), id="502"),
    pytest.param(Fault("error", "CreateImage", status=500), id="500"),
    pytest.param(Fault("throttle", "CreateImage", retry_after=30), id="429"),
    pytest.param(Fault("redirect", "CreateImage", location="http://127.0.0.1:9/"), id="redirect"),
    pytest.param(Fault("html", "CreateImage", status=400), id="400 of a gateway"),
    pytest.param(
        Fault("error", "CreateImage", times=3, status=400, code="ModelArts.6355"), id="initialising"
    ),
]


@pytest.mark.parametrize("fault", [*LOST, *NEVER_THERE])
def test_save_creates_one_image_despite_one_fault(
    fault: Fault, profile: tuple[str, dict[str, Any]], transport: TransportRunner
) -> None:
    """Before or after the effect, on every cloud."""
    cloud, named = profile
    with Simulator(cloud=cloud, save=AfterSeconds(600)) as simulator:
        simulator.inject(fault)

        async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
            return await saving(modelarts, simulator, cloud=cloud, named=named).save(check_existing=False)

        image, adopted = transport.run(simulator, scenario)

        assert simulator.saves == 1
        assert image.id == simulator.images[0]["id"]
        if not (fault.kind == "throttle" and fault.takes_effect):  # what 429 refuses counts as never sent
            assert not adopted


@pytest.mark.parametrize("fault", LOST)
def test_later_try_adopts_image_of_killed_try(
    fault: Fault, profile: tuple[str, dict[str, Any]], transport: TransportRunner
) -> None:
    cloud, named = profile
    with Simulator(cloud=cloud, save=AfterSeconds(600)) as simulator:

        async def dies(modelarts: ModelArtsClient) -> None:
            first = saving(modelarts, simulator, cloud=cloud, named=named)
            await modelarts.call(operations.create_image(simulator.notebook_id, first.request))

        async def again(modelarts: ModelArtsClient) -> tuple[Image, bool]:
            return await saving(modelarts, simulator, cloud=cloud, named=named).save(check_existing=True)

        simulator.inject(fault)
        with pytest.raises(ModelArtsError):
            transport.run(simulator, dies)
        image, adopted = transport.run(simulator, again)

        assert (simulator.saves, adopted) == (1, True)
        assert image.id == simulator.images[0]["id"]


@pytest.mark.parametrize("progress", [AtOnce(), AfterSeconds(600)], ids=["saved at once", "still saving"])
@pytest.mark.parametrize("is_lost", [False, True], ids=["a second try", "a lost reply"])
def test_save_creates_one_image_when_list_lags(
    is_lost: bool, progress: AtOnce | AfterSeconds, transport: TransportRunner
) -> None:
    """The tag conflict, or the notebook, shows that there is an image."""
    with Simulator(save=progress, list_lag=8) as simulator:
        if is_lost:
            simulator.inject(Fault("reset_after", "CreateImage"))
        else:

            async def dies(modelarts: ModelArtsClient) -> None:
                request = saving(modelarts, simulator).request
                await modelarts.call(operations.create_image(simulator.notebook_id, request))

            transport.run(simulator, dies)

        async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
            try:
                return await saving(modelarts, simulator).save(check_existing=not is_lost)
            except NotebookNotReadyError:
                simulator.advance(60)  # as Airflow does
                return await saving(modelarts, simulator).save(check_existing=True)

        image, adopted = transport.run(simulator, scenario)

        assert (simulator.saves, adopted) == (1, not is_lost)
        assert image.id == simulator.images[0]["id"]


def test_tag_conflict_names_unlisted_image(simulator: Simulator, transport: TransportRunner) -> None:
    """As after a deletion in ModelArts only: the tag is still in SWR."""
    simulator.inject(Fault("error", "CreateImage", times=None, status=400, code="ModelArts.6737"))

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator, if_exists="adopt").save(check_existing=False)

    with pytest.raises(TagConflictError, match="the image that uses it is not listed"):
        transport.run(simulator, scenario)

    operation_names = [entry.operation for entry in simulator.journal]
    assert operation_names == ["CreateImage", *["ListImages"] * 3]


@pytest.mark.parametrize("named", [{}, {"name": "research"}, {"namespace": "team"}], ids=str)
def test_image_with_same_tag_in_other_repository_is_not_adopted(
    named: dict[str, Any], transport: TransportRunner
) -> None:
    """Where a cloud allows to omit name or namespace."""
    with Simulator(cloud="otc") as simulator:
        simulator.add_image(name="research", namespace="other", tag="nightly")
        simulator.inject(Fault("error", "CreateImage", times=None, status=400, code="ModelArts.6737"))

        async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
            one = saving(modelarts, simulator, cloud="otc", tag="nightly", if_exists="adopt", named=named)
            return await one.save(check_existing=False)

        with pytest.raises(TagConflictError, match="or set name and namespace"):
            transport.run(simulator, scenario)


def test_repeated_first_try_adopts_image(simulator: Simulator, transport: TransportRunner) -> None:
    """An executor may start the same try twice."""

    async def twice(modelarts: ModelArtsClient) -> list[tuple[Image, bool]]:
        return [await saving(modelarts, simulator).save(check_existing=False) for _ in range(2)]

    (one, first), (two, second) = transport.run(simulator, twice)

    assert (simulator.saves, one.id, first, second) == (1, two.id, False, True)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"run_id": "scheduled__2026-11-22T02:00:00+00:00"}, id="another run"),
        pytest.param({"map_index": 3}, id="another of the mapped tasks"),
    ],
)
def test_image_of_another_run_is_not_adopted(
    other: dict[str, Any], simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.add_image(
        **NAMED,
        tag=key(**other).default_tag(simulator.notebook_id),
        description=key(**other).append_to("x", simulator.notebook_id),
    )

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=True)

    _, adopted = transport.run(simulator, scenario)

    assert (simulator.saves, adopted) == (1, False)


REMEMBERED: dict[str, dict[str, Any]] = {
    "another notebook's": {
        "tag": "another",
        "description": IdempotencyKey("nightly", "save", "run", -1).append_to(None, "another"),
    },
    "another tag's": {"tag": "of-last-week"},
    "a failed one's": {"status": "CREATE_FAILED"},
    "a deleted one's": {"status": "DELETED"},
}


@pytest.mark.parametrize("of", [pytest.param({}, id="its own"), *map_params(REMEMBERED)])
def test_stored_image_id_is_adopted_when_marker_tag_and_status_match(
    of: dict[str, Any], simulator: Simulator, transport: TransportRunner
) -> None:
    """The id outlives a clear, so it is compared; a match saves the list."""
    own = key()
    fields = {
        **NAMED,
        "tag": own.default_tag(simulator.notebook_id),
        "description": own.append_to(None, simulator.notebook_id),
        "status": "ACTIVE",
        **of,
    }
    image_id_hint = simulator.add_image(**fields)

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=True, image_id_hint=image_id_hint)

    image, adopted = transport.run(simulator, scenario)

    operation_names = [entry.operation for entry in simulator.journal]
    if of:
        assert (adopted, simulator.saves) == (False, 1)
        assert operation_names[:2] == ["ShowImage", "ListImages"]
    else:
        assert (image.id, adopted, simulator.saves) == (image_id_hint, True, 0)
        assert operation_names == ["ShowImage"]


@pytest.mark.parametrize(
    "image_id_hint", ["0b1c2d3e-4f50-4a61-8b72-9c83ad94be05", "../images", "a b", "%2e%2e"]
)
def test_wrong_stored_image_id_is_ignored(
    image_id_hint: str, simulator: Simulator, transport: TransportRunner
) -> None:
    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=True, image_id_hint=image_id_hint)

    _, adopted = transport.run(simulator, scenario)

    assert (adopted, simulator.saves) == (False, 1)


def test_stored_image_id_is_adopted_when_lists_are_forbidden(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """Reading one image needs another permission than listing all."""
    own = key()
    image_id_hint = simulator.add_image(
        **NAMED,
        tag=own.default_tag(simulator.notebook_id),
        description=own.append_to(None, simulator.notebook_id),
    )
    simulator.inject(Fault("error", "ListImages", times=None, status=403, code="ModelArts.0112"))

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=True, image_id_hint=image_id_hint)

    assert transport.run(simulator, scenario)[0].id == image_id_hint


def test_failed_login_before_create_image_starts_no_lookup(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """The request was not sent; the task gets the error after two minutes."""
    simulator.inject(Fault("html", "CreateToken", times=None))

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=False)

    began = simulator.now()
    with pytest.raises(ServerError, match="CreateToken"):
        transport.run(
            simulator,
            scenario,
            login="snapshot-user",
            password="simulator-password",
            extra={"auth": "password", "domain_name": "research-account"},
        )

    assert {entry.operation for entry in simulator.journal} == {"CreateToken"}
    assert 90 <= simulator.now() - began <= 125


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR"])
def test_own_failed_image_is_deleted_before_retry(
    status: str, simulator: Simulator, transport: TransportRunner
) -> None:
    """Its record may hold the tag, which the retry needs."""
    own = key()
    failed = simulator.add_image(
        **NAMED,
        tag=own.default_tag(simulator.notebook_id),
        description=own.append_to(None, simulator.notebook_id),
        status=status,
    )

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=True)

    image, adopted = transport.run(simulator, scenario)

    assert (simulator.saves, adopted) == (1, False)
    assert image.id != failed


@pytest.mark.parametrize("status", ["ACTIVE", "CREATE_FAILED"])
def test_foreign_image_is_never_deleted(
    status: str, simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.add_image(**NAMED, tag="nightly", status=status)

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator, tag="nightly").save(check_existing=True)

    with pytest.raises(ApiError, match="choose another tag") as caught:
        transport.run(simulator, scenario)

    assert [image["status"] for image in simulator.images] == [status]
    assert isinstance(caught.value, TagConflictError) == (status == "ACTIVE")


@pytest.mark.parametrize("status", ["INIT", "CREATING", "ACTIVE"])
def test_foreign_image_is_adopted_with_if_exists_adopt(
    status: str, simulator: Simulator, transport: TransportRunner
) -> None:
    image_id = simulator.add_image(**NAMED, tag="nightly", status=status)

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator, tag="nightly", if_exists="adopt").save(check_existing=False)

    image, adopted = transport.run(simulator, scenario)

    assert (image.id, adopted, simulator.saves) == (image_id, True, 0)


def test_busy_notebook_raises_not_ready_without_resend(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """The next try of the task may succeed."""
    simulator.set_notebook_status(simulator.notebook_id, "SNAPSHOTTING")

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=False)

    with pytest.raises(NotebookNotReadyError):
        transport.run(simulator, scenario)

    assert [entry.operation for entry in simulator.journal] == ["CreateImage", "ListImages"]


@pytest.mark.parametrize("check_existing", [False, True], ids=["first try", "later try"])
def test_stopped_notebook_raises_not_ready_when_lists_are_forbidden(
    check_existing: bool, simulator: Simulator, transport: TransportRunner
) -> None:
    """A later try, which cannot check what an earlier one created, sends nothing."""
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    simulator.inject(Fault("error", "ListImages", times=None, status=403, code="ModelArts.0112"))

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=check_existing)

    with pytest.raises(
        PermissionDeniedError if check_existing else NotebookNotReadyError,
        match="modelarts:image:list is missing",
    ):
        transport.run(simulator, scenario)

    sent = [entry.operation for entry in simulator.journal]
    assert sent == (["ListImages"] if check_existing else ["CreateImage", "ListImages"])


def test_lost_response_of_busy_notebook_is_left_to_next_try(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """No marker is found, but the notebook is not RUNNING: to send again could create two images."""
    simulator.inject(Fault("reset", "CreateImage"))
    simulator.set_notebook_status(simulator.notebook_id, "SNAPSHOTTING")

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=False)

    with pytest.raises(NotebookNotReadyError, match="The next try checks again"):
        transport.run(simulator, scenario)

    assert [entry.operation for entry in simulator.journal].count("CreateImage") == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault("error", "CreateImage", times=None, status=500), ServerError, id="500"),
        pytest.param(
            Fault("error", "CreateImage", times=None, status=403, code="ModelArts.0112"),
            PermissionDeniedError,
            id="403",
        ),
    ],
)
def test_create_image_stops_after_max_attempts(
    fault: Fault, error: type[ModelArtsError], simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.inject(fault)

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        return await saving(modelarts, simulator).save(check_existing=False)

    with pytest.raises(error):
        transport.run(simulator, scenario)

    sent = [entry.operation for entry in simulator.journal].count("CreateImage")
    assert sent == (4 if error is ServerError else 1)
    assert simulator.saves == 0
