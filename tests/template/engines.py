"""DynamoDB Local and moto, as the functions find them: tables as template.yaml says,
and secrets under the prefix of the stage.
"""

import json
import urllib.error
import urllib.request

from template import REGION, STAGE, TABLES, load, text

SCOPE = f"Credential=SAMLOCAL/20260101/{REGION}/%s/aws4_request"


def call(endpoint, target, given):
    """Asks an engine. The engines read the scope of a signature and check no more."""
    service = target.split("_")[0].split(".")[0].lower()
    signature = f"AWS4-HMAC-SHA256 {SCOPE % service}, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(
        endpoint,
        data=json.dumps(given).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": target,
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": signature,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{target}: {error.read().decode()}") from None


#: What of a table in a template DynamoDB Local knows.
KNOWN = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def create_tables(endpoint):
    """Makes the template's tables."""
    resources = load()["Resources"]
    for logical, name in TABLES.items():
        properties = resources[logical]["Properties"]
        given = {key: properties[key] for key in KNOWN if key in properties}
        if "StreamSpecification" in properties:
            stream = properties["StreamSpecification"]
            given["StreamSpecification"] = {"StreamEnabled": True, **stream}
        call(endpoint, "DynamoDB_20120810.CreateTable", {"TableName": name, **given})


def rows(endpoint, logical):
    """Everything that is in a table."""
    scan = {"TableName": TABLES[logical]}
    return call(endpoint, "DynamoDB_20120810.Scan", scan)["Items"]


def create_secrets(endpoint, admin_key):
    """Makes the template's secrets: the pepper as it would be made, the key as given."""
    for logical, value in (("Pepper", "p" * 44), ("AdminKey", admin_key)):
        name = text(load()["Resources"][logical]["Properties"]["Name"])
        assert name.startswith(f"magpie/{STAGE}/"), name
        given = {"Name": name, "SecretString": value, "ClientRequestToken": f"{logical:-<36}"}
        call(endpoint, "secretsmanager.CreateSecret", given)
