"""The check of the policies finds what it is for."""

import unittest

from calls import calls
from policies import check
from template import load

TEMPLATE = """
Resources:
  Inbound:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: inbound } }
    Properties:
      Policies:
        - Statement:
            - Effect: Allow
              Action: [dynamodb:PutItem]
              Resource: !GetAtt Messages.Arn
              Condition:
                ForAllValues:StringLike: { dynamodb:LeadingKeys: ["U#*", "A#*"] }
        - !If
          - Served
          - Statement:
              - Effect: Allow
                Action: [secretsmanager:GetSecretValue]
                Resource: !Ref Pepper
          - !Ref AWS::NoValue
"""


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


class Policies(unittest.TestCase):
    """What is allowed, and what is used."""

    def wrong(self, *made):
        """What the check says of these calls."""
        count, _, wrong = check(load(TEMPLATE), made)
        self.assertEqual(count, len(made))
        return wrong

    def test_what_is_used_and_allowed_is_right(self):
        self.assertEqual(self.wrong(put("U#1"), put("A#shop"), PEPPER), [])

    def test_a_call_that_is_not_allowed_is_named(self):
        for call, what in (
            (put("X#1"), "PutItem on"),
            (put("U#1", "magpie-control"), "table/magpie-control"),
            (get_secret("magpie/test/admin"), "secret:magpie/test/admin"),
        ):
            (wrong,) = self.wrong(put("U#1"), put("A#shop"), PEPPER, call)
            self.assertTrue(wrong.startswith("not allowed: inbound: "), wrong)
            self.assertIn(what, wrong)

    def test_an_allowance_that_nobody_uses_is_named(self):
        (wrong,) = self.wrong(put("U#1"), PEPPER)
        self.assertTrue(wrong.startswith("allowed and never used: inbound: "), wrong)
        self.assertTrue(wrong.endswith(" A#*"), wrong)
        (wrong,) = self.wrong(put("U#1"), put("A#shop"))
        self.assertIn("secret:magpie/test/pepper", wrong)

    def test_wildcards_are_refused(self):
        for before, after in (("dynamodb:PutItem", "dynamodb:*"), ("!Ref Pepper", '"*"')):
            with self.assertRaises(AssertionError):
                check(load(TEMPLATE.replace(before, after)), [])

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
