"""Calls as IAM sees them: action, resource, and the partition keys of DynamoDB, which
a condition may bound. Those of the functions are recorded, those of AWS itself known.
"""

from dataclasses import dataclass

from template import ACCOUNT, REGION, reference

#: Calls whose name is an action of its own.
SINGLE = {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"}
#: What a part of a transaction is called.
PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
#: DynamoDB uses the tables' key with the caller's right to it. The list is that of
#: <https://docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html>,
#: wildcards written out.
OF_KEY = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
#: How Lambda reads a stream:
#: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>.
OF_STREAM = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
#: How Lambda joins a network:
#: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>.
OF_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
)
#: The same, where IAM knows no resource.
OF_ANY = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")


@dataclass(frozen=True)
class Call:
    """One thing that a function asked to be allowed."""

    function: str
    action: str
    resource: str
    keys: tuple = ()

    def __str__(self):
        keys = f" {', '.join(self.keys)}" if self.keys else ""
        return f"{self.function}: {self.action} on {self.resource}{keys}"


def table(name):
    """A table's ARN."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


def _partition_of_query(given):
    """The value that a key condition demands of the partition key."""
    first = given["KeyConditionExpression"].split(" AND ")[0]
    name, _, value = (part.strip(" ()") for part in first.partition("="))
    assert name and value, first
    value = given["ExpressionAttributeValues"][value]
    return value["S"]


def _dynamodb(function, operation, given):
    def of(action, name, keys=()):
        return Call(function, f"dynamodb:{action}", table(name), tuple(keys))

    if operation in SINGLE:
        name = given["TableName"]
        if operation == "Query" and "IndexName" in given:
            name = f"{name}/index/{given['IndexName']}"
        match operation:
            case "Query":
                keys = [_partition_of_query(given)]
            case "PutItem":
                keys = [given["Item"]["pk"]["S"]]
            case "Scan":
                keys = []
            case _:
                keys = [given["Key"]["pk"]["S"]]
        yield of(operation, name, keys)
    elif operation == "TransactWriteItems":
        for item in given["TransactItems"]:
            ((kind, part),) = item.items()
            key = part.get("Item") or part["Key"]
            yield of(PARTS[kind], part["TableName"], [key["pk"]["S"]])
    elif operation == "BatchWriteItem":
        for name, requests in given["RequestItems"].items():
            keys = []
            for request in requests:
                ((_, part),) = request.items()
                keys.append((part.get("Item") or part["Key"])["pk"]["S"])
            yield of("BatchWriteItem", name, keys)
    else:
        raise ValueError(f"an operation that nobody has thought of: {operation}")


def _s3(function, operation, key):
    bucket = "arn:aws:s3:::magpie-media"
    # Whoever puts an object with tags needs the right to tag, too.
    actions = {
        "PutObject": ("s3:PutObject", "s3:PutObjectTagging"),
        "GetObject": ("s3:GetObject",),
        "DeleteObject": ("s3:DeleteObject",),
        "ListObjectsV2": ("s3:ListBucket",),
    }
    for action in actions[operation]:
        yield Call(function, action, f"{bucket}/{key}" if key else bucket)


def calls(recorded):
    """What one recorded line asked for."""
    function, call = recorded["function"], recorded["call"]
    match recorded["service"]:
        case "dynamodb":
            yield from _dynamodb(function, call["operation"], call["input"])
        case "secretsmanager":
            given = call["input"]
            name = given.get("SecretId") or given["Name"]
            # AWS adds a hyphen and six characters to a secret's name.
            secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-Ab12Cd"
            yield Call(function, f"secretsmanager:{call['operation']}", secret)
        case "s3":
            yield from _s3(function, call["operation"], call["key"])
        case "lambda":
            called = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{call['function']}"
            yield Call(function, "lambda:InvokeFunction", called)
        case service:
            raise ValueError(f"a service that nobody has thought of: {service}")


def by_aws(function, logical):
    """What AWS asks for in a function's name, which no recording shows."""
    for action in OF_KEY:
        yield Call(function, action, reference("Key.Arn"))
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        stream = reference(f"{logical}Log.Arn").removesuffix("*") + "log-stream:1"
        yield Call(function, action, stream)
    if function == "deliver":
        for action in OF_STREAM:
            yield Call(function, action, reference("Messages.StreamArn"))
        yield Call(function, "sqs:SendMessage", reference("StreamFailures.Arn"))
    if function == "token-refresh":
        interface = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-1"
        for action in OF_INTERFACES:
            yield Call(function, action, interface)
        for action in OF_ANY:
            yield Call(function, action, "*")
