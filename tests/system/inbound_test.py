"""The proxy under TLS: whom each tenant's keystore lets in, at once and everywhere, with real clients."""
import base64
import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import threading
import time

import stage
from nodes_test import Node
from stage import Failure, expect, only_on, wait_for
from world import ADMIN, CLOUD

DATABASES = ("sqlite", "postgresql")
KILLS, AT_ONCE = 50, 64
REPEATS = 4  # KEYS_REPEATS: a call whose key process dies that often is answered by the next one


def equal(seen, wanted, what="answer"):
    stage.equal(seen, wanted, str(what))


# ---- certificates ----

def openssl(*words, **more):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Failure(f"openssl {' '.join(words)}: {done.stderr}")
    return done.stdout


class Authority:
    """A customer's CA, and certificates of it for clients."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.pem, self.key = self.path(".pem"), self.path(".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem)

    def path(self, suffix):
        return os.path.join(self.folder, self.name.replace(" ", "-") + suffix)

    def client(self, name):
        """(certificate, key)"""
        pem, key, request = (self.path(f"-{name}{s}") for s in (".pem", ".key", ".csr"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={name}", "-keyout", key, "-out", request)
        extensions = self.path(f"-{name}.ext")
        with open(extensions, "w") as f:
            f.write("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n")
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial",
                "-days", "7", "-extfile", extensions, "-out", pem)
        return pem, key

    def text(self):
        with open(self.pem) as f:
            return f.read()


# ---- the keystore, by its APIs ----

class Keystore:
    def __init__(self, world, rest=None, subaccount=None):
        self.rest, self.subaccount = rest or world.console, subaccount or world.subaccount
        self.own = f"{CLOUD}/subaccounts/{self.subaccount}/keystore"
        self.odata = f"/t/{self.subaccount}/api/v1"
        self.token = None

    def csrf(self):
        if self.token is None:
            answer = self.rest.must("GET", self.odata + "/", headers={"X-CSRF-Token": "Fetch",
                                                                      "Accept": "application/json"})
            cookies = "; ".join(c.split(";")[0] for c in answer.headers.get_all("Set-Cookie") or [])
            self.token = {"X-CSRF-Token": answer.headers["X-CSRF-Token"], "Cookie": cookies}
        return self.token

    def add(self, alias, pem):
        self.rest.must("PUT", f"{self.odata}/CertificateResources('{alias.encode().hex().upper()}')/$value"
                       "?fingerprintVerified=true&returnKeystoreEntries=false&update=false", pem,
                       headers={**self.csrf(), "Content-Type": "application/pkix-cert"})

    def add_pair(self, alias, container, password):
        self.rest.must("POST", f"{self.odata}/KeyPairResources?fingerprintVerified=true"
                       "&returnKeystoreEntries=false&update=false",
                       {"Hexalias": "00", "Alias": alias, "Password": password,
                        "Resource": base64.b64encode(container).decode()}, headers=self.csrf())

    def delete(self, alias):
        self.rest.must("DELETE", f"{self.odata}/KeystoreEntries('{alias.encode().hex().upper()}')"
                       "?returnKeystoreEntries=false", headers=self.csrf())

    def mark(self, alias, trusted=True):
        self.rest.must("PUT", f"{self.own}/entries/{alias.encode().hex()}", {"trustedForInbound": trusted})

    def require(self, required):
        self.rest.must("PUT", f"{self.own}/settings", {"clientCertificateRequired": required})

    def back_up(self):
        self.rest.must("POST", f"{self.own}/backups", {"note": "test"})

    def restore(self):
        self.rest.must("POST", f"{self.own}/restore", {})


def may_edit(world, subaccount):
    world.console.must("PUT", f"{CLOUD}/subaccounts/{subaccount}/members/{ADMIN}",
                       {"roles": ["AuthGroup.Administrator"]})


# ---- clients ----

class Seen:
    """What s_client saw: the HTTP status (0: none), whether the session was resumed, all of its output."""

    def __init__(self, text):
        self.text = text
        at = text.find("HTTP/1.1 ")
        self.status = int(text[at + 9:at + 12]) if at >= 0 else 0
        self.resumed = "\nReused, " in text
        self.asked = "Acceptable client certificate CA names" in text or "Requested Signature Algorithms" in text

    def __repr__(self):
        return f"status {self.status} resumed {self.resumed}: {self.text[-1500:]}"


def name_of(world, label=None):
    return f"{label or world.subaccount}.relay.localhost"


def dial(world, cert=None, port=None, name=None, token=None, sess_in=None, sess_out=None, version=None):
    """One request over a connection of openssl's own client."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port or world.ports.tls}", "-CAfile", world.tls_ca,
             "-verify_return_error", "-ign_eof"]
    words += ["-noservername"] if name == "" else ["-servername", name or name_of(world),
                                                   "-verify_hostname", name or name_of(world)]
    words += ["-cert", cert[0], "-key", cert[1]] if cert else []
    words += ["-sess_in", sess_in] if sess_in else []
    words += ["-sess_out", sess_out] if sess_out else []
    words += [version] if version else []
    request = (f"GET {world.url('/public/hello.txt')} HTTP/1.1\r\nHost: {world.virtual}\r\nConnection: close\r\n"
               f"Proxy-Authorization: Bearer {token or world.app_token}\r\n\r\n")
    done = subprocess.run(words, input=request.encode(), capture_output=True, timeout=60)
    return Seen((done.stdout + done.stderr).decode("latin-1"))


