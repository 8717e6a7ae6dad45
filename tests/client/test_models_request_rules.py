"""The request rules of create-image, a row for each rule of each page."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.client.operations import create_image
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError
from tests.client.fake_transport import FakeTransport, image, modelarts, run

HUAWEI = ["huaweicloud"]
OTC = ["huaweicloud-eu", "otc"]  # The EU site's page states the rules of Open Telekom Cloud.
ALL = HUAWEI + OTC

NOTEBOOK = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
GOOD: dict[str, Any] = {"notebook_id": NOTEBOOK, "name": "pytorch1_4", "namespace": "atelier-auto"}


def by_cloud(rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return a case for each cloud of each row."""
    return [
        pytest.param(cloud, *row[1:], id=f"{cloud}: {row[1]}={row[2]!r:.40}")
        for row in rows
        for cloud in row[0]
    ]


def violation(cloud: str, **fields: Any) -> list[FieldViolation]:
    """Return the rules that a request breaks, none if it can be made."""
    try:
        CreateImageRequest.for_cloud(CLOUDS[cloud], **fields)
    except RequestValidationError as refused:
        return list(refused.violations)
    return []


# What each page allows, at its very route

ACCEPTED: list[tuple[Any, ...]] = [
    (ALL, "notebook_id", NOTEBOOK),
    (ALL, "notebook_id", NOTEBOOK.upper()),
    (OTC, "notebook_id", "any-id"),
    (ALL, "name", "a"),
    (ALL, "name", "0"),
    (ALL, "name", "a-b_c.d9"),
    (HUAWEI, "name", "n" * 128),
    (OTC, "name", "n" * 512),
    (OTC, "name", "-n"),
    (OTC, "name", "n."),
    (OTC, "name", None),
    (HUAWEI, "namespace", "a"),
    (HUAWEI, "namespace", "aB9-_."),
    (HUAWEI, "namespace", "n" * 64),
    (OTC, "namespace", "9Team/of ü"),
    (OTC, "namespace", "n" * 65),
    (OTC, "namespace", None),
    (ALL, "tag", "20221223"),
    (ALL, "tag", "_a"),
    (ALL, "tag", "aZ9-_.-"),
    (ALL, "tag", "t" * 64),
    (ALL, "tag", None),
    (ALL, "description", "d" * 512),
    (ALL, "description", "漢" * 512),
    (ALL, "description", "two\nlines, and ümläuts"),
    (ALL, "description", None),
    (ALL, "workspace_id", "0"),
    (ALL, "workspace_id", "0123456789abcdef0123456789abcdef"),
    (ALL, "workspace_id", None),
    (HUAWEI, "swr_instance_id", "e0a1b2c3"),
    (ALL, "swr_instance_id", None),
    (HUAWEI, "swr_instance_domain", "team.swr-pro.myhuaweicloud.com"),
    (ALL, "swr_instance_domain", None),
]


@pytest.mark.parametrize(("cloud", "field", "value"), by_cloud(ACCEPTED))
def test_for_cloud_accepts_documented_values(cloud: str, field: str, value: str | None) -> None:
    fields = {**GOOD, field: value}
    body = CreateImageRequest.for_cloud(CLOUDS[cloud], **fields).body()
    del fields["notebook_id"]
    assert body == {name: given for name, given in fields.items() if given is not None}


# What each page refuses, just beyond its route

MANDATORY = "is mandatory on this cloud"
EMPTY = "is empty (did a template render to nothing?)"
UUID = "must be the notebook's id, a UUID such as 6fa459ea-ee8a-3ca4-894e-db77e160355e (not its name)"
HUAWEI_NAME = (
    "must be lower-case letters, digits, hyphens, underscores and periods, "
    "and start and end with a letter or digit"
)
OTC_NAME = "must be lower-case letters, digits, hyphens, underscores and periods"
NAMESPACE = "must be letters, digits, hyphens, underscores and periods, and start with a lower-case letter"
TAG = "must be letters, digits, hyphens, underscores and periods, and not start with a hyphen or period"


def too_long(most: int) -> str:
    """Return the words about a value that is one character too long."""
    return f"may have at most {most} characters, not {most + 1}"


COMMON = ("notebook_id", "name", "namespace", "tag", "description", "workspace_id")
REGISTRY = ("swr_instance_id", "swr_instance_domain")
NO_TEXT: list[Any] = [7, 0, True, ["a"], {}, b"a", 1.5]

