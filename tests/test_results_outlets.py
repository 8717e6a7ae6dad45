"""The asset events of a task that ends with an image, in Airflow's own accessors."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias, Context

from airflow_provider_modelarts.assets.image import create_asset
from airflow_provider_modelarts.exceptions import RequestValidationError
from airflow_provider_modelarts.results import fill_outlet_events, refuse_outlets_without_wait
from tests.recorder import TaskInstance, context

try:
    from airflow.sdk.execution_time.context import OutletEventAccessors
except ImportError:  # Airflow 2.11
    from airflow.utils.context import OutletEventAccessors

RESULT = {
    "image_id": "i",
    "swr_path": "swr.x:5000/team/research:1.0",
    "status": "ACTIVE",
    "namespace": "team",
    "name": "research",
    "tag": "1.0",
    "notebook_id": "n",
    "adopted": True,
}
EXTRA = {"image_id": "i", "swr_path": "swr.x:5000/team/research:1.0", "tag": "1.0", "notebook_id": "n"}
OURS = create_asset(registry="SWR.x:5000", namespace="team", name="research")
OTHER = create_asset(registry="swr.x:5000", namespace="team", name="other")
BUCKET = Asset(uri="s3://bucket/key")
ALIAS = AssetAlias("newest image")


def ran(outlets: Any, **result: Any) -> Context:
    """Return the context of a task that ended."""
    events: Any = OutletEventAccessors()
    ended = context(TaskInstance(), outlet_events=events)
    fill_outlet_events(ended, outlets, {**RESULT, **result})
    return ended


def alias_events(ended: Context, alias: Any = ALIAS) -> list[tuple[str, Any]]:
    """Return URI and extra of the events that an alias got."""
    accessor: Any = ended["outlet_events"][alias]
    found = getattr(accessor, "asset_alias_events", None) or getattr(accessor, "dataset_alias_events", [])
    return [
        (event["dest_dataset_uri"], event["extra"])
        if isinstance(event, dict)
        else (event.dest_asset_key.uri, event.extra)
        for event in found
    ]


def test_outlet_of_repository_gets_image() -> None:
    ended = ran([BUCKET, OURS])

    assert ended["outlet_events"][OURS].extra == EXTRA
    assert ended["outlet_events"][BUCKET].extra == {}


@pytest.mark.parametrize(
    ("result", "extra"),
    [
        pytest.param({"digest": "sha256:1"}, {**EXTRA, "digest": "sha256:1"}, id="a digest"),
        pytest.param({"tag": None}, EXTRA, id="the tag only in the address"),
        pytest.param({"notebook_id": None}, {**EXTRA, "notebook_id": None}, id="no marker"),
        pytest.param(
            {"swr_path": "SWR.X:5000/team/research:1.0"},
            {**EXTRA, "swr_path": "SWR.X:5000/team/research:1.0"},
            id="an upper-case host",
        ),
        pytest.param({"name": "adopted", "namespace": None}, EXTRA, id="another name than the task's"),
        pytest.param({"swr_path": None}, {**EXTRA, "swr_path": None}, id="no address"),
        pytest.param(
            {"swr_path": "team/research:1.0"}, {**EXTRA, "swr_path": "team/research:1.0"}, id="no registry"
        ),
    ],
)
def test_outlet_extra_has_what_is_known(result: dict[str, Any], extra: dict[str, Any]) -> None:
    assert ran([OURS], **result)["outlet_events"][OURS].extra == extra


@pytest.mark.parametrize("outlets", [OURS, (OURS,), [OURS, OURS]], ids=["alone", "a tuple", "twice"])
def test_outlets_in_any_form_are_filled(outlets: Any) -> None:
    assert ran(outlets)["outlet_events"][OURS].extra == EXTRA


def test_outlet_keeps_extra_of_user() -> None:
    events: Any = OutletEventAccessors()
    events[OURS].extra = {"by": "us"}

    fill_outlet_events(context(TaskInstance(), outlet_events=events), [OURS], RESULT)

    assert events[OURS].extra == {"by": "us", **EXTRA}


@pytest.mark.parametrize("status", ["CREATING", "CREATE_FAILED", "ERROR", "DELETED", "NEW", None])
def test_outlet_of_image_that_is_not_active_stays_empty(status: str | None) -> None:
    ended = ran([OURS, ALIAS], status=status)

    assert len(ended["outlet_events"]) == 0


@pytest.mark.parametrize(
    ("outlets", "result"),
    [
        pytest.param([OTHER], {}, id="another name"),
        pytest.param([Asset(uri="swr://swr.x/team/research")], {}, id="another port"),
        pytest.param([OTHER], {"swr_path": None, "name": None}, id="an unknown repository"),
    ],
)
def test_outlet_of_another_repository_gets_one_warning(
    outlets: list[Any], result: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ended = ran([*outlets, BUCKET], **result)

    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert outlets[0].uri in warning
    assert "i " in warning
    assert BUCKET.uri not in warning
    assert ended["outlet_events"][outlets[0]].extra == {}


def test_outlets_of_one_path_are_not_guessed_without_registry(caplog: pytest.LogCaptureFixture) -> None:
    twin = create_asset(registry="swr.y", namespace="team", name="research")

    ended = ran([OURS, twin], swr_path="team/research:1.0")

    assert [ended["outlet_events"][outlet].extra for outlet in (OURS, twin)] == [{}, {}]
    assert OURS.uri in caplog.text
    assert twin.uri in caplog.text


def test_alias_gets_event_of_repository_once() -> None:
    ended = ran([ALIAS, AssetAlias("newest image"), AssetAlias("audit")])

    assert alias_events(ended) == [(OURS.uri, EXTRA)]
    assert alias_events(ended, AssetAlias("audit")) == [(OURS.uri, EXTRA)]


def test_alias_gets_registry_of_outlet_if_address_has_none() -> None:
    assert alias_events(ran([ALIAS, OURS], swr_path="team/research:1.0"))[0][0] == OURS.uri


def test_alias_without_registry_gets_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert alias_events(ran([ALIAS], swr_path="team/research:1.0")) == []
    assert "names no registry: the asset alias newest image gets no event" in caplog.text


def test_outlet_error_does_not_fail_task(caplog: pytest.LogCaptureFixture) -> None:
    """Airflow's handler refuses this address, which a registry would refuse too."""
    ran([ALIAS], swr_path="swr.x/te am/research:1.0")

    assert "Image i is ACTIVE, but its asset events cannot be filled: ValueError" in caplog.text


@pytest.mark.parametrize(
    "outlets", [OURS, [BUCKET, OURS], [ALIAS, OTHER]], ids=["alone", "among others", "of any repository"]
)
def test_outlet_is_refused_without_wait(outlets: Any) -> None:
    ended = context(TaskInstance(), outlet_events=OutletEventAccessors())

    with pytest.raises(RequestValidationError, match=r"outlets must have no swr:// asset.*wait_for_comp"):
        refuse_outlets_without_wait(ended, outlets)


@pytest.mark.parametrize("outlets", [[], None, BUCKET, [ALIAS], ["text", BUCKET]], ids=str)
def test_other_outlets_are_accepted_without_wait(outlets: Any) -> None:
    refuse_outlets_without_wait(context(TaskInstance(), outlet_events=OutletEventAccessors()), outlets)