def curl(world, cert=None, name=None, token=None):
    words = ["curl", "-sS", "--max-time", "30", "--proxy", f"https://{name or name_of(world)}:{world.ports.tls}",
             "--proxy-cacert", world.tls_ca, "--proxy-header", f"Proxy-Authorization: Bearer {token or world.app_token}",
             "-w", "\n%{http_code}", world.url("/public/hello.txt")]
    words += ["--proxy-cert", cert[0], "--proxy-key", cert[1]] if cert else []
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=env)
    return done.returncode, done.stdout.rsplit("\n", 1)[-1], done.stderr + done.stdout


class Standing:
    """A connection that stays: requests one after the other over one TLS connection."""

    def __init__(self, world, cert=None, port=None, name=None):
        context = ssl.create_default_context(cafile=world.tls_ca)
        if cert:
            context.load_cert_chain(*cert)
        plain = socket.create_connection(("127.0.0.1", port or world.ports.tls), 30)
        self.world, self.socket = world, context.wrap_socket(plain, server_hostname=name or name_of(world))

    def get(self, token=None):
        w = self.world
        self.socket.sendall((f"GET {w.url('/public/hello.txt')} HTTP/1.1\r\nHost: {w.virtual}\r\n"
                             f"Proxy-Authorization: Bearer {token or w.app_token}\r\n\r\n").encode())
        answer = b""
        while b"hello from inside the plant\n" not in answer and b"HTTP/1.1 4" not in answer:
            piece = self.socket.recv(65536)
            if not piece:
                break
            answer += piece
        return int(answer[9:12] or 0)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()


# ---- the scene ----

def scene(world):
    world.bring_up()
    may_edit(world, world.subaccount)
    world.tls_ca = world.first_ca(world.ports.tunnel)
    world.app_token = world.token()
    world.keystore = Keystore(world)
    folder = world.sub("pki")
    world.customer, world.stranger = Authority(folder, "Customer Root"), Authority(folder, "Stranger Root")
    world.good, world.bad = world.customer.client("edge"), world.stranger.client("intruder")
    world.session = os.path.join(folder, "session.pem")


def refused(seen, alert):
    expect(seen.status == 0 and alert in seen.text, f"no {alert!r} in {seen!r}")


