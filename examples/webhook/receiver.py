"""A desk for Magpie's webhook, in Python's standard library: it prints what customers
write, says it back, shows the receipts, and ends the session when it reads 再见 or bye.

DESK_URL is the channel's `desk_url`; DESK_SECRETS its secrets, the new and the old one with
a blank between them while one is changed; DESK_PORT is where to listen (9000)."""
import base64, contextlib, hashlib, hmac, json, os, time, urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRETS = os.environ["DESK_SECRETS"].split()
LATEST = {}  # the latest news by webhook-id: when we first heard it, None once it is done


def sign(secret, name, timestamp, body):
    key = base64.b64decode(secret[len("whsec_"):] + "==")
    mac = hmac.new(key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def verified(name, timestamp, signatures, body):
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    ours = [sign(secret, name, timestamp, body).encode() for secret in SECRETS]
    return any([hmac.compare_digest(our, one.encode()) for our in ours for one in signatures.split()])


def call(name, timeout=2, **said):
    """Calls Magpie. A repeat of name, time and text is harmless, so nobody counts calls."""
    body, now = json.dumps(said).encode(), str(int(time.time()))
    signatures = " ".join(sign(secret, name, now, body) for secret in SECRETS)
    headers = {"Content-Type": "application/json", "webhook-id": name,
               "webhook-timestamp": now, "webhook-signature": signatures}
    request = urllib.request.Request(os.environ["DESK_URL"], body, headers)
    urllib.request.urlopen(request, timeout=timeout).close()


def hear(name, news, now):
    if news["type"] == "message.created":
        text, about = news["message"]["text"], {"conversation": news["conversation"], "time": now}
        print(f"{news['conversation']} says: {text}", flush=True)
        with contextlib.suppress(OSError):  # typing may be lost
            call(f"typing-{name}", 0.5, type="typing", on=True, **about)
        call(f"echo-{name}", type="message", message={"kind": "text", "text": text}, **about)
        if text.strip().lower() in ("再见", "bye"):
            call(f"end-{name}", type="session.end", **about)
    elif news["type"] == "message.status":
        why = news.get("reason", {}).get("text", "")
        print(f"{news['message']['id']} is {news['state']} {why}", flush=True)
    else:  # session.opened, session.ended, event.created, greeting, and what may come
        print(f"{news.get('conversation', 'Magpie')}: {news['type']}", flush=True)


class Desk(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed = [self.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")]
        status = 204 if verified(*signed, body) else 401
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        if status == 204 and (now := LATEST.setdefault(signed[0], now)):
            try:
                hear(signed[0], json.loads(body), now)
                LATEST[signed[0]] = None
            except OSError as error:  # Magpie was not reached: it tells us again
                print(f"Magpie does not answer: {error}", flush=True)
                status = 503
        if len(LATEST) > 10_000:
            LATEST.pop(next(iter(LATEST)))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("DESK_PORT", "9000"))), Desk)
    print(f"The desk listens at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
