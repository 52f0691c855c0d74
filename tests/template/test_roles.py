"""Who may act as what, and that nothing is allowed beside what template.yaml says."""

import unittest
from functools import cache, wraps

from deployed import PARTITIONS, deployed, of_type
from policies import allowed, functions, role, statements
from template import load

CHOICES = (
    {"StaticEgress": "false"},
    {"StaticEgress": "true"},
    {"TokenUrl": "https://tokens.example.com"},
)


@cache
def deployments():
    """Every region with everything that changes a role."""
    return [(region, one, deployed(region, **one)) for region in PARTITIONS for one in CHOICES]


def everywhere(test):
    """Makes a test of one deployment's resources one of all."""

    @wraps(test)
    def each(self):
        for region, chosen, resources in deployments():
            with self.subTest(region=region, **chosen):
                test(self, resources)

    return each


def trust(role):
    """Who may have a role: a service, and under which condition."""
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole"), statement
    return statement["Principal"], statement.get("Condition")


class Roles(unittest.TestCase):
    """The roles of every deployment."""

    @everywhere
    def test_sam_adds_nothing(self, resources):
        written = load()["Resources"]
        for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
            for logical in of_type(resources, kind):
                self.assertEqual(written[logical]["Type"], kind)
        # What would add to a role from outside it.
        self.assertFalse(of_type(resources, "AWS::IAM::Policy", "AWS::IAM::RolePolicy"))
        for policy in of_type(resources, "AWS::IAM::ManagedPolicy").values():
            self.assertEqual(list(policy["Properties"]), ["PolicyDocument"])

    @everywhere
    def test_each_function_has_a_role_of_its_own(self, resources):
        own = [role(resources, logical) for _, logical in functions(resources)]
        self.assertEqual(len(own), len(set(own)))
        self.assertEqual({*own, "ScheduleRole"}, of_type(resources, "AWS::IAM::Role").keys())
        for name in own:
            principal, _ = trust(resources[name])
            self.assertEqual(principal, {"Service": "lambda.amazonaws.com"}, name)

    @everywhere
    def test_only_our_schedules_have_the_schedules_role(self, resources):
        principal, condition = trust(resources["ScheduleRole"])
        self.assertEqual(principal, {"Service": "scheduler.amazonaws.com"})
        source = condition["StringEquals"]
        self.assertEqual(source["aws:SourceAccount"], {"Ref": "AWS::AccountId"})
        self.assertIn("${AWS::AccountId}:schedule-group/", source["aws:SourceArn"]["Fn::Sub"])
        schedules = of_type(resources, "AWS::Scheduler::Schedule").values()
        targets = [one["Properties"]["Target"] for one in schedules]
        for target in targets:
            self.assertEqual(target["RoleArn"], {"Fn::GetAtt": ["ScheduleRole", "Arn"]})
        invoked = {str(target["Arn"]) for target in targets}
        (statement,) = statements(resources, "ScheduleRole")
        self.assertEqual({str(one) for one in statement["Resource"]}, invoked)
        self.assertEqual(statement["Action"], ["lambda:InvokeFunction"])

    @everywhere
    def test_every_allowance_names_what_it_is_for(self, resources):
        for name in of_type(resources, "AWS::IAM::Role"):
            # It asserts that each does, or is excepted by name.
            self.assertTrue(list(allowed(resources, name)), name)

    @everywhere
    def test_one_function_may_join_a_network_and_its_code_may_not(self, resources):
        for _, logical in functions(resources):
            own = role(resources, logical)
            may = any(one.startswith("ec2:") for one, *_ in allowed(resources, own))
            self.assertEqual(may, logical == "TokenRefresh", logical)
            if "VpcConfig" in resources[logical]["Properties"]:
                self.assertTrue(may, logical)
            denied = [one for one in statements(resources, own) if one["Effect"] == "Deny"]
            self.assertEqual([one["Action"] for one in denied], ["ec2:*"] if may else [], logical)


if __name__ == "__main__":
    unittest.main()