def case_unmarked(world):
    """an entry that is not marked asks nobody for a certificate, and lets nobody in by it"""
    world.keystore.add("customer root", world.customer.text())
    seen = dial(world, world.good)
    equal(seen.status, 200, seen)
    expect("No client certificate CA names sent" in seen.text, f"asked: {seen!r}")
    equal(curl(world)[1], "200")


def case_marked(world):
    """marked, a certificate of it is let in, a foreign one refused with an alert, and none is fine (curl and s_client)"""
    world.keystore.mark("customer root")
    for version in ("-tls1_3", "-tls1_2"):
        seen = dial(world, world.good, version=version)
        equal(seen.status, 200, seen)
        expect("CN = Customer Root" in seen.text, f"the CA is not named: {seen!r}")
        refused(dial(world, world.bad, version=version), "unknown ca")
        equal(dial(world, version=version).status, 200)
    equal(curl(world, world.good)[1], "200")
    equal(curl(world)[1], "200")
    status, code, text = curl(world, world.bad)
    expect(status != 0 and code == "000", f"the foreign certificate: {text}")


def case_names(world):
    """subdomain and id name the tenant; the relay's own name and none ask for nothing; an unknown one is refused"""
    label = world.console.must("GET", f"{CLOUD}/subaccounts/{world.subaccount}").json()["subdomain"]
    equal(dial(world, world.good, name=name_of(world, label)).status, 200)
    refused(dial(world, world.bad, name=name_of(world, label)), "unknown ca")
    for name in ("relay.localhost", "localhost", ""):
        equal(dial(world, world.bad, name=name).status, 200, name)
    refused(dial(world, name=name_of(world, "nobody")), "unrecognized name")


def case_token(world):
    """a certificate never replaces the token, and beside one of another tenant the token is refused with 403"""
    other = world.create_subaccount("Other").json()["id"]
    key = world.console.must("POST", f"{CLOUD}/subaccounts/{other}/service-keys", {"name": "x"}).json()["credentials"]
    foreign = world.token_answer(key).json()["access_token"]
    equal(dial(world, world.good, token="none").status, 407)
    seen = dial(world, world.good, token=foreign)
    equal(seen.status, 403, seen)
    expect("client certificate of this connection is one of subaccount" in seen.text, seen)
    equal(dial(world, token=foreign).status, 503)  # no certificate: the name alone says nothing; no connector there


def case_required(world):
    """where it is required, none is refused by an alert, and no name and no other port leads around it"""
    world.keystore.require(True)  # the directory's change: known within its quarter of a second
    try:
        wait_for(lambda: dial(world).status == 0, "the rule")
        refused(dial(world, version="-tls1_3"), "certificate required")
        refused(dial(world, version="-tls1_2"), "handshake failure")
        equal(dial(world, world.good).status, 200)
        equal(dial(world, world.good, name="relay.localhost").status, 403)
        answer = world.client().get(world.url("/public/hello.txt"))
        equal(answer.status, 403)
        expect("client certificate" in answer.text, answer)
    finally:
        world.keystore.require(False)
    wait_for(lambda: dial(world).status == 200, "the rule gone")
    equal(world.client().get(world.url("/public/hello.txt")).status, 200)


def case_change(world):
    """a change counts for the next handshake, resumed ones included; standing connections go on; restore brings all back"""
    world.keystore.back_up()
    equal(dial(world, world.good, sess_out=world.session).status, 200)
    seen = dial(world, world.good, sess_in=world.session)
    equal((seen.status, seen.resumed), (200, True), seen)
    standing = Standing(world, world.good)
    equal(standing.get(), 200)
    world.keystore.mark("customer root", False)
    seen = dial(world, world.good, sess_in=world.session)
    equal((seen.status, seen.resumed), (200, False), "unmarked: nobody is asked, nothing resumed")
    world.keystore.mark("customer root")
    equal(dial(world, world.good, sess_out=world.session).status, 200)
    world.keystore.add("stranger root", world.stranger.text())
    world.keystore.mark("stranger root")
    equal(dial(world, world.bad).status, 200)
    world.keystore.delete("customer root")
    for _ in range(4):  # every worker
        refused(dial(world, world.good, sess_in=world.session), "unknown ca")
    equal(standing.get(), 200)
    world.keystore.restore()
    for _ in range(4):
        seen = dial(world, world.good, sess_in=world.session)
        equal((seen.status, seen.resumed), (200, False), seen)
        refused(dial(world, world.bad), "unknown ca")
    equal(standing.get(), 200)
    standing.close()


