"""Whether SWR has an image: the checks of a verified snapshot, through both transports."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.client import image_verification, operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.marker import IdempotencyKey, prepare_request
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    ImageNotInRegistryError,
    InvalidConnectionError,
    ModelArtsError,
    ServerError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.simulator import AtOnce, Fault, RegistryBehaviour, Simulator
from tests.transports import TransportRunner

LIST_TAGS = "ListRepositoryTags"
ABSENT = Fault("error", LIST_TAGS, status=404, code="SVCSTG.SWR.4040115", envelope="swr", times=None)


def marked(simulator: Simulator, run_id: str = "r", notebook_id: str | None = None) -> str:
    """Return the description of an image that a task saved of a notebook."""
    key = IdempotencyKey("nightly", "save", run_id, -1)
    return str(key.marker(notebook_id or simulator.notebook_id))


def add(simulator: Simulator, tag: str, **fields: Any) -> str:
    """Add an image of the notebook and return its id; each is a minute newer than the last one."""
    simulator.advance(60)
    given = {"name": "research", "namespace": "team", "description": marked(simulator), **fields}
    return simulator.add_image(tag=tag, **given)


def verify(
    transport: TransportRunner, simulator: Simulator, image_id: str, **fields: Any
) -> dict[str, Any] | ModelArtsError:
    """Return what a verification returns or raises."""

    async def scenario(modelarts: ModelArtsClient) -> dict[str, Any]:
        image = await modelarts.call(operations.show_image(image_id))
        return await image_verification.verify_image(modelarts, image)

    try:
        return transport.run(simulator, scenario, **fields)
    except ModelArtsError as error:
        return error


def path(simulator: Simulator, tag: str) -> str:
    return f"{simulator.registry.host}/team/research:{tag}"


def checks(simulator: Simulator) -> list[float]:
    """Return when the tags were listed, in seconds since the first time."""
    times = [entry.at for entry in simulator.journal if entry.operation == LIST_TAGS]
    return [round(at - times[0]) for at in times]


def test_verify_image_returns_digest_size_and_layers(cloud: str, transport: TransportRunner) -> None:
    with Simulator(cloud=cloud) as simulator:
        image_id = add(simulator, "v1")

        found = verify(transport, simulator, image_id)

        item = simulator.registry.tags("team", "research")["v1"]
        assert found == {
            "digest": item["digest"],
            "size_bytes": item["size"],
            "layers": item["manifest"].count("mediaType") - 2,
            "unchanged": False,
        }
        assert [entry.operation for entry in simulator.journal] == ["ShowImage", "ListImages", LIST_TAGS]


def _nothing(simulator: Simulator) -> None:
    """Leave SWR as it is."""


def _same(simulator: Simulator) -> None:
    simulator.registry.copy(path(simulator, "v1"), path(simulator, "v2"))


@pytest.mark.parametrize(
    ("earlier", "change", "unchanged"),
    [
        pytest.param({}, _same, True, id="the same digest"),
        pytest.param({}, _nothing, False, id="another digest"),
        pytest.param({"description": "by hand"}, _same, False, id="of no notebook"),
        pytest.param({"description": "other"}, _same, False, id="of another notebook"),
        pytest.param({"status": "ERROR"}, _same, False, id="not ACTIVE"),
        pytest.param({"namespace": "other"}, _same, False, id="in another organization"),
        pytest.param({"name": "other"}, _same, False, id="in another repository"),
        pytest.param({"create_at": 4_000_000_000_000}, _same, False, id="a later one"),
        pytest.param({"swr_path": "team/research:v1"}, _same, True, id="without a registry in its address"),
        pytest.param({"swr_path": "swr.other/team/research:v1"}, _same, False, id="in another registry"),
        pytest.param({"swr_path": "PATH", "tag": "v2"}, _nothing, False, id="another record of its own tag"),
    ],
)
def test_verify_image_compares_with_newest_earlier_snapshot(
    earlier: dict[str, Any],
    change: Callable[[Simulator], None],
    *,
    unchanged: bool,
    transport: TransportRunner,
) -> None:
    with Simulator() as simulator:
        if earlier.get("description") == "other":
            earlier = {"description": marked(simulator, notebook_id=simulator.add_notebook())}
        simulator.registry.push(path(simulator, "v1"))
        if earlier.get("swr_path") == "PATH":
            earlier = {**earlier, "swr_path": path(simulator, "v2")}
        add(simulator, **{"tag": "v1", **earlier})
        image_id = add(simulator, "v2")
        change(simulator)

        found = verify(transport, simulator, image_id)

        assert isinstance(found, dict)
        assert found["unchanged"] is unchanged


def test_verify_image_compares_with_newest_only(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        add(simulator, "v1")
        add(simulator, "v2")
        image_id = add(simulator, "v3")
        simulator.registry.copy(path(simulator, "v1"), path(simulator, "v3"))

        found = verify(transport, simulator, image_id)

        assert isinstance(found, dict)
        assert found["unchanged"] is False


@pytest.mark.parametrize(("packages", "unchanged"), [((), True), (("numpy",), False)])
def test_verify_image_reports_save_without_changes(
    packages: tuple[str, ...], *, unchanged: bool, transport: TransportRunner
) -> None:
    """The whole way: save, install, save again."""
    with Simulator(save=AtOnce(), registry=RegistryBehaviour(same_content=True)) as simulator:

        async def save(modelarts: ModelArtsClient) -> Image:
            key = IdempotencyKey("nightly", "save", str(simulator.saves), -1)
            words: dict[str, str | None] = {"name": "research", "namespace": "team"}
            request, _ = prepare_request(CLOUDS["huaweicloud"], simulator.notebook_id, key, words)
            image = await modelarts.call(operations.create_image(simulator.notebook_id, request))
            return await modelarts.call(operations.show_image(image.id))

        transport.run(simulator, save)
        simulator.notebook().install(*packages)
        simulator.advance(60)
        image = transport.run(simulator, save)

        found = verify(transport, simulator, image.id)

        assert isinstance(found, dict)
        assert found["unchanged"] is unchanged


@pytest.mark.parametrize(
    "behaviour",
    [
        RegistryBehaviour(),
        RegistryBehaviour(error_form="errors"),
        RegistryBehaviour(absent="empty"),
    ],
    ids=["code", "code in the other form", "empty list"],
)
def test_verify_image_raises_after_three_checks_without_tag(
    behaviour: RegistryBehaviour, transport: TransportRunner
) -> None:
    with Simulator(registry=behaviour) as simulator:
        simulator.freeze()
        image_id = add(simulator, "v1")
        simulator.registry.delete(path(simulator, "v1"))

        error = verify(transport, simulator, image_id)

        assert type(error) is ImageNotInRegistryError
        assert f"Image {image_id} is ACTIVE in ModelArts" in str(error)
        assert "team/research:v1" in str(error)
        assert not error.is_transient
        assert checks(simulator) == [0, 5, 10]


def test_verify_image_waits_for_list_that_lags(transport: TransportRunner) -> None:
    with Simulator(registry=RegistryBehaviour(list_lag=8)) as simulator:
        simulator.freeze()
        image_id = add(simulator, "v1")

        assert isinstance(verify(transport, simulator, image_id), dict)
        assert checks(simulator) == [0, 5, 10]


@pytest.mark.parametrize("deserted", [ABSENT, Fault("document", LIST_TAGS, body="[]", times=None)])
def test_verify_image_accepts_tag_found_by_third_check(deserted: Fault, transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.inject(Fault(**{**vars(deserted), "times": 2}))

        assert isinstance(verify(transport, simulator, image_id), dict)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault("html", LIST_TAGS, status=404, times=None), ApiError, id="a bare 404"),
        pytest.param(Fault("empty", LIST_TAGS, status=404, times=None), ApiError, id="an empty 404"),
        pytest.param(
            Fault("error", LIST_TAGS, status=500, envelope="swr", times=None), ServerError, id="500"
        ),
        pytest.param(
            Fault("error", LIST_TAGS, status=400, code="SVCSTG.SWR.4009999", envelope="swr", times=None),
            ApiError,
            id="an unknown code",
        ),
    ],
)
def test_verify_image_does_not_take_other_errors_for_absence(
    fault: Fault, error: type[ModelArtsError], transport: TransportRunner
) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.inject(fault)

        found = verify(transport, simulator, image_id)

        assert type(found) is error
        assert found.is_transient


def test_verify_image_is_unsure_if_one_check_of_three_failed(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.registry.delete(path(simulator, "v1"))
        simulator.inject(Fault("html", LIST_TAGS, status=404))

        assert type(verify(transport, simulator, image_id)) is ApiError


@pytest.mark.parametrize(
    "forbid",
    [
        pytest.param(lambda simulator: simulator.revoke("swr:repo:listRepoTags"), id="a code"),
        pytest.param(
            lambda simulator: simulator.inject(Fault("empty", LIST_TAGS, status=403, times=None)),
            id="403 without a code",
        ),
    ],
)
def test_verify_image_warns_once_without_permission(
    forbid: Callable[[Simulator], None], transport: TransportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        forbid(simulator)

        found = verify(transport, simulator, image_id)

        assert found == {}
        (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert f"Image {image_id} is ACTIVE, but not verified" in warning.getMessage()


def test_verify_image_without_permission_to_list_images_is_not_compared(
    transport: TransportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.revoke("modelarts:image:list")

        found = verify(transport, simulator, image_id)

        assert isinstance(found, dict)
        assert found.keys() == {"digest", "size_bytes", "layers"}
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_verify_image_in_enterprise_registry_sends_nothing(
    transport: TransportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1", swr_instance_id="i-1")

        assert verify(transport, simulator, image_id) == {}
        assert "Enterprise registry" in caplog.text
        assert len(simulator.journal) == 1


def test_verify_image_finds_old_tag_behind_first_page(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        simulator.freeze()
        image_id = add(simulator, "v1")
        simulator.advance(1)
        for number in range(120):
            simulator.registry.push(path(simulator, f"other-{number}"))

        assert isinstance(verify(transport, simulator, image_id), dict)
        assert checks(simulator) == [0, 0]


def test_verify_image_sends_nothing_to_swr_of_region_beside_a_host(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")

        error = verify(transport, simulator, image_id, extra={"swr_endpoint": None})

        assert type(error) is InvalidConnectionError
        assert "swr_endpoint" in str(error)
        assert not checks(simulator)


def test_verify_image_with_refused_key_leaves_modelarts_usable(transport: TransportRunner) -> None:
    """A key that SWR refuses is not refused by ModelArts."""
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.inject(
            Fault("error", LIST_TAGS, status=401, code="SVCSTG.SWR.4010000", envelope="swr", times=None)
        )

        async def scenario(modelarts: ModelArtsClient) -> Image:
            image = await modelarts.call(operations.show_image(image_id))
            with pytest.raises(AuthenticationError):
                await image_verification.verify_image(modelarts, image)
            return await modelarts.call(operations.show_image(image_id))

        assert transport.run(simulator, scenario).id == image_id


def wait(transport: TransportRunner, simulator: Simulator, image_id: str) -> dict[str, Any]:
    async def scenario(modelarts: ModelArtsClient) -> dict[str, Any]:
        image = await modelarts.call(operations.show_image(image_id))
        return await image_verification.wait_for_verification(
            modelarts, image, workspace_id=None, poll_interval=60, deadline=simulator.now() + 600
        )

    return transport.run(simulator, scenario)


def test_wait_for_verification_retries_transient_errors(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.inject(Fault("html", LIST_TAGS, status=404, times=7))

        assert wait(transport, simulator, image_id)["layers"]


def test_wait_for_verification_ends_at_deadline_with_last_error(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.freeze()
        simulator.inject(Fault("html", LIST_TAGS, times=None))

        with pytest.raises(WaitTimeoutError, match="HTTP 502"):
            wait(transport, simulator, image_id)

        assert checks(simulator)[-1] == pytest.approx(600, abs=15)


def test_wait_for_verification_does_not_retry_absence(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add(simulator, "v1")
        simulator.registry.delete(path(simulator, "v1"))

        with pytest.raises(ImageNotInRegistryError):
            wait(transport, simulator, image_id)
