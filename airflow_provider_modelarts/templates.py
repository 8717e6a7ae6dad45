"""Rendering of templated text arguments of operators and sensors."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from jinja2.nativetypes import NativeEnvironment

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class TextTemplates:
    """
    Mixin that renders templates to text, also in a DAG with ``render_template_as_native_obj``.

    Our templated arguments are text, and a tag such as ``20261121`` or ``1_0`` must not become a number. A
    value from an ``XComArg`` is not rendered and keeps its type. Fields that a subclass adds to
    ``template_fields`` are rendered as configured in the DAG.
    """

    text_fields: Sequence[str] = ()
    """Names of the templated fields that are rendered to text."""

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Choose the Jinja environment by field: only this method of Airflow gets the field's name."""
        text_env = self._text_environment(jinja_env)
        for field in template_fields:
            env = text_env if field in self.text_fields else jinja_env
            super()._do_render_template_fields(parent, [field], context, env, seen_oids)  # type: ignore[misc]

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a text with the given environment; leave any other content to Airflow."""
        environment = jinja_env or self.get_template_env()  # type: ignore[attr-defined]
        # seen_oids holds the values that a mapped task got from another task: they are not templates.
        is_template = isinstance(content, str) and id(content) not in (seen_oids or ())
        if not is_template or isinstance(environment, NativeEnvironment):
            return super().render_template(content, context, environment, seen_oids)  # type: ignore[misc]
        # Airflow would read the DAG's setting, not the environment's, and return a native object.
        is_file = content.endswith(tuple(self.template_ext))  # type: ignore[attr-defined]
        template = environment.get_template(content) if is_file else environment.from_string(content)
        # Template.render() would read every key of the context, and Airflow 2 warns about some of them.
        names: Any = ChainMap({}, context, template.globals)  # type: ignore[arg-type]
        return "".join(map(str, template.root_render_func(template.new_context(names, shared=True))))

    def _text_environment(self, environment: jinja2.Environment) -> jinja2.Environment:
        """Return the DAG's text environment in place of a native one."""
        dag = self.get_dag()  # type: ignore[attr-defined]
        if dag is None or not isinstance(environment, NativeEnvironment):
            return environment
        text_environment: jinja2.Environment = dag.get_template_env(force_sandboxed=True)
        return text_environment