REFUSED: list[tuple[Any, ...]] = [
    (ALL, "notebook_id", None, MANDATORY),
    (HUAWEI, "notebook_id", "my-notebook", UUID),
    (HUAWEI, "notebook_id", NOTEBOOK.replace("-", ""), UUID),
    (HUAWEI, "notebook_id", f"{NOTEBOOK}\n", UUID),
    (HUAWEI, "notebook_id", f"{NOTEBOOK}/..", UUID),
    (HUAWEI, "notebook_id", NOTEBOOK.replace("6", "g"), UUID),
    (HUAWEI, "name", None, MANDATORY),
    (HUAWEI, "name", "n" * 129, too_long(128)),
    (OTC, "name", "n" * 513, too_long(512)),
    (HUAWEI, "name", "-n", HUAWEI_NAME),
    (HUAWEI, "name", ".n", HUAWEI_NAME),
    (HUAWEI, "name", "n-", HUAWEI_NAME),
    (HUAWEI, "name", "n_", HUAWEI_NAME),
    (HUAWEI, "name", "_", HUAWEI_NAME),
    *[
        (clouds, "name", value, words)
        for clouds, words in ((HUAWEI, HUAWEI_NAME), (OTC, OTC_NAME))
        for value in ("Pytorch", "a b", "a/b", "a:b", "ä", "a\n", "٣")
    ],
    (HUAWEI, "namespace", None, MANDATORY),
    (HUAWEI, "namespace", "n" * 65, too_long(64)),
    *[
        (HUAWEI, "namespace", value, NAMESPACE)
        for value in ("Team", "9team", "_team", "-t", "a/b", "a b", "ä")
    ],
    (ALL, "tag", "t" * 65, too_long(64)),
    *[(ALL, "tag", value, TAG) for value in ("1,2", "a b", "a:b", "a/b", ".a", "-a", "ä", "a\n")],
    (ALL, "description", "d" * 513, too_long(512)),
    (OTC, "swr_instance_id", "e0a1b2c3", "is not a field of create-image on {title}"),
    (OTC, "swr_instance_domain", "swr.example", "is not a field of create-image on {title}"),
    *[
        (clouds, field, value, EMPTY)
        for clouds, fields in ((ALL, COMMON), (HUAWEI, REGISTRY))
        for field in fields
        for value in ("", "  ", "\n\t")
    ],
    *[
        (clouds, field, value, f"must be a string, not {type(value).__name__}")
        for clouds, fields in ((ALL, COMMON), (HUAWEI, REGISTRY))
        for field in fields
        for value in NO_TEXT
    ],
]


@pytest.mark.parametrize(("cloud", "field", "value", "words"), by_cloud(REFUSED))
def test_for_cloud_rejects_undocumented_values(cloud: str, field: str, value: Any, words: str) -> None:
    fields: dict[str, Any] = {**GOOD, field: value}
    words = words.format(title=CLOUDS[cloud].display_name)
    transport = FakeTransport(image())

    async def save() -> None:
        request = CreateImageRequest.for_cloud(CLOUDS[cloud], **fields)
        await modelarts(transport).call(create_image(fields["notebook_id"], request))

    with pytest.raises(RequestValidationError) as refused:
        run(save())
    assert refused.value.violations == (FieldViolation(field, words, value),)
    shown = f"{value!r:.80}"
    assert str(refused.value).startswith(f"Nothing was sent: {field} {words}; got {shown}")
    assert transport.requests == []


@pytest.mark.parametrize("cloud", ALL)
def test_for_cloud_rejects_missing_mandatory_field(cloud: str) -> None:
    wanted = [FieldViolation(field, MANDATORY, None) for field in ("name", "namespace") if cloud in HUAWEI]
    assert violation(cloud, notebook_id=NOTEBOOK) == wanted


def test_for_cloud_reports_all_violations_at_once() -> None:
    """One correction is enough, instead of five."""
    number: Any = 0  # what a template can render to
    with pytest.raises(RequestValidationError) as refused:
        CreateImageRequest.for_cloud(
            CLOUDS["huaweicloud"],
            notebook_id="my-notebook",
            name="Pytorch",
            tag="1,2",
            description="",
            workspace_id=number,
        )
    assert [rule.field for rule in refused.value.violations] == [
        "notebook_id",
        "name",
        "tag",
        "description",
        "workspace_id",
        "namespace",
    ]
    assert str(refused.value) == (
        f"Nothing was sent: notebook_id {UUID}; got 'my-notebook'; name {HUAWEI_NAME}; got 'Pytorch'; "
        f"tag {TAG}; got '1,2'; description {EMPTY}; got ''; "
        f"workspace_id must be a string, not int; got 0; namespace {MANDATORY}; got None"
    )