@only_on("postgresql")
def case_nodes(world):
    """another node knows, without a word to it"""
    two = Node(world, "two")
    two.start().ready()
    equal(dial(world, world.good, port=two.ports.tls).status, 503)  # let in; the connector has no tunnel there yet
    refused(dial(world, world.bad, port=two.ports.tls), "unknown ca")
    world.keystore.delete("customer root")
    wait_for(lambda: "unknown ca" in dial(world, world.good, port=two.ports.tls).text or
             "No client certificate CA names" in dial(world, world.good, port=two.ports.tls).text, "the change there")
    world.keystore.restore()
    wait_for(lambda: "CN = Customer Root" in dial(world, world.good, port=two.ports.tls).text, "the restore there")
    two.program.stop()


class Dialers:
    """Threads that shake hands without a pause, each with a certificate and a full handshake."""

    def __init__(self, world):
        self.world, self.done, self.failures = world, [0] * AT_ONCE, []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(i,), daemon=True) for i in range(AT_ONCE)]
        for thread in self.threads:
            thread.start()

    def work(self, i):
        while not self.stopping.is_set():
            try:
                standing = Standing(self.world, self.world.good)
                if standing.get(token="x") == 407:  # judged by the relay: the handshake is complete on its side
                    self.done[i] += 1
                else:
                    self.failures.append("no answer")
                standing.close()
            except OSError as why:
                self.failures.append(f"{type(why).__name__}: {why}")

    def let_all(self):
        """Until each has shaken hands again: no handshake that is under way then began before."""
        before = list(self.done)
        wait_for(lambda: self.failures or all(now > then for now, then in zip(self.done, before)),
                 "a handshake of each", 60)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)


def keyd_of(world):
    found = world.cloud.named("drawbridge-keyd")
    return found[0] if found else None


def handshakes(world):
    return next(float(x.split()[1]) for x in world.metrics().text.splitlines()
                if x.startswith("drawbridge_relay_tls_handshakes_total "))


def case_keyd(world):
    """keyd killed 50 times, at random times, under 64 handshakes at once: none fails"""
    world.keystore.mark("customer root")
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    dialers = Dialers(world)
    try:
        for i in range(KILLS):
            if i % REPEATS == 0:
                dialers.let_all()  # more kills in one call would rightly lose it
            before = wait_for(lambda: keyd_of(world), "keyd", 30)
            os.kill(before, signal.SIGKILL)
            wait_for(lambda: keyd_of(world) not in (None, before), "another keyd", 30)
            time.sleep(chance.uniform(0, 0.4))  # in its start, before its first answer, in the middle of one
        enough = handshakes(world) + AT_ONCE
        wait_for(lambda: handshakes(world) >= enough or dialers.failures, "handshakes going on", 60)
    finally:
        dialers.stop()
    equal(dialers.failures[:3], [], f"seed {seed}")


def case_metrics(world):
    """handshakes, resumed ones, certificates and refusals are counted"""
    text = world.metrics().text
    for name in ("handshakes", "resumed", "certificates", "failed", "refused"):
        line = next(x for x in text.splitlines() if x.startswith(f"drawbridge_relay_tls_{name}_total "))
        expect(float(line.split()[1]) > 0, line)
