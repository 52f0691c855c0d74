"""What schemathesis checks beside its own: valid data may be refused with 400 only for what
no schema can say, because it depends on the time, on what is stored, or on the operator.
The same list stands in the tests of the console (BEYOND_SCHEMAS)."""

import schemathesis

BEYOND_SCHEMAS = {
    "api_base", "callback.encoding_aes_key", "callback.token", "choices", "confirm", "cursor", "data", "desk.url",
    "fallback.data", "fallback.url", "hq_url", "key", "media", "picture", "text", "thumb", "time", "time_zone", "up_to", "url",
}


@schemathesis.check
def refused_beyond_schemas(ctx, response, case):
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if positive and response.status_code == 400:
        fields = {error["field"] for error in response.json().get("errors", [])}
        # The limits of a menu are in bytes; schemas count characters.
        beyond = {field for field in fields if field in BEYOND_SCHEMAS or field.startswith("button[")}
        assert fields and fields == beyond, f"valid data is refused: {response.text}"
