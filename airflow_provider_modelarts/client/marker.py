"""
The marker in an image's description: which task saved the image, and which notebook it was.

It is all that a retry has to find its image by, and all that tells anyone which images are a notebook's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from airflow_provider_modelarts.client.clouds import Cloud, Rule
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

MAX_NOTEBOOK_ID = 64
"""Characters of a notebook's id that is no UUID; a UUID has 36."""

MARKABLE_ID = Rule(
    mandatory=True,
    max_length=MAX_NOTEBOOK_ID,
    # What ends a marker or separates its parts is not in it, so that every marker can be read back.
    pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    message="must be the notebook's id: letters, digits, hyphens, underscores and periods",
)
"""What an id must be to stand in a marker."""

MAX_DESCRIPTION, MAX_TAG = 512, 64
"""Characters, where a cloud's rules name no other number."""

MAX_TRIES = 2**31
"""No ``max_tries`` is higher: it is a column of Airflow's database."""

# Also as it stands in a printed record, where a line break is a backslash and a letter.
_SPACE = r"(?:\s|\\[nrt])"
_MARKER = re.compile(
    rf"\[{_SPACE}*airflow{_SPACE}*:{_SPACE}*([0-9a-f]{{16}})"
    rf"{_SPACE}+notebook{_SPACE}*:{_SPACE}*([a-z0-9_][a-z0-9_.-]*){_SPACE}*\]",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Marker:
    """
    A marker, as it is written to a description and read from one.

    :param digest: sixteen hexadecimal digits that stand for the task; see :class:`IdempotencyKey`.
    :param notebook_id: a UUID in lower case, or another id as it is.
    """

    digest: str
    notebook_id: str

    def __str__(self) -> str:
        return f"[airflow:{self.digest} notebook:{self.notebook_id}]"

    def is_of_notebook(self, notebook_id: str) -> bool:
        """Whether the image is a snapshot of this notebook."""
        return self.notebook_id.lower() == notebook_id.lower()


def parse_marker(description: str | None) -> Marker | None:
    """
    Return the marker of a description, or None where there is none.

    White space and case may have changed on the way. Of several the last one counts: the others are in the
    user's own words, which stand before it.
    """
    markers = _find_markers(description or "")
    return markers[-1] if markers else None


def snapshots_of(notebook_id: str, images: Iterable[Image]) -> list[Image]:
    """Return the images that any task saved of a notebook, newest first; those of unknown age are last."""
    found = [
        image
        for image in images
        if (marker := parse_marker(image.description)) and marker.is_of_notebook(notebook_id)
    ]
    return sorted(found, key=lambda image: (image.create_at is None, -(image.create_at or 0)))


def check_notebook_id(notebook_id: object) -> None:
    """
    Judge an id that is to be looked for in markers.

    :raises RequestValidationError: no marker can hold it.
    """
    if isinstance(notebook_id, str):
        rule = MARKABLE_ID.violation(notebook_id)
    else:
        rule = f"must be a string, not {type(notebook_id).__name__}"
    if rule:
        raise RequestValidationError([FieldViolation("notebook_id", rule, notebook_id)])


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """
    What makes a save this task's own, in this run.

    The notebook is passed by itself: a run of a task that saves two has a marker for each.

    :param max_tries: of the task instance, as Airflow stores it, where a cleared task is to save again: a
        clear raises it and a retry does not. Without it a cleared task's image is the run's image.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    max_tries: int | None = None

    def marker(self, notebook_id: str) -> Marker:
        """Return the marker of this task's image of a notebook."""
        digest = f"{(self._base(notebook_id) + self._offset) % 2**64:016x}"
        return Marker(digest, _canonical(notebook_id))

    def append_to(self, description: str | None, notebook_id: str) -> str:
        """Return a description with the marker behind the user's own words."""
        marker = self.marker(notebook_id)
        return f"{description.rstrip()} {marker}" if description else str(marker)

    def default_tag(self, notebook_id: str) -> str:
        """Return a tag that names the run and that a retry finds again."""
        digest = self.marker(notebook_id).digest
        run = re.sub(r"[^A-Za-z0-9_.]+", "-", self.run_id).strip("-.")
        return f"{run[: 63 - len(digest)]}-{digest}".lstrip("-")

    def matches(self, image: Image, notebook_id: str) -> bool:
        """Whether an image is this task's own; with ``max_tries``, since it was last cleared."""
        return self._is_own(parse_marker(image.description), notebook_id)

    def is_of_earlier_clear(self, image: Image, notebook_id: str) -> bool:
        """Whether this task saved an image before it was cleared, which is to make it save again."""
        marker = parse_marker(image.description)
        return self._offset_of(marker, notebook_id) is not None and not self._is_own(marker, notebook_id)

    def count_in(self, text: str, notebook_id: str) -> int:
        """Return how many markers of this task a text holds."""
        return sum(self._is_own(marker, notebook_id) for marker in _find_markers(text))

    def _base(self, notebook_id: str) -> int:
        identity = [notebook_id.lower(), self.dag_id, self.task_id, self.run_id, str(self.map_index)]
        return int(hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16], 16)

    @property
    def _offset(self) -> int:
        """How far the digest is behind the one without ``max_tries``, so that each is known from another."""
        return 0 if self.max_tries is None else max(0, 1 + self.max_tries)

    def _offset_of(self, marker: Marker | None, notebook_id: str) -> int | None:
        """Return the same of a marker, or None if it is another task's."""
        if marker is None or not marker.is_of_notebook(notebook_id):
            return None
        offset = (int(marker.digest, 16) - self._base(notebook_id)) % 2**64
        return offset if offset <= MAX_TRIES else None

    def _is_own(self, marker: Marker | None, notebook_id: str) -> bool:
        offset = self._offset_of(marker, notebook_id)
        return offset is not None and (self.max_tries is None or offset == self._offset)


def prepare_request(
    cloud: Cloud, notebook_id: str, mark: IdempotencyKey, fields: dict[str, str | None]
) -> tuple[CreateImageRequest, str | None]:
    """
    Return the request with its marker and a tag, and the tag for where that one is an earlier clear's.

    :raises RequestValidationError: every broken rule; the user's words are never cut to make room for the
        marker.
    """
    longest = cloud.rules["description"].max_length or MAX_DESCRIPTION
    # Of any digest and, as the notebook's id is judged below, of any id.
    length = len(str(Marker("0" * 16, str(notebook_id))))
    room = max(0, longest - length - 1)
    words = f"may have at most {room} characters, because the marker behind it takes {length} of {longest}"
    rules = {**cloud.rules, "description": Rule(pattern=rf"(?s).{{0,{room}}}\s*", message=words)}
    if not rules["notebook_id"].pattern:
        rules["notebook_id"] = MARKABLE_ID
    request = CreateImageRequest.for_cloud(replace(cloud, rules=rules), notebook_id=notebook_id, **fields)
    marked = {
        "tag": request.tag or mark.default_tag(notebook_id),
        "description": mark.append_to(request.description, notebook_id),
    }
    other_tag = None
    if request.tag and mark.max_tries is not None:
        suffix = f"-{mark.max_tries}"
        other_tag = f"{request.tag[: (cloud.rules['tag'].max_length or MAX_TAG) - len(suffix)]}{suffix}"
    return request.model_copy(update=marked), other_tag


def _find_markers(text: str) -> list[Marker]:
    return [Marker(digest.lower(), _canonical(notebook_id)) for digest, notebook_id in _MARKER.findall(text)]


def _canonical(notebook_id: str) -> str:
    return notebook_id.lower() if _UUID.fullmatch(notebook_id) else notebook_id
