"""Holds the roles of what template.yaml deploys against the calls that the functions
made in the tests, and those that AWS makes for them: each call has to be allowed, and
whatever is allowed has to have been used.

    policies.py FOLDER     the folder that MAGPIE_TEST_CALLS named
"""

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from calls import OF_ANY, OF_INTERFACES, by_aws, calls
from deployed import deployed, of_type
from template import text

#: What an operator may choose that lets functions do more.
CHOICES = ({"StaticEgress": "true"}, {"TokenUrl": "https://tokens.example.com"})
#: How IAM names what a function is called in the tests.
FUNCTIONS = {"token-refresh": "TokenRefresh"}
#: What may be allowed without naming what for, and why.
UNNAMED = {
    **dict.fromkeys(OF_ANY, "IAM knows no resource for them"),
    **dict.fromkeys(OF_INTERFACES, "AWS wants all ids to be allowed"),
}
#: What IAM says of a call that the function's own code makes, and not Lambda.
OWN_CODE = {"Null": {"lambda:SourceFunctionArn": "false"}}


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


def functions(resources):
    """The functions: their binaries' names, and what they are called in the template."""
    for logical, resource in of_type(resources, "AWS::Lambda::Function").items():
        yield resource["Metadata"]["BuildProperties"]["Binary"], logical


def role(resources, logical):
    """The role that a function has, by its name in the template."""
    name, attribute = resources[logical]["Properties"]["Role"]["Fn::GetAtt"]
    assert attribute == "Arn" and name in resources, f"{logical}: {name}"
    return name


def statements(resources, name):
    """A role's statements, and those of our own policies that are attached to it."""
    properties = resources[name]["Properties"]
    documents = [one["PolicyDocument"] for one in properties.get("Policies", [])]
    for attached in properties.get("ManagedPolicyArns", []):
        assert isinstance(attached, dict) and "Ref" in attached, f"{name}: {attached}"
        documents.append(resources[attached["Ref"]]["Properties"]["PolicyDocument"])
    return [one for document in documents for one in document["Statement"]]


def allowed(resources, name):
    """What a role allows: action, resource, and patterns of partition keys if any."""
    for statement in statements(resources, name):
        if statement["Effect"] == "Deny":
            continue
        patterns = leading_keys(statement)
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{name}: {action}"
            for resource in map(text, as_list(statement["Resource"])):
                named = resource.split(":", 5)[-1].strip("*/")
                assert named or action in UNNAMED, f"{name}: {action} on {resource}"
                yield action, resource, patterns


def allowances(several):
    """Everything that functions are allowed in one of several deployments."""
    found = {}
    for resources in several:
        for function, logical in functions(resources):
            for one in allowed(resources, role(resources, logical)):
                found.setdefault((function, str(one)), Allowance(function, *one))
    return list(found.values())


def denied(several):
    """The functions and actions that their own code is denied, whatever is allowed."""
    for resources in several:
        for function, logical in functions(resources):
            for statement in statements(resources, role(resources, logical)):
                if statement["Effect"] == "Deny":
                    assert statement["Condition"] == OWN_CODE, statement
                    yield from ((function, action) for action in as_list(statement["Action"]))


def check(several, recorded):
    """What is wrong: calls that are refused, and allowances that nobody needs."""
    given, denials = allowances(several), set(denied(several))
    made = [call for line in recorded for call in calls(line)]
    names = sorted({name for resources in several for name in functions(resources)})
    wrong = set()
    for call in made:
        own = ((call.action, action) for function, action in denials if function == call.function)
        if any(fnmatchcase(action, pattern) for action, pattern in own):
            wrong.add(f"denied: {call}")
    for call in (*made, *(call for name in names for call in by_aws(*name))):
        # Each is asked, so that each learns what it is used for.
        if not any([one.allows(call) for one in given if one.function == call.function]):
            wrong.add(f"not allowed: {call}")
    unused = [f"allowed and never used: {one.unused()}" for one in given if one.unused()]
    return len(made), len(given), [*sorted(wrong), *unused]


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
    several = [deployed(**chosen) for chosen in CHOICES]
    count, given, wrong = check(several, read(folder))
    print(*wrong, sep="\n")
    print(f"policies: {count} calls, {given} allowances, {len(wrong)} wrong")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
