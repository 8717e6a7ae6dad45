"""A prune of a project, through both transports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client import prune as module
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_deletion import delete_record
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import (
    AuthenticationError,
    InvalidConnectionError,
    InvalidResponseError,
    ModelArtsError,
    PermissionDeniedError,
    ServerError,
)
from airflow_provider_modelarts.simulator import Fault, RegistryBehaviour, Simulator
from airflow_provider_modelarts.simulator.simulator import PROJECT_ID
from tests.snapshots import DAY, NOTEBOOK, OTHER, active, daily, snapshot
from tests.transports import TransportRunner

ALL_NOTEBOOKS = "modelarts:notebook:listAllNotebooks"


def rules(mode: Any = "delete", keep_last: int = 1, **given: Any) -> PruneRules:
    return PruneRules(Scope.of(all_of_project=True), Policy.of(keep_last=keep_last), mode, **given)


def prune(
    transport: TransportRunner, simulator: Simulator, given: PruneRules | None = None, **arguments: Any
) -> PruneResult:
    async def scenario(client: ModelArtsClient) -> PruneResult:
        return await Prune(client, given or rules(), workspace_id="0", **arguments).run()

    return transport.run(simulator, scenario)


def ids(images: Any) -> list[str]:
    return [image.image.id for image in images]


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


@pytest.mark.parametrize("flag", ["query", "body", "either"])
def test_prune_deletes_records_and_then_tags_oldest_first(transport: TransportRunner, flag: str) -> None:
    with Simulator(registry=RegistryBehaviour(delete_flag=flag)) as simulator:
        newest, *old = daily(simulator, 4)
        paths = {image["id"]: image["swr_path"] for image in simulator.images}

        result = prune(transport, simulator)

        assert ids(result.deleted) == old[::-1]
        assert ids(result.kept) == [newest]
        assert active(simulator) == {newest}
        assert {paths[image_id] for image_id in old}.isdisjoint(simulator.swr_paths)
        assert paths[newest] in simulator.swr_paths
        assert result.notebooks_seen == 1
        assert result.freed_bytes > 0
        assert len(sent(simulator)) == len(old)


def test_prune_deletes_tags_that_the_service_leaves(transport: TransportRunner, simulator: Simulator) -> None:
    _, old = daily(simulator, 2)
    (path,) = [image["swr_path"] for image in simulator.images if image["id"] == old]

    with leaving_tags(simulator):
        prune(transport, simulator, rules())

    assert sent(simulator) == ["DeleteImage", "DeleteRepoTag"]
    # The last two requests: SWR is asked for the tag, and deletes it.
    assert [entry.operation for entry in simulator.journal[-2:]] == ["ListRepositoryTags", "DeleteRepoTag"]
    assert old not in active(simulator)
    assert path not in simulator.swr_paths


def test_prune_leaves_tag_of_record_that_is_still_there(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old = daily(simulator, 2)
    (path,) = [image["swr_path"] for image in simulator.images if image["id"] == old]
    simulator.inject(Fault("document", "DeleteImage", body='{"status": "ACTIVE"}'))

    result = prune(transport, simulator)

    assert ids(result.failed) == [old]
    assert path in simulator.swr_paths


@pytest.mark.parametrize("mode", ["report", "unregister"])
def test_prune_leaves_tags(transport: TransportRunner, simulator: Simulator, mode: str) -> None:
    newest, old = daily(simulator, 2)
    paths = simulator.swr_paths

    result = prune(transport, simulator, rules(mode))

    assert ids(result.deleted) == [old]
    assert simulator.swr_paths == paths
    assert active(simulator) == ({newest} if mode == "unregister" else {newest, old})
    assert (result.freed_bytes > 0) is (mode == "report")


def test_prune_reads_notebooks_of_all_users_workspaces_and_features(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, *old = daily(simulator, 5)
    simulator.add_notebook(image_id=old[0], owner="somebody-else", status="STOPPED")
    simulator.add_notebook(image_id=old[1], workspace_id="w" * 32, status="STOPPED")
    simulator.add_notebook(image_id=old[2], feature="DEFAULT", status="STOPPED")

    result = prune(transport, simulator)

    assert ids(result.deleted) == [old[3]]
    assert set(ids(result.skipped)) == set(old[:3])
    assert all("used by notebook" in image.reasons[0] for image in result.skipped)
    assert result.notebooks_seen == 4


def test_prune_with_own_notebooks_only_needs_no_other_permission(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old = daily(simulator, 2)
    simulator.revoke(ALL_NOTEBOOKS)

    result = prune(transport, simulator, own_notebooks_only=True)

    assert ids(result.deleted) == [old]


@pytest.mark.parametrize("mode", ["unregister", "delete"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (None, PermissionDeniedError),
        (Fault("error", "ListAllNotebooks", times=None), ServerError),
        (Fault("miscount", "ListAllNotebooks", times=None), InvalidResponseError),
        (Fault("document", "ListAllNotebooks", times=None, body='{"data":[{"name":"n"}],"total":1}'), None),
        (Fault("error", "ListAllNotebooks", skip=1, times=None, status=403, code=""), None),
    ],
    ids=["refused", "failing", "ends early", "unreadable record", "second list refused"],
)
def test_prune_deletes_nothing_without_complete_list_of_notebooks(
    transport: TransportRunner,
    simulator: Simulator,
    mode: str,
    fault: Fault | None,
    error: type[ModelArtsError] | None,
) -> None:
    daily(simulator, 3)
    if fault is None:
        simulator.revoke(ALL_NOTEBOOKS)
    else:
        simulator.inject(fault)

    with pytest.raises(error or ModelArtsError, match="own_notebooks_only=True") as info:
        prune(transport, simulator, rules(mode))

    assert ALL_NOTEBOOKS in str(info.value)
    assert sent(simulator) == []


def test_prune_reports_without_list_of_notebooks(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    _, old = daily(simulator, 2)
    simulator.revoke(ALL_NOTEBOOKS)

    result = prune(transport, simulator, rules("report"))

    assert ids(result.deleted) == [old]
    assert result.notebooks_seen is None
    assert "does not show which images are in use" in caplog.text


def test_prune_reads_notebooks_again_after_thirty_seconds(
    transport: TransportRunner, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, *old = daily(simulator, 4)

    async def slow(client: ModelArtsClient, image_id: str, **given: Any) -> bool:
        found = await delete_record(client, image_id, **given)
        simulator.advance(31)
        if image_id == old[2]:
            simulator.add_notebook(image_id=old[1], status="STOPPED")
        return found

    monkeypatch.setattr(module, "delete_record", slow)

    result = prune(transport, simulator)

    assert ids(result.deleted) == [old[2], old[0]]
    assert ids(result.skipped) == [old[1]]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset_after", "DeleteImage"),
        Fault("error", "DeleteImage", takes_effect=True),
        Fault("error", "DeleteImage", status=400, code="ModelArts.9999", takes_effect=True),
        Fault("torn", "DeleteImage"),
    ],
    ids=["reset", "500", "refused", "torn"],
)
def test_prune_counts_image_that_is_gone_after_an_error_as_deleted(
    transport: TransportRunner, simulator: Simulator, fault: Fault
) -> None:
    _, old = daily(simulator, 2)
    simulator.inject(fault)
    assert ids(prune(transport, simulator).deleted) == [old]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("error", "DeleteImage", status=400, code="ModelArts.9999"), "skipped"),
        (Fault("error", "DeleteImage", status=500, code="ModelArts.6102"), "failed"),
        (Fault("html", "DeleteImage", status=404), "failed"),
        (Fault("error", "DeleteRepoTag", status=500), "failed"),
    ],
    ids=["refused", "failing", "gateway", "tag stays"],
)
def test_prune_goes_on_after_image_that_cannot_be_deleted(
    transport: TransportRunner, fault: Fault, kind: str
) -> None:
    with Simulator(registry=RegistryBehaviour(delete_flag="either")) as simulator:
        _, *old = daily(simulator, 4)
        simulator.inject(fault)
        if fault.operation == "DeleteRepoTag":
            with leaving_tags(simulator):
                result = prune(transport, simulator)
        else:
            result = prune(transport, simulator)

        assert ids(getattr(result, kind)) == [old[2]]
        assert ids(result.deleted) == [old[1], old[0]]


def test_prune_stops_when_deletions_keep_failing(transport: TransportRunner, simulator: Simulator) -> None:
    daily(simulator, 6)
    simulator.inject(Fault("error", "DeleteImage", times=None))

    result = prune(transport, simulator)

    assert sent(simulator) == ["DeleteImage"] * 3
    assert len(result.failed) == 5
    assert isinstance(result.error, ServerError)


def test_prune_stops_at_missing_permission(transport: TransportRunner, simulator: Simulator) -> None:
    daily(simulator, 4)
    simulator.revoke("modelarts:image:delete")

    result = prune(transport, simulator)

    assert sent(simulator) == ["DeleteImage"]
    assert len(result.failed) == 3
    assert isinstance(result.error, PermissionDeniedError)


def test_prune_spares_repository_whose_tags_cannot_be_read(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old = daily(simulator, 2)
    snapshot(simulator, "a", age=3 * DAY, name="other")
    other = snapshot(simulator, "b", age=4 * DAY, name="other")
    simulator.inject(Fault("error", "ListRepositoryTags", status=404, code=""))  # of the repository "other"

    result = prune(transport, simulator)

    assert ids(result.deleted) == [old]
    assert ids(result.skipped) == [other]


def test_prune_keeps_content_of_kept_and_promoted_tags(
    transport: TransportRunner, simulator: Simulator
) -> None:
    newest, same, promoted, old = daily(simulator, 4)
    path = {image["id"]: image["swr_path"] for image in simulator.images}
    simulator.registry.copy(path[newest], path[same])
    simulator.registry.copy(path[promoted], path[promoted].rpartition(":")[0] + ":stable")

    result = prune(transport, simulator, rules(keep_tags=("stab*",)))

    assert ids(result.deleted) == [old]
    assert result.kept[1].reasons == ("its content is that of the tag 'v0', which is kept",)
    assert result.kept[2].reasons == ("its content has the tag 'stable', which matches keep_tags",)


def test_prune_report_lists_tags_without_record(transport: TransportRunner, simulator: Simulator) -> None:
    daily(simulator, 2)
    simulator.registry.push(f"{simulator.registry.host}/team/research:by-hand")

    for mode in ("report", "delete"):
        result = prune(transport, simulator, rules(mode))
        assert result.tags_without_record == ("team/research:by-hand",)
    assert f"{simulator.registry.host}/team/research:by-hand" in simulator.swr_paths


def test_prune_warns_of_retention_rules_of_swr(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    daily(simulator, 2)
    simulator.registry.add_rule("team", "research", days=30)
    prune(transport, simulator, rules("report"))
    assert (
        "SWR has a retention rule of its own for team/research: it deletes tags older than 30" in caplog.text
    )


def test_prune_of_missing_tag_deletes_only_the_record(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old = daily(simulator, 2)
    (path,) = [image["swr_path"] for image in simulator.images if image["id"] == old]
    simulator.registry.delete(path)

    result = prune(transport, simulator)

    assert ids(result.deleted) == [old]
    assert result.freed_bytes == 0
    assert simulator.journal[-1].operation == "DeleteImage"


# --- the next try ------------------------------------------------------------------------------------------


@contextmanager
def leaving_tags(simulator: Simulator) -> Iterator[None]:
    """Let DeleteImage delete records only, as one that honours no flag."""
    store = simulator._projects.home
    delete = store.delete_image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "delete_image", lambda image_id, _: delete(image_id, force=False))
        yield


def killed(
    transport: TransportRunner, simulator: Simulator, operation: str, **given: Any
) -> list[dict[str, Any]]:
    """Run a try that ends with its first deletion of a record or tag, and return what it stored."""
    stored: list[dict[str, Any]] = []

    class Killed(BaseException):
        pass

    async def kill(*_: Any, **__: Any) -> bool:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, operation, kill)
        with pytest.raises(Killed):
            prune(transport, simulator, store=stored.extend, **given)
    return stored


@pytest.mark.parametrize("operation", ["delete_record", "delete_tag"])
def test_prune_goes_on_where_a_try_was_killed(transport: TransportRunner, operation: str) -> None:
    with Simulator() as simulator:
        newest, *old = daily(simulator, 3)
        with leaving_tags(simulator):
            earlier = killed(transport, simulator, operation)
        assert {entry["image_id"] for entry in earlier} == set(old)

        result = prune(transport, simulator, earlier=earlier)

        assert set(ids(result.deleted)) == set(old)
        assert active(simulator) == {newest}
        assert {path.rpartition(":")[2] for path in simulator.swr_paths if "/team/" in path} == {"v0"}


@pytest.mark.parametrize("change", ["pushed", "registered", "used", "kept", "protected", "promoted"])
def test_prune_leaves_tag_of_an_earlier_try_that_is_anothers_by_now(
    transport: TransportRunner, simulator: Simulator, change: str
) -> None:
    newest, old = daily(simulator, 2)
    path = {image["id"]: image["swr_path"] for image in simulator.images}
    with leaving_tags(simulator):
        earlier = killed(transport, simulator, "delete_tag")
    given: dict[str, Any] = {}
    if change == "pushed":
        simulator.registry.push(path[old], "new layer")
    elif change == "registered":
        snapshot(simulator, "v1", age=2 * DAY)
    elif change == "used":
        again = snapshot(simulator, "v1", age=2 * DAY)
        simulator.add_notebook(image_id=again, status="STOPPED")
        simulator.project(PROJECT_ID).hide(again)
    elif change == "kept":
        simulator.registry.copy(path[old], path[newest])
    elif change == "protected":
        given["protect"] = ("team/research:*",)
    else:
        simulator.registry.copy(path[old], path[newest].rpartition(":")[0] + ":stable")
        given["keep_tags"] = ("stable",)

    prune(transport, simulator, rules(**given), earlier=earlier)

    assert path[old] in simulator.swr_paths


def test_prune_of_a_retry_removes_no_more_than_max_deletions_in_all(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, *old = daily(simulator, 6)
    earlier: list[dict[str, Any]] = []
    simulator.inject(Fault("error", "DeleteImage", skip=1, times=None))
    first = prune(transport, simulator, rules(max_deletions=2), store=earlier.extend)
    simulator.clear_faults()

    second = prune(transport, simulator, rules(max_deletions=2), earlier=earlier)

    assert ids(first.deleted) == [old[4]]
    assert set(ids(second.deleted)) == {old[4], old[3]}
    assert len(active(simulator)) == 4


def test_prune_touches_no_other_project(transport: TransportRunner, simulator: Simulator) -> None:
    daily(simulator, 2)
    other = simulator.add_project("other")
    theirs = simulator.project(other).add_image(
        namespace="team", name="research", tag="theirs", status="ACTIVE"
    )

    prune(transport, simulator)

    assert theirs in active(simulator)
    assert f"{simulator.registry.host}/team/research:theirs" in simulator.swr_paths


@pytest.mark.parametrize("age", [timedelta(hours=23), timedelta(hours=25)])
def test_prune_keeps_what_is_younger_than_min_age(
    transport: TransportRunner, simulator: Simulator, age: timedelta
) -> None:
    snapshot(simulator, "new", age=timedelta(0))
    young = snapshot(simulator, "young", age=age)
    assert (ids(prune(transport, simulator).deleted) == [young]) is (age > DAY)


def test_prune_groups_by_source_notebook(transport: TransportRunner, simulator: Simulator) -> None:
    snapshot(simulator, "a", age=5 * DAY, notebook_id=NOTEBOOK)
    snapshot(simulator, "b", age=3 * DAY, notebook_id=OTHER)
    assert ids(prune(transport, simulator).deleted) == []


def test_prune_without_address_of_swr_deletes_nothing(
    transport: TransportRunner, simulator: Simulator
) -> None:
    daily(simulator, 2)
    extra = {"swr_endpoint": None}

    async def scenario(client: ModelArtsClient) -> PruneResult:
        return await Prune(client, rules(), workspace_id="0").run()

    with pytest.raises(InvalidConnectionError, match="swr_endpoint"):
        transport.run(simulator, scenario, extra=extra)
    assert sent(simulator) == []


def test_prune_report_fails_if_credentials_are_refused(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Otherwise it would report that nothing is to be deleted."""
    daily(simulator, 2)
    fault = Fault("error", "ListAllNotebooks", status=401, code="ModelArts.0201", times=None)
    simulator.inject(fault)
    with pytest.raises(AuthenticationError):
        prune(transport, simulator, rules("report"))
