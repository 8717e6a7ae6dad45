"""Credentials when the wall clock jumps, and how long a refusal is cached."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.credentials import REFUSAL_TTL, AuthenticationState
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.exceptions import ApiError, AuthenticationError
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.client.fake_transport import IMAGE_ID, FakeTransport, image, modelarts, run
from tests.transports import BlockingRunner, TransportRunner

HOUR = 3600.0
PASSWORD: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
USER: dict[str, Any] = {"auth": "password", "domain_name": "research-account"}
AGENCY: dict[str, Any] = {"agency_name": "snapshot-agency", "agency_domain_name": "research-account"}
JUMPS = [-HOUR, HOUR]


class WallClock:
    """
    The simulator's time, with a wall clock that jumps.

    :param jump: seconds by which that is ahead.
    """

    def __init__(self, simulator: Simulator, jump: float = 0.0) -> None:
        self._simulator = simulator
        self.jump = jump

    def time(self) -> float:
        """Seconds since the epoch, as this machine has them."""
        return self._simulator.now() + self.jump

    def monotonic(self) -> float:
        """Seconds, which do not jump."""
        return self._simulator.now()


def count(simulator: Simulator, operation: str) -> int:
    return sum(entry.operation == operation for entry in simulator.journal)


async def wait(
    modelarts: ModelArtsClient, image_id: str, deadline: float, *, jump_at: int, jump: float
) -> Image:
    """Wait, and let the clock jump at a poll."""
    clock, polls = modelarts._clock, 0
    assert isinstance(clock, WallClock)

    def is_done(image: Image) -> bool:
        nonlocal polls
        polls += 1
        if polls == jump_at:
            clock.jump = jump
        return not image.is_pending

    return await modelarts.watch(
        operations.show_image(image_id), is_done=is_done, poll_interval=15, deadline=deadline
    )


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("extra", [USER, {**USER, **AGENCY}], ids=["token", "keys"])
def test_credentials_keep_renewal_interval_when_wall_clock_jumps(
    extra: dict[str, Any], jump: float, transport: TransportRunner
) -> None:
    """Tokens only: a signature that is an hour off is refused with an error that names the clock."""
    with Simulator(save=AfterSeconds(HOUR + 600), token_lifetime=1200) as simulator:
        image_id = _save(simulator)

        async def scenario(modelarts: ModelArtsClient) -> Image:
            modelarts._clock = modelarts._session._clock = WallClock(simulator)
            return await wait(modelarts, image_id, simulator.now() + 4 * HOUR, jump_at=3, jump=jump)

        if "agency_name" in extra:
            with pytest.raises(AuthenticationError, match="this machine's clock"):
                transport.run(simulator, scenario, **PASSWORD, extra=extra)
            return
        assert transport.run(simulator, scenario, **PASSWORD, extra=extra).is_active
        assert 4 <= count(simulator, "CreateToken") <= 6
        assert {entry.status for entry in simulator.journal} <= {200, 201}


@pytest.mark.parametrize("jump", JUMPS)
def test_credentials_renew_token_in_time_when_wall_clock_is_wrong(
    jump: float, transport: TransportRunner
) -> None:
    """The lifetime is computed from the service's own times."""
    with Simulator(save=AfterSeconds(HOUR + 600), token_lifetime=1200) as simulator:
        image_id = _save(simulator)

        async def scenario(modelarts: ModelArtsClient) -> Image:
            modelarts._clock = WallClock(simulator, jump)
            return await wait(modelarts, image_id, simulator.now() + 4 * HOUR, jump_at=0, jump=jump)

        assert transport.run(simulator, scenario, **PASSWORD, extra=USER).is_active
        assert 4 <= count(simulator, "CreateToken") <= 6
        assert {entry.status for entry in simulator.journal} <= {200, 201}


