"""A prune whose credentials are refused, or whose account is suspended, while the tags are read."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.exceptions import AccountSuspendedError, AuthenticationError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.prune_runs import prune, rules
from tests.snapshots import active, daily
from tests.transports import TransportRunner

REFUSALS = [
    pytest.param(401, "APIGW.0301", AuthenticationError, id="credentials"),
    pytest.param(401, "SVCSTG.SWR.4010000", AuthenticationError, id="token"),
    pytest.param(401, "ModelArts.6201", AccountSuspendedError, id="account"),
]


def refuse(simulator: Simulator, status: int, code: str) -> None:
    simulator.inject(Fault("error", "ListRepositoryTags", status=status, code=code, times=None))


@pytest.mark.parametrize("mode", ["unregister", "delete"])
@pytest.mark.parametrize(("status", "code", "error"), REFUSALS)
def test_prune_raises_refusal_of_the_caller(
    transport: TransportRunner,
    simulator: Simulator,
    mode: str,
    status: int,
    code: str,
    error: type[Exception],
) -> None:
    """A task that succeeds with all images skipped would hide it."""
    found = daily(simulator, 3)
    refuse(simulator, status, code)

    with pytest.raises(error):
        prune(transport, simulator, rules(mode))

    assert active(simulator) == set(found)


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("report", 401, "APIGW.0301"),
        ("delete", 403, "SVCSTG.SWR.4037017"),  # a missing permission may be one of the organization
    ],
)
def test_prune_skips_images_whose_tags_are_not_known(
    transport: TransportRunner, simulator: Simulator, mode: str, status: int, code: str
) -> None:
    found = daily(simulator, 3)
    refuse(simulator, status, code)

    result = prune(transport, simulator, rules(mode))

    assert {image.image.id for image in result.skipped} == set(found[1:])
    assert active(simulator) == set(found)
