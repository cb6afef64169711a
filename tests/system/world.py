"""The whole scene of most system tests: a cloud side, a connector, an internal system, set up through
the public REST APIs as a user would. Story-free: tests and demo decide what to look at.
"""
import http.client
import json
import os
import secrets
import subprocess
import tempfile
import urllib.parse

from servers import Nginx, Postgres
from stage import Answer, Failure, Program, ProxyClient, Rest, free_ports, wait_for

ADMIN = "Administrator"
SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}

class Ports:
    """Fixed offsets from a base, or free ones."""
    NAMES = ("console", "tunnel", "proxy", "metrics", "admin", "backend", "connector_metrics", "spare",
             "tls")

    def __init__(self, base=None):
        numbers = [base + i for i in range(len(self.NAMES))] if base else free_ports(len(self.NAMES))
        for name, number in zip(self.NAMES, numbers):
            setattr(self, name, number)

CONNECTOR = "/api/v1/configuration"
CLOUD = "/api/drawbridge/v1"

def encode_resource(path):
    """The id of a resource inside a URL (spec of the original's REST API)."""
    return path.replace("+", "+2B").replace("-", "+2D").replace("/", "-")

class Installation:
    """One connector: its process, its administration, its subaccount."""

    def __init__(self, world, name, port, location=""):
        self.world, self.name, self.port, self.location = world, name, port, location
        self.password = "Plant-" + secrets.token_urlsafe(9)
        self.program = None
        self.admin = Rest(port, ADMIN, self.password)
        self.state_dir = world.sub(name)

    def command(self):
        w = self.world
        return [w.binary("drawbridge-connector"), "--state-dir", self.state_dir,
                "--listen-admin", f"127.0.0.1:{self.port}", "--workers", str(w.workers),
                "--master-key-file", os.path.join(w.sub(self.name + "-key"), "master.key"),
                *w.options.get("connector", [])]

    def start(self):
        if self.program is None:
            self.program = Program(self.name, self.command(), self.world.folder, env=SANITIZER)
            self.world.programs.append(self.program)
        self.program.start()
        self.wait_up()

    def wait_up(self):
        def up():
            if not self.program.running():
                raise Failure(f"{self.name} ended:\n{self.program.log()}")
            return Rest(self.port).call("GET", "/exposed?action=ping").status == 200
        wait_for(up, f"{self.name} answering", 60)

    def first_start(self):
        """What an administrator does at the first start: the setup code's password, and the role."""
        code = setup_code(self.state_dir)
        first = Rest(self.port, ADMIN, code)
        first.must("PUT", CONNECTOR + "/connector/authentication/basic",
                   {"oldPassword": code, "newPassword": self.password})
        self.admin.must("POST", CONNECTOR + "/connector/haRole", '"master"',
                        headers={"Content-Type": "application/json"})

    def path(self, rest=""):
        return f"{CONNECTOR}/subaccounts/{self.world.region}/{self.world.subaccount}{rest}"

    def add_subaccount(self, user=None, password=None, data=None):
        body = {"locationID": self.location, "description": "ERP systems in the head office"}
        if data:
            body["authenticationData"] = data
        else:
            body.update(regionHost=self.world.region, subaccount=self.world.subaccount, cloudUser=user,
                        cloudPassword=password)
        answer = self.admin.call("POST", CONNECTOR + "/subaccounts", body)
        if answer.status == 409 and "rootFingerprint" in answer.text:
            body["rootFingerprint"] = answer.json()["rootFingerprint"]
            answer = self.admin.call("POST", CONNECTOR + "/subaccounts", body)
        return answer

    def map(self, virtual, internal, path="/", exact=False, protocol="HTTP"):
        (vhost, vport), (host, port) = (x.rsplit(":", 1) for x in (virtual, internal))
        self.admin.must("POST", self.path("/systemMappings"), {
            "virtualHost": vhost, "virtualPort": vport, "localHost": host, "localPort": port,
            "protocol": protocol, "backendType": "nonSAPsys", "authenticationMode": "NONE"})
        self.expose(virtual, path, exact)

    def expose(self, virtual, path, exact=False):
        self.admin.must("POST", self.path(f"/systemMappings/{virtual}/resources"),
                        {"id": path, "enabled": True, "exactMatchOnly": exact})

    def unmap(self, virtual):
        self.admin.must("DELETE", self.path(f"/systemMappings/{virtual}"))

    def tunnel(self):
        return self.admin.must("GET", self.path()).json()["tunnel"]

    def connected(self):
        return self.tunnel()["state"] == "Connected"

    def failure(self):
        """The reason why it does not connect, as the administrator sees it; empty when it does."""
        answer = self.admin.must("GET", "/api/drawbridge/v1/subaccounts/"
                                 f"{self.world.region}/{self.world.subaccount}").json()
        return answer.get("reason") or ""

    def end(self):
        if self.program:
            self.program.stop()

