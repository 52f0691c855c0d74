"""Every function of the built template under `sam local`, as a user with Docker runs
it: `sam local invoke` with its sample event, then a conversation's calls through
`sam local start-api`.

    sam_local.py BUILT DYNAMODB SECRETS

BUILT is the folder that `sam build` made; the others are the addresses of DynamoDB
Local and moto.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import engines
from bridge import Bridge
from template import REGION, STAGE, TABLES, TEMPLATE, functions, load

EVENTS = TEMPLATE.parent / "events"
#: What the samples are signed with.
TOKEN, NONCE, ADMIN_KEY = "sampletoken", "415670741", "sample-admin-key"
DESK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHANNEL = {
    "name": "Demo",
    "app_id": "wx0123456789abcdef",
    "original_id": "gh_0123456789ab",
    "callback": {"mode": "plain", "token": TOKEN},
    "desk": {"kind": "webhook", "url": "http://127.0.0.1:9/hook", "secrets": [DESK_SECRET]},
}


def sample(name):
    """A sample event."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def signature_now():
    """The parameters by which WeChat signs a call, as of now."""
    now = str(int(time.time()))
    signed = "".join(sorted([TOKEN, now, NONCE]))
    signature = hashlib.sha1(signed.encode()).hexdigest()
    return f"signature={signature}&timestamp={now}&nonce={NONCE}"


def of_wechat(name):
    """A sample call of WeChat's, signed now."""
    event = sample(name)
    kept = [
        pair
        for pair in event["rawQueryString"].split("&")
        if pair.split("=")[0] not in ("signature", "timestamp", "nonce")
    ]
    event["rawQueryString"] = "&".join([signature_now(), *kept])
    return event


def desk_headers(message, body):
    """The headers by which a desk signs a call, as of now."""
    now = str(int(time.time()))
    key = base64.b64decode(DESK_SECRET.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message}.{now}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def of_desk():
    """The sample call of a desk, signed now."""
    event = sample("outbound")
    headers = event["headers"]
    headers.update(desk_headers(headers["webhook-id"], event["body"]))
    return event


def of_program(method, path, body=None):
    """A call of the API."""
    event = sample("console")
    event["rawPath"] = path
    event["requestContext"]["http"]["method"] = method
    if body is not None:
        event["headers"]["content-type"] = "application/json"
        event["body"] = json.dumps(body)
    return event


