"""What the hook's methods do with exactly the actions that docs/permissions.md lists for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator

BUILT_IN = "00000000-0000-4000-8000-000000000002"
IMAGE = {"name": "research", "namespace": "team", "tag": "nightly"}
Scenario = Callable[[Simulator], object]


def hook(use: Callable[[ModelArtsHook, Simulator], object], operation: str) -> Scenario:
    def use_of_the_hook(simulator: Simulator) -> None:
        use(ModelArtsHook(), simulator)
        (entry,) = simulator.journal
        assert (entry.operation, entry.status) == (operation, 200)

    return use_of_the_hook


def reread(use: Callable[[ModelArtsHook, str], object], *operations: str) -> Scenario:
    """A change whose result is read again, of a running notebook, or of a stopped one to update it."""

    def use_of_the_hook(simulator: Simulator) -> None:
        if "UpdateNotebook" in operations:
            simulator.notebook().stop()
        use(ModelArtsHook(), simulator.notebook_id)
        assert [(entry.operation, entry.status) for entry in simulator.journal] == [
            (operation, 200) for operation in operations
        ]

    return use_of_the_hook


def start_stopped(hook: ModelArtsHook, simulator: Simulator) -> None:
    simulator.notebook().stop()
    hook.start_notebook(simulator.notebook_id)


def register_removed(hook: ModelArtsHook, simulator: Simulator) -> None:
    simulator.set_image_status(simulator.add_image(), "DELETED")
    (swr_path,) = (image["swr_path"] for image in simulator.images)
    hook.register_image(swr_path)


def create(hook: ModelArtsHook, simulator: Simulator) -> None:
    hook.create_image(simulator.notebook_id, **IMAGE)


SCENARIOS: dict[str, dict[str, Scenario]] = {
    "ModelArtsHook.create_image": {"create_image": hook(create, "CreateImage")},
    "ModelArtsHook.get_image": {
        "get_image": hook(lambda hook, simulator: hook.get_image(simulator.add_image()), "ShowImage")
    },
    "ModelArtsHook.list_images": {"list_images": hook(lambda hook, _: hook.list_images(), "ListImages")},
    "ModelArtsHook.delete_image": {
        "delete_image": hook(lambda hook, simulator: hook.delete_image(simulator.add_image()), "DeleteImage")
    },
    "ModelArtsHook.get_notebook": {
        "get_notebook": hook(lambda hook, simulator: hook.get_notebook(simulator.notebook_id), "ShowNotebook")
    },
    "ModelArtsHook.list_notebooks": {
        "list_notebooks": hook(lambda hook, _: hook.list_notebooks(), "ListNotebooks")
    },
    "ModelArtsHook.list_notebooks with all_users=True": {
        "list_notebooks of all": hook(lambda hook, _: hook.list_notebooks(all_users=True), "ListAllNotebooks")
    },
    "ModelArtsHook.list_notebooks with feature=None": {
        "list_notebooks of both features": reread(
            lambda hook, _: hook.list_notebooks(feature=None), "ListNotebooks", "ListNotebooks"
        )
    },
    "ModelArtsHook.register_image": {"register_image": hook(register_removed, "RegisterImage")},
    "ModelArtsHook.start_notebook": {"start_notebook": hook(start_stopped, "StartNotebook")},
    "ModelArtsHook.stop_notebook": {
        "stop_notebook": hook(
            lambda hook, simulator: hook.stop_notebook(simulator.notebook_id), "StopNotebook"
        )
    },
    "ModelArtsHook.renew_lease": {
        "renew_lease": reread(
            lambda hook, notebook_id: hook.renew_lease(notebook_id, timedelta(hours=2)),
            *("RenewLease", "ShowLease"),
        )
    },
    "ModelArtsHook.update_notebook": {
        "update_notebook": reread(
            lambda hook, notebook_id: hook.update_notebook(notebook_id, image_id=BUILT_IN),
            *("UpdateNotebook", "ShowNotebook"),
        )
    },
}
