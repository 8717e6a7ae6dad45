"""Scenarios of what reads and changes tags in SWR."""

from __future__ import annotations

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import HUAWEI_CLOUD
from airflow_provider_modelarts.client.image_verification import verify_image
from airflow_provider_modelarts.exceptions import InvalidResponseError
from airflow_provider_modelarts.simulator import Simulator
from tests.reliability.fault_scenarios import (
    ANY,
    BRIEF,
    LIST_ONCE,
    READ_ONCE,
    STRANGE,
    TURNED_AWAY,
    Scenario,
    class_of_each,
    each,
)
from tests.reliability.notebook_scenarios import REGISTER_PERMANENTLY, NotebookScenario
from tests.reliability.operator_scenarios import as_done, done

NAMES = {"namespace": "team", "name": "research"}


async def _tags(modelarts: ModelArtsClient) -> set[str]:
    return {tag.tag for tag in await modelarts.list_all(operations.list_tags("team", "research"))}


async def _delete(modelarts: ModelArtsClient, _: Simulator) -> None:
    if "v1" in await _tags(modelarts):
        await modelarts.call(operations.delete_tag("team", "research", "v1"))
        if "v1" in await _tags(modelarts):
            raise InvalidResponseError("The tag is still there")


async def _promote(modelarts: ModelArtsClient, _: Simulator) -> None:
    if "stable" not in await _tags(modelarts):
        retag = operations.create_tag(
            HUAWEI_CLOUD, "team", "research", source_tag="v1", destination_tag="stable"
        )
        await modelarts.call(retag)
        if "stable" not in await _tags(modelarts):
            raise InvalidResponseError("The tag is not there")


async def _list_rules(modelarts: ModelArtsClient, _: Simulator) -> None:
    assert await modelarts.call(operations.list_retention_rules("team", "research"))


async def _verify(modelarts: ModelArtsClient, simulator: Simulator) -> None:
    image = await modelarts.call(operations.show_image(simulator.images[0]["id"]))
    await verify_image(modelarts, image)


async def _list(modelarts: ModelArtsClient, _: Simulator) -> None:
    assert await _tags(modelarts) == {"v1", "v2"}


def _tagged(simulator: Simulator, _: Scenario) -> None:
    for tag in ("v1", "v2"):
        simulator.add_image(tag=tag, **NAMES)
    simulator.registry.add_rule("team", "research", num=10)


# The body of a response is not read, so one that comes in place of the effect is noticed only afterwards. The
# usual one is empty, and cannot be cut.
UNREAD = (*STRANGE, "truncated")
CHANGE_ONCE = {**each((ANY, done(2))), **each(((*TURNED_AWAY, *BRIEF, *UNREAD), done()))}
CHANGE_PERMANENTLY = {**REGISTER_PERMANENTLY, **each((UNREAD, done()))}

REGISTRY_SCENARIOS = [
    NotebookScenario(
        "ListRepositoryTags",
        act=_list,
        before=_tagged,
        is_change=False,
        once=as_done(LIST_ONCE),
        permanently=class_of_each(effects=1),
    ),
    NotebookScenario(
        "ListRepositoryTags",
        title="of a verified image",
        act=_verify,
        before=_tagged,
        is_change=False,
        # Three checks outlast a response that cannot be read, and what a gateway sends.
        once=as_done(each((ANY, done()))),
        permanently={
            **class_of_each(effects=1),
            # Permission is denied, which is one warning.
            "403 without a code": done(),
        },
    ),
    NotebookScenario(
        "DeleteRepoTag", act=_delete, before=_tagged, once=CHANGE_ONCE, permanently=CHANGE_PERMANENTLY
    ),
    NotebookScenario(
        "CreateRepoTag", act=_promote, before=_tagged, once=CHANGE_ONCE, permanently=CHANGE_PERMANENTLY
    ),
    NotebookScenario(
        "ListRetentions",
        act=_list_rules,
        before=_tagged,
        is_change=False,
        once=as_done(READ_ONCE),
        permanently=class_of_each(effects=1),
    ),
]
