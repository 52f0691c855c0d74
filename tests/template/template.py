"""template.yaml as data: CloudFormation's short tags in their long form, and texts
with their references filled in.
"""

import re
from pathlib import Path

import yaml

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
REGION, ACCOUNT, STAGE = "us-east-1", "123456789012", "test"

#: What the tests call the tables, by their logical ids.
TABLES = {"Messages": "magpie-messages", "Control": "magpie-control"}
#: The secrets that the template makes.
SECRETS = {"Pepper": "pepper", "AdminKey": "admin"}
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:magpie/{STAGE}/"
#: Other ARNs than functions' and tables'.
ARNS = {
    "Key.Arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/Key",
    "Messages.StreamArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/magpie-messages/stream/now",
    "Media.Arn": "arn:aws:s3:::magpie-media",
    "StreamFailures.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:StreamFailures",
}


class Loader(yaml.SafeLoader):
    """A loader that knows `!Ref` and its like."""


def _tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _tag)


def load(text=None):
    """The template."""
    return yaml.load(text or TEMPLATE.read_text(encoding="utf-8"), Loader)


def reference(name):
    """What `${name}` or `!Ref name` stands for, in the tests' deployment."""
    known = {
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "AWS::URLSuffix": "amazonaws.com",
        "Stage": STAGE,
    }
    known |= ARNS
    if name in known:
        return known[name]
    logical, _, attribute = name.partition(".")
    if logical in TABLES and attribute == "Arn":
        return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLES[logical]}"
    if logical in SECRETS:
        # AWS adds a hyphen and six characters to a secret's name.
        return f"{SECRET}{SECRETS[logical]}-Ab12Cd"
    if logical.endswith("Log") and attribute == "Arn":
        return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{logical}:*"
    if attribute == "Arn":
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{logical}"
    return TABLES.get(logical, logical)


def text(value):
    """A text of the template with its references filled in."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return reference(name)
        case {"Fn::GetAtt": [*parts]}:
            return reference(".".join(parts))
        case {"Fn::Sub": str(pattern)}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: reference(found[1]), pattern)
    raise ValueError(f"not a text: {value}")


def functions(template):
    """The functions: their binaries' names, and what the template says of each."""
    for logical, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            yield binary, logical, resource["Properties"]
