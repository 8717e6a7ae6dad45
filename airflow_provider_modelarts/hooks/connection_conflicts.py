"""The rules between a connection's fields: what must be filled in, and what excludes what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_modelarts.hooks.connection import Settings


def find_conflicts(settings: Settings) -> list[str]:
    """Return a message for each missing field and for each conflict, in the order of the form."""
    who = settings.identity
    both = who.login and who.secret
    signs = who.auth != "password" or who.agency_name
    needs_iam = who.auth == "password" or who.agency_name or not who.project_id
    is_custom = settings.cloud.name == "custom"
    lacks_project = not (who.project_id or who.project_name)
    # IAM's address and the project's name follow from the region: without it, only the region is reported.
    lacks_region = not is_custom and (lacks_project or not settings.endpoint)
    rules = {
        "extra region is missing (such as eu-de or cn-north-4), or else host": (
            lacks_region and not settings.endpoint
        ),
        "extra region is missing: signatures of the form credential are made with it": (
            settings.endpoint and not who.region and signs and who.signature == "credential"
        ),
        "host is missing: a custom cloud's cannot be derived": (not settings.endpoint and is_custom),
        "extra region is missing (such as eu-de or cn-north-4), or else extra project_id": (
            lacks_region and settings.endpoint
        ),
        "extra project_id is missing: the console shows it under My Credentials": lacks_project and is_custom,
        "login (access key) and password (secret key) must both be filled in": (
            who.auth == "access_key" and not both
        ),
        "auth password needs login (IAM user), password and extra domain_name (the account)": (
            who.auth == "password" and not (both and who.domain_name)
        ),
        "auth host_agency takes its keys from the host: login and password must be empty": (
            who.auth == "host_agency" and (who.login or who.secret)
        ),
        "extra security_token belongs to temporary access keys, so auth must be access_key": (
            who.auth != "access_key" and who.security_token
        ),
        "extra agency_name and agency_domain_name must be filled in together": (
            bool(who.agency_name) != bool(who.agency_domain_name)
        ),
        "extra iam_endpoint is missing: this connection needs requests to IAM": (
            needs_iam and not who.iam_endpoint and not lacks_region
        ),
    }
    return [message for message, is_broken in rules.items() if is_broken]
