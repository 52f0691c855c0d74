"""What the deployment really is, once AWS's own translator has read the template: lint
does not run it.
"""

import unittest

from deployed import PARTITIONS, deployed, of_type
from template import TEMPLATE

#: The routes that the outside may rely on, and what goes to the console beside them.
ROUTES = {
    ("/wechat/{channel}", "get"): "Verify",
    ("/wechat/{channel}", "post"): "Inbound",
    ("/desk/{channel}", "post"): "Outbound",
    ("/api/{proxy+}", "x-amazon-apigateway-any-method"): "Console",
    ("$default", "x-amazon-apigateway-any-method"): "Console",
}


class Transform(unittest.TestCase):
    """The deployment."""

    def test_no_region_is_told_a_partition(self):
        for region in PARTITIONS:
            for egress in ("false", "true"):
                text = str(deployed(region, StaticEgress=egress))
                for partition in set(PARTITIONS.values()):
                    self.assertNotIn(f"arn:{partition}:", text, region)

    def test_the_routes_lead_where_they_should(self):
        (api,) = of_type(deployed("us-east-1"), "AWS::ApiGatewayV2::Api").values()
        routes = {}
        for path, methods in api["Properties"]["Body"]["paths"].items():
            for method, call in methods.items():
                uri = call["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                routes[(path, method)] = uri.split("${")[-1].split(".")[0]
        self.assertEqual(routes, ROUTES)

    def test_two_stages_of_one_account_do_not_meet(self):
        resources = deployed("us-east-1")
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
        (bells,) = of_type(deployed("us-east-1"), "AWS::Lambda::EventSourceMapping").values()
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
        for logical in of_type(deployed("us-east-1"), "AWS::CloudWatch::Alarm"):
            self.assertIn(f"| `{logical.removesuffix('Alarm')}` |", text, logical)

    def test_the_fixed_address_is_made_or_given(self):
        address = {"Fn::GetAtt": ["EgressAddress", "AllocationId"]}
        given = {"EgressAllocationId": "eipalloc-0a1"}
        for chosen, allocation in (
            ({}, None),
            ({"StaticEgress": "true"}, address),
            ({"StaticEgress": "true", **given}, {"Ref": "EgressAllocationId"}),
        ):
            resources = deployed(**chosen)
            self.assertEqual("EgressAddress" in resources, allocation == address)
            self.assertEqual("Nat" in resources, allocation is not None)
            if allocation:
                self.assertEqual(resources["Nat"]["Properties"]["AllocationId"], allocation)

    def test_what_holds_data_outlives_the_stack(self):
        resources = deployed("us-east-1", StaticEgress="true")
        kinds = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret")
        for kind in (*kinds, "AWS::EC2::EIP"):
            self.assertTrue(of_type(resources, kind), kind)
            for logical, resource in of_type(resources, kind).items():
                self.assertTrue(resource["DeletionPolicy"].startswith("Retain"), logical)
                self.assertEqual(resource["UpdateReplacePolicy"], "Retain", logical)


if __name__ == "__main__":
    unittest.main()