def test_for_cloud_shortens_long_value_in_message() -> None:
    with pytest.raises(RequestValidationError) as refused:
        CreateImageRequest.for_cloud(CLOUDS["otc"], notebook_id="n", description="d" * 513)
    assert str(refused.value) == (
        f"Nothing was sent: description {too_long(512)}; got '{'d' * 79}… (513 characters)"
    )


def test_for_cloud_rejects_unknown_field() -> None:
    with pytest.raises(
        RequestValidationError, match="naem is not a field of create-image on Open Telekom Cloud"
    ):
        CreateImageRequest.for_cloud(CLOUDS["otc"], notebook_id="n", naem="a")


@pytest.mark.parametrize("field", ["notebook_id", "namespace", "description", "workspace_id"])
def test_for_cloud_rejects_text_that_cannot_be_encoded(field: str) -> None:
    """Half a surrogate pair would fail when the request is sent."""
    with pytest.raises(RequestValidationError) as refused:
        CreateImageRequest.for_cloud(CLOUDS["otc"], **{**GOOD, field: "a\ud800"})
    assert [rule.field for rule in refused.value.violations] == [field]
    str(refused.value).encode()


def test_create_image_request_is_strict_and_frozen() -> None:
    with pytest.raises(ValidationError):
        CreateImageRequest(name=7)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        CreateImageRequest(naem="a")  # type: ignore[call-arg]
    request = CreateImageRequest(name="a")
    with pytest.raises(ValidationError):
        request.name = "b"


# The rules once more, in other words

LOWER = set(string.ascii_lowercase)
DIGITS = set(string.digits)
LETTERS = set(string.ascii_letters)
HEX = set(string.hexdigits)
PUNCTUATION = set("-_.")


def keeps_the_rule(cloud: str, field: str, value: str | None) -> bool:
    """Judge a value as a reader of the page would, one character after another."""
    huawei = cloud in HUAWEI
    if value is None:
        return field not in ({"notebook_id", "name", "namespace"} if huawei else {"notebook_id"})
    if not value.strip():
        return False
    used, ends = set(value), {value[0], value[-1]}
    rules = {
        "notebook_id": [len(part) for part in value.split("-")] == [8, 4, 4, 4, 12] and used <= HEX | {"-"},
        "name": len(value) <= 128 and used <= LOWER | DIGITS | PUNCTUATION and ends <= LOWER | DIGITS,
        "namespace": len(value) <= 64 and used <= LETTERS | DIGITS | PUNCTUATION and value[0] in LOWER,
        "tag": len(value) <= 64 and used <= LETTERS | DIGITS | PUNCTUATION and value[0] not in "-.",
        "description": len(value) <= 512,
    }
    elsewhere = {
        "notebook_id": True,
        "name": len(value) <= 512 and used <= LOWER | DIGITS | PUNCTUATION,
        "namespace": True,
        "swr_instance_id": False,
        "swr_instance_domain": False,
    }
    return (rules if huawei else {**rules, **elsewhere}).get(field, True)


_near_misses = st.text("aZ0-_.,/ :ü\n٣", max_size=6)
_long = st.builds(
    lambda text, times: text * times, st.sampled_from(["a", "A", "0", "-", "漢"]), st.integers(60, 520)
)
_values = st.one_of(
    st.none(), st.just("pytorch1_4"), _near_misses, _long, st.text(max_size=5), st.uuids().map(str)
)
FIELDS = [*COMMON[1:], *REGISTRY]


@given(
    cloud=st.sampled_from(ALL),
    notebook_id=_values,
    fields=st.dictionaries(st.sampled_from(FIELDS), _values),
)
def test_for_cloud_rejects_exactly_the_invalid_fields(
    cloud: str, notebook_id: Any, fields: dict[str, str | None]
) -> None:
    everything = {**dict.fromkeys(FIELDS), "notebook_id": notebook_id, **fields}
    bad = {field for field, value in everything.items() if not keeps_the_rule(cloud, field, value)}
    broken = violation(cloud, notebook_id=notebook_id, **fields)
    assert {rule.field for rule in broken} == bad
    if not bad:
        request = CreateImageRequest.for_cloud(CLOUDS[cloud], notebook_id=notebook_id, **fields)
        assert request.body() == {field: value for field, value in fields.items() if value is not None}
