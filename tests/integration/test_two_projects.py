"""Two projects of one account, and notebooks of several users."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.exceptions import AuthenticationError, NotFoundError
from airflow_provider_modelarts.simulator import Simulator
from tests.transports import TransportRunner


def save(notebook_id: str) -> Operation[Image]:
    request = CreateImageRequest.for_cloud(
        CLOUDS["huaweicloud"], notebook_id=notebook_id, name="research", namespace="team", tag="nightly"
    )
    return operations.create_image(notebook_id, request)


@pytest.mark.parametrize("auth", ["access_key", "password"])
def test_connection_uses_named_project(auth: str, simulator: Simulator, transport: TransportRunner) -> None:
    """Keys are valid in every project of the account, a token in one."""
    team = simulator.project(simulator.add_project("cn-north-4_team"))
    notebook_id = team.add_notebook()
    fields: dict[str, Any] = (
        {} if auth == "access_key" else {"login": "snapshot-user", "password": "simulator-password"}
    )
    user: dict[str, Any] = (
        {} if auth == "access_key" else {"auth": "password", "domain_name": "research-account"}
    )

    for extra in ({"project_id": team.id}, {"project_id": None, "project_name": team.name}):

        async def scenario(modelarts: ModelArtsClient) -> Image:
            return await modelarts.call(save(notebook_id))

        simulator.set_notebook_status(notebook_id, "RUNNING")
        for earlier in team.images:
            simulator.set_image_status(earlier["id"], "DELETED")
        image = transport.run(simulator, scenario, **fields, extra={**user, **extra})
        assert image.id == team.images[-1]["id"]

    assert (team.saves, simulator.saves) == (2, 2)
    assert simulator.project("cn-north-4").images == []


def test_connection_to_another_project_does_not_find_notebook(
    simulator: Simulator, transport: TransportRunner
) -> None:
    team = simulator.add_project("cn-north-4_team")
    show = operations.show_notebook(simulator.notebook_id)

    with pytest.raises(NotFoundError):
        transport.run(simulator, lambda modelarts: modelarts.call(show), extra={"project_id": team})
    with pytest.raises(AuthenticationError, match="project"):
        transport.run(simulator, lambda modelarts: modelarts.call(show), extra={"project_id": "f" * 32})


def test_list_notebooks_includes_all_users_on_request(
    simulator: Simulator, transport: TransportRunner
) -> None:
    others = [simulator.add_notebook(owner="c" * 32) for _ in range(60)]

    own = transport.run(simulator, lambda modelarts: modelarts.list_all(operations.list_notebooks()))
    everybody = transport.run(
        simulator, lambda modelarts: modelarts.list_all(operations.list_notebooks(all_users=True))
    )

    assert [notebook.id for notebook in own] == [simulator.notebook_id]
    assert {notebook.id for notebook in everybody} == {simulator.notebook_id, *others}
