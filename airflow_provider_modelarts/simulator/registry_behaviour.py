"""How the simulated SWR behaves, where its pages leave it open."""

from __future__ import annotations

from dataclasses import dataclass

from .choices import check_choice

ERROR_FORMS = ("array", "errors")
DELETE_FLAGS = ("either", "query", "body")
ABSENT = ("code", "empty")


@dataclass(frozen=True)
class RegistryBehaviour:
    """
    Options of :class:`Simulator` about SWR, the registry that keeps the content of images.

    :param error_form: how an error body holds its errors: as an ``array``, as on the page, or as the array
        ``errors`` of an object, as another client parses it
    :param delete_flag: which flag of DeleteImage also deletes the tag: ``query`` (``force``, as on the
        pages), ``body`` (``is_force``, as in the SDK), or ``either``
    :param absent: what a list of the tags of an unknown repository is: an error with a ``code``, or ``empty``
    :param list_lag: seconds after which a new tag is in lists
    :param same_content: whether saves of equal environments on one image have the same digest. By default
        each save has a layer of its own, as every commit of a container has
    """

    error_form: str = "array"
    delete_flag: str = "either"
    absent: str = "code"
    list_lag: float = 0.0
    same_content: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid option."""
        check_choice("form of errors", self.error_form, ERROR_FORMS)
        check_choice("flag of DeleteImage", self.delete_flag, DELETE_FLAGS)
        check_choice("list of an unknown repository", self.absent, ABSENT)