def setup_code(state_dir):
    path = os.path.join(state_dir, "setup-code")
    return wait_for(lambda: os.path.exists(path) and open(path).read().strip(), "the setup code")

def is_sanitized(build):
    """Whether programs of this build carry AddressSanitizer, whose freed memory stays resident."""
    with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
        options = {row["name"]: row["value"] for row in json.load(f)}
    return "address" in options.get("b_sanitize", "none")


class World:
    def __init__(self, build, folder=None, ports=None, database="sqlite", workers=1, options=None):
        self.build = os.path.abspath(build)
        self.folder = folder or tempfile.mkdtemp(prefix="drawbridge.")  # no program's name, whatever follows
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.ports = ports or Ports()
        self.database, self.workers = database, workers
        self.options = options or {}
        self.region = f"localhost:{self.ports.tunnel}"
        self.virtual = "erp.virtual:8000"
        self.virtual_closed = "closed.virtual:8000"
        self.sanitizer_factor = 4 if is_sanitized(self.build) else 1
        self.programs, self.at_close = [], []
        self.cloud = self.backend = self.postgres = None
        self.first = Installation(self, "connector", self.ports.admin)
        self.subaccount = self.key = None
        self.cloud_password = "Cloud-" + secrets.token_urlsafe(9)
        self.owner, self.owner_password = "olga@plant.example", "Owner-" + secrets.token_urlsafe(9)
        self.console = Rest(self.ports.console, ADMIN, self.cloud_password)
        self.admin, self.connector_password = self.first.admin, self.first.password

    # ---- folders and programs ----

    def sub(self, *names):
        path = os.path.join(self.folder, *names)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o755)
        return path

    def binary(self, name):
        return os.path.join(self.build, "src", "programs", name)

    def started(self, program):
        self.programs.append(program)
        return program.start()

    @property
    def connector(self):
        return self.first.program

    def cloud_command(self):
        p = self.ports
        return [self.binary("drawbridge-cloud"), "--state-dir", self.sub("cloud"),
                "--region-host", self.region, "--listen-console", f"127.0.0.1:{p.console}",
                "--listen-tunnel", f"127.0.0.1:{p.tunnel}", "--listen-proxy", f"127.0.0.1:{p.proxy}",
                "--listen-tls", f"127.0.0.1:{p.tls}", "--listen-metrics", f"127.0.0.1:{p.metrics}", "--workers", str(self.workers),
                "--master-key-file", os.path.join(self.sub("cloud-key"), "master.key"),
                *(["--database", self.postgres.url] if self.postgres else []),
                *self.options.get("cloud", [])]

    def start_cloud(self):
        if self.cloud is None:
            self.cloud = Program("cloud", self.cloud_command(), self.folder, env=SANITIZER)
            self.programs.append(self.cloud)
        self.cloud.start()

        def up():
            if not self.cloud.running():
                raise Failure(f"the cloud side ended:\n{self.cloud.log()}")
            return Rest(self.ports.console).call("GET", "/readyz").status == 200
        wait_for(up, "the cloud side answering", 60)

    def start_connector(self):
        self.first.start()

    def start_backend(self):
        self.backend = self.started(Nginx(self.sub("nginx"), self.ports.backend))

    def server_pid(self, name):
        """The server process of a daemon, by its command line, which one that exits has no more."""
        program = getattr(self, name)
        found = [pid for pid in program.named("drawbridge-" + name) if pid != program.pid]
        return found[0] if found else None

    def memory(self, name):
        """KiB resident of a daemon's server process: "cloud" or "connector"."""
        with open(f"/proc/{self.server_pid(name)}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    # ---- the story's steps ----

    def first_start_of_cloud(self):
        code = setup_code(self.sub("cloud"))
        first = Rest(self.ports.console, ADMIN, code)
        first.must("PUT", f"{CLOUD}/users/{ADMIN}/password",
                   {"oldPassword": code, "newPassword": self.cloud_password})

    def create_owner_and_subaccount(self):
        self.console.must("POST", f"{CLOUD}/users", {"name": self.owner, "password": self.owner_password,
                                                     "displayName": "Olga", "roles": []})
        made = self.console.must("POST", f"{CLOUD}/subaccounts",
                                 {"displayName": "Plant North", "owner": self.owner}).json()
        self.subaccount = made["id"]
        return made

    def create_subaccount(self, name, tries=1):
        answer = None
        for i in range(tries):
            answer = self.console.call("POST", f"{CLOUD}/subaccounts",
                                       {"displayName": f"{name} {i}", "owner": self.owner,
                                        "description": "d" * 500})
            if answer.status != 201:
                break
        return answer

    def authentication_data(self):
        return self.console.must("POST", f"{CLOUD}/subaccounts/{self.subaccount}/authentication-data",
                                 {}).json()["authenticationData"]

    def create_service_key(self, name="demo"):
        self.key = self.console.must("POST", f"{CLOUD}/subaccounts/{self.subaccount}/service-keys",
                                     {"name": name}).json()["credentials"]
        return self.key

    def token_answer(self, key=None):
        key = key or self.key
        form = ("grant_type=client_credentials&client_id=%s&client_secret=%s" %
                (quote(key["clientid"]), quote(key["clientsecret"])))
        return Rest(self.ports.console).call(
            "POST", "/oauth/token", form,
            headers={"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"})

    def token(self):
        answer = self.token_answer()
        if answer.status != 200:
            raise Failure(f"no token: {answer}")
        return answer.json()["access_token"]

    def bring_up(self):
        """Everything from nothing to a request that can pass."""
        if self.database == "postgresql":
            self.postgres = self.started(Postgres(self.sub("postgres"), free_ports(1)[0]))
        self.start_backend()
        self.start_cloud()
        self.first_start_of_cloud()
        self.create_owner_and_subaccount()
        self.create_service_key()
        self.start_connector()
        self.first.first_start()
        answer = self.first.add_subaccount(data=self.authentication_data())
        if answer.status != 201:
            raise Failure(f"adding the subaccount: {answer}")
        self.map(self.virtual, f"127.0.0.1:{self.ports.backend}", "/public")
        for path in ("/upload", "/moved", "/headers", "/cookie"):
            self.first.expose(self.virtual, path)
        self.map(self.virtual_closed, f"127.0.0.1:{free_ports(1)[0]}", "/")
        wait_for(self.first.connected, "the tunnel", 60)

    # ---- short words for tests ----

    def map(self, virtual, internal, path="/", **more):
        self.first.map(virtual, internal, path, **more)

    def unmap(self, virtual):
        self.first.unmap(virtual)

    def subaccount_path(self, rest=""):
        return self.first.path(rest)

    def url(self, path):
        return f"http://{self.virtual}{path}"

    def client(self, **more):
        return ProxyClient(self.ports.proxy, self.token(), **more)

    def raw(self, method, path, host=None, fields="", close=False, scheme="http"):
        """The bytes of a proxy request with a good token."""
        host = host or self.virtual
        return (f"{method} {scheme}://{host}{path} HTTP/1.1\r\nHost: {host}\r\n"
                f"Proxy-Authorization: Bearer {self.token()}\r\n{fields}"
                f"{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n").encode("latin-1")

    def state(self):
        return self.first.tunnel()["state"]

    def reason(self):
        return self.first.failure()

    def certificate(self):
        return self.first.tunnel()["subaccountCertificate"]

    def connect(self):
        self.admin.must("PUT", self.subaccount_path("/state"), {"connected": True})
        wait_for(self.first.connected, "the tunnel", 60)

    def disconnect(self):
        self.admin.must("PUT", self.subaccount_path("/state"), {"connected": False})
        wait_for(lambda: not self.first.connected(), "the tunnel going down", 60)

    def revoke(self, serial):
        self.console.must("POST", f"{CLOUD}/subaccounts/{self.subaccount}/certificates/{serial}/revoke",
                          {})

    def replace_subaccount(self):
        """Deletes the subaccount on the connector and enrols again; mappings are made anew."""
        self.admin.must("DELETE", self.subaccount_path())
        answer = self.first.add_subaccount(user=self.owner, password=self.owner_password)
        if answer.status != 201:
            raise Failure(f"adding the subaccount again: {answer}")
        self.map(self.virtual, f"127.0.0.1:{self.ports.backend}", "/public")
        wait_for(self.first.connected, "the tunnel", 60)

    def second_connector(self, location):
        other = Installation(self, "connector-" + (location or "twin") + secrets.token_hex(2),
                             free_ports(1)[0], location)
        other.start()
        other.first_start()
        answer = other.add_subaccount(data=self.authentication_data())
        if answer.status != 201:
            raise Failure(f"adding the subaccount to the second connector: {answer}")
        return other

    def issuer_subject(self):
        """The issuing CA's subject in the form that openssl -subj wants."""
        pem = self.console.must("GET", f"{CLOUD}/ca").json()["issuingPem"]
        text = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "compat"], input=pem,
                              text=True, capture_output=True, check=True).stdout.strip()
        return text.split("=", 1)[1].strip()

    def first_ca(self, port):
        """A file with the chain that the server on this port shows; for clients that must trust it."""
        path = os.path.join(self.folder, f"ca-{port}.pem")
        shown = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", "-showcerts"],
                               input="", capture_output=True, text=True).stdout
        blocks = shown.split("-----BEGIN CERTIFICATE-----")[1:]
        with open(path, "w") as f:
            for block in blocks:
                f.write("-----BEGIN CERTIFICATE-----" +
                        block.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
        return path

    def metrics(self):

        connection = http.client.HTTPConnection("127.0.0.1", self.ports.metrics, timeout=30)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        result = Answer(answer.status, answer.headers, answer.read())
        connection.close()
        return result

    def state_file(self, name):
        return os.path.join(self.folder, name, name + ".db")

    def close(self):
        """Ends everything; returns what went wrong with it (a sanitizer's word, a bad exit)."""
        problems = []
        for program in reversed(self.programs):
            was_running = program.running()
            status = program.stop()
            if was_running and status != 0 and program.name.startswith(("cloud", "connector")):
                problems.append(f"{program.name} ended with status {status}")
            text = program.log(100000)
            for word in ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer", "Assertion"):
                if word in text:
                    at = text.index(word)
                    problems.append(f"{program.name}: {text[max(0, at - 200):at + 3000]}")
                    break
        for step in reversed(self.at_close):
            step()
        return problems

def quote(text):
    return urllib.parse.quote(text, safe="")
