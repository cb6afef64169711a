"""Alerts about certificates: found at their sources, told by a real mail server and a webhook, repeated,
solved by one message, listed by both APIs and counted for /metrics."""
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import subprocess
import threading

from servers import Exim, aged_certificate, self_signed
from stage import Rest, equal, expect, free_ports, wait_for
from world import CLOUD

OWN = "/api/drawbridge/v1"
LOGIN, PASSWORD, SECRET = "drawbridge", "mail-password", "hook-secret"


class Hook:
    """Keeps what is posted to it; answers 503 while it is busy."""

    def __init__(self):
        self.calls, self.busy = [], False
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.calls.append((dict(self.headers), body))
                self.send_response(503 if hook.busy else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self, name):
        return [(a["event"], a["source"]) for _, body in self.calls for a in json.loads(body)["alerts"]
                if name in a["label"]]


def write(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)


def settings(world, password=PASSWORD):
    write(world.password_file, password + "\n")
    write(world.conf, f"""
alert.interval = 1s
alert.repeat = 4s
alert.retry = 1s
alert.trust.file = {world.mail_anchor}
mail.url = smtp://localhost:{world.exim.port}
mail.user = {LOGIN}
mail.password.file = {world.password_file}
mail.from = drawbridge@plant.example
mail.to = admin@plant.example
webhook.url = {world.hook.url}
webhook.secret.file = {world.secret_file}
trust.file = {world.trust}
""")


def reload(world):
    os.kill(world.connector.pid, signal.SIGHUP)


def scene(world):
    folder = world.sub("conf")
    world.hook = Hook()
    certificate, key = self_signed(folder, "localhost")
    world.exim = Exim(world.sub("exim"), free_ports(1)[0], certificate, key, LOGIN, PASSWORD)
    world.programs.append(world.exim)
    world.exim.start()
    world.mail_anchor = certificate
    world.conf, world.trust = os.path.join(folder, "connector.conf"), os.path.join(folder, "anchors.pem")
    world.password_file, world.secret_file = os.path.join(folder, "password"), os.path.join(folder, "secret")
    write(world.secret_file, SECRET)
    with open(aged_certificate(folder, "plant-anchor", 700, 20)) as f:
        write(world.trust, f.read())
    settings(world)
    world.options = {"connector": ["--config", world.conf],
                     "cloud": ["--alert-interval", "1s"]}
    world.bring_up()


def mails(world, words):
    """Mails that say so, as (subject, text)."""
    found = [(m["Subject"], m.get_payload(decode=True).decode()) for m in world.exim.mails()]
    return [row for row in found if words in row[0] + row[1]]


def case_mail(world):
    """a certificate that comes near its end is told by mail, over STARTTLS, with its next step"""
    subject, text = wait_for(lambda: mails(world, "plant-anchor"), "a mail", 30)[0]
    expect(subject.startswith("[Drawbridge] expiring: anchor of trust.file"), subject)
    expect("expires in 19 days" in text, text)
    expect("put its successor into trust.file" in text, text)
    message = world.exim.mails()[0]
    equal(message["To"], "admin@plant.example", "To")
    equal(message["Auto-Submitted"], "auto-generated", "Auto-Submitted")


def case_webhook(world):
    """the webhook gets the same, signed over its body"""
    wait_for(lambda: world.hook.events("plant-anchor"), "a call", 30)
    head, body = world.hook.calls[0]
    wanted = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    equal(head.get("Drawbridge-Signature"), wanted, "the signature")
    equal(world.hook.events("plant-anchor")[0], ("raised", "region-trust"), "the event")


def case_repeated(world):
    """it is told again after alert.repeat, until it is solved"""
    wait_for(lambda: len(mails(world, "(again)")) >= 2, "two repeated mails", 30)
    wait_for(lambda: ("repeated", "region-trust") in world.hook.events("plant-anchor"), "a repeated event", 30)


def case_list(world):
    """the API lists the alert, and every certificate by its source; both want a login"""
    alerts = world.admin.must("GET", OWN + "/alerts").json()
    equal([(a["source"], a["state"], a["severity"]) for a in alerts["items"]],
          [("region-trust", "expiring", "warning")], "the alerts")
    rows = world.admin.must("GET", OWN + "/certificates").json()["items"]
    equal({row["source"] for row in rows}, {"subaccount", "ui", "region-trust", "region-ca"}, "the sources")
    equal(rows[0]["source"], "region-trust", "the first to end")
    serial = world.admin.must("GET", f"{OWN}/subaccounts/{world.region}/{world.subaccount}"
                              ).json()["certificate"]["serialNumber"]
    expect(serial in {row["serialNumber"] for row in rows}, f"{serial} is missing")
    near = world.admin.must("GET", OWN + "/certificates?expiringWithin=30d").json()["items"]
    equal(len(near), 1, "certificates that end within 30 days")
    first = world.admin.must("GET", OWN + "/certificates?limit=1").json()
    after = world.admin.must("GET", OWN + "/certificates?limit=100&after=" + first["next"]).json()
    equal([first["items"][0]["name"]] + [row["name"] for row in after["items"]], [row["name"] for row in rows],
          "the pages")
    equal(Rest(world.ports.admin).call("GET", OWN + "/certificates").status, 401, "without a login")


def case_test_message(world):
    """a test mail is sent at once, and says what the server said when it is refused"""
    world.admin.must("POST", OWN + "/alerts/test-mail", {})
    wait_for(lambda: mails(world, "test message"), "the test mail", 20)
    settings(world, "wrong")
    reload(world)
    answer = wait_for(lambda: (lambda a: a if a.status != 200 else None)(
        world.admin.call("POST", OWN + "/alerts/test-mail", {})), "a refusal", 20)
    equal(answer.status, 502, f"{answer}")
    expect("smtp://localhost" in answer.text and "wrong" not in answer.text, answer.text)


