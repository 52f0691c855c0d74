"""Gives a fresh Magpie what calls of its API are about: a customer whose answer waits, for
WeChat is not there, another one whose words died, for their desk is none, a channel that may be
deleted, one whose customer may be erased, and a QR code of the demo channel, whose WeChat is
simulated.

python customer.py ADDRESS KEY FOLDER writes ids of these into FOLDER, one file for each
dictionary of schemathesis.toml, and into that the one of whom nothing is to be left."""

import hashlib
import json
import pathlib
import sys
import time
import urllib.request

address, key, folder = sys.argv[1:]


def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, headers, method=method)
    return json.load(urllib.request.urlopen(request, timeout=10))


def connect(channel, desk):
    call("PUT", f"/api/channels/{channel}", {
        "name": channel, "app_id": f"wx{channel.encode().hex()}", "original_id": f"gh_{channel.encode().hex()}",
        "callback": {"mode": "plain", "token": "token"}, "app_secret": "0123456789abcdef",
        "api_base": "http://127.0.0.1:9", "desk": desk})


def write(channel):
    """Pushes a customer's words, as WeChat does in plain mode."""
    now = str(int(time.time()))
    signature = hashlib.sha1("".join(sorted(["token", now, "nonce"])).encode()).hexdigest()
    query = f"signature={signature}&timestamp={now}&nonce=nonce"
    xml = (f"<xml><ToUserName>gh_{channel.encode().hex()}</ToUserName><FromUserName>oCustomer</FromUserName>"
           f"<CreateTime>{now}</CreateTime><MsgType>text</MsgType><Content>hello</Content><MsgId>1</MsgId></xml>")
    urllib.request.urlopen(f"{address}/wechat/{channel}?{query}", xml.encode(), timeout=10)


def wait(path, name):
    """Asks until the list of this name has something; says the first of it."""
    for _ in range(100):
        found = call("GET", path)[name]
        if found:
            return found[0]
        time.sleep(0.1)
    raise SystemExit(f"{path} stays empty")


connect("shop-a", {"kind": "inbox"})
# An address that answers 400 to whatever it is told.
connect("shop-b", {"kind": "webhook", "url": f"{address}/api/session"})
connect("shop-c", {"kind": "inbox"})
connect("shop-d", {"kind": "inbox"})
write("shop-a")
write("shop-b")
write("shop-d")
customer = wait("/api/conversations?channel=shop-a", "conversations")["customer_id"]
leaving = wait("/api/conversations?channel=shop-d", "conversations")["customer_id"]
now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
answer = {"id": "answer-1", "time": now, "kind": "text", "text": "hi"}
call("POST", f"/api/conversations/{customer}/messages", answer)
wait("/api/parked?channel=shop-a", "parked")
dead = wait("/api/dead?channel=shop-b", "dead")["id"]
scene = call("POST", "/api/channels/demo/qrcodes", {"scene": "counter_3", "name": "Counter 3"})["scene"]
said = call("GET", f"/api/conversations/{customer}")["messages"][0]["id"]
for name, words in {
    "channels": ["shop-a", "shop-b"],
    "customers": [customer],
    "dead": [dead],
    "messages": [said],
    "scenes": [scene],
    "times": [now],
}.items():
    pathlib.Path(folder, f"{name}.dict").write_text("".join(f'"{word}"\n' for word in words))
settings = pathlib.Path(folder, "schemathesis.toml")
settings.write_text(settings.read_text().replace("LEAVING", leaving))
