"""What a save that waits passes from one process to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

PROGRESS = "progress"
"""The key of the progress among the values that pass through a trigger; the others go to the result."""


@dataclass
class SaveProgress:
    """
    What one leg of a task passes to the next one, through the event of its wait.

    :param facts: what the result has besides the image.
    :param waits_for_notebook: whether the task waits for the notebook after the image; not if another version
        of this provider began the wait.
    :param accepted_at: epoch seconds at which create-image was accepted; None if the image already existed.
    :param image: the ACTIVE image as it goes to XCom, once the wait for it is over.
    :param waited: seconds that this wait took, if they are known.
    :param image_id: the image of this wait; None if another version of this provider began it.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    waits_for_notebook: bool = False
    accepted_at: float | None = None
    image: dict[str, Any] | None = None
    waited: float | None = None
    image_id: str | None = None

    @classmethod
    def read(cls, event: Any) -> SaveProgress:
        """Return the progress that an event holds; what another version wrote in another form is left out."""
        passthrough = event.get("passthrough") if isinstance(event, dict) else None
        facts = dict(passthrough) if isinstance(passthrough, dict) else {}
        stored = facts.pop(PROGRESS, None)
        names = {entry.name for entry in fields(cls)} - {"facts"}
        known = {name: stored[name] for name in names & stored.keys()} if isinstance(stored, dict) else {}
        for name in {"accepted_at", "waited"} & known.keys():
            known[name] = known[name] if isinstance(known[name], (int, float)) else None
        if not isinstance(known.get("image_id"), str):
            known.pop("image_id", None)
        image = known.pop("image", None)
        if isinstance(image, dict) and isinstance(image.get("image_id"), str):
            known["image"] = {"swr_path": None, **image}
        return cls(facts, **known)

    def passthrough(self) -> dict[str, Any]:
        """Return the values to pass through a trigger."""
        progress = asdict(self)
        return {**progress.pop("facts"), PROGRESS: progress}

    def end_wait(self, image: dict[str, Any], *, seen_at: float | None, waited: float | None) -> None:
        """
        Add the ACTIVE image.

        :param seen_at: epoch seconds of the first poll that found it ACTIVE.
        :param waited: seconds of the wait.
        """
        self.image, self.waited = image, waited
        if self.accepted_at is not None and seen_at is not None:
            self.facts["duration_seconds"] = round(max(0.0, seen_at - self.accepted_at), 3)
