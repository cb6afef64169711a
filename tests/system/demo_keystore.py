"""Story 2 of the demo: a tenant's keystore, backed up, spoilt and restored, by the command line, with a real TLS
server that asks for the client's certificate."""
import base64
import json
import os
import re
import secrets
import subprocess
import time

from stage import Failure, Program, equal, expect, free_ports, wait_for
from world import CLOUD, quote

PASSWORD = "Xk9-vale-77"
ADMINISTRATOR, READER = "tina@plant.example", "rolf@plant.example"


def prepare(world):
    """The server of the story is on loopback, where connection tests may not go by themselves."""
    world.options.setdefault("cloud", []).extend(["--connection-test-allow", "127.0.0.1"])


def run(*words, wanted=0, **more):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, **more)
    if done.returncode != wanted:
        raise Failure(f"{' '.join(words[:4])} … ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


class Story:
    def __init__(self, world):
        self.w = world
        self.folder = world.sub("keystore-story")
        self.passwords = {ADMINISTRATOR: "Tina-" + secrets.token_urlsafe(9),
                          READER: "Rolf-" + secrets.token_urlsafe(9)}
        self.pin = None
        self.server = None
        self.port = free_ports(1)[0]
        self.before = None

    # ---- tools ----

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, user):
        return [self.w.binary("drawbridge"), "--url", f"https://localhost:{self.w.ports.console}", "--login", user,
                "--root-pin", self.pin, "--output", "json", "keystore"]

    def cli(self, *words, user=ADMINISTRATOR, wanted=0, secret=None):
        """`drawbridge keystore …` as that user; its output as JSON, or its complaint when it must fail."""
        env = dict(os.environ, DRAWBRIDGE_PASSWORD=self.passwords[user])
        if secret:
            env["DRAWBRIDGE_FILE_PASSWORD"] = secret
        done = run(*self.command(user), *words, wanted=wanted, env=env)
        if wanted:
            return done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def entries(self, *more, user=ADMINISTRATOR):
        return {row["Alias"]: row for row in self.cli("list", self.w.subaccount, *more, user=user)}

    def key_pair(self, name, subject):
        """A PKCS#12 by keytool, and its certificate for the server."""
        store, pem = self.path(name + ".p12"), self.path(name + ".pem")
        run("keytool", "-genkeypair", "-alias", name, "-keyalg", "RSA", "-keysize", "2048", "-dname", subject,
            "-validity", "400", "-storetype", "PKCS12", "-keystore", store, "-storepass", PASSWORD)
        run("keytool", "-exportcert", "-rfc", "-alias", name, "-keystore", store, "-storepass", PASSWORD, "-file", pem)
        return store, pem

    @staticmethod
    def fingerprint(pem):
        text = run("openssl", "x509", "-in", pem, "-noout", "-fingerprint", "-sha256").stdout
        return text.strip().split("=", 1)[1]

    def import_confirmed(self, *words, pem, secret=None):
        """Refused with the fingerprint first, then confirmed with what the owner says it is."""
        refused = self.cli("import", self.w.subaccount, *words, wanted=1, secret=secret)
        expect("--fingerprint" in refused, f"no fingerprint to confirm: {refused}")
        return self.cli("import", self.w.subaccount, *words, "--fingerprint", self.fingerprint(pem), secret=secret)

    def test(self, *more):
        """What a connection meets; the command ends with 1 when that is a problem."""
        env = dict(os.environ, DRAWBRIDGE_PASSWORD=self.passwords[ADMINISTRATOR])
        done = subprocess.run([*self.command(ADMINISTRATOR), "test", self.w.subaccount, "localhost", str(self.port),
                               "--alias", "erp-client", *more], capture_output=True, text=True, env=env, timeout=120)
        expect(done.stdout.startswith("{"), f"the connection test said {done.stderr}")
        seen = json.loads(done.stdout)
        equal(done.returncode, 0 if seen["ok"] else 1, "exit status")
        return seen

    # ---- the steps ----

    def people(self):
        roles = {ADMINISTRATOR: "AuthGroup.Administrator", READER: "AuthGroup.ReadOnly"}
        self.pin = self.w.console.must("GET", f"{CLOUD}/ca").json()["rootPin"]
        for name, role in roles.items():
            self.w.console.must("POST", f"{CLOUD}/users", {"name": name, "password": self.passwords[name]})
            self.w.console.must("PUT", f"{CLOUD}/subaccounts/{self.w.subaccount}/members/{quote(name)}",
                                {"roles": [role]})
        return ", ".join(f"{name} is {role}" for name, role in roles.items())

    def start_server(self):
        """A server with a CA of its own, that lets in whoever shows the first key pair's certificate."""
        _, client = self.key_pair("erp-client", "CN=erp-client,O=Plant,C=DE")
        ca, ca_key, key, request, pem = (self.path(n) for n in
                                         ("ca.pem", "ca.key", "server.key", "server.csr", "server.pem"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            ca_key, "-out", ca, "-days", "400", "-subj", "/CN=Plant Root")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-out", request, "-subj", "/CN=erp.plant")
        with open(self.path("names"), "w", encoding="utf-8") as f:
            f.write("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
        run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "300",
            "-extfile", self.path("names"), "-out", pem)
        self.server = Program("tls-server", ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", pem,
                                             "-key", key, "-CAfile", client, "-Verify", "2", "-verify_return_error",
                                             "-quiet"], self.w.folder)
        self.w.started(self.server)
        wait_for(lambda: f":{self.port} " in run("ss", "-ltn").stdout, "the TLS server listening")

    def imported(self):
        self.start_server()
        rows = self.import_confirmed(self.path("erp-client.p12"), "--alias", "erp-client", secret=PASSWORD,
                                     pem=self.path("erp-client.pem"))
        equal([(r["Alias"], r["Type"]) for r in rows], [("erp-client", "Key Pair")], "entries")
        return f"{rows[0]['SubjectDN']}, {rows[0]['KeyType']} {rows[0]['KeySize']}"

    def trusted(self):
        failed = self.test()
        equal(failed["ok"], False, "a test without trust")
        self.import_confirmed(self.path("ca.pem"), "--alias", "plant-root", pem=self.path("ca.pem"))
        return failed["problem"]["text"][:150]

    def provided(self):
        root = self.w.console.must("GET", f"{CLOUD}/ca").json()["rootPem"]
        resource = base64.b64encode(root.encode()).decode()
        self.w.console.must("POST", f"{CLOUD}/subaccounts/{self.w.subaccount}/keystore/provider/entries",
                            {"alias": "sap_provider_root", "resource": resource})
        refused = self.cli("delete", self.w.subaccount, "sap_provider_root", wanted=1)
        row = self.entries()["sap_provider_root"]
        equal(row["Owner"], "SAP", "owner")
        return refused.strip()[:150]

    def connected(self):
        seen = self.test()
        expect(seen["ok"] and seen["clientCertificate"]["accepted"], f"{seen}")
        return (f"{seen['protocol']}, {seen['serverCertificates'][0]['subject']} took "
                f"{seen['clientCertificate']['alias']}")

    def backed_up(self):
        made = self.cli("backup", self.w.subaccount, "--note", "before the change")
        self.before = self.entries()
        return f"{made['entries']} entries at {made['at']}"

    def spoilt(self):
        self.key_pair("other", "CN=other,O=Elsewhere,C=DE")
        self.import_confirmed(self.path("other.p12"), "--alias", "erp-client", "--update", secret=PASSWORD,
                              pem=self.path("other.pem"))
        self.cli("create", self.w.subaccount, "made-later", "--key-type", "EC", "--curve", "secp256r1", "--common-name",
                 "later")
        refused = self.test("--validate-server=off")
        equal((refused["clientCertificate"]["accepted"], refused["problem"]["code"]),
              (False, "client_certificate_refused"), "the replaced key pair")
        self.cli("delete", self.w.subaccount, "plant-root")
        failed = self.test()
        equal((failed["ok"], failed["problem"]["code"]), (False, "untrusted"), "the connection")
        return f"{refused['problem']['text']}; without the root: {failed['problem']['text']}"[:250]

    def backup_shown(self):
        pins = [p for p in self.cli("backups", self.w.subaccount) if p["current"]]
        held = self.entries("--backup")
        equal(sorted(held), ["erp-client", "plant-root"], "entries of the backup")
        equal(held["erp-client"]["FingerprintSha256"], self.fingerprint(self.path("erp-client.pem")), "the key pair")
        return f"{', '.join(sorted(held))}, of {pins[0]['at']} by {pins[0]['by']}: {pins[0]['note']}"

    def previewed(self):
        rows = {row["alias"]: row["status"] for row in self.cli("preview", self.w.subaccount)}
        equal({k: v for k, v in rows.items() if v != "unchanged"},
              {"erp-client": "changed", "plant-root": "new", "made-later": "removed"}, "preview")
        expect("made-later" in self.entries(), "the preview changed something")
        return ", ".join(f"{alias} {status}" for alias, status in sorted(rows.items()))

    def restored(self):
        self.cli("restore", self.w.subaccount)
        start = time.monotonic()
        seen = self.test()
        expect(seen["ok"] and seen["clientCertificate"]["accepted"], f"{seen}")
        return f"the next connection works, {time.monotonic() - start:.2f} s later"

    def as_before(self):
        now = self.entries()
        expect("made-later" not in now, "the entry made since is still there")
        equal({a: (r["FingerprintSha256"], r["Owner"]) for a, r in now.items()},
              {a: (r["FingerprintSha256"], r["Owner"]) for a, r in self.before.items()}, "entries")
        return ", ".join(f"{alias} ({row['Owner']})" for alias, row in sorted(now.items()))

    def undone(self):
        self.cli("undo", self.w.subaccount)
        expect("made-later" in self.entries() and not self.test()["ok"], "the restore is not undone")
        self.cli("restore", self.w.subaccount)
        expect(self.test()["ok"], "the second restore")
        return "made-later is back and the connection fails; restored again, it works"

    def reader(self):
        equal(sorted(self.entries(user=READER)), sorted(self.before), "what the reader sees")
        pem = self.path("seen.pem")
        self.cli("export", self.w.subaccount, "--alias", "erp-client", "--to", pem, user=READER)
        equal(self.fingerprint(pem), self.fingerprint(self.path("erp-client.pem")), "the public certificate")
        tried = {
            "import": ("import", self.w.subaccount, self.path("ca.pem"), "--alias", "x"),
            "create": ("create", self.w.subaccount, "x", "--common-name", "x"),
            "rename": ("rename", self.w.subaccount, "erp-client", "x"),
            "delete": ("delete", self.w.subaccount, "erp-client"),
            "backup": ("backup", self.w.subaccount),
            "restore": ("restore", self.w.subaccount),
            "undo": ("undo", self.w.subaccount),
            "test": ("test", self.w.subaccount, "localhost", str(self.port)),
        }
        for name, words in tried.items():
            refused = self.cli(*words, user=READER, wanted=1)
            expect("403" in refused, f"{name}: {refused}")
        equal(sorted(self.entries()), sorted(self.before), "after that")
        return f"sees {len(self.before)} entries, downloads a certificate; refused: {', '.join(tried)}"

    def audited(self):
        state = os.path.join(self.w.folder, "cloud")
        words = [self.w.binary("drawbridge"), "audit", "verify", os.path.join(state, "cloud.db"), "--anchor",
                 os.path.join(state, "keyd", "anchor")]

        def anchored():
            done = subprocess.run(words, capture_output=True, text=True)
            return done.returncode == 0 and " 0 newer" in done.stdout and done.stdout
        text = wait_for(anchored, "the audit log agreeing with its anchor", 60)
        seen = self.w.console.must("GET", f"{CLOUD}/audit?limit=100").json()["items"]
        what = {row["what"] for row in seen}
        expect(any("restore" in w for w in what), f"no restore in the audit: {what}")
        return re.sub(r"\s+", " ", text)[:120]


def walk(steps, world):
    steps.begin(2)
    if steps.stopped:
        return
    story = Story(world)
    steps.step("a tenant's administrator and a user who may only read are named", story.people, True)
    steps.step("a key pair made by keytool is taken, once its fingerprint is confirmed", story.imported, True)
    steps.step("a server that nobody vouches for is told; its root is trusted", story.trusted)
    steps.step("a provider-owned entry stands beside them, locked", story.provided)
    steps.step("a connection with the key pair works, on a real TLS server that asks for it", story.connected)
    steps.step("the keystore is backed up", story.backed_up)
    steps.step("the key pair is replaced and the trust deleted: the connection fails, with the reason", story.spoilt)
    steps.step("the backup shows what it holds, and when it was made", story.backup_shown)
    steps.step("a preview tells what a restore would do, and does nothing", story.previewed)
    steps.step("restored: the connection works at once", story.restored)
    steps.step("what was made since is gone, the provider's entries are untouched", story.as_before)
    steps.step("the restore is undone, and done again", story.undone)
    steps.step("who may only read sees all, and is refused every change", story.reader)
    steps.step("the audit log verifies against the key process's anchor", story.audited)
