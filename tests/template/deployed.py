"""What a deployment consists of: AWS's own translator has read the template, which lint
does not do, and conditions are decided.
"""

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from template import REGION, TEMPLATE

PARTITIONS = {
    "us-east-1": "aws",
    "ap-east-1": "aws",
    "cn-north-1": "aws-cn",
    "cn-northwest-1": "aws-cn",
}


def deployed(region=REGION, source=None, **chosen):
    """The resources in a region, with what an operator chose."""
    template = yaml_parse(source or TEMPLATE.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/built"
    declared = template.get("Parameters", {})
    given = {name: str(one.get("Default", "")) for name, one in declared.items()}
    assert chosen.keys() <= given.keys(), chosen
    given |= chosen
    # SAM attaches policies of AWS's own to roles that it makes itself. It makes none.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    template = translator.translate(template, given)
    # To nobody; left alone, it warns of them.
    translator.metrics.publish()
    conditions = Conditions(
        template.get("Conditions", {}), {**given, "AWS::Partition": PARTITIONS[region]}
    )
    resources = template["Resources"].items()
    return {
        name: conditions.decided(resource)
        for name, resource in resources
        if "Condition" not in resource or conditions.hold(resource["Condition"])
    }


def of_type(resources, *kinds):
    """The resources of these types."""
    return {name: one for name, one in resources.items() if one["Type"] in kinds}


NO_VALUE = {"Ref": "AWS::NoValue"}


class Conditions:
    """The template's conditions, with its parameters' values."""

    def __init__(self, conditions, values):
        self.conditions, self.values = conditions, values

    def hold(self, condition):
        """Whether a condition holds, by its name or as it is written."""
        match condition:
            case str(name) | {"Condition": name}:
                return self.hold(self.conditions[name])
            case {"Fn::Not": [one]}:
                return not self.hold(one)
            case {"Fn::And": several}:
                return all(self.hold(one) for one in several)
            case {"Fn::Equals": [left, right]}:
                return self._value(left) == self._value(right)
        raise ValueError(f"not a condition: {condition}")

    def _value(self, value):
        match value:
            case {"Ref": name}:
                return self.values[name]
        return str(value)

    def decided(self, value):
        """A value without alternatives, and without what there is not."""
        match value:
            case {"Fn::If": [condition, then, other]}:
                return self.decided(then if self.hold(condition) else other)
            case dict():
                parts = {key: self.decided(one) for key, one in value.items()}
                return {key: one for key, one in parts.items() if one != NO_VALUE}
            case list():
                return [one for one in map(self.decided, value) if one != NO_VALUE]
        return value
