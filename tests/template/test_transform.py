"""What the deployment really is, once AWS's own translator has read the template: lint
does not run it.
"""

import unittest

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from template import TEMPLATE

PARTITIONS = {
    "us-east-1": "aws",
    "ap-east-1": "aws",
    "cn-north-1": "aws-cn",
    "cn-northwest-1": "aws-cn",
}
#: The routes that the outside may rely on, and what goes to the console beside them.
ROUTES = {
    ("/wechat/{channel}", "get"): "Verify",
    ("/wechat/{channel}", "post"): "Inbound",
    ("/desk/{channel}", "post"): "Outbound",
    ("/api/{proxy+}", "x-amazon-apigateway-any-method"): "Console",
    ("$default", "x-amazon-apigateway-any-method"): "Console",
}
#: SAM asks AWS for these.
MANAGED = "arn:{}:iam::aws:policy/service-role/{}"
POLICIES = ["AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"]


def transformed(region):
    """The resources in a region."""
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/built"
    given = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()}
    managed = {name: MANAGED.format(PARTITIONS[region], name) for name in POLICIES}
    session = boto3.Session(region_name=region)
    translator = Translator(managed, Parser(), boto_session=session)
    return translator.translate(template, given)["Resources"]


def of_type(resources, kind):
    """The resources of one type."""
    return {name: one for name, one in resources.items() if one["Type"] == kind}


class Transform(unittest.TestCase):
    """The deployment."""

    def test_every_region_has_its_partition(self):
        for region, partition in PARTITIONS.items():
            text = str(transformed(region))
            other = "arn:aws:" if partition == "aws-cn" else "arn:aws-cn:"
            self.assertNotIn(other, text, region)
            self.assertIn(f"arn:{partition}:iam::aws:policy", text)

    def test_the_routes_lead_where_they_should(self):
        (api,) = of_type(transformed("us-east-1"), "AWS::ApiGatewayV2::Api").values()
        routes = {}
        for path, methods in api["Properties"]["Body"]["paths"].items():
            for method, call in methods.items():
                uri = call["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                routes[(path, method)] = uri.split("${")[-1].split(".")[0]
        self.assertEqual(routes, ROUTES)

    def test_two_stages_of_one_account_do_not_meet(self):
        resources = transformed("us-east-1")
        named = (
            ("AWS::Scheduler::Schedule", "Name"),
            ("AWS::SQS::Queue", "QueueName"),
            ("AWS::Logs::LogGroup", "LogGroupName"),
            ("AWS::CloudWatch::Alarm", "AlarmName"),
            ("AWS::CloudWatch::Dashboard", "DashboardName"),
            ("AWS::SecretsManager::Secret", "Name"),
        )
        for kind, name in named:
            own = of_type(resources, kind)
            self.assertTrue(own, kind)
            for logical, resource in own.items():
                self.assertIn("${Stage}", str(resource["Properties"].get(name)), logical)
        for kind in ("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::DynamoDB::Table"):
            for logical, resource in of_type(resources, kind).items():
                names = {"FunctionName", "RoleName", "TableName"} & set(resource["Properties"])
                self.assertFalse(names, logical)

    def test_bells_are_bounded(self):
        (bells,) = of_type(transformed("us-east-1"), "AWS::Lambda::EventSourceMapping").values()
        bells = bells["Properties"]
        self.assertEqual(bells["StartingPosition"], "TRIM_HORIZON")
        self.assertEqual(bells["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertTrue(bells["BisectBatchOnFunctionError"])
        self.assertEqual(bells["ParallelizationFactor"], 1)
        self.assertGreater(bells["MaximumRetryAttempts"], 0)
        self.assertIn("OnFailure", bells["DestinationConfig"])
        (pattern,) = bells["FilterCriteria"]["Filters"]
        self.assertIn('"INSERT"', pattern["Pattern"])

    def test_every_alarm_is_explained(self):
        text = (TEMPLATE.parent / "OPERATIONS.md").read_text(encoding="utf-8")
        for logical in of_type(transformed("us-east-1"), "AWS::CloudWatch::Alarm"):
            self.assertIn(f"| `{logical.removesuffix('Alarm')}` |", text, logical)

    def test_what_holds_data_outlives_the_stack(self):
        resources = transformed("us-east-1")
        kinds = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret")
        for kind in (*kinds, "AWS::EC2::EIP"):
            for logical, resource in of_type(resources, kind).items():
                self.assertTrue(resource["DeletionPolicy"].startswith("Retain"), logical)
                self.assertEqual(resource["UpdateReplacePolicy"], "Retain", logical)


if __name__ == "__main__":
    unittest.main()
