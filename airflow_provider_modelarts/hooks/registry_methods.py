"""The hook's methods about SWR, the registry of images, for workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.hooks.blocking_client import BlockingClient

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.client.registry import RegistryTag, RetentionRule


class RegistryMethods(BlockingClient):
    """
    Methods about SWR; each blocks until the response has arrived.

    Where the connection sets ``host`` and not ``swr_endpoint``, they raise InvalidConnectionError and send
    nothing.
    """

    def verify_image(self, image: Image | str, *, deadline: float | None = None) -> dict[str, Any]:
        """
        Return what the registry has under the address of an ACTIVE image, as plain JSON.

        The keys are ``digest``, ``size_bytes`` and ``layers`` (their number), as far as SWR returns them, and
        ``unchanged``: whether the newest earlier ACTIVE snapshot of the same notebook in the same repository
        has the same digest. Without permission there is one warning, and the result is empty.

        :param image: the image, or its id.
        :param deadline: epoch seconds after which no request is retried.
        :raises ImageNotInRegistryError: three checks, five seconds apart, did not find the tag.
        """
        from airflow_provider_modelarts.client import image_verification, operations
        from airflow_provider_modelarts.transport import block_on

        self.settings.require_swr_endpoint()
        if isinstance(image, str):
            image = self.call(operations.show_image(image), deadline=deadline)
        workspace_id = self.settings.workspace_id
        verification = image_verification.verify_image(
            self._modelarts, image, workspace_id=workspace_id, deadline=deadline
        )
        return block_on(verification)

    def wait_for_verification(
        self, image: Image, *, poll_interval: float = 10, deadline: float
    ) -> dict[str, Any]:
        """
        Verify an image as :meth:`verify_image` does, again after transient errors until the deadline.

        :param image: the image, which is ACTIVE.
        :param poll_interval: seconds after an error until the next try.
        :param deadline: epoch seconds.
        :raises ImageNotInRegistryError: three checks, five seconds apart, did not find the tag.
        :raises WaitTimeoutError: every try until the deadline failed.
        """
        from airflow_provider_modelarts.client.image_verification import wait_for_verification
        from airflow_provider_modelarts.transport import block_on

        self.settings.require_swr_endpoint()
        workspace_id = self.settings.workspace_id
        verification = wait_for_verification(
            *(self._modelarts, image),
            workspace_id=workspace_id,
            poll_interval=poll_interval,
            deadline=deadline,
        )
        return block_on(verification)

    def list_tags(self, namespace: str, repository: str) -> list[RegistryTag]:
        """
        Return all tags of a repository, those that were set last first.

        :param namespace: the SWR organization.
        :param repository: the repository's name, without its organization.
        :raises NotFoundError: SWR has no such organization or repository.
        """
        from airflow_provider_modelarts.client import operations

        return self.list_all(operations.list_tags(namespace, repository))

    def delete_tag(self, namespace: str, repository: str, tag: str) -> None:
        """
        Delete a tag in SWR, for good. Its record in ModelArts stays, and a notebook with it cannot start.

        :param namespace: the SWR organization.
        :param repository: the repository's name, without its organization.
        :raises NotFoundError: SWR has no such tag.
        """
        from airflow_provider_modelarts.client import operations

        self.call(operations.delete_tag(namespace, repository, tag))

    def create_tag(
        self,
        namespace: str,
        repository: str,
        *,
        source_tag: str,
        destination_tag: str,
        override: bool = False,
    ) -> None:
        """
        Give the content of a tag one more tag; Open Telekom Cloud has no such operation.

        :param namespace: the SWR organization.
        :param repository: the repository's name, without its organization.
        :param override: move the tag if it exists.
        :raises RequestValidationError: the cloud has no such operation; nothing was sent.
        :raises TagConflictError: the tag exists.
        :raises NotFoundError: SWR has no such source tag.
        """
        from airflow_provider_modelarts.client import operations

        self.call(
            operations.create_tag(
                self.settings.cloud,
                namespace,
                repository,
                source_tag=source_tag,
                destination_tag=destination_tag,
                override=override,
            )
        )

    def list_retention_rules(self, namespace: str, repository: str) -> list[RetentionRule]:
        """
        Return the rules by which SWR itself deletes the tags of a repository.

        :param namespace: the SWR organization.
        :param repository: the repository's name, without its organization.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(operations.list_retention_rules(namespace, repository))
