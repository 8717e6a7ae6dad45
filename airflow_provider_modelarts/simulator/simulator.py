"""The simulator, as tests use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import partial
from types import TracebackType
from typing import Any, final

from .account import Account, AgencyRecord, Domain, ProjectRecord, User
from .authentication import Authentication
from .choices import check_choice
from .clock import SimulatedClock
from .faults import Fault, FaultQueue
from .grants import Grants
from .handler import Handler
from .identity import IamService
from .issued_secrets import IssuedSecrets
from .keys import KeyPair, Keyring
from .lifecycle import Lifecycle
from .listing import Pages
from .metadata import Metadata
from .notebook_behaviour import NotebookBehaviour
from .notebook_view import NotebookView
from .operations import Operations
from .project_view import ProjectView
from .projects import Projects
from .registry import Registry
from .registry_behaviour import RegistryBehaviour
from .registry_service import RegistryService
from .registry_view import RegistryView
from .request_log import JournalEntry, RequestLog
from .rules import CLOUDS
from .save_timing import AfterReads, SaveTiming
from .server import HOST, Server, tls_context
from .store import Behaviour, ProjectStore
from .tokens import Tokens
from .traffic import Traffic

ACCESS_KEY = "SIMULATORACCESSKEY"
SECRET_KEY = "simulator-secret-key"
PROJECT_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SAVE = AfterReads(2)
NOTEBOOK_ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"


@final
class Simulator:
    """
    A simulated ModelArts API on 127.0.0.1, for tests of its clients.

    It validates signatures, tokens and requests by the vendors' pages, changes the statuses of notebooks and
    images as a save does, and injects faults. SWR, IAM and the ECS metadata service, which have their own
    hosts in a cloud, are at the same address::

        with Simulator(cloud="otc") as simulator:
            simulator.inject(Fault("throttle", "CreateImage", retry_after=1))
            print(simulator.connection, simulator.notebook_id)

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. All methods are thread-safe.
    """

    def __init__(
        self,
        *,
        cloud: str = "huaweicloud",
        access_key: str = ACCESS_KEY,
        secret_key: str = SECRET_KEY,
        project_id: str = PROJECT_ID,
        region: str | None = None,
        port: int = 0,
        save: SaveTiming = SAVE,
        notebook_id: str = NOTEBOOK_ID,
        notebooks: NotebookBehaviour | None = None,
        registry: RegistryBehaviour | None = None,
        security_token: str | None = None,
        create_status: int = 200,
        offset_unit: str = "records",
        failed_image_holds_tag: bool = True,
        refuse_delete_in_use: bool | None = None,
        list_lag: float = 0.0,
        read_lag: float = 0.0,
        list_order: str = "asked",
        page_cap: int | None = None,
        grants: Collection[str] | None = None,
        denied_code: str = "ModelArts.0108",
        denied_status: int = 403,
        signature: str = "either",
        user_name: str = "snapshot-user",
        user_password: str = "simulator-password",
        domain_name: str = "research-account",
        agency_name: str = "snapshot-agency",
        agency_domain_name: str = "research-account",
        metadata: str = "plain",
        token_lifetime: float = 86_400,
        key_lifetime: float = 3600,
        seed: int = 0,
        certificate: str | os.PathLike[str] | None = None,
        private_key: str | os.PathLike[str] | None = None,
        observer: Callable[[JournalEntry], None] | None = None,
    ) -> None:
        """
        Configure the simulated cloud.

        :param cloud: ``huaweicloud``, ``huaweicloud-eu`` or ``otc``, whose request rules apply
        :param access_key: access key of the user, with ``secret_key``
        :param project_id: id of the first project
        :param region: part of ``swr_path``, and the name of the project; by default a region of the cloud
        :param port: 0 for any free one
        :param save: when a save ends: ``AtOnce``, ``AfterReads`` or ``AfterSeconds``
        :param notebook_id: id of the notebook that is running at the start
        :param notebooks: how starts, stops, leases and lists of notebooks behave
        :param registry: how SWR behaves
        :param security_token: makes the user's keys temporary ones that need this token
        :param create_status: HTTP status of create-image; the documents allow 200 and 201
        :param offset_unit: what ``offset`` counts in lists: ``records`` as documented, or ``pages``; ``none``
            ignores it, so that every page is the first
        :param failed_image_holds_tag: whether the tag of a failed save stays in use; not documented
        :param refuse_delete_in_use: whether an image that a notebook runs cannot be deleted. Default: true on
            Huawei's clouds, whose pages document it without a code (6347 here), and false on OTC
        :param list_lag: seconds after which a new image is in lists; not documented
        :param read_lag: seconds for which ShowImage does not find a new image; not documented
        :param list_order: ``asked`` sorts as requested; ``stored`` ignores the requested order; ``random``
            shuffles the list before each page, so that records are repeated and missed
        :param page_cap: maximum number of records in a page, whatever ``limit`` is
        :param grants: IAM actions of the user and the agency, such as ``modelarts:image:*``; by default all.
            A request whose action is not granted is refused
        :param denied_code: code of that refusal; the documents have several without saying which applies
        :param denied_status: HTTP status of that refusal
        :param signature: accepted form of signatures: ``access``, ``credential`` or ``either``
        :param user_name: IAM user that can log in with ``user_password``
        :param domain_name: account of the user
        :param agency_name: agency that can be assumed; its temporary keys act in the same project
        :param agency_domain_name: account that created the agency
        :param metadata: mode of the metadata service: ``plain``, ``token`` (requires one) or ``off``
        :param token_lifetime: seconds after which an IAM token expires
        :param key_lifetime: seconds after which keys of the metadata service expire
        :param seed: seed of the generator for faults with a chance and for ``list_order="random"``
        :param certificate: PEM file with a certificate for 127.0.0.1; with it HTTPS is served
        :param private_key: PEM file of its key; by default in the certificate's file
        :param observer: called with each new entry of the journal, in the server's thread
        :raises ValueError: an option has an invalid value
        """
        check_choice("cloud", cloud, CLOUDS)
        self.notebook_id = notebook_id
        self._cloud, rules = cloud, CLOUDS[cloud]
        self._region = region or rules.region
        self._clock = SimulatedClock()
        self._faults = FaultQueue(seed)
        self._request_log = RequestLog(observer)
        self._issued_secrets = issued = IssuedSecrets()
        issued.add(user_password)
        now = self._clock.now
        self._keyring = Keyring(KeyPair(access_key, secret_key, security_token), now, issued)
        self._tokens, self._metadata_tokens = Tokens(now, issued), Tokens(now, issued)
        self._account = Account(
            User(user_name, user_password, Domain(domain_name)),
            AgencyRecord(agency_name, Domain(agency_domain_name)),
            ProjectRecord(project_id, self._region),
        )
        behaviour = Behaviour(
            save_timing=save,
            failed_image_holds_tag=failed_image_holds_tag,
            refuse_delete_in_use=refuse_delete_in_use,
            list_lag=list_lag,
            read_lag=read_lag,
            notebooks=notebooks or NotebookBehaviour(),
        )
        build = partial(
            ProjectStore, rules, self._region, behaviour, clock=self._clock, issued_secrets=issued
        )
        content = Registry(registry or RegistryBehaviour(), self._clock, rules.registry(self._region))
        self._projects = Projects(self._account, content, build, notebook_id)
        self._grants = Grants(grants, denied_code, denied_status)
        self._traffic = Traffic()
        identity = IamService(
            self._account,
            self._keyring,
            self._tokens,
            now=now,
            token_lifetime=token_lifetime,
            endpoint=lambda: self.endpoint,
        )
        pages = Pages(offset_unit, page_cap, list_order, seed)
        self._handler = Handler(
            clock=self._clock,
            projects=self._projects,
            authentication=Authentication(self._account, self._keyring, self._tokens, now, signature),
            grants=self._grants,
            faults=self._faults,
            request_log=self._request_log,
            traffic=self._traffic,
            services=(
                Operations(self._projects, self._faults, create_status, pages),
                Lifecycle(self._projects, self._clock),
                RegistryService(content, rules),
                identity,
                Metadata(metadata, self._keyring, self._metadata_tokens, key_lifetime),
            ),
        )
        tls = tls_context(certificate, private_key)
        self._scheme = "http" if tls is None else "https"
        self._server = Server(self._handler.handle, port, self._traffic, tls)
        self._lock = self._handler.lock

    def __enter__(self) -> Simulator:
        """Start to serve."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.stop()

    def start(self) -> None:
        """Start to serve; raises OSError if the port is in use."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving and close every connection; journal and images stay readable."""
        self._server.stop()

    @property
    def endpoint(self) -> str:
        """The base URL of the API."""
        return f"{self._scheme}://{HOST}:{self.port}"

    @property
    def port(self) -> int:
        """The port; before the start the requested one."""
        return self._server.port

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow connection to the first project with the user's own keys, in JSON form."""
        return self._connection_to(self._account.home.id)

    def _connection_to(self, project_id: str) -> dict[str, Any]:
        return self._keyring.own.connection(self.endpoint, self._region, self._cloud, project_id)

    @property
    def secrets(self) -> tuple[str, ...]:
        """
        All secrets so far, which must not leak, including those from before a reset.

        They are the secret keys, the password, and all tokens: of IAM, of temporary keys, of the metadata
        service and of notebooks.
        """
        with self._lock:
            return self._issued_secrets.values()

    @property
    def journal(self) -> tuple[JournalEntry, ...]:
        """The API requests so far, oldest first; at most the newest 100,000."""
        with self._lock:
            return self._request_log.entries()

    @property
    def images(self) -> list[dict[str, Any]]:
        """The images of all projects in API form, oldest first, with deleted and without built-in ones."""
        with self._lock:
            return self._projects.saved_images()

    @property
    def swr_paths(self) -> frozenset[str]:
        """The addresses that can be pulled from SWR."""
        with self._lock:
            return frozenset(self._projects.registry)

    @property
    def registry(self) -> RegistryView:
        """A view of SWR: its tags, digests and retention rules."""
        return RegistryView(self._projects.registry, self._lock)

    @property
    def saves(self) -> int:
        """Number of create-image requests that took effect, in all projects."""
        with self._lock:
            return self._projects.saves

    @property
    def connections(self) -> int:
        """Number of connections accepted since the start or the last :meth:`reset`."""
        return self._traffic.accepted

    @property
    def open_connections(self) -> int:
        """Number of open connections."""
        return self._server.open_connections

    @property
    def in_flight(self) -> int:
        """Number of API requests in progress; one that hangs counts until its client disconnects."""
        return self._traffic.in_flight

    @property
    def max_in_flight(self) -> int:
        """Maximum of :attr:`in_flight` since the start or the last :meth:`reset`."""
        return self._traffic.max_in_flight

    def project(self, id_or_name: str) -> ProjectView:
        """Return a view of the project with this id or name; raises ValueError for none or several."""
        with self._lock:
            project = self._account.project(id_or_name)
        return ProjectView(project, self._projects, self._lock, self._connection_to)

    def notebook(self, notebook_id: str | None = None) -> NotebookView:
        """Return a view of a notebook of any project, by default the one that runs at the start."""
        return NotebookView(notebook_id or self.notebook_id, self._projects, self._lock)

    def add_notebook(self, *arguments: Any, **fields: Any) -> str:
        """Add a notebook to the first project and return its id; see :meth:`ProjectView.add_notebook`."""
        with self._lock:
            return self._projects.home.add_notebook(*arguments, **fields)

    def add_image(self, **fields: Any) -> str:
        """Add an image record to the first project; see :meth:`ProjectView.add_image`."""
        with self._lock:
            return self._projects.home.add_image(fields)

    def set_notebook_status(self, notebook_id: str, status: str) -> None:
        """Set the status of a notebook in any project; see :meth:`NotebookView.set_status`."""
        self.notebook(notebook_id).set_status(status)

    def set_image_status(self, image_id: str, status: str, message: str | None = None) -> None:
        """
        Set the status of an image in any project; it keeps that status.

        ACTIVE, CREATE_FAILED, ERROR and DELETED end a save and free its notebook. Any other status,
        documented or not, stops the progress of the save.
        """
        with self._lock:
            self._projects.of_image(image_id).set_image_status(image_id, status, message)

    def add_project(self, name: str, project_id: str | None = None) -> str:
        """
        Add an empty project to the account and return its id.

        The user's keys are valid in it, and tokens with its scope. :meth:`project` returns a view of it.
        """
        with self._lock:
            return self._projects.add(name, project_id)

    def grant(self, *actions: str) -> None:
        """Grant IAM actions, such as ``modelarts:image:list``, from now on."""
        with self._lock:
            self._grants.change(granted=actions)

    def revoke(self, *actions: str) -> None:
        """Revoke IAM actions from now on; other actions are unchanged."""
        with self._lock:
            self._grants.change(revoked=actions)

    def rotate_keys(self, access_key: str, secret_key: str) -> None:
        """Replace the user's own keys; the old ones are refused from now on."""
        with self._lock:
            self._keyring.rotate(access_key, secret_key)

    def revoke_keys(self) -> None:
        """Revoke all temporary keys."""
        with self._lock:
            self._keyring.revoke()

    def revoke_tokens(self) -> None:
        """Revoke all tokens, including those of the metadata service."""
        with self._lock:
            self._tokens.revoke()
            self._metadata_tokens.revoke()

    def inject(self, *faults: Fault) -> None:
        """Add faults, which happen in this order."""
        with self._lock:
            for fault in faults:
                self._faults.add(fault)

    def clear_faults(self) -> None:
        """Remove all faults; requests that already hang continue to hang."""
        with self._lock:
            self._faults.clear()

    def now(self) -> float:
        """Return the simulator's time in epoch seconds."""
        return self._clock.now()

    def freeze(self) -> None:
        """Let time pass only by :meth:`advance`, from now on."""
        self._clock.freeze()

    def advance(self, seconds: float) -> None:
        """Move the simulator's clock forward by some seconds; raises ValueError if they are negative."""
        with self._lock:
            self._clock.advance(seconds)

    def reset(self) -> None:
        """Restore the initial state of everything but the clock; issued tokens and keys become invalid."""
        with self._lock:
            self._handler.reset()
