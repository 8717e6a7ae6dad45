"""The simulated account: its user, its projects and its agency."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Domain:
    """An account, which IAM calls a domain; its id is derived from its name."""

    name: str

    @property
    def id(self) -> str:
        """The id."""
        return uuid.uuid5(uuid.NAMESPACE_DNS, self.name).hex

    def document(self) -> dict[str, str]:
        """Return the domain in IAM's JSON form."""
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True)
class ProjectRecord:
    """A project; it has the name of its region unless it is a subproject."""

    id: str
    name: str


@dataclass(frozen=True)
class User:
    """The one user of the account, with its password."""

    name: str
    password: str
    domain: Domain


@dataclass(frozen=True)
class AgencyRecord:
    """An agency, which a user of this or another account can assume; ``domain`` is the account it acts in."""

    name: str
    domain: Domain


class Account:
    """The users, agencies and projects in IAM."""

    def __init__(self, user: User, agency: AgencyRecord, home: ProjectRecord) -> None:
        """Start with one project, which has the notebooks."""
        self.user = user
        self.agency = agency
        self.home = home
        self.reset()

    def reset(self) -> None:
        """Remove the projects that were added."""
        self.projects = [self.home]

    def add_project(self, name: str, project_id: str | None = None) -> str:
        """
        Add a project and return its id; raises ValueError if it exists.

        Names may repeat, to test a client with an ambiguous response.
        """
        project = ProjectRecord(project_id or uuid.uuid4().hex, name)
        if project.id in (existing.id for existing in self.projects):
            raise ValueError(f"project {project.id} already exists")
        self.projects.append(project)
        return project.id

    def find_project(self, *, project_id: str | None = None, name: str | None = None) -> ProjectRecord | None:
        """Return the first project with this id and name; None matches any."""
        fits = (
            project
            for project in self.projects
            if project_id in (None, project.id) and name in (None, project.name)
        )
        return next(fits, None)

    def project(self, id_or_name: str) -> ProjectRecord:
        """Return the project with this id or name; raises ValueError for none or several."""
        by_id = self.find_project(project_id=id_or_name)
        named = [by_id] if by_id else [project for project in self.projects if project.name == id_or_name]
        if len(named) != 1:
            raise ValueError(f"there {'is no project' if not named else 'are several projects'} {id_or_name}")
        return named[0]
