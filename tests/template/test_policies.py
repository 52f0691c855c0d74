"""The check of the policies finds what it is for."""

import unittest

from calls import calls
from deployed import deployed
from policies import check

TEMPLATE = """
Parameters:
  TokenUrl: { Type: String, Default: "" }
Conditions:
  Served: !Not [!Equals [!Ref TokenUrl, ""]]
Resources:
  Inbound:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: inbound } }
    Properties: { Runtime: provided.al2023, Handler: bootstrap, Role: !GetAtt InboundRole.Arn }
  InboundRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      ManagedPolicyArns:
        - !Ref Shared
        - !If [Served, !Ref MayReadPepper, !Ref AWS::NoValue]
      Policies:
        - PolicyDocument:
            Statement:
              - Effect: Allow
                Action: [dynamodb:PutItem]
                Resource: !GetAtt Messages.Arn
                Condition:
                  ForAllValues:StringLike: { dynamodb:LeadingKeys: ["U#*", "A#*"] }
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          - Effect: Allow
            Action: [logs:CreateLogStream, logs:PutLogEvents]
            Resource: !GetAtt InboundLog.Arn
          - Effect: Allow
            Action:
              - kms:Decrypt
              - kms:DescribeKey
              - kms:Encrypt
              - kms:GenerateDataKey
              - kms:GenerateDataKeyWithoutPlaintext
              - kms:ReEncryptFrom
              - kms:ReEncryptTo
            Resource: !GetAtt Key.Arn
  MayReadPepper:
    Type: AWS::IAM::ManagedPolicy
    Condition: Served
    Properties:
      PolicyDocument:
        Statement:
          - Effect: Allow
            Action: [secretsmanager:GetSecretValue]
            Resource: !Ref Pepper
"""
DENIAL = """
              - Effect: Deny
                Action: "dynamodb:*"
                Resource: "*"
                Condition: { "Null": { lambda:SourceFunctionArn: "false" } }
  Shared:"""


def put(pk, table="magpie-messages"):
    """A recorded PutItem."""
    given = {"TableName": table, "Item": {"pk": {"S": pk}, "sk": {"S": "#"}}}
    return recorded("dynamodb", {"operation": "PutItem", "input": given})


def recorded(service, call):
    """A recorded call of `inbound`."""
    return {"function": "inbound", "service": service, "call": call}


def get_secret(name):
    """A recorded GetSecretValue."""
    given = {"SecretId": name}
    return recorded("secretsmanager", {"operation": "GetSecretValue", "input": given})


PEPPER = get_secret("magpie/test/pepper")
ALL = (put("U#1"), put("A#shop"), PEPPER)


def several(before="", after=""):
    """The template's deployments, with a change of it."""
    assert before in TEMPLATE
    source = TEMPLATE.replace(before, after)
    return deployed(source=source), deployed(source=source, TokenUrl="https://t.example.com")


class Policies(unittest.TestCase):
    """What is allowed, and what is used."""

    def wrong(self, *made):
        """What the check says of these calls."""
        count, _, wrong = check(several(), made)
        self.assertEqual(count, len(made))
        return wrong

    def test_what_is_used_and_allowed_is_right(self):
        self.assertEqual(self.wrong(*ALL), [])

    def test_a_call_that_is_not_allowed_is_named(self):
        for call, what in (
            (put("X#1"), "PutItem on"),
            (put("U#1", "magpie-control"), "table/magpie-control"),
            (get_secret("magpie/test/admin"), "secret:magpie/test/admin"),
        ):
            (wrong,) = self.wrong(*ALL, call)
            self.assertTrue(wrong.startswith("not allowed: inbound: "), wrong)
            self.assertIn(what, wrong)

    def test_an_allowance_that_nobody_uses_is_named(self):
        (wrong,) = self.wrong(put("U#1"), PEPPER)
        self.assertTrue(wrong.startswith("allowed and never used: inbound: "), wrong)
        self.assertTrue(wrong.endswith(" A#*"), wrong)
        (wrong,) = self.wrong(put("U#1"), put("A#shop"))
        self.assertIn("secret:magpie/test/pepper", wrong)

    def test_wildcards_are_refused(self):
        for before, after in (
            ("dynamodb:PutItem", "dynamodb:*"),
            ("!Ref Pepper", '"*"'),
            ("!Ref Pepper", "arn:aws:secretsmanager:us-east-1:123456789012:*"),
        ):
            with self.assertRaises(AssertionError):
                check(several(before, after), [])

    def test_policies_of_aws_are_refused(self):
        with self.assertRaises(AssertionError):
            check(several("- !Ref Shared", "- arn:aws:iam::aws:policy/AdministratorAccess"), ALL)

    def test_what_lambda_asks_for_is_allowed_there_and_nowhere_else(self):
        _, _, wrong = check(several("InboundLog.Arn", "OutboundLog.Arn"), ALL)
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            (refused, unused) = [one for one in wrong if action in one]
            self.assertIn("InboundLog", refused)
            self.assertIn("OutboundLog", unused)
        self.assertEqual(len(wrong), 4)
        _, _, wrong = check(several(", logs:PutLogEvents", ""), ALL)
        (refused,) = wrong
        self.assertTrue(refused.startswith("not allowed: inbound: logs:PutLogEvents"), refused)

    def test_what_the_code_is_denied_is_named(self):
        _, _, wrong = check(several("\n  Shared:", DENIAL), ALL)
        self.assertEqual(len(wrong), 2)
        for one in wrong:
            self.assertTrue(one.startswith("denied: inbound: dynamodb:PutItem"), one)

    def test_parts_of_a_transaction_are_actions_of_their_own(self):
        key = {"pk": {"S": "U#1"}, "sk": {"S": "J"}}
        given = {
            "TransactItems": [
                {"Put": {"TableName": "t", "Item": key}},
                {"ConditionCheck": {"TableName": "t", "Key": key}},
            ]
        }
        call = {"operation": "TransactWriteItems", "input": given}
        actions = [made.action for made in calls(recorded("dynamodb", call))]
        self.assertEqual(actions, ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"])

    def test_what_nobody_has_thought_of_is_no_silence(self):
        call = {"operation": "PartiQL", "input": {}}
        with self.assertRaises(ValueError):
            list(calls(recorded("dynamodb", call)))


if __name__ == "__main__":
    unittest.main()