def mail_delivery(world):
    rows = world.admin.must("GET", OWN + "/alerts").json()["deliveries"]
    return next(row for row in rows if row["channel"] == "mail")


def case_retry(world):
    """a delivery that fails is visible, tried again, and arrives when the server takes it"""
    failing = wait_for(lambda: (lambda d: d if d["waiting"] and d["attempts"] > 1 else None)(mail_delivery(world)),
                       "a second try", 40)
    expect(failing["lastError"] and PASSWORD not in failing["lastError"], str(failing))
    before = len(mails(world, "plant-anchor"))
    settings(world)
    reload(world)
    wait_for(lambda: len(mails(world, "plant-anchor")) > before, "the mail after all", 40)
    wait_for(lambda: mail_delivery(world)["lastError"] == "", "the error going away", 20)


def case_solved(world):
    """when it is solved one message says so, and no further one follows"""
    with open(aged_certificate(world.sub("conf"), "next-anchor", 1, 700)) as f:
        write(world.trust, f.read())
    reload(world)
    wait_for(lambda: mails(world, "solved"), "the mail that says so", 30)
    wait_for(lambda: ("solved", "region-trust") in world.hook.events("plant-anchor"), "the event", 20)
    calls = len(world.hook.calls)
    threading.Event().wait(6)  # more than alert.repeat
    equal(len(world.hook.calls), calls, "calls after the one that solved it")
    equal(len(mails(world, "plant-anchor: solved")) or len(mails(world, "solved: anchor")), 1, "mails that say solved")
    items = world.admin.must("GET", OWN + "/alerts").json()["items"]
    equal([a["state"] for a in items], ["solved"], "the list")
    equal(world.admin.must("GET", OWN + "/alerts?state=active").json()["items"], [], "the active ones")


def case_secrets(world):
    """neither password nor key is in a log"""
    log = world.connector.log(100000)
    expect(PASSWORD not in log and SECRET not in log, "a secret is in the log")


def case_cloud(world):
    """the cloud side lists CA, listener and connectors; an owner without a role sees its own ones only"""
    rows = world.console.must("GET", CLOUD + "/certificates").json()["items"]
    equal({row["source"] for row in rows}, {"ca", "connector", "listener"}, "the sources")
    equal({row["name"] for row in rows if row["source"] == "ca"}, {"root", "issuing"}, "the authorities")
    own = Rest(world.ports.console, world.owner, world.owner_password)
    seen = own.must("GET", CLOUD + "/certificates").json()["items"]
    equal([row["source"] for row in seen], ["connector"], "what the owner sees")
    equal(own.call("POST", CLOUD + "/alerts/test-mail", {}).status, 403, "a test mail by the owner")
    equal(world.console.call("POST", CLOUD + "/alerts/test-mail", {}).status, 409, "no mail is configured")
    equal(world.console.must("GET", CLOUD + "/alerts").json()["items"], [], "alerts of a young installation")


def keystore(world, *words):
    done = subprocess.run([world.binary("drawbridge"), "keystore", *words, "--url",
                           f"https://localhost:{world.ports.console}", "--ca-file",
                           world.first_ca(world.ports.console)], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, DRAWBRIDGE_PASSWORD=world.cloud_password))
    return done.returncode, done.stdout + done.stderr


def case_keystore(world):
    """an entry of a tenant's keystore that comes near its end is an alert, until it is deleted"""
    path = aged_certificate(world.sub("conf"), "partner", 700, 20)
    status, said = keystore(world, "import", world.subaccount, path, "--alias", "partner")
    if status != 0:  # nothing trusted stands behind it: confirmed by its fingerprint
        found = re.search(r"--fingerprint (\S+)", said)
        expect(found, said)
        status, said = keystore(world, "import", world.subaccount, path, "--alias", "partner", "--fingerprint",
                                found.group(1))
    equal(status, 0, said)

    def alerts():
        return [a for a in world.console.must("GET", CLOUD + "/alerts").json()["items"] if a["source"] == "keystore"]
    alert = wait_for(alerts, "the alert", 20)[0]
    equal((alert["state"], alert["subaccount"]), ("expiring", world.subaccount), f"{alert}")
    expect("certificate partner in the keystore of Plant North" in alert["message"], alert["message"])
    own = Rest(world.ports.console, world.owner, world.owner_password)
    equal(len(own.must("GET", CLOUD + "/alerts").json()["items"]), 1, "what the owner sees")
    status, said = keystore(world, "delete", world.subaccount, "partner")
    equal(status, 0, said)
    wait_for(lambda: alerts()[0]["state"] == "solved", "the end of the alert", 20)


def case_metrics(world):
    """/metrics has the remaining life of each certificate and the number of alerts"""
    wanted = ('drawbridge_certificate_expiry_seconds{source="connector"',
              'drawbridge_certificate_expiry_seconds{source="ca",name="root"} ',
              'drawbridge_certificate_expiry_seconds{source="listener",name="listener"} ',
              "drawbridge_certificates ", 'drawbridge_alerts{state="expiring"} 0')

    def whole():  # they are as of the last look, which the API is ahead of
        text = world.metrics().text
        missing = [line for line in wanted if line not in text]
        expect(not missing, f"{missing} missing in {text[text.find('drawbridge_certificate'):][:1500]}")
        return text
    wait_for(whole, "the metrics", 20)
