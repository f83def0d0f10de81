"""The service does what its own description says, tried by schemathesis with data of its making."""

from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.openapi import media_type
from schemathesis.specs.openapi.checks import ignored_auth

from serving import finder, picture, reddest
from shufflenet.serve import make_app

IMAGES = [picture(kind=kind) for kind in ("JPEG", "PNG", "WEBP")]
for kind in ("image/jpeg", "image/png", "image/webp", "application/octet-stream"):
    media_type(kind, st.sampled_from(IMAGES))

REFUSED = ["400", "404", "405", "413", "415", "422"]


def config(examples: int) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
            # By itself schemathesis takes 5xx for a refusal, and 413 for none.
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSED}},
            "operations": [
                {  # no schema says that a tensor has as much data as its shape says
                    "include-path": "/v2/models/{name}/infer",
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                }
            ],
        }
    )


APP = make_app([reddest(), finder()], threads=1)
schema = schemathesis.openapi.from_asgi("/openapi.json", APP, config=config(50))


@schema.hook
def map_body(context: schemathesis.HookContext, body: object) -> object:
    """Name the parts of a form in ASCII, for else schemathesis does not find them in what it sent.

    Then it takes a part that is no string, which is sent as one, for wrong data accepted.
    """
    operation = context.operation
    if operation and operation.path.startswith("/v1") and isinstance(body, dict):
        return {f"part{number}": value for number, value in enumerate(body.values())}
    return body


@schema.parametrize()
def test_every_operation_answers_as_it_is_described(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


TOKEN = "a-token-of-the-service"
GUARDED = make_app([reddest()], threads=1, token=TOKEN)
guarded = schemathesis.openapi.from_asgi("/openapi.json", GUARDED, config=config(5))


@guarded.parametrize()
def test_what_needs_the_token_is_refused_without_it(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, checks=[ignored_auth])
