"""Each cloud with each kind of credentials, through both transports."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.credentials import EcsAgencyCredentials
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.exceptions import (
    AuthenticationError,
    InvalidConnectionError,
    InvalidResponseError,
    ModelArtsError,
    ServerError,
)
from airflow_provider_modelarts.simulator import AfterReads, AfterSeconds, Fault, Simulator
from tests.transports import TransportRunner

HOUR = 3600.0
INTERVAL = 60.0
PASSWORD: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
USER: dict[str, Any] = {"auth": "password", "domain_name": "research-account"}
AGENCY: dict[str, Any] = {"agency_name": "snapshot-agency", "agency_domain_name": "research-account"}

# The simulator's options and the connection's fields for each kind of credentials.
CREDENTIALS = [
    pytest.param({"signature": "access"}, {"extra": {"signature": "access"}}, id="access key"),
    pytest.param({"signature": "credential"}, {"extra": {"signature": "credential"}}, id="derived key"),
    pytest.param(
        {"security_token": "of-the-keys"}, {"extra": {"security_token": "of-the-keys"}}, id="temporary"
    ),
    pytest.param({}, {**PASSWORD, "extra": USER}, id="user and password"),
    pytest.param({}, {"extra": AGENCY}, id="agency by access key"),
    pytest.param({}, {**PASSWORD, "extra": {**USER, **AGENCY}}, id="agency by password"),
]
PROJECT_BY_NAME: dict[str, Any] = {"project_id": None}


def save(simulator: Simulator, cloud: str = "huaweicloud") -> Operation[Image]:
    request = CreateImageRequest.for_cloud(
        CLOUDS[cloud], notebook_id=simulator.notebook_id, name="research", namespace="team", tag="nightly"
    )
    return operations.create_image(simulator.notebook_id, request)


async def save_and_wait(
    modelarts: ModelArtsClient, simulator: Simulator, cloud: str = "huaweicloud"
) -> Image:
    image = await modelarts.call(save(simulator, cloud))
    return await modelarts.watch(
        operations.show_image(image.id),
        is_done=lambda image: not image.is_pending,
        poll_interval=INTERVAL,
        deadline=simulator.now() + 2 * HOUR,
    )


def count(simulator: Simulator, operation: str) -> int:
    return sum(entry.operation == operation for entry in simulator.journal)


@pytest.mark.parametrize(("options", "fields"), CREDENTIALS)
@pytest.mark.parametrize("project", [{}, PROJECT_BY_NAME], ids=["project id", "project by name"])
def test_save_succeeds_with_each_credential_on_each_cloud(
    options: dict[str, Any],
    fields: dict[str, Any],
    project: dict[str, Any],
    cloud: str,
    transport: TransportRunner,
) -> None:
    with Simulator(cloud=cloud, save=AfterReads(2), **options) as simulator:
        given = {**fields, "extra": {**fields["extra"], **project}}

        image = transport.run(simulator, lambda m: save_and_wait(m, simulator, cloud), **given)

        assert image.is_active
        assert simulator.saves == 1
        assert count(simulator, "CreateToken") <= 1
        assert count(simulator, "CreateTemporaryAccessKey") <= 1
        assert count(simulator, "ListProjects") <= (1 if project else 0)


@pytest.mark.parametrize("metadata", ["plain", "token"])
def test_ecs_agency_returns_keys_with_and_without_metadata_token(
    metadata: str, cloud: str, transport: TransportRunner
) -> None:
    with Simulator(cloud=cloud, save=AfterReads(2), metadata=metadata) as simulator:
        credentials = EcsAgencyCredentials(endpoint=simulator.endpoint)

        image = transport.run(
            simulator, lambda m: save_and_wait(m, simulator, cloud), credentials=credentials
        )

        assert image.is_active
        assert count(simulator, "ShowSecurityKey") == 1


def test_ecs_agency_error_names_missing_agency(transport: TransportRunner) -> None:
    with Simulator(metadata="off") as simulator, pytest.raises(ModelArtsError, match="assign one to the ECS"):
        transport.run(
            simulator,
            lambda m: m.call(operations.show_image("i")),
            credentials=EcsAgencyCredentials(endpoint=simulator.endpoint),
        )


def test_signature_has_form_of_cloud_or_connection(cloud: str, transport: TransportRunner) -> None:
    form = "credential" if cloud == "otc" else "access"

    with Simulator(cloud=cloud, signature=form) as simulator:
        assert transport.run(simulator, lambda m: m.list_all(operations.list_images())) == []


@pytest.mark.parametrize(("options", "fields"), CREDENTIALS[3:])
def test_long_wait_renews_tokens_and_keys_before_they_expire(
    options: dict[str, Any], fields: dict[str, Any], transport: TransportRunner
) -> None:
    """Tokens of 20 minutes and keys of an hour: no request is refused."""
    with Simulator(save=AfterSeconds(HOUR + 600), token_lifetime=1200, **options) as simulator:
        image = transport.run(simulator, lambda m: save_and_wait(m, simulator), **fields)

        assert image.is_active
        assert simulator.saves == 1
        assert {entry.status for entry in simulator.journal} <= {200, 201}
        if "auth" in fields["extra"] and "agency_name" not in fields["extra"]:
            assert 4 <= count(simulator, "CreateToken") <= 6
        if "agency_name" in fields["extra"]:
            assert count(simulator, "CreateTemporaryAccessKey") == 2


def test_long_wait_renews_ecs_keys_before_they_expire(transport: TransportRunner) -> None:
    with Simulator(save=AfterSeconds(HOUR), key_lifetime=900) as simulator:
        credentials = EcsAgencyCredentials(endpoint=simulator.endpoint)

        image = transport.run(simulator, lambda m: save_and_wait(m, simulator), credentials=credentials)

        assert image.is_active
        assert {entry.status for entry in simulator.journal if entry.operation == "ShowImage"} == {200}
        assert 6 <= count(simulator, "ShowSecurityKey") <= 8


@pytest.mark.parametrize(("options", "fields"), CREDENTIALS[3:])
def test_revoked_token_is_renewed_once_during_wait(
    options: dict[str, Any], fields: dict[str, Any], transport: TransportRunner
) -> None:
    """As after a change of the password."""
    with Simulator(save=AfterSeconds(HOUR), **options) as simulator:

        async def scenario(modelarts: ModelArtsClient) -> Image:
            image = await modelarts.call(save(simulator))
            polls = 0

            def is_done(image: Image) -> bool:
                nonlocal polls
                polls += 1
                if polls in (15, 30):
                    simulator.revoke_tokens()
                    simulator.revoke_keys()
                return image.is_active

            return await modelarts.watch(
                operations.show_image(image.id),
                is_done=is_done,
                poll_interval=INTERVAL,
                deadline=simulator.now() + 2 * HOUR,
            )

        assert transport.run(simulator, scenario, **fields).is_active

        refused = [
            entry for entry in simulator.journal if entry.operation == "ShowImage" and entry.status == 401
        ]
        assert len(refused) == 2
        assert simulator.saves == 1


def test_create_image_is_sent_again_with_new_token_after_401(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """The gateway refused the request, so ModelArts did not process it."""

    async def scenario(modelarts: ModelArtsClient) -> Image:
        await modelarts.call(operations.show_notebook(simulator.notebook_id))
        simulator.revoke_tokens()
        return await modelarts.call(save(simulator))

    transport.run(simulator, scenario, **PASSWORD, extra=USER)

    assert simulator.saves == 1
    assert count(simulator, "CreateToken") == 2


@pytest.mark.parametrize(("options", "fields"), CREDENTIALS[3:])
def test_permanently_refused_token_is_renewed_once(
    options: dict[str, Any], fields: dict[str, Any], transport: TransportRunner
) -> None:
    """IAM limits the number of logins."""
    with Simulator(**options) as simulator:
        simulator.inject(Fault("error", "ShowImage", times=None, status=401, code="APIGW.0307"))

        with pytest.raises(AuthenticationError):
            transport.run(simulator, lambda m: m.call(operations.show_image("i")), **fields)

        assert count(simulator, "ShowImage") == 2


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({**PASSWORD, "password": "wrong-password", "extra": USER}, id="password"),
        pytest.param({**PASSWORD, "login": "nobody", "extra": USER}, id="user"),
        pytest.param({**PASSWORD, "extra": {**USER, "domain_name": "elsewhere"}}, id="account"),
    ],
)
def test_wrong_login_is_sent_once_and_password_not_shown(
    fields: dict[str, Any], simulator: Simulator, transport: TransportRunner
) -> None:
    with pytest.raises(AuthenticationError, match="CreateToken") as caught:
        transport.run(simulator, lambda m: m.call(operations.show_image("i")), **fields)

    assert [entry.operation for entry in simulator.journal] == ["CreateToken"]
    assert fields["password"] not in str(caught.value)


def test_missing_agency_is_named_in_error(simulator: Simulator, transport: TransportRunner) -> None:
    with pytest.raises(ModelArtsError, match="CreateTemporaryAccessKey"):
        transport.run(
            simulator,
            lambda m: m.call(operations.show_image("i")),
            extra={**AGENCY, "agency_name": "no-such-agency"},
        )


def test_unknown_project_is_named_in_error(simulator: Simulator, transport: TransportRunner) -> None:
    with pytest.raises(InvalidConnectionError, match="No project named 'mars-1' is visible"):
        transport.run(
            simulator,
            lambda m: m.call(operations.show_image("i")),
            extra={"project_id": None, "project_name": "mars-1"},
        )


def test_ambiguous_project_name_is_rejected(simulator: Simulator, transport: TransportRunner) -> None:
    simulator.add_project("cn-north-4")

    with pytest.raises(InvalidConnectionError, match="Several projects are named 'cn-north-4'"):
        transport.run(simulator, lambda m: m.call(operations.show_image("i")), extra=PROJECT_BY_NAME)


@pytest.mark.parametrize(("options", "fields"), CREDENTIALS)
def test_failed_renewal_is_retried_during_wait(
    options: dict[str, Any], fields: dict[str, Any], transport: TransportRunner
) -> None:
    with Simulator(save=AfterSeconds(HOUR), token_lifetime=1200, **options) as simulator:
        operation_names = ("CreateToken", "CreateTemporaryAccessKey")
        simulator.inject(*(Fault("html", operation, skip=1, times=3) for operation in operation_names))

        assert transport.run(simulator, lambda m: save_and_wait(m, simulator), **fields).is_active


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault("html", "CreateToken", times=None), ServerError, id="an HTML page"),
        pytest.param(Fault("garbage", "CreateToken"), InvalidResponseError, id="broken JSON"),
        pytest.param(Fault("empty", "CreateToken", status=201), InvalidResponseError, id="no token"),
    ],
)
def test_login_without_token_raises_error(
    fault: Fault, error: type[ModelArtsError], simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.inject(fault)

    with pytest.raises(error):
        transport.run(simulator, lambda m: m.call(operations.show_image("i")), **PASSWORD, extra=USER)
