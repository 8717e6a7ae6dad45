"""The client against the simulator, through both transports."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.exceptions import (
    AuthenticationError,
    ImageFailedError,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    TagConflictError,
    TransportError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.simulator import AfterReads, AfterSeconds, AtOnce, Fault, Simulator
from tests.transports import TransportRunner

HOUR = 3600.0


def save(simulator: Simulator, *, cloud: str = "huaweicloud", tag: str = "nightly") -> Operation[Image]:
    request = CreateImageRequest.for_cloud(
        CLOUDS[cloud], notebook_id=simulator.notebook_id, name="research", namespace="team", tag=tag
    )
    return operations.create_image(simulator.notebook_id, request)


async def wait(
    modelarts: ModelArtsClient, simulator: Simulator, image_id: str, *, timeout: float = HOUR
) -> Image:
    image = await modelarts.watch(
        operations.show_image(image_id),
        is_done=lambda image: not image.is_pending,
        poll_interval=15,
        deadline=simulator.now() + timeout,
    )
    return image.raise_for_status()


def operation_names(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal]


def test_create_and_watch_send_one_request_and_one_per_poll(cloud: str, transport: TransportRunner) -> None:
    with Simulator(cloud=cloud, save=AfterReads(3)) as simulator:

        async def scenario(modelarts: ModelArtsClient) -> Image:
            image = await modelarts.call(save(simulator, cloud=cloud))
            return await wait(modelarts, simulator, image.id)

        image = transport.run(simulator, scenario)

        assert operation_names(simulator) == ["CreateImage"] + 3 * ["ShowImage"]
        (issued,) = simulator.images
        assert (image.status, image.id, image.swr_path) == ("ACTIVE", issued["id"], issued["swr_path"])
        assert simulator.connections == 1


@pytest.mark.parametrize("progress", [AtOnce(), AfterReads(0), AfterReads(7), AfterSeconds(600)], ids=repr)
def test_watch_returns_active_image_however_long_save_takes(
    transport: TransportRunner, progress: AtOnce | AfterReads | AfterSeconds
) -> None:
    with Simulator(save=progress) as simulator:

        async def scenario(modelarts: ModelArtsClient) -> Image:
            return await wait(modelarts, simulator, (await modelarts.call(save(simulator))).id)

        assert transport.run(simulator, scenario).is_active


def test_create_image_accepts_201(transport: TransportRunner) -> None:
    """Both pages list it."""
    with Simulator(create_status=201) as simulator:
        image = transport.run(simulator, lambda modelarts: modelarts.call(save(simulator)))

    assert image.status == "INIT"


def test_failed_image_error_names_reason_image_and_request_id(
    simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.inject(
        Fault("save_fails", "CreateImage", message="container size 50G is greater than threshold 40G")
    )

    async def scenario(modelarts: ModelArtsClient) -> Image:
        return await wait(modelarts, simulator, (await modelarts.call(save(simulator))).id)

    with pytest.raises(ImageFailedError) as caught:
        transport.run(simulator, scenario)

    last = simulator.journal[-1]
    assert str(caught.value).startswith(
        f"Image {simulator.images[0]['id']} (research:nightly) ended as CREATE_FAILED: "
        f"container size 50G is greater than threshold 40G (request id {last.request_id}); "
    )


TRANSIENT = [
    pytest.param(Fault("throttle", "ShowImage", times=3), id="429"),
    pytest.param(Fault("throttle", "ShowImage", times=3, retry_after=90), id="429 with seconds"),
    pytest.param(
        Fault("throttle", "ShowImage", times=3, retry_after="Sat, 21 Nov 2026 10:00:00 GMT"),
        id="429 with a date",
    ),
    pytest.param(Fault("error", "ShowImage", times=3, status=500, code="ModelArts.6102"), id="500"),
    pytest.param(Fault("error", "ShowImage", times=3, status=408, code="ModelArts.6100"), id="408"),
    pytest.param(
        Fault("error", "ShowImage", times=3, status=504, code="APIGW.0203", envelope="gateway"), id="504"
    ),
    pytest.param(Fault("html", "ShowImage", times=3), id="an HTML page"),
    pytest.param(Fault("html", "ShowImage", times=3, status=200), id="an HTML page as success"),
    pytest.param(Fault("empty", "ShowImage", times=3, status=503), id="an empty 503"),
    pytest.param(Fault("empty", "ShowImage", times=3, status=200), id="an empty 200"),
    pytest.param(Fault("torn", "ShowImage", times=3), id="a torn reply"),
    pytest.param(Fault("garbage", "ShowImage", times=3), id="broken JSON"),
    pytest.param(Fault("reset", "ShowImage", times=3), id="a reset"),
    pytest.param(Fault("reset_after", "ShowImage", times=3), id="a reset after the effect"),
    pytest.param(Fault("redirect", "ShowImage", times=3, location="http://127.0.0.1:9/"), id="a redirect"),
]


@pytest.mark.parametrize("fault", TRANSIENT)
def test_watch_survives_failed_polls(fault: Fault, simulator: Simulator, transport: TransportRunner) -> None:
    simulator.inject(fault)

    async def scenario(modelarts: ModelArtsClient) -> Image:
        return await wait(modelarts, simulator, (await modelarts.call(save(simulator))).id)

    assert transport.run(simulator, scenario).is_active
    assert simulator.saves == 1


@pytest.mark.parametrize(
    ("fault", "error", "saves"),
    [
        pytest.param(Fault("error", status=500, code="ModelArts.6102"), ServerError, 0, id="500"),
        pytest.param(
            Fault("error", status=500, takes_effect=True), ServerError, 1, id="500 after the effect"
        ),
        pytest.param(Fault("html"), ServerError, 0, id="an HTML page"),
        pytest.param(
            Fault("empty", status=200, takes_effect=True), InvalidResponseError, 1, id="an empty 200"
        ),
        pytest.param(Fault("garbage"), InvalidResponseError, 1, id="broken JSON"),
        pytest.param(Fault("torn"), TransportError, 1, id="a torn reply"),
        pytest.param(Fault("reset"), TransportError, 0, id="a reset"),
        pytest.param(Fault("reset_after"), TransportError, 1, id="a reset after the effect"),
    ],
)
def test_create_image_is_not_retried_after_lost_response(
    fault: Fault, error: type[ModelArtsError], saves: int, simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.inject(fault)

    with pytest.raises(error):
        transport.run(simulator, lambda modelarts: modelarts.call(save(simulator)))

    assert operation_names(simulator) == ["CreateImage"]
    assert simulator.saves == saves


def test_create_image_is_retried_after_429_with_retry_after(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """A throttled request was not processed."""
    simulator.inject(Fault("throttle", times=2, retry_after=7))
    began = simulator.now()

    assert transport.run(simulator, lambda modelarts: modelarts.call(save(simulator))).status == "INIT"

    assert operation_names(simulator) == ["CreateImage"] * 3
    assert simulator.saves == 1
    assert simulator.now() - began >= 14


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("STOPPED", "nothing to save"),
        ("SNAPSHOTTING", "retry when it is RUNNING"),
    ],
)
def test_create_image_raises_not_ready_when_notebook_is_not_running(
    status: str, advice: str, simulator: Simulator, transport: TransportRunner
) -> None:
    """6327 and 6357 are one class with different advice."""
    simulator.set_notebook_status(simulator.notebook_id, status)

    with pytest.raises(NotebookNotReadyError, match=advice):
        transport.run(simulator, lambda modelarts: modelarts.call(save(simulator)))


def test_create_image_raises_not_ready_during_another_save(
    simulator: Simulator, transport: TransportRunner
) -> None:
    async def scenario(modelarts: ModelArtsClient) -> None:
        await modelarts.call(save(simulator, tag="one"))
        await modelarts.call(save(simulator, tag="two"))

    with pytest.raises(NotebookNotReadyError):
        transport.run(simulator, scenario)


def test_create_image_raises_tag_conflict_for_taken_tag(
    simulator: Simulator, transport: TransportRunner
) -> None:
    async def scenario(modelarts: ModelArtsClient) -> None:
        image = await modelarts.call(save(simulator))
        await wait(modelarts, simulator, image.id)
        await modelarts.call(save(simulator))

    with pytest.raises(TagConflictError, match="choose another tag"):
        transport.run(simulator, scenario)


def test_show_image_raises_not_found_by_code_of_http_400(
    simulator: Simulator, transport: TransportRunner
) -> None:
    with pytest.raises(NotFoundError) as caught:
        transport.run(
            simulator,
            lambda modelarts: modelarts.call(operations.show_image("1f0a6e0c-0000-4000-8000-000000000000")),
        )

    assert (caught.value.status, caught.value.code) == (400, "ModelArts.6404")
    assert caught.value.request_id == simulator.journal[-1].request_id


def test_watch_raises_when_image_is_deleted(simulator: Simulator, transport: TransportRunner) -> None:
    async def scenario(modelarts: ModelArtsClient) -> Image:
        image = await modelarts.call(save(simulator))
        simulator.set_image_status(image.id, "DELETED")
        return await wait(modelarts, simulator, image.id)

    with pytest.raises((NotFoundError, ImageFailedError)):
        transport.run(simulator, scenario)


def test_watch_raises_permission_denied_at_once(simulator: Simulator, transport: TransportRunner) -> None:
    simulator.inject(Fault("error", "ShowImage", times=None, status=403, code="ModelArts.0108"))

    async def scenario(modelarts: ModelArtsClient) -> Image:
        return await wait(modelarts, simulator, (await modelarts.call(save(simulator))).id)

    with pytest.raises(PermissionDeniedError, match="Grant the action"):
        transport.run(simulator, scenario)

    assert operation_names(simulator) == ["CreateImage", "ShowImage"]


def test_wrong_secret_key_is_sent_once(simulator: Simulator, transport: TransportRunner) -> None:
    """Five wrong signatures lock a key."""
    with pytest.raises(AuthenticationError, match="Check access key and secret key"):
        transport.run(
            simulator, lambda modelarts: modelarts.call(operations.show_image("x")), password="another-secret"
        )

    assert len(simulator.journal) == 1


def test_clock_skew_is_named_in_error(simulator: Simulator, transport: TransportRunner) -> None:
    """The gateway allows 15 minutes."""
    with pytest.raises(AuthenticationError, match="clock"):
        transport.run(
            simulator, lambda modelarts: modelarts.call(operations.show_image("x")), clock_skew=16 * 60
        )


def test_watch_raises_timeout_at_deadline(transport: TransportRunner) -> None:
    """An hour of four polls a minute, and one at the deadline."""
    with Simulator(save=AfterSeconds(2 * HOUR)) as simulator:

        async def scenario(modelarts: ModelArtsClient) -> Image:
            return await wait(modelarts, simulator, (await modelarts.call(save(simulator))).id)

        with pytest.raises(WaitTimeoutError, match=r"after 36\d\d s waiting for image .* is CREATING"):
            transport.run(simulator, scenario)

        polls = [entry for entry in simulator.journal if entry.operation == "ShowImage"]
        assert 220 <= len(polls) <= 262
        assert polls[-1].at - simulator.journal[0].at == pytest.approx(HOUR, abs=2)


@pytest.mark.parametrize("offset_unit", ["records", "pages"])
@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 450])
def test_list_all_is_complete_whatever_offset_counts(
    offset_unit: str, count: int, transport: TransportRunner
) -> None:
    """The documents say records; nobody confirmed it."""
    with Simulator(offset_unit=offset_unit) as simulator:
        ids = [simulator.add_image(name="old", namespace="team", tag=f"t{n}") for n in range(count)]

        images = transport.run(
            simulator, lambda modelarts: modelarts.list_all(operations.list_images(name="old"))
        )

    assert sorted(image.id for image in images) == sorted(ids)


def test_list_images_returns_exact_name_only(simulator: Simulator, transport: TransportRunner) -> None:
    """The service's default would include names that contain it, and built-in images."""
    wanted = simulator.add_image(name="research", namespace="team", tag="a")
    simulator.add_image(name="research-old", namespace="team", tag="a")

    images = transport.run(
        simulator, lambda modelarts: modelarts.list_all(operations.list_images(name="research"))
    )

    assert [image.id for image in images] == [wanted]


def test_delete_image_removes_image(simulator: Simulator, transport: TransportRunner) -> None:
    image_id = simulator.add_image(name="old", namespace="team", tag="a")

    async def scenario(modelarts: ModelArtsClient) -> None:
        await modelarts.call(operations.delete_image(image_id))
        await modelarts.call(operations.show_image(image_id))

    with pytest.raises(NotFoundError):
        transport.run(simulator, scenario)


def test_notebooks_are_listed_and_shown_without_token(
    simulator: Simulator, transport: TransportRunner
) -> None:
    ids = [simulator.add_notebook(name=f"n{n}") for n in range(70)]

    notebooks = transport.run(simulator, lambda modelarts: modelarts.list_all(operations.list_notebooks()))
    notebook = transport.run(simulator, lambda modelarts: modelarts.call(operations.show_notebook(ids[0])))

    assert sorted(n.id for n in notebooks) == sorted([simulator.notebook_id, *ids])
    assert notebook.is_running
    assert "token" not in notebook.model_dump()
