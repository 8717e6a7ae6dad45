"""The operations of SWR: what an authenticated request changes, and its response."""

from __future__ import annotations

from collections.abc import Mapping

from .exchange import HttpReply, HttpRequest, Outcome, Refusal, json_reply
from .listing import Query
from .registry import Registry, Repository
from .routes import MatchedRoute, OperationHandler
from .rules import CloudRules, json_object

MAX_LIMIT = 1000
_INVALID = "SVCSTG.SWR.4001025"


class RegistryService:
    """The operations of SWR, by name."""

    def __init__(self, registry: Registry, cloud: CloudRules) -> None:
        """Serve the account's registry."""
        self._registry = registry
        self._cloud = cloud
        self.by_name: Mapping[str, OperationHandler] = {
            "ListRepositoryTags": self._list_tags,
            "DeleteRepoTag": self._delete_tag,
            "CreateRepoTag": self._create_tag,
            "ListRetentions": self._list_retentions,
        }

    def reset(self) -> None:
        """Do nothing: the registry is reset with the projects."""

    def _list_tags(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        query = Query(request)
        paging = [query.text(name) for name in ("limit", "offset")]
        order = query.text("order_column"), query.text("order_type")
        if (None in paging and paging != [None, None]) or (None in order and order != (None, None)):
            raise Refusal(400, _INVALID, "Invalid parameters: parameters that belong together.")
        offset = _number(query, "offset", 0)
        limit = min(_number(query, "limit", 100), MAX_LIMIT)
        namespace, name = _names(route)
        try:
            tags = self._registry.listed(self._repository(route))
        except Refusal:
            if self._registry.behaviour.absent == "code":
                raise
            tags = {}
        wanted = query.text("tag")
        found = [tag for tag in tags if wanted in (None, tag)]
        if order != (None, None):
            if order[0] not in ("updated_at", "tag") or order[1] not in ("asc", "desc"):
                raise Refusal(400, _INVALID, "Invalid parameters: the order of the list.")
            found.sort(reverse=order[1] == "desc")
            if order[0] == "updated_at":
                found.sort(key=lambda tag: tags[tag].updated, reverse=order[1] == "desc")
        items = [self._registry.document(namespace, name, tag) for tag in found[offset : offset + limit]]
        total = ("Content-Range", f"{offset}-{len(items)}/{len(found)}")
        return Outcome(json_reply(200, items, total))

    def _delete_tag(self, _: HttpRequest, route: MatchedRoute) -> Outcome:
        tag = route.names["{tag}"]
        repository = self._repository(route)
        if tag not in repository.tags:
            raise Refusal(404, "SVCSTG.SWR.4040115", "Tag not exist")
        self._registry.delete(self._address(route, tag))
        return Outcome(HttpReply(204), effect=True)

    def _create_tag(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        if not self._cloud.has_create_tag:
            raise Refusal(404, "APIGW.0101", "The API does not exist or has not been published.")
        given = json_object(request.body)
        source, target = given.get("source_tag"), given.get("destination_tag")
        override = given.get("override", False)
        unknown = given.keys() - {"source_tag", "destination_tag", "override"}
        valid = isinstance(source, str) and isinstance(target, str) and isinstance(override, bool)
        if unknown or not valid:
            raise Refusal(400, "SVCSTG.SWR.4000014", "Invalid API parameters.")
        tags = self._repository(route).tags
        if source not in tags:
            raise Refusal(404, "SVCSTG.SWR.4040048", "Tag not exist")
        if target in tags and not override:
            raise Refusal(409, "SVCSTG.SWR.4090006", "The image already exists.")
        self._registry.copy(self._address(route, str(source)), self._address(route, str(target)))
        return Outcome(HttpReply(201), effect=True)

    def _list_retentions(self, _: HttpRequest, route: MatchedRoute) -> Outcome:
        rules = self._repository(route).rules
        policies = [{"algorithm": "or", "id": 222, "rules": rules, "scope": ""}] if rules else []
        return Outcome(json_reply(200, policies))

    def _repository(self, route: MatchedRoute) -> Repository:
        """Return a repository; raises Refusal for an unknown one."""
        namespace, name = _names(route)
        if not self._registry.has_namespace(namespace):
            raise Refusal(404, "SVCSTG.SWR.4040058", "Namespace not exist")
        repository = None if "/" in route.names["{repository}"] else self._registry.find(namespace, name)
        if repository is None:
            raise Refusal(404, "SVCSTG.SWR.4040113", "Repository not exist")
        return repository

    def _address(self, route: MatchedRoute, tag: str) -> str:
        namespace, name = _names(route)
        return f"{self._registry.host}/{namespace}/{name}:{tag}"


def _names(route: MatchedRoute) -> tuple[str, str]:
    """Return organization and repository, in whose path a slash is a dollar sign."""
    return route.names["{namespace}"], route.names["{repository}"].replace("$", "/")


def _number(query: Query, name: str, default: int) -> int:
    try:
        return query.integer(name, default, least=0)
    except Refusal:
        raise Refusal(400, "SVCSTG.SWR.4000056", f"Invalid {name}.") from None
