"""
Checks on the arguments of operators and sensors: what counts as not given, and what is refused.

A template with an undefined variable renders to an empty text or to the word ``None``, and an empty field
of a trigger form is an empty text. For an optional argument that means *not given*. For any other argument
it is refused, because nobody would find an image that is named ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

MAX_SECONDS = 10 * 365 * 86_400.0
"""Ten years in seconds; a longer time overflows a timer of Python or a column of Airflow's database."""

_DURATION = re.compile(r"(?:([0-9]{1,9})d)? *(?:([0-9]{1,9})h)? *(?:([0-9]{1,9})min)?")
_DURATION_RULE = (
    "must be a timedelta, or text of days, hours and minutes: 1d, 2h, 45min or 1d12h. A number has no unit, "
    "and m could be minutes or months"
)
_ID = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_IMAGE_ID = (
    "must be the id of an image, or the result of the task that saves it: pass save.output, or render "
    "the id alone, as in {{ ti.xcom_pull('save')['image_id'] }}"
)


def seconds(argument: str, value: float | timedelta, *, may_be_zero: bool = False) -> float:
    """
    Return a duration in seconds.

    :param argument: name of the argument, for the message.
    :param value: seconds, or a timedelta.
    :param may_be_zero: whether zero is accepted.
    :raises ValueError: the value is not a number, is negative, or is longer than ten years.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    # Compared this way round, NaN is refused too.
    if not is_number or not 0 <= number <= MAX_SECONDS or (number == 0 and not may_be_zero):
        least = "0 or more" if may_be_zero else "above 0"
        raise ValueError(
            f"{argument} must be a number of seconds or a timedelta, {least} and at most ten years, "
            f"not {value!r}"
        )
    return number


def duration_of(argument: str, value: object) -> timedelta:
    """
    Return a duration that a task was given, after its template was rendered.

    :param argument: name of the argument, for the message.
    :param value: a timedelta, or text of days, hours and minutes, such as ``1d12h``.
    :raises RequestValidationError: it is neither, is not above zero, or is longer than ten years.
    """
    refuse_nothing(**{argument: value})
    found = value
    if isinstance(value, str) and (parts := _DURATION.fullmatch(value.strip())):
        days, hours, minutes = (int(part or 0) for part in parts.groups())
        # Compared before it is converted, because a timedelta overflows.
        total = days * 86_400.0 + hours * 3600.0 + minutes * 60.0
        found = timedelta(seconds=total) if total <= MAX_SECONDS else timedelta.max
    if not isinstance(found, timedelta):
        rule = _DURATION_RULE
    elif found <= timedelta(0):
        rule = "must be longer than zero"
    elif found.total_seconds() > MAX_SECONDS:
        rule = "must be at most ten years"
    else:
        return found
    raise RequestValidationError([FieldViolation(argument, rule, value)])


def check_execution_timeout(value: timedelta | None) -> None:
    """
    Validate ``execution_timeout``; zero means no timeout, as in Airflow.

    :raises ValueError: it is negative or longer than ten years.
    """
    if value is not None:
        seconds("execution_timeout", value, may_be_zero=True)


def given(value: object) -> Any:
    """Return an argument unchanged, or None if its template rendered to nothing."""
    return None if _nothing(value) else value


def refuse_nothing(**fields: object) -> None:
    """
    Refuse arguments whose template rendered to nothing; Python's ``None`` passes.

    :param fields: values by argument name.
    :raises RequestValidationError: the message names each of them.
    """
    violations = [
        FieldViolation(
            field,
            f"must not be {nothing}: its template rendered to {nothing}. Check the variable in the template, "
            "or give it a default, as in {{ ... or 'x' }}",
            value,
        )
        for field, value in fields.items()
        if (nothing := _nothing(value))
    ]
    if violations:
        raise RequestValidationError(violations)


def refuse_lost(task: Any, names: Iterable[str]) -> None:
    """
    Refuse arguments that were given, but are ``None`` since another task's result took their place.

    :param names: of the arguments that were given.
    :raises RequestValidationError: the message names each of them.
    """
    rule = "resolved to nothing: the task that should return it failed, was skipped or returned nothing"
    violations = [FieldViolation(name, rule, None) for name in names if getattr(task, name) is None]
    if violations:
        raise RequestValidationError(violations)


def mapped_arguments(task: Any) -> set[str]:
    """
    Return the names of the arguments that a mapped task got by ``expand`` or ``expand_kwargs``.

    Airflow resolves them before it makes the operator. In its constructor, a result that is ``None`` and an
    argument that is not given are the same.
    """
    if not getattr(task, "_BaseOperator__from_mapped", False):
        return set()
    given = getattr(task, "_BaseOperator__init_kwargs", {})
    dag = task.get_dag()
    mapped = dag.task_dict.get(task.task_id) if dag else None
    return set(given) - set(getattr(mapped, "partial_kwargs", ()))


def check_conn_id(value: object) -> None:
    """
    Validate the id of a connection before Airflow starts a lookup of it.

    :raises RequestValidationError: it is not a string, or rendered to nothing.
    """
    refuse_nothing(modelarts_conn_id=value)
    if not isinstance(value, str):
        rule = f"must be the id of an Airflow connection, a string, not {type(value).__name__}"
        raise RequestValidationError([FieldViolation("modelarts_conn_id", rule, value)])


def check_flags(**flags: object) -> None:
    """
    Refuse a flag that is no bool: the text of a template would count as true.

    :param flags: values by argument name.
    :raises RequestValidationError: the message names each of them.
    """
    rule = "must be True or False; it is no templated argument"
    violations = [FieldViolation(n, rule, value) for n, value in flags.items() if not isinstance(value, bool)]
    if violations:
        raise RequestValidationError(violations)


def image_id_of(value: object) -> str:
    """
    Return the image id from an id or from the result of a save.

    :param value: the id, or a dict with ``image_id``.
    :raises RequestValidationError: it is neither, or it is empty because the save failed or was skipped.
    """
    found = value.get("image_id") if isinstance(value, Mapping) else value
    if found is None or _nothing(found):
        rule = (
            f"resolved to {_nothing(found) or 'nothing'}: the task that should return it failed, was "
            "skipped or saved no image. Check that task, or the template"
        )
    elif isinstance(found, Sequence) and not isinstance(found, (str, bytes)):
        rule = (
            "must be one image, not several: wait for the images of a mapped save with "
            ".partial(...).expand(image_id=save.output)"
        )
    elif not isinstance(found, str):
        rule = f"{_IMAGE_ID}; it is of type {type(found).__name__}"
    elif not re.fullmatch(_ID, found):
        rule = _IMAGE_ID
    else:
        return found
    raise RequestValidationError([FieldViolation("image_id", rule, value)])


def _nothing(value: Any) -> str:
    """Return in words what an empty value is; an empty text if the value is not empty."""
    if not isinstance(value, str):
        return ""
    return {"": "nothing", "None": "the word None"}.get(value.strip(), "")