@pytest.mark.parametrize("jump", JUMPS)
def test_credentials_cache_failed_login_as_long_when_wall_clock_jumps(
    jump: float, transport: TransportRunner
) -> None:
    with Simulator(save=AfterSeconds(600), token_lifetime=600) as simulator:
        image_id = _save(simulator)
        simulator.inject(Fault("html", "CreateToken", skip=1, times=3))

        async def scenario(modelarts: ModelArtsClient) -> Image:
            modelarts._clock = clock = WallClock(simulator)
            began = simulator.now()
            await modelarts.call(operations.show_image(image_id))
            simulator.advance(400)
            for _ in range(3):
                with pytest.raises(ApiError):
                    await modelarts.call(operations.show_image(image_id), deadline=0.0)
                clock.jump = jump
            return await wait(modelarts, image_id, began + 4 * HOUR, jump_at=0, jump=jump)

        assert transport.run(simulator, scenario, **PASSWORD, extra=USER).is_active
        assert count(simulator, "CreateToken") == 5


@pytest.mark.parametrize("jump", JUMPS)
def test_credentials_cache_refusal_as_long_when_wall_clock_jumps(
    jump: float, simulator: Simulator, transport: TransportRunner
) -> None:
    async def scenario(modelarts: ModelArtsClient) -> None:
        modelarts._clock = clock = WallClock(simulator)
        call = operations.show_image("i")
        with pytest.raises(AuthenticationError):
            await modelarts.call(call)
        clock.jump = jump
        simulator.advance(REFUSAL_TTL - 60)
        with pytest.raises(AuthenticationError, match=r"not sent again for (59|60) s"):
            await modelarts.call(call)
        assert count(simulator, "CreateToken") == 1
        simulator.advance(60)
        with pytest.raises(AuthenticationError):
            await modelarts.call(call)
        assert count(simulator, "CreateToken") == 2

    transport.run(simulator, scenario, **{**PASSWORD, "password": "wrong-password"}, extra=USER)


def test_credentials_sign_with_new_wall_clock_time() -> None:
    transport = FakeTransport(image())
    client = modelarts(transport)
    run(client.call(operations.show_image(IMAGE_ID)))
    transport.now -= HOUR
    run(client.call(operations.show_image(IMAGE_ID)))

    first, second = (request.headers["X-Sdk-Date"] for request in transport.requests)
    assert (first, second) == ("20250615T150640Z", "20250615T140640Z")


KNOWN = AuthenticationError("refused", status=401, code="APIGW.0307")
UNKNOWN = ApiError("refused", status=401, code="ModelArts.9999")


@pytest.mark.parametrize(
    ("error", "is_proven", "after", "is_renewed"),
    [
        pytest.param(KNOWN, True, 1.0, True, id="a new one that had been accepted"),
        pytest.param(KNOWN, False, 1.0, False, id="a new one that nobody accepted"),
        pytest.param(UNKNOWN, True, 1.0, False, id="a reason that may be another"),
        pytest.param(KNOWN, False, REFUSAL_TTL, True, id="long after the last renewal"),
        pytest.param(UNKNOWN, True, REFUSAL_TTL, True, id="another reason, long after the last renewal"),
    ],
)
def test_authentication_state_allows_renewal(
    error: ApiError, is_proven: bool, after: float, is_renewed: bool
) -> None:
    state = AuthenticationState()
    assert state.begin_renewal(error, 1000.0)
    if is_proven:
        state.accept()

    assert state.begin_renewal(error, 1000.0 + after) is is_renewed
    assert not state.is_proven


def test_authentication_state_keeps_first_refusal_time_and_raises_new_error() -> None:
    state = AuthenticationState()
    state.refuse(KNOWN, 1000.0)
    state.refuse(KNOWN, 1010.0)  # was on its way

    raised = []
    for _ in range(2):
        with pytest.raises(AuthenticationError) as caught:
            state.check(1060.0)
        raised.append(caught.value)

    assert str(raised[0]) == (
        "These credentials were refused 60 s ago and are not sent again for 240 s: correct the connection, "
        "or wait. refused (HTTP 401, APIGW.0307)"
    )
    assert raised[0] is not raised[1]
    assert not raised[0].may_have_been_processed
    state.check(1000.0 + REFUSAL_TTL)
    state.refuse(KNOWN, 1310.0)
    state.clear_refusal()
    state.check(1311.0)


def _save(simulator: Simulator) -> str:
    """Let the notebook be saved, and return the image's id."""
    request = CreateImageRequest.for_cloud(
        CLOUDS["huaweicloud"], notebook_id=simulator.notebook_id, name="n", namespace="team", tag="t"
    )
    call = operations.create_image(simulator.notebook_id, request)
    return BlockingRunner().run(simulator, lambda m: m.call(call)).id
