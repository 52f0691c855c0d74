"""Holds the policies of template.yaml against the calls that the functions made in
the tests: each call has to be allowed, and whatever is allowed has to have been used.

    policies.py FOLDER     the folder that MAGPIE_TEST_CALLS named
"""

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from calls import calls
from template import functions, load, statements, text

#: What is asked for by AWS on a function's behalf, which no recording shows: DynamoDB
#: uses the tables' key with the caller's right to it. The list is that of
#: <https://docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html>,
#: wildcards written out.
BY_AWS = {
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}
#: How IAM names what a function is called in the tests.
FUNCTIONS = {"token-refresh": "TokenRefresh"}


class Allowance:
    """One action on one resource that a function is allowed."""

    def __init__(self, function, action, resource, patterns):
        self.function, self.action = function, action
        self.resource, self.patterns = resource, patterns
        self.used = set()

    def allows(self, call):
        """Whether this allows the call, and notes what of it was used."""
        if self.action != call.action or not fnmatchcase(call.resource, self.resource):
            return False
        if self.patterns is None:
            self.used.add("")
            return True
        matched = [[p for p in self.patterns if fnmatchcase(k, p)] for k in call.keys]
        # `ForAllValues` holds of no values too: a scan has none.
        if not matched or not all(matched):
            return False
        self.used.update(pattern for found in matched for pattern in found)
        return True

    def unused(self):
        """What of this nobody has used, if anything."""
        wanted = {""} if self.patterns is None else set(self.patterns)
        left = " ".join(sorted(wanted - self.used))
        where = f"{self.function}: {self.action} on {self.resource}"
        return None if wanted == self.used else f"{where} {left}".rstrip()


def as_list(value):
    """A value of a policy, which may stand alone."""
    return value if isinstance(value, list) else [value]


def leading_keys(statement):
    """The patterns of partition keys that a statement is bound to, if it is."""
    condition = statement.get("Condition", {})
    bound = condition.get("ForAllValues:StringLike", {})
    keys = bound.get("dynamodb:LeadingKeys")
    return None if keys is None else as_list(keys)


def allowances(template):
    """Everything that the template allows."""
    for binary, _, properties in functions(template):
        for statement in statements(properties):
            assert statement["Effect"] == "Allow", statement
            patterns = leading_keys(statement)
            for action in as_list(statement["Action"]):
                assert "*" not in action, f"{binary}: {action}"
                for resource in as_list(statement["Resource"]):
                    resource = text(resource)
                    assert resource != "*", f"{binary}: {action} on everything"
                    yield Allowance(binary, action, resource, patterns)


def check(template, recorded):
    """What is wrong: calls that are refused, and allowances that nobody needs."""
    allowed = [one for one in allowances(template) if one.action not in BY_AWS]
    refused = set()
    count = 0
    for line in recorded:
        for call in calls(line):
            count += 1
            own = [one for one in allowed if one.function == call.function]
            # Each is asked, so that each learns what it is used for.
            if not any([one.allows(call) for one in own]):
                refused.add(f"not allowed: {call}")
    wrong = sorted(refused)
    for one in allowed:
        if unused := one.unused():
            wrong.append(f"allowed and never used: {unused}")
    return count, len(allowed), wrong


def read(folder):
    """The recorded lines."""
    for path in sorted(Path(folder).glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            recorded = json.loads(line)
            call = recorded["call"]
            if "function" in call:
                call["function"] = FUNCTIONS.get(call["function"], call["function"])
            yield recorded


def main():
    """The program."""
    (folder,) = sys.argv[1:]
    count, allowed, wrong = check(load(), read(folder))
    print(*wrong, sep="\n")
    print(f"policies: {count} calls, {allowed} allowances, {len(wrong)} wrong")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
