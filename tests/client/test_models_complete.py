"""When the validators of responses are built."""

from __future__ import annotations

from pydantic import BaseModel

from airflow_provider_modelarts.client import iam, models


def test_models_of_responses_are_complete_after_import() -> None:
    """So that the first response on an event loop does not build a validator."""
    found = [
        value
        for module in (models, iam)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    ]

    assert models.ImagePage in found
    assert [model.__name__ for model in found if not model.__pydantic_complete__] == []