class Local:
    """`sam local` over what was built."""

    def __init__(self, built, dynamodb, secrets, folder):
        self.folder, self.dynamodb = Path(folder), dynamodb
        bridge = Bridge()
        settings = {
            "MAGPIE_STAGE": STAGE,
            "MAGPIE_MESSAGES_TABLE": TABLES["Messages"],
            "MAGPIE_CONTROL_TABLE": TABLES["Control"],
            "MAGPIE_SECRETS_PREFIX": f"magpie/{STAGE}/",
            "MAGPIE_DYNAMODB_ENDPOINT": bridge.to(dynamodb),
            "MAGPIE_SECRETS_ENDPOINT": bridge.to(secrets),
            "MAGPIE_ALLOW_ENDPOINTS": "http://127.0.0.1",
            "MAGPIE_RETENTION_DAYS": "30",
            "MAGPIE_LOG": "debug",
        }
        self.logical = {binary: logical for binary, logical, _ in functions(load())}
        variables = {logical: settings for logical in self.logical.values()}
        (self.folder / "env.json").write_text(json.dumps(variables), encoding="utf-8")
        self.options = [
            "--template", str(Path(built) / "template.yaml"),
            "--env-vars", str(self.folder / "env.json"),
            "--region", REGION,
            "--skip-pull-image",
            "--parameter-overrides", f"Stage={STAGE}",
        ]  # fmt: skip

    def invoke(self, binary, event):
        """`sam local invoke`."""
        path = self.folder / "event.json"
        path.write_text(json.dumps(event), encoding="utf-8")
        ran = subprocess.run(
            ["sam", "local", "invoke", self.logical[binary], "-e", str(path), *self.options],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{binary}: {ran.stderr}"
        lines = [line for line in ran.stdout.splitlines() if line.strip()]
        answer = json.loads(lines[-1]) if lines else None
        print(f"sam local invoke {self.logical[binary]}: {str(answer)[:100]}", flush=True)
        return answer

    @contextmanager
    def api(self, port):
        """`sam local start-api`, as long as it is needed."""
        log = self.folder / "start-api.log"
        options = ["--host", "127.0.0.1", "--port", str(port), *self.options]
        with log.open("w", encoding="utf-8") as output:
            started = subprocess.Popen(
                ["sam", "local", "start-api", *options], stdout=output, stderr=output
            )
            try:
                until = time.monotonic() + 120
                while "Running on" not in log.read_text(encoding="utf-8"):
                    assert started.poll() is None and time.monotonic() < until, log.read_text()
                    time.sleep(0.2)
                yield f"http://127.0.0.1:{port}"
            finally:
                started.terminate()
                started.wait(30)


def ask(method, url, body=None, headers=None):
    """An HTTP call: status and text."""
    body = body.encode() if body is not None else None
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def invoked(local):
    """Each function with its event."""
    created = local.invoke("console", of_program("PUT", "/api/channels/demo", CHANNEL))
    assert created["statusCode"] == 201, created
    answer = local.invoke("verify", of_wechat("verify"))
    assert (answer["statusCode"], answer["body"]) == (200, "5837397576500011341"), answer
    answer = local.invoke("verify", sample("verify"))
    assert answer["statusCode"] == 403, answer
    answer = local.invoke("inbound", of_wechat("inbound"))
    assert (answer["statusCode"], answer["body"]) == (200, "success"), answer
    answer = local.invoke("outbound", of_desk())
    assert answer["statusCode"] == 202, answer
    entries = [row for row in engines.rows(local.dynamodb, "Messages") if "st" in row]
    assert len(entries) == 2, entries
    # The desk of the samples is nowhere, so that the lane is parked.
    batch = sample("deliver")
    pushed = next(row for row in entries if row["pk"]["S"].startswith("U#"))
    (record, *_) = batch["Records"]
    record["dynamodb"]["Keys"] = {"pk": pushed["pk"], "sk": pushed["sk"]}
    answer = local.invoke("deliver", {"Records": [record]})
    assert answer == {"batchItemFailures": []}, answer
    parked = [row for row in engines.rows(local.dynamodb, "Messages") if row["sk"]["S"] == "J#in"]
    assert len(parked) == 1, parked
    for name, event in (("sweep", "sweep"), ("sweep", "walk"), ("token-refresh", "token-refresh")):
        answer = local.invoke(name, sample(event))
        assert answer is None, answer
    answer = local.invoke("console", sample("console"))
    assert answer["statusCode"] == 200, answer


def called(origin):
    """What WeChat, a desk, a program and a person call."""
    status, body = ask("GET", f"{origin}/wechat/demo?{signature_now()}&echostr=4711")
    assert (status, body) == (200, "4711"), (status, body)
    push = sample("inbound")["body"].replace("23300000000000001", "23300000000000002")
    address = f"{origin}/wechat/demo?{signature_now()}&openid=o1"
    status, body = ask("POST", address, push, {"Content-Type": "text/xml"})
    assert (status, body) == (200, "success"), (status, body)
    said = sample("outbound")["body"]
    headers = {"Content-Type": "application/json", **desk_headers("msg_2", said)}
    status, body = ask("POST", f"{origin}/desk/demo", said, headers)
    assert status == 202, (status, body)
    key = {"Authorization": f"Bearer {ADMIN_KEY}"}
    status, body = ask("GET", f"{origin}/api/status", headers=key)
    assert status == 200 and json.loads(body)["channels"][0]["channel"] == "demo", body
    status, body = ask("GET", f"{origin}/console/")
    assert status == 200 and "<html" in body, (status, body)
    print("sam local start-api: the callback, the desk's call, the API and the console answer")


def main():
    """The program."""
    built, dynamodb, secrets = sys.argv[1:]
    engines.create_tables(dynamodb)
    engines.create_secrets(secrets, ADMIN_KEY)
    with tempfile.TemporaryDirectory() as folder:
        local = Local(built, dynamodb, secrets, folder)
        invoked(local)
        with local.api(3999) as origin:
            called(origin)
    print(f"sam local: {len(local.logical)} functions")


if __name__ == "__main__":
    main()
