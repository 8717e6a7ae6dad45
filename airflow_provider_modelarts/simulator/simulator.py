"""The simulator as tests hold it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, final

from .account import Account, AgencyRecord, Domain, ProjectRecord, User
from .authentication import Authentication
from .choices import check_choice
from .clock import SimulatedClock
from .documents import OWNER
from .faults import Fault, FaultQueue
from .grants import Grants
from .handler import Handler
from .identity import IamService
from .issued_secrets import IssuedSecrets
from .keys import KeyPair, Keyring
from .listing import Pages
from .metadata import Metadata
from .operations import Operations
from .project_view import ProjectView
from .projects import Projects
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
    A small ModelArts on 127.0.0.1, for tests of what talks to ModelArts.

    It checks signatures, tokens and request rules as the vendors' pages state them, lets
    notebooks and images go through their states, and fails on order. IAM and the metadata
    service of a machine, which have hosts of their own in a cloud, are at the same address.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. Every method can be
    called from any thread.
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
        Describe the cloud to play.

        :param cloud: ``huaweicloud``, ``huaweicloud-eu`` or ``otc``: whose request rules hold
        :param region: empty for the usual one of the cloud; it shows in ``swr_path``, and the
            project is named after it
        :param port: 0 for any free one
        :param save: how a save moves on
        :param notebook_id: the notebook that runs from the start
        :param security_token: makes the keys temporary ones that need this token
        :param create_status: what create-image answers; the pages allow 200 and 201
        :param offset_unit: what ``offset`` counts in lists, ``records`` as documented, or ``pages``; with
            ``none`` it is ignored, and every page is the first
        :param failed_image_holds_tag: whether a failed save keeps its tag taken; not documented
        :param refuse_delete_in_use: whether the image that a notebook runs cannot be deleted; by default so
            on Huawei's clouds, whose pages say so but not with which code (6347 here); OTC's page is silent
        :param list_lag: seconds after which a new image shows in lists; not documented
        :param read_lag: seconds for which ShowImage does not find a new image; not documented
        :param list_order: ``asked`` as documented; ``stored`` ignores what was asked for, and ``random``
            shuffles the list before each page, so that records are met twice and missed
        :param page_cap: how many records a page has at most, whatever ``limit`` says
        :param grants: the actions of a policy, such as ``modelarts:image:*``, that the user and the agency
            have; by default all. A request whose action is not granted is refused
        :param denied_code: with which code; the documents have several, and do not say which is when
        :param denied_status: and with which HTTP status
        :param signature: the form of signatures that is read, ``access``, ``credential`` or ``either``
        :param user_name: the user who can log in to IAM, with ``user_password``
        :param domain_name: the account of the user
        :param agency_name: the agency that can be assumed; temporary keys act in the same project
        :param agency_domain_name: the account that made the agency
        :param metadata: whether the metadata service is ``plain``, wants a ``token`` or is ``off``
        :param token_lifetime: seconds after which a token of IAM expires
        :param key_lifetime: seconds after which keys of the metadata service expire
        :param seed: starts the generator that decides to which requests a fault with a chance happens
        :param certificate: a PEM file, for 127.0.0.1, with which HTTPS is served instead of HTTP
        :param private_key: the PEM file of its key, empty when that is in the file of the certificate
        :param observer: is called with each entry of the journal, in the server's thread
        """
        check_choice("cloud", cloud, CLOUDS)
        self.notebook_id = notebook_id
        self._cloud = cloud
        self._region = region or CLOUDS[cloud].region
        self._clock = SimulatedClock()
        self._faults = FaultQueue(seed)
        self._request_log = RequestLog(observer)
        self._issued_secrets = IssuedSecrets()
        self._issued_secrets.add(user_password)
        now = self._clock.now
        self._keyring = Keyring(KeyPair(access_key, secret_key, security_token), now, self._issued_secrets)
        self._tokens = Tokens(now, self._issued_secrets)
        self._metadata_tokens = Tokens(now, self._issued_secrets)
        self._account = Account(
            User(user_name, user_password, Domain(domain_name)),
            AgencyRecord(agency_name, Domain(agency_domain_name)),
            ProjectRecord(project_id, self._region),
        )
        behaviour = Behaviour(
            save_timing=save,
            failed_image_holds_tag=failed_image_holds_tag,
            refuse_delete_in_use=(
                CLOUDS[cloud].keeps_used_images if refuse_delete_in_use is None else refuse_delete_in_use
            ),
            list_lag=list_lag,
            read_lag=read_lag,
        )

        def build(swr_paths: set[str], notebook_id: str | None) -> ProjectStore:
            return ProjectStore(
                CLOUDS[cloud],
                self._region,
                behaviour,
                clock=self._clock,
                issued_secrets=self._issued_secrets,
                swr_paths=swr_paths,
                notebook_id=notebook_id,
            )

        self._projects = Projects(self._account, build, notebook_id)
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
        self._handler = Handler(
            clock=self._clock,
            projects=self._projects,
            authentication=Authentication(self._account, self._keyring, self._tokens, now, signature),
            grants=self._grants,
            faults=self._faults,
            request_log=self._request_log,
            traffic=self._traffic,
            services=(
                Operations(
                    self._projects,
                    self._faults,
                    create_status,
                    Pages(offset_unit, page_cap, list_order, seed),
                ),
                identity,
                Metadata(metadata, self._keyring, self._metadata_tokens, key_lifetime),
            ),
        )
        tls = tls_context(certificate, private_key)
        self._scheme = "http" if tls is None else "https"
        self._server = Server(self._handler.handle, port, self._traffic, tls)
        self._lock = self._handler.lock

    def __enter__(self) -> Simulator:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Serve; raises OSError when the port is taken."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection and stop serving. What happened can still be asked for."""
        self._server.stop()

    @property
    def endpoint(self) -> str:
        """Where the API is served."""
        return f"{self._scheme}://{HOST}:{self.port}"

    @property
    def port(self) -> int:
        """The port that is served, or before the start the one that was asked for."""
        return self._server.port

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow connection to the project of the start, with the user's own keys, in JSON's form."""
        return self._connection_to(self._account.home.id)

    def _connection_to(self, project_id: str) -> dict[str, Any]:
        return self._keyring.own.connection(self.endpoint, self._region, self._cloud, project_id)

    @property
    def secrets(self) -> tuple[str, ...]:
        """
        Every value so far that must not show up anywhere, those from before a reset included.

        These are the secret keys, the password, and all tokens, be they of IAM, of temporary
        keys, of the metadata service or of notebooks.
        """
        with self._lock:
            return self._issued_secrets.values()

    @property
    def journal(self) -> tuple[JournalEntry, ...]:
        """The API requests so far, oldest first; the newest hundred thousand of them."""
        with self._lock:
            return self._request_log.entries()

    @property
    def images(self) -> list[dict[str, Any]]:
        """All projects' image records but the built-in ones, deleted ones too, in API form, oldest first."""
        with self._lock:
            return self._projects.saved_images()

    @property
    def swr_paths(self) -> frozenset[str]:
        """The addresses that can be pulled from SWR; only a forced delete takes one away."""
        with self._lock:
            return frozenset(self._projects.swr_paths)

    @property
    def saves(self) -> int:
        """How many create-image requests took effect, in all projects."""
        with self._lock:
            return self._projects.saves

    @property
    def connections(self) -> int:
        """How many connections were accepted since the start or the last :meth:`reset`."""
        return self._traffic.accepted

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return self._server.open_connections

    @property
    def in_flight(self) -> int:
        """How many API requests are being answered now; one that hangs counts until its client leaves."""
        return self._traffic.in_flight

    @property
    def max_in_flight(self) -> int:
        """The largest number of them at the same time since the start or the last :meth:`reset`."""
        return self._traffic.max_in_flight

    def project(self, id_or_name: str) -> ProjectView:
        """Give a project of the account, to see and to add what is in it; raises ValueError for none."""
        with self._lock:
            project = self._account.project(id_or_name)
        return ProjectView(project, self._projects, self._lock, self._connection_to)

    def add_notebook(
        self,
        notebook_id: str | None = None,
        name: str | None = None,
        status: str = "RUNNING",
        workspace_id: str = "0",
        image_id: str | None = None,
        *,
        owner: str = OWNER,
    ) -> str:
        """Add a notebook to the project of the start; see :meth:`ProjectView.add_notebook`."""
        with self._lock:
            return self._projects.home.add_notebook(
                notebook_id, name, status, workspace_id, image_id, owner=owner
            )

    def add_image(self, **fields: Any) -> str:
        """Add an image record to the project of the start; see :meth:`ProjectView.add_image`."""
        with self._lock:
            return self._projects.home.add_image(fields)

    def set_notebook_status(self, notebook_id: str, status: str) -> None:
        """Put a notebook, of any project, into a status; a save under way goes on behind it."""
        with self._lock:
            self._projects.of_notebook(notebook_id).set_notebook_status(notebook_id, status)

    def set_image_status(self, image_id: str, status: str, message: str | None = None) -> None:
        """
        Put an image, of any project, into a status, where it stays.

        ACTIVE, CREATE_FAILED, ERROR and DELETED end a save and free its notebook; any other
        status, documented or not, holds the save up.
        """
        with self._lock:
            self._projects.of_image(image_id).set_image_status(image_id, status, message)

    def add_project(self, name: str, project_id: str | None = None) -> str:
        """
        Add a project to the account and give its id; it begins without notebooks and images of its own.

        The user's keys act in it, and tokens whose scope it is. See :meth:`project` for what it holds.
        """
        with self._lock:
            return self._projects.add(name, project_id)

    def grant(self, *actions: str) -> None:
        """Grant actions, such as ``modelarts:image:list``, from now on."""
        with self._lock:
            self._grants.change(granted=actions)

    def revoke(self, *actions: str) -> None:
        """Take actions away, from now on; every other one is as it was."""
        with self._lock:
            self._grants.change(revoked=actions)

    def rotate_keys(self, access_key: str, secret_key: str) -> None:
        """Replace the user's own keys; the old ones are refused from now on."""
        with self._lock:
            self._keyring.rotate(access_key, secret_key)

    def revoke_keys(self) -> None:
        """Take back all temporary keys."""
        with self._lock:
            self._keyring.revoke()

    def revoke_tokens(self) -> None:
        """Take back all tokens, those of the metadata service included."""
        with self._lock:
            self._tokens.revoke()
            self._metadata_tokens.revoke()

    def inject(self, *faults: Fault) -> None:
        """Let something go wrong."""
        with self._lock:
            for fault in faults:
                self._faults.add(fault)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more; what hangs already goes on hanging."""
        with self._lock:
            self._faults.clear()

    def now(self) -> float:
        """Give the simulator's time in epoch seconds."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """Move the simulator's time on."""
        with self._lock:
            self._clock.advance(seconds)

    def reset(self) -> None:
        """Go back to the start, issued tokens and keys included; only the clock stays where it was."""
        with self._lock:
            self._handler.reset()
