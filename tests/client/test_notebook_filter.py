"""Which notebooks match filters: by their own fields, by their lease, and by their snapshots."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebook_filter import FoundNotebook, NotebookFilter
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import SnapshotIndex, began_within

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
OTHER = "00000000-0000-4000-8000-000000000001"
NOW = 1_784_948_034_829
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def notebook(*, left: int | None = 30 * MINUTE, **fields: Any) -> Notebook:
    """Return a running notebook that was created a day ago and stops by itself in some time."""
    lease = {"create_at": NOW - DAY, "duration": DAY + (left or 0), "enable": True, "type": "TIMING"}
    values = {
        "id": ID,
        "name": "team-vision",
        "status": "RUNNING",
        "user_id": "u-1",
        "flavor": "cpu.2u",
        "workspace_id": "w1",
        "image": {"id": "built-in"},
        "create_at": NOW - DAY,
        "lease": lease,
    }
    return Notebook.model_validate(values | fields)


def snapshot(begun: int | None = HOUR, **fields: Any) -> Image:
    times = {} if begun is None else {"create_at": NOW - begun, "update_at": NOW - begun}
    marker = f"[airflow:0123456789abcdef notebook:{ID}]"
    return Image.model_validate({"id": "i-1", "status": "ACTIVE", "description": marker, **times} | fields)


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({}, True),
        ({"statuses": ("RUNNING",)}, True),
        ({"statuses": ("STOPPED", "RUNNING")}, True),
        ({"statuses": ("STOPPED",)}, False),
        ({"name": "team-*"}, True),
        ({"name": "team-vision"}, True),
        ({"name": "*vis*"}, True),
        ({"name": "team-[u-w]?sion"}, True),
        ({"name": "vision"}, False),
        ({"name": "TEAM-*"}, False),
        ({"owner_id": "u-1"}, True),
        ({"owner_id": "u"}, False),
        ({"flavor": "cpu.2u"}, True),
        ({"flavor": "cpu"}, False),
        ({"workspace_id": "w1"}, True),
        ({"workspace_id": "w2"}, False),
        ({"name": "team-*", "owner_id": "u-2"}, False),
        ({"statuses": ("RUNNING",), "name": "team-*", "owner_id": "u-1", "flavor": "cpu.2u"}, True),
    ],
)
def test_filter_matches_notebook_if_all_of_it_do(filters: dict[str, Any], matches: bool) -> None:
    assert NotebookFilter(**filters).matches(notebook(), NOW) is matches


@pytest.mark.parametrize("fields", [{"name": None}, {"status": None}, {"user_id": None}, {"flavor": None}])
def test_filter_does_not_match_notebook_without_the_field(fields: dict[str, Any]) -> None:
    wanted = NotebookFilter(statuses=("RUNNING",), name="team-*", owner_id="u-1", flavor="cpu.2u")
    assert not wanted.matches(notebook(**fields), NOW)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 500, None])
def test_filter_with_star_matches_every_name(name: str | None) -> None:
    assert NotebookFilter(name="*").matches(notebook(name=name), NOW)


@pytest.mark.parametrize(
    ("left", "within", "matches"),
    [
        pytest.param(30 * MINUTE, timedelta(minutes=30), True, id="at the end of the time"),
        pytest.param(30 * MINUTE + 1, timedelta(minutes=30), False, id="just after it"),
        pytest.param(-MINUTE, timedelta(minutes=30), True, id="over, but the notebook still runs"),
    ],
)
def test_filter_by_lease_compares_its_end(left: int, within: timedelta, matches: bool) -> None:
    wanted = NotebookFilter(lease_ends_within=within)
    assert wanted.matches(notebook(left=left), NOW) is matches


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"lease": {"create_at": NOW - DAY, "duration": DAY, "enable": False}}, id="disabled"),
        pytest.param({"lease": {"create_at": NOW - DAY, "duration": -1, "enable": True}}, id="unlimited"),
        pytest.param({"lease": {"create_at": NOW - DAY, "duration": 0, "enable": True}}, id="no duration"),
        pytest.param({"lease": {"create_at": 0, "duration": DAY, "type": "idle"}}, id="idle"),
        pytest.param(
            {"lease": {"create_at": 0, "duration": DAY, "type": "IDLE "}}, id="idle, in other letters"
        ),
        pytest.param({"status": "STOPPED"}, id="a stopped notebook, whose lease is an old one"),
        pytest.param({"status": "STOPPING"}, id="a notebook that stops"),
        pytest.param({"lease": None}, id="no lease"),
        pytest.param({"lease": {"duration": DAY, "enable": True}}, id="a lease without a creation"),
    ],
)
def test_filter_by_lease_leaves_out_lease_without_end(fields: dict[str, Any]) -> None:
    wanted = NotebookFilter(lease_ends_within=timedelta(days=3650))
    assert not wanted.matches(notebook(**fields), NOW)


@pytest.mark.parametrize(
    ("fields", "filters", "is_unknown"),
    [
        ({"lease": None}, {}, True),
        ({"lease": {"duration": DAY, "enable": True}}, {}, True),
        ({}, {}, False),
        ({"lease": {"enable": False}}, {}, False),
        ({"lease": None, "status": "STOPPED"}, {}, False),
        ({"lease": None}, {"name": "other"}, False),
        ({"lease": None}, {"lease_ends_within": None}, False),
    ],
)
def test_filter_by_lease_names_notebook_whose_end_is_unknown(
    fields: dict[str, Any], filters: dict[str, Any], is_unknown: bool
) -> None:
    wanted = NotebookFilter(**{"lease_ends_within": timedelta(hours=1), **filters})
    assert wanted.has_unknown_end(notebook(**fields)) is is_unknown


@pytest.mark.parametrize(
    ("begun", "is_saved"),
    [
        pytest.param([], False, id="never saved"),
        pytest.param([2 * HOUR], True, id="at the end of the time"),
        pytest.param([2 * HOUR + 1], False, id="just before it"),
        pytest.param([5 * DAY, HOUR], True, id="one of two"),
        pytest.param([None], False, id="no date"),
        pytest.param([-4 * MINUTE], True, id="clocks that differ a little"),
        pytest.param([-10 * MINUTE], False, id="from the future"),
        pytest.param([-10 * MINUTE, HOUR], True, id="one from the future beside a real one"),
    ],
)
def test_filter_by_snapshot_compares_when_it_began(begun: list[int | None], is_saved: bool) -> None:
    images = [snapshot(at) for at in begun]
    assert NotebookFilter(not_saved_within=timedelta(hours=2)).is_saved(images, NOW) is is_saved
    assert NotebookFilter().is_saved(images, NOW) is False


def test_began_within_accepts_times_beyond_what_python_holds() -> None:
    assert not began_within(snapshot(create_at=-(10**18)), timedelta(days=3650), now=10**18)


@pytest.mark.parametrize(
    ("fields", "runs", "is_found"),
    [
        pytest.param({}, "built-in", True, id="its marker"),
        pytest.param(
            {"description": f"[AIRFLOW:0123456789ABCDEF NOTEBOOK:{ID.upper()}]"}, "x", True, id="case"
        ),
        pytest.param({"description": f"[airflow:{'0' * 16} notebook:{OTHER}]"}, "i-1", False, id="another's"),
        pytest.param({"description": None}, "i-1", False, id="an image that it runs, but that nobody saved"),
        pytest.param({"description": "", "origin": "IMAGE_SAVE"}, "I-1", True, id="the saved image it runs"),
        pytest.param({"description": "", "origin": "IMAGE_SAVE"}, "x", False, id="a saved image of somebody"),
        pytest.param(
            {"description": "", "origin": "IMAGE_SAVE", "create_at": NOW - 2 * DAY},
            "i-1",
            False,
            id="the image that it was created from",
        ),
        *(
            pytest.param({"status": status}, "built-in", False, id=f"{status}")
            for status in ("INIT", "CREATING", "CREATE_FAILED", "ERROR", "DELETED", None)
        ),
    ],
)
def test_index_returns_active_snapshots_of_notebook(
    fields: dict[str, Any], runs: str, is_found: bool
) -> None:
    image = snapshot(**fields)
    found = SnapshotIndex([image, snapshot(id="i-2", description="of somebody else")])
    assert found.snapshots_of(notebook(image={"id": runs})) == ([image] if is_found else [])


def test_index_returns_newest_snapshot_first_and_each_once() -> None:
    """Two workspaces may list the same image."""
    images = [snapshot(2 * HOUR, id="old"), snapshot(None, id="undated"), snapshot(HOUR, id="new")]
    found = SnapshotIndex([*images, *images]).snapshots_of(notebook())
    assert [image.id for image in found] == ["new", "old", "undated"]


def test_notebooks_are_sorted_by_end_of_lease_then_by_last_snapshot() -> None:
    found = [
        FoundNotebook(notebook(id="no-end", lease={"enable": False}), snapshot(5 * DAY)),
        FoundNotebook(notebook(id="saved"), snapshot(HOUR)),
        FoundNotebook(notebook(id="saved-before"), snapshot(2 * HOUR)),
        FoundNotebook(notebook(id="never-saved")),
        FoundNotebook(notebook(id="ends-first", left=MINUTE), snapshot(MINUTE)),
    ]
    order = [item.notebook.id for item in sorted(found, key=lambda item: item.urgency)]
    assert order == ["ends-first", "never-saved", "saved-before", "saved", "no-end"]


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({}, "no filter"),
        ({"statuses": ("RUNNING", "STOPPED"), "name": "a\n*"}, "status RUNNING, STOPPED; name a *"),
        ({"not_saved_within": timedelta(hours=20)}, "not_saved_within 20:00:00"),
    ],
)
def test_filter_describes_what_is_given(filters: dict[str, Any], text: str) -> None:
    assert NotebookFilter(**filters).describe() == text
