"""
The marker in an image's description, which names the task and the notebook that the image comes from.

A retry finds its image by the marker, and a list of images shows by it which notebook each one comes from.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from airflow_provider_modelarts.client.clouds import Cloud, Rule
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

MAX_NOTEBOOK_ID = 64
"""Characters of the longest id of a notebook; a UUID has 36."""

NOTEBOOK_ID_RULE = Rule(
    mandatory=True,
    max_length=MAX_NOTEBOOK_ID,
    # Without the characters that end a marker or separate its parts, so that every marker can be parsed.
    pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    message="must be the notebook's id: letters, digits, hyphens, underscores and periods",
)
"""The rule for an id that a marker contains."""

MAX_DESCRIPTION, MAX_TAG = 512, 64
"""Characters, where a cloud's rules set no limit."""

MAX_TRIES = 2**31
"""The upper bound of ``max_tries``, a 32-bit column of Airflow's database."""

# White space, also as the escape sequence that a printed record has for a line break.
_SPACE = r"(?:\s|\\[nrt])"
_MARKER = re.compile(
    rf"\[{_SPACE}*airflow{_SPACE}*:{_SPACE}*([0-9a-f]{{16}})"
    rf"{_SPACE}+notebook{_SPACE}*:{_SPACE}*([a-z0-9_][a-z0-9_.-]*){_SPACE}*\]",
    re.IGNORECASE,
)
# The first characters of a marker suffice where the description ends: a service may cut it anywhere.
_MARKER_BEGIN = re.compile(r"\[\s*(?:airflow\s*:|[airflow]{0,7}\s*$)", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Marker:
    """
    A marker, as a description contains it.

    :param digest: sixteen hexadecimal digits that identify the task; see :class:`IdempotencyKey`.
    :param notebook_id: a UUID in lower case, or another id unchanged.
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
    Return the marker of a description, or None if it has none.

    White space, case and HTML entities are ignored, as services may change them. The last marker counts: any
    others are in the user's text, which is before it.
    """
    markers = _find_markers(description or "")
    return markers[-1] if markers else None


def is_marker_unreadable(description: str | None) -> bool:
    """Return whether a description ends with a marker that was cut, so that its notebook is unknown."""
    text = _unescaped(description or "")
    # A whole one before a cut one is in the user's text, and may name another notebook.
    end = max((found.end() for found in _MARKER.finditer(text)), default=0)
    return _MARKER_BEGIN.search(text, end) is not None


def snapshots_of(notebook_id: str, images: Iterable[Image]) -> list[Image]:
    """Return the images that any task saved of a notebook, newest first, those without a date last."""
    return newest_first(
        image
        for image in images
        if (marker := parse_marker(image.description)) and marker.is_of_notebook(notebook_id)
    )


def newest_first(images: Iterable[Image]) -> list[Image]:
    """Return images by the time at which they were begun, newest first, those without a date last."""
    return sorted(images, key=lambda image: (image.create_at is None, -(image.create_at or 0)))


def check_notebook_id(notebook_id: object) -> None:
    """
    Check that a notebook's id can be searched for in markers.

    :raises RequestValidationError: no marker can contain it.
    """
    if isinstance(notebook_id, str):
        rule = NOTEBOOK_ID_RULE.violation(notebook_id)
    else:
        rule = f"must be a string, not {type(notebook_id).__name__}"
    if rule:
        raise RequestValidationError([FieldViolation("notebook_id", rule, notebook_id)])


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """
    Identifies the task instance that saves a notebook; all its retries have the same key.

    The notebook's id is passed to the methods, as one task instance may save several notebooks.

    :param max_tries: of the task instance, as Airflow stores it, if a cleared task is to save again: a clear
        raises it, a retry does not. None if a cleared task is to reuse its image.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    max_tries: int | None = None

    def marker(self, notebook_id: str) -> Marker:
        """Return the marker of the image that this task saves of a notebook."""
        digest = f"{(self._base(notebook_id) + self._offset) % 2**64:016x}"
        return Marker(digest, _canonical(notebook_id))

    def append_to(self, description: str | None, notebook_id: str) -> str:
        """Return a description with the marker after the user's text."""
        marker = self.marker(notebook_id)
        return f"{description.rstrip()} {marker}" if description else str(marker)

    def default_tag(self, notebook_id: str) -> str:
        """Return the tag to use if the user gives none; a retry computes the same one."""
        digest = self.marker(notebook_id).digest
        run = re.sub(r"[^A-Za-z0-9_.]+", "-", self.run_id).strip("-.")
        return f"{run[: 63 - len(digest)]}-{digest}".lstrip("-")

    def matches(self, image: Image, notebook_id: str) -> bool:
        """Whether this task saved an image; with ``max_tries``, after it was last cleared."""
        return self._is_own(parse_marker(image.description), notebook_id)

    def is_of_earlier_clear(self, image: Image, notebook_id: str) -> bool:
        """Whether this task saved an image before it was last cleared; such an image is not reused."""
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
        """The number that ``max_tries`` adds to the digest, so that markers of one task are comparable."""
        return 0 if self.max_tries is None else max(0, 1 + self.max_tries)

    def _offset_of(self, marker: Marker | None, notebook_id: str) -> int | None:
        """Return the offset of a marker's digest, or None if another task wrote it."""
        if marker is None or not marker.is_of_notebook(notebook_id):
            return None
        offset = (int(marker.digest, 16) - self._base(notebook_id)) % 2**64
        return offset if offset <= MAX_TRIES else None

    def _is_own(self, marker: Marker | None, notebook_id: str) -> bool:
        offset = self._offset_of(marker, notebook_id)
        return offset is not None and (self.max_tries is None or offset == self._offset)


def prepare_request(
    cloud: Cloud, notebook_id: str, key: IdempotencyKey, fields: dict[str, str | None]
) -> tuple[CreateImageRequest, str | None]:
    """
    Return the request with a marker and a tag, and the tag to use if an image of an earlier clear holds it.

    :param fields: of create-image, as the user gave them.
    :raises RequestValidationError: all broken rules. The user's text is never cut to make room for the
        marker.
    """
    limit = cloud.rules["description"].max_length or MAX_DESCRIPTION
    # All digests have the same length. The notebook's id may still be of another type: it is validated below.
    length = len(str(Marker("0" * 16, str(notebook_id))))
    room = max(0, limit - length - 1)
    message = f"may have at most {room} characters, because the marker after it takes {length} of {limit}"
    rules = {**cloud.rules, "description": Rule(pattern=rf"(?s).{{0,{room}}}\s*", message=message)}
    if not rules["notebook_id"].pattern:
        rules["notebook_id"] = NOTEBOOK_ID_RULE
    request = CreateImageRequest.for_cloud(replace(cloud, rules=rules), notebook_id=notebook_id, **fields)
    marker_fields = {
        "tag": request.tag or key.default_tag(notebook_id),
        "description": key.append_to(request.description, notebook_id),
    }
    other_tag = None
    if request.tag and key.max_tries is not None:
        suffix = f"-{key.max_tries}"
        other_tag = f"{request.tag[: (cloud.rules['tag'].max_length or MAX_TAG) - len(suffix)]}{suffix}"
    return request.model_copy(update=marker_fields), other_tag


def describe_origin(image: Image) -> str:
    """Return a line for the log with an image's name, marker, age and status."""
    marker = parse_marker(image.description)
    owner = f"saved by another Airflow task, {marker}" if marker else "not saved by an Airflow task"
    created_at = image.to_xcom().get("created_at", "at an unknown time")
    return f"{image.name}:{image.tag}, {owner}, created {created_at}. {image.describe()}"


def _find_markers(text: str) -> list[Marker]:
    found = _MARKER.findall(_unescaped(text))
    return [Marker(digest.lower(), _canonical(notebook_id)) for digest, notebook_id in found]


def _unescaped(text: str) -> str:
    """Return a text without the HTML entities that a service may store: some escape brackets and colons."""
    return html.unescape(text) if "&" in text else text


def _canonical(notebook_id: str) -> str:
    return notebook_id.lower() if _UUID.fullmatch(notebook_id) else notebook_id
