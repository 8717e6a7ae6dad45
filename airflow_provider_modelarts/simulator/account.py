"""The account that is played: its user, its projects and the agency that acts for it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Domain:
    """What IAM calls an account; the id follows from the name."""

    name: str

    @property
    def id(self) -> str:
        """The id."""
        return uuid.uuid5(uuid.NAMESPACE_DNS, self.name).hex

    def document(self) -> dict[str, str]:
        """Write it as IAM does wherever it mentions one."""
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True)
class ProjectRecord:
    """A project, which is named after its region unless it is a subproject."""

    id: str
    name: str


@dataclass(frozen=True)
class User:
    """The one user, with what proves who it is."""

    name: str
    password: str
    domain: Domain


@dataclass(frozen=True)
class AgencyRecord:
    """What a user, of this account or another, can act as in the account that made it."""

    name: str
    domain: Domain


class Account:
    """Who and what IAM knows."""

    def __init__(self, user: User, agency: AgencyRecord, home: ProjectRecord) -> None:
        """Begin with the project that has the notebooks."""
        self.user = user
        self.agency = agency
        self.home = home
        self.reset()

    def reset(self) -> None:
        """Forget the projects that were added."""
        self.projects = [self.home]

    def add_project(self, name: str, project_id: str | None = None) -> str:
        """Add a project. Names may repeat, so that a client can be shown an ambiguous answer."""
        project = ProjectRecord(project_id or uuid.uuid4().hex, name)
        if project.id in (known.id for known in self.projects):
            raise ValueError(f"there is already a project {project.id}")
        self.projects.append(project)
        return project.id

    def find_project(self, *, project_id: str | None = None, name: str | None = None) -> ProjectRecord | None:
        """Give the first project that fits what is said of it."""
        fits = (
            project
            for project in self.projects
            if project_id in (None, project.id) and name in (None, project.name)
        )
        return next(fits, None)

    def project(self, id_or_name: str) -> ProjectRecord:
        """Give the project of an id or a name; raises ValueError where there is none or are several."""
        known = self.find_project(project_id=id_or_name)
        named = [known] if known else [project for project in self.projects if project.name == id_or_name]
        if len(named) != 1:
            raise ValueError(f"there {'is no project' if not named else 'are several projects'} {id_or_name}")
        return named[0]
