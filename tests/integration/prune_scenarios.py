"""Projects that hypothesis draws, in which a prune runs, is killed and runs again, and what must hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.simulator import Fault, RegistryBehaviour, Simulator
from airflow_provider_modelarts.simulator.documents import OWNER, ImageRecord
from airflow_provider_modelarts.transport import block_on
from tests.direct_transport import DirectTransport
from tests.snapshots import DAY, marker, snapshot
from tests.transports import SimulatorClock, settings

NOTEBOOKS = ("11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555")
NAMES = ("research", "vision")
MIN_AGE = timedelta(days=1)
KEEP_TAGS = ("stable",)
READS = ("ListImages", "ListAllNotebooks", "ListRepositoryTags", "ListRetentions")
WRITES = ("DeleteImage", "DeleteRepoTag", "ShowImage")


class Killed(BaseException):
    """The worker died."""


@dataclass(frozen=True)
class Drawn:
    """One image; ``like`` is the number of another one whose content it has."""

    name: str = NAMES[0]
    notebook: str = NOTEBOOKS[0]
    days: float = 10
    kind: str = "own"
    status: str = "ACTIVE"
    like: int | None = None
    is_stable: bool = False
    is_hidden: bool = False
    workspace: str = "0"


@dataclass(frozen=True)
class User:
    """A notebook that uses an image; from a request on, if that is not 0."""

    image: int
    owner: str = "somebody-else"
    workspace: str = "0"
    feature: str = "NOTEBOOK"
    since: int = 0
    by_address: bool = False


@dataclass(frozen=True)
class Scenario:
    """
    A project, a prune and what goes wrong.

    :param pace: seconds that each request takes.
    :param kill_at: the request at which the first try is killed; 0 for none.
    :param flag: which flag of DeleteImage deletes the tag; ``none`` leaves it.
    """

    images: tuple[Drawn, ...]
    users: tuple[User, ...] = ()
    mode: str = "delete"
    scope: dict[str, Any] = field(default_factory=lambda: {"all_of_project": True})
    keep_last: int = 1
    faults: tuple[tuple[str, str, int, int], ...] = ()
    pace: float = 0
    kill_at: int = 0
    flag: str = "either"
    order: str = "asked"
    lag: float = 0


def mostly(usual: Any, *other: Any, of: int = 8) -> st.SearchStrategy[Any]:
    """Return a strategy of a usual value, and of others once in ``of`` times."""
    return st.sampled_from([usual] * (of * len(other) - len(other)) + [*other])


faults = st.one_of(
    st.tuples(
        st.sampled_from(["error", "reset_after", "torn", "miscount", "html"]),
        st.sampled_from((*READS, "ListAllNotebooks")),
        st.integers(0, 2),
        st.sampled_from([1, 1000]),
    ),
    st.tuples(
        st.sampled_from(["error", "reset_after", "reset", "empty", "html"]),
        st.sampled_from(WRITES),
        st.integers(0, 2),
        st.sampled_from([1, 2]),
    ),
)


def scenarios_with(
    *, image: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **fields: Any
) -> st.SearchStrategy[Scenario]:
    """
    Return scenarios in which some things happen more often.

    :param image: strategies for fields of the images.
    :param user: strategies for fields of the notebooks.
    :param fields: strategies for fields of the scenario.
    """
    images = {
        "name": mostly(*NAMES),
        "notebook": mostly(*NOTEBOOKS),
        "days": st.sampled_from([2, 5, 10, 20, 40, 50, 60, 0.5, -1]),
        "kind": mostly("own", "by hand", "cut marker"),
        "status": mostly("ACTIVE", "CREATING", "ERROR", of=12),
        "like": mostly(None, 0, 1),
        "is_stable": mostly(False, True),
        "is_hidden": mostly(False, True, of=12),
        "workspace": mostly("0", "w1", of=12),
        **(image or {}),
    }
    users = {
        "image": st.integers(0, 6),
        "owner": mostly("somebody-else", "own", of=3),
        "workspace": mostly("0", "w1", of=3),
        "feature": mostly("NOTEBOOK", "DEFAULT", of=3),
        "since": mostly(0, 6, 7, 8, of=2),
        "by_address": mostly(False, True, of=4),
        **(user or {}),
    }
    given = {
        "images": st.lists(st.builds(Drawn, **images), min_size=4, max_size=7).map(tuple),
        "users": st.lists(st.builds(User, **users), min_size=1, max_size=3).map(tuple),
        "mode": mostly("delete", "unregister", of=4),
        "scope": mostly({"all_of_project": True}, {"name": "res*"}, {"notebook_ids": [NOTEBOOKS[0]]}),
        "keep_last": mostly(1, 2, of=4),
        "faults": st.one_of(*[st.just(())] * 2, st.lists(faults, min_size=1, max_size=2).map(tuple)),
        "pace": st.sampled_from([0, 1, 20]),
        "kill_at": mostly(0, *range(5, 15), of=2),
        "flag": st.sampled_from(["either", "query", "body", "none"]),
        "order": mostly("asked", "stored", "random"),
        "lag": mostly(0, 200_000),
        **fields,
    }
    return st.builds(Scenario, **given)


class Run:
    """Runs the prune of a scenario, and checks each of its deletions by what is true at that moment."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        flag = "either" if scenario.flag == "none" else scenario.flag
        self.simulator = Simulator(
            port=1,
            refuse_delete_in_use=False,
            registry=RegistryBehaviour(delete_flag=flag),
            list_order=scenario.order,
            list_lag=scenario.lag,
        )
        self.simulator.freeze()
        self.home = self.simulator._projects.home
        if scenario.flag == "none":
            delete = self.home.delete_image
            leaving_tag = partial(_delete_record, delete)
            self.home.delete_image = leaving_tag  # type: ignore[method-assign]
        self.requests = 0
        self.listed_at: float | None = None
        self.uses_at_listing: set[str] = set()
        self.must_start: set[str] = set()
        self.stored: list[dict[str, Any]] = []
        self.ids = [self._add(image, number) for number, image in enumerate(scenario.images)]
        self.path = {image["id"]: str(image["swr_path"]) for image in self.simulator.images}
        for number, image in enumerate(scenario.images):
            self._share(image, number)
        registry = self.simulator.registry
        registry.push(f"{registry.host}/team/research:by-hand")
        other = self.simulator.project(self.simulator.add_project("other"))
        self.theirs = other.add_image(namespace="team", name="research", tag="theirs", status="ACTIVE")
        self.first_paths = self.simulator.swr_paths
        self.without_record = self.first_paths - set(self.path.values())
        self.digests = {path: registry.digest(path) for path in self.first_paths}
        self.live = self._live()
        for user in scenario.users:
            if not user.since:
                self._use(user)
        for kind, operation, skip, times in scenario.faults:
            self.simulator.inject(Fault(kind, operation, skip=skip, times=times))

    def _add(self, image: Drawn, number: int) -> str:
        description = {"own": marker(image.notebook), "by hand": "mine"}.get(image.kind, "[airflow:012345")
        return snapshot(
            self.simulator,
            f"v{number}",
            id=f"00000000-0000-4000-9000-{number:012d}",
            age=image.days * DAY,
            name=image.name,
            status=image.status,
            description=description,
            workspace_id=image.workspace,
        )

    def _share(self, image: Drawn, number: int) -> None:
        """Let an image have the content of another one of its repository, and a promoted tag."""
        registry, own = self.simulator.registry, self.path[self.ids[number]]
        if own not in self.simulator.swr_paths:
            return
        if image.like is not None and image.like < len(self.ids) and image.like != number:
            source = self.path[self.ids[image.like]]
            if source.rpartition(":")[0] == own.rpartition(":")[0] and source in self.simulator.swr_paths:
                registry.copy(source, own)
        if image.is_stable:
            registry.copy(own, f"{own.rpartition(':')[0]}:stable")
        if image.is_hidden:
            self.home.hidden.add(self.ids[number])

    def _use(self, user: User) -> None:
        """Add the notebook of a user, which shows its image by id or, if that is of no record, by address."""
        image_id = self.ids[user.image % len(self.ids)]
        record = self.home._images[image_id]
        if record.deleted or record.status != "ACTIVE" or record.swr_path not in self.simulator.swr_paths:
            return
        owner = OWNER if user.owner == "own" else user.owner
        if user.by_address:
            # The image was registered again since, and the notebook still shows the old record.
            old = replace(record, id=f"old-{len(self.home._images)}", status="DELETED")
            self.home._images[old.id] = old
            image_id, self.path[old.id] = old.id, record.swr_path
        self.simulator.add_notebook(
            f"00000000-0000-4000-a000-{len(self.home.notebooks()):012d}",
            image_id=image_id,
            owner=owner,
            workspace_id=user.workspace,
            feature=user.feature,
            status="STOPPED",
        )

    def _live(self) -> set[str]:
        return {image["id"] for image in self.simulator.images if image["status"] != "DELETED"}

    # --- the run -------------------------------------------------------------------------------------------

    def run(self) -> list[PruneResult | ModelArtsError]:
        """Run two tries, of which the first may be killed, and return how those that were not ended."""
        ends = []
        for kill_at in (self.scenario.kill_at, 0):
            with suppress(Killed):
                ends.append(self._try(kill_at))
        self._check_notebooks()
        return ends

    def _try(self, kill_at: int) -> PruneResult | ModelArtsError:
        self.listed_at = None
        began = self.requests

        def before(_: Request) -> None:
            self.requests += 1
            self.simulator.advance(self.scenario.pace)
            for user in self.scenario.users:
                if user.since and user.since == self.requests:
                    self._use(user)
            self.paths, self.live = self.simulator.swr_paths, self._live()
            if kill_at and self.requests - began == kill_at:
                raise Killed

        def after(_: Request) -> None:
            self._check()

        transport = DirectTransport(self.simulator, before=before, after=after)
        found = settings(self.simulator)
        client = create_client(found, transport, clock=SimulatorClock(self.simulator))
        rules = PruneRules(
            Scope.of(**self.scenario.scope),
            Policy.of(keep_last=self.scenario.keep_last),
            self.scenario.mode,  # type: ignore[arg-type]
            keep_tags=KEEP_TAGS,
            min_age=MIN_AGE,
        )
        prune = Prune(
            client,
            rules,
            workspace_id="0",
            earlier=json.loads(json.dumps(self.stored)),
            store=lambda entries: self.stored.__setitem__(slice(None), entries),
        )
        try:
            return block_on(prune.run())
        except ModelArtsError as error:
            return error

    # --- what must hold ------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Check what the request that was just answered has changed."""
        entry = self.simulator.journal[-1]
        is_first_page = "offset=0" in entry.query and "feature=" not in entry.query
        if entry.operation in ("ListNotebooks", "ListAllNotebooks") and is_first_page:
            self.listed_at = self.simulator.now()
            self.uses_at_listing = {notebook.image_id for notebook in self.home.notebooks()}
            self.must_start |= self._startable()
        deleted = self.live - self._live()
        lost = self.paths - self.simulator.swr_paths
        if not (deleted or lost):
            return
        assert self.listed_at is not None, "deleted without a list of notebooks"
        assert self.simulator.now() - self.listed_at <= 30 + 3 * self.scenario.pace, "the list was old"
        used_paths = {self.path[used] for used in self.uses_at_listing if used in self.path}
        for image_id in deleted:
            assert image_id not in self.uses_at_listing, "deleted an image in use"
            assert self.path[image_id] not in used_paths, "deleted an image in use by its address"
            self._check_may_go(image_id)
        live_paths = {self.path[image_id] for image_id in self._live() if image_id in self.path}
        for path in lost:
            assert self.scenario.mode == "delete", "unregister deleted a tag"
            assert path not in used_paths, "deleted a tag in use"
            assert path not in self.without_record, "deleted a tag without a record"
            assert path not in live_paths, "deleted the tag of a record that is there"

    def _check_may_go(self, image_id: str) -> None:
        assert image_id in self.ids, "deleted another's image"
        number = self.ids.index(image_id)
        image = self.scenario.images[number]
        assert image.status == "ACTIVE", "deleted an image that is not ACTIVE"
        assert image.kind == "own", "deleted an image without a marker"
        assert image.workspace == "0", "deleted an image of another workspace"
        assert image.days * DAY >= MIN_AGE, "deleted a young image, or one from the future"
        assert Scope.of(**self.scenario.scope).has("team", image.name, image.notebook), (
            "deleted beyond its scope"
        )
        newer = [
            other
            for other in self.scenario.images
            if (other.name, other.notebook, other.kind) == (image.name, image.notebook, "own")
            and (other.status, other.workspace) == ("ACTIVE", "0")
            and 0 < other.days <= image.days
            and other is not image
        ]
        assert newer, "deleted the newest ACTIVE image of its group"
        if self.scenario.mode != "delete":
            return
        path = self.path[image_id]
        digest = self.digests[path]
        repository = path.rpartition(":")[0]
        same = {found for found, content in self.digests.items() if content == digest} - {path}
        assert f"{repository}:stable" not in same, "deleted a promoted image"

    def _startable(self) -> set[str]:
        """Return the notebooks whose content is there."""
        paths = self.simulator.swr_paths
        found = {notebook.id: self.home.image_of(notebook) for notebook in self.home.notebooks()}
        is_first_record = {image_id: image.id in self.ids for image_id, image in found.items()}
        return {
            notebook_id
            for notebook_id, image in found.items()
            if image.swr_path in paths and not (image.deleted and is_first_record[notebook_id])
        }

    def _check_notebooks(self) -> None:
        """Each notebook that a list showed while it could start still can."""
        assert self.must_start <= self._startable(), "a notebook lost its image"


def _delete_record(delete: Callable[..., ImageRecord], image_id: str, force: bool) -> ImageRecord:  # noqa: ARG001
    """Delete an image as a service that honours no flag."""
    return delete(image_id, force=False)
