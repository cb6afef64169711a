"""A client of a tenant's keystore as those of the original are: Basic or Bearer, a CSRF token that is fetched once,
hex aliases.
"""
import base64
import json
import subprocess

from stage import Rest, Failure

OWN = "/api/drawbridge/v1/subaccounts"


def scene(world):
    """A cloud side alone, with a subaccount."""
    from servers import Postgres
    from stage import free_ports
    if world.database == "postgresql":
        world.postgres = world.started(Postgres(world.sub("postgres"), free_ports(1)[0]))
    world.start_cloud()
    world.first_start_of_cloud()
    world.create_owner_and_subaccount()


def hexed(alias):
    return alias.encode().hex().upper()


class Tenant:
    def __init__(self, world, user=None, password=None, bearer=None, subaccount=None):
        self.world, self.bearer = world, bearer
        self.rest = Rest(world.ports.console, None if bearer else user, password)
        self.subaccount = subaccount or world.subaccount
        self.service = f"/t/{self.subaccount}/api/v1"
        self.session = None

    def fields(self, more=None):
        fields = {"Accept": "application/json"}
        if self.bearer:
            fields["Authorization"] = "Bearer " + self.bearer
        fields.update(more or {})
        return fields

    def fetch(self):
        """Token and cookie; None where this caller gets none."""
        answer = self.rest.call("GET", self.service + "/", headers=self.fields({"X-CSRF-Token": "Fetch"}))
        if answer.status == 200:
            self.session = {"X-CSRF-Token": answer.headers["X-CSRF-Token"],
                            "Cookie": answer.headers["Set-Cookie"].split(";")[0]}
        return self.session

    def get(self, path, headers=None):
        """With the session, where there is one: its cookie spares the server an Argon2."""
        return self.rest.call("GET", self.service + path, headers=self.fields({**(self.session or {}),
                                                                               **(headers or {})}))

    def write(self, method, path, body=None, headers=None):
        if self.session is None:
            self.fetch()
        return self.rest.call(method, self.service + path, body,
                              headers=self.fields({**(self.session or {}), **(headers or {})}))

    def must(self, method, path, body=None, headers=None, wanted=(200, 204)):
        answer = (self.get(path, headers) if method == "GET" else self.write(method, path, body, headers))
        if answer.status not in wanted:
            raise Failure(f"{method} {path}: {answer}")
        return answer

    def own(self, method, path, body=None, headers=None):
        """Our own API of the same keystore, in the same session."""
        if self.session is None:
            self.fetch()
        return self.rest.call(method, f"{OWN}/{self.subaccount}/keystore{path}", body,
                              headers={**self.fields(headers), **(self.session or {})})

    def entries(self, store="system"):
        rows = self.must("GET", f"/KeystoreEntries?keystoreName={store}").json()["d"]["results"]
        return {row["Alias"]: row for row in rows}

    def head(self):
        answer = self.own("GET", "")
        if answer.status != 200:
            raise Failure(f"the keystore's head: {answer}")
        return answer.json()

    def put_certificate(self, alias, pem, confirmed=True, update=False, more=""):
        return self.write("PUT", f"/CertificateResources('{hexed(alias)}')/$value?fingerprintVerified="
                          f"{str(confirmed).lower()}&update={str(update).lower()}{more}", pem,
                          {"Content-Type": "application/pkix-cert"})

    def generate(self, alias, **more):
        body = {"Hexalias": "00", "Alias": alias, "KeyType": "EC", "KeyAlgorithmParameter": "secp256r1",
                "SignatureAlgorithm": "SHA-256/ECDSA", "CommonName": alias, **more}
        return self.write("POST", "/KeyPairGenerationRequests", body)

    def back_up(self):
        return self.write("POST", "/KeystoreResources?returnKeystoreEntries=false", {"Name": "backup_admin_system"})

    def restore(self, mode=None):
        option = f"&importOption={mode}" if mode else ""
        return self.write("PUT", "/KeystoreResources('system')?retrieveBackup=backup_admin_system" + option,
                          {"Resource": None})


def openssl(*args, text=None, binary=False):
    process = subprocess.run(["openssl", *args], input=text, capture_output=True, check=False)
    if process.returncode != 0:
        raise Failure(f"openssl {' '.join(args)}: {process.stderr.decode()}")
    return process.stdout if binary else process.stdout.decode()


def make_certificate(folder, name, days=30, kind="ec"):
    """A self-signed certificate with its key: paths without suffix .pem and .key."""
    key = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    openssl("req", "-x509", *key, "-nodes", "-subj", f"/CN={name}", "-days", str(days), "-keyout",
            f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")
    with open(f"{folder}/{name}.pem", encoding="ascii") as file:
        return file.read()


def make_pkcs12(folder, name, password, alias=None, chain=None):
    """The bytes of a PKCS#12 with that key."""
    more = ["-certfile", chain] if chain else []
    return openssl("pkcs12", "-export", "-inkey", f"{folder}/{name}.key", "-in", f"{folder}/{name}.pem", "-name",
                   alias or name, "-passout", "pass:" + password, *more, binary=True)


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def error_of(answer):
    """The code and the text of the original's error body."""
    error = json.loads(answer.body)["error"]
    return error["code"], error["message"]["value"]
