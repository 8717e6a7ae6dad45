"""How templated arguments are rendered, by Airflow itself."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, XComArg

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor

CONTEXT: Any = {
    "ds_nodash": "20261121",
    "number": 7,
    "nothing": None,
    "result": {"image_id": "i"},
    "params": {"tag": "1_0", "empty": ""},
}
TEMPLATES = [
    ("{{ ds_nodash }}", "20261121"),
    ("{{ params.tag }}", "1_0"),
    ("1_0", "1_0"),
    ("0x10", "0x10"),
    ("True", "True"),
    ("{{ number }}", "7"),
    ("{{ number }}-{{ ds_nodash }}", "7-20261121"),
    ("{% set x %}1_0{% endset %}{{ x }}", "1_0"),
    ("{% macro m() %}1_0{% endmacro %}{{ m() }}", "1_0"),
    ("{{ nothing }}", "None"),
    ("{{ params.empty }}", ""),
    ("{{ result }}", "{'image_id': 'i'}"),
    ("{{ shout(params.tag) | twice }}", "1_0!1_0!"),
    ("{% for n in [1, 2] %}{{ n }}{{ number }}{% endfor %}", "1727"),
]


def dag(*, native: bool) -> DAG:
    return DAG(
        "templates",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        render_template_as_native_obj=native,
        user_defined_macros={"shout": lambda text: f"{text}!"},
        user_defined_filters={"twice": lambda text: text * 2},
    )


class Result(XComArg):
    """Stands in for what another task returned."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def iter_references(self) -> Any:
        return iter(())

    def resolve(self, context: Any, **_: Any) -> Any:  # noqa: ARG002
        return self.value


in_every_dag = pytest.mark.parametrize("native", [True, False], ids=["native", "text"])


@in_every_dag
@pytest.mark.parametrize(("template", "text"), TEMPLATES)
def test_render_template_fields_renders_text_as_text(native: bool, template: str, text: str) -> None:
    with dag(native=native):
        save = CreateNotebookImageOperator(task_id="save", notebook_id="n", tag=template)

    save.render_template_fields(CONTEXT)

    assert save.tag == text


@pytest.mark.parametrize("template", [template for template, _ in TEMPLATES])
def test_render_template_fields_equals_airflow_in_text_dag(template: str) -> None:
    from airflow.providers.common.compat.sdk import BaseOperator

    class Plain(BaseOperator):
        template_fields = ("tag",)

        def __init__(self, *, tag: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.tag = tag

    with dag(native=False):
        plain = Plain(task_id="plain", tag=template)
        save = CreateNotebookImageOperator(task_id="save", notebook_id="n", tag=template)

    plain.render_template_fields(CONTEXT)
    save.render_template_fields(CONTEXT)

    assert save.tag == plain.tag


def test_render_template_fields_renders_text_in_native_operator() -> None:
    with dag(native=False):
        save = CreateNotebookImageOperator(
            task_id="save", notebook_id="n", tag="{{ ds_nodash }}", render_template_as_native_obj=True
        )

    save.render_template_fields(CONTEXT)

    assert save.tag == "20261121"


@in_every_dag
def test_render_template_fields_renders_text_in_result(native: bool) -> None:
    with dag(native=native):
        wait = NotebookImageSensor(task_id="wait", image_id={"image_id": "{{ ds_nodash }}"})

    wait.render_template_fields(CONTEXT)

    assert wait.image_id == {"image_id": "20261121"}


@in_every_dag
@pytest.mark.parametrize("value", ["20261121", 20261121, {"image_id": "i"}, None, ["i"]], ids=repr)
def test_render_template_fields_keeps_result_of_other_task(native: bool, value: Any) -> None:
    with dag(native=native):
        wait = NotebookImageSensor(task_id="wait", image_id=Result(value))

    wait.render_template_fields(CONTEXT)

    assert wait.image_id == value


class Labelled(CreateNotebookImageOperator):
    """A team's own operator, with templated arguments that are no text."""

    template_fields = (*CreateNotebookImageOperator.template_fields, "wait_for_completion", "labels")

    def __init__(self, *, labels: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.labels = labels


@pytest.mark.parametrize(
    ("native", "wait", "labels"),
    [(True, False, ["1", 7]), (False, "False", ["1", "7"])],
    ids=["native", "text"],
)
def test_render_template_fields_leaves_fields_of_subclass_to_dag(
    native: bool, wait: object, labels: list[object]
) -> None:
    with dag(native=native):
        save = Labelled(
            task_id="save",
            notebook_id="n",
            tag="{{ ds_nodash }}",
            wait_for_completion="{{ 1 > 2 }}",
            labels=["{{ '1' }}" if not native else "{{ \"'1'\" }}", "{{ number }}"],
        )

    save.render_template_fields(CONTEXT)

    assert (save.tag, save.wait_for_completion, save.labels) == ("20261121", wait, labels)


@in_every_dag
@pytest.mark.parametrize("text", ["{{ ds_nodash }}", "100 {% of it", "1_0"])
def test_render_template_keeps_value_of_mapped_task(native: bool, text: str) -> None:
    """Airflow identifies results of other tasks by ``id()``."""
    with dag(native=native):
        save = CreateNotebookImageOperator(
            task_id="save", notebook_id="n", tag="{{ number }}", description=text
        )

    fields, seen = save.template_fields, {id(text)}
    save._do_render_template_fields(save, fields, CONTEXT, save.get_template_env(), seen)

    assert (save.tag, save.description) == ("7", text)
