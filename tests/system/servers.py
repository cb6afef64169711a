"""The real servers that stand around our programs: nginx as the internal system, squid as the corporate
proxy, PostgreSQL as the database, all from Debian's packages, each in a folder of its own on loopback.
"""
import base64
import contextlib
import datetime
import email
import glob
import hashlib
import os
import pwd
import shutil
import socket
import subprocess

from stage import Failure, Program, wait_for

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    keepalive_timeout 75s;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port};
        {tls}
        root {folder}/www;
        location /upload/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
        location /moved {{ return 302 http://127.0.0.1:{port}/public/hello.txt; }}
        location /headers {{ return 200 "host=$http_host forwarded=$http_x_forwarded_host loc=$http_sap_connectivity_scc_location_id proxyauth=$http_proxy_authorization auth=$http_authorization\\n"; }}
        location /cookie {{ add_header Set-Cookie "id=1; Domain=intern.example; Path=/"; return 200 "cookie\\n"; }}
    }}
}}
"""


class Nginx(Program):
    """An internal system: static files, uploads by PUT under /upload/."""

    def __init__(self, folder, port, certificate=None, key=None):
        self.port = port
        os.makedirs(os.path.join(folder, "www", "public", "deep"), exist_ok=True)
        os.makedirs(os.path.join(folder, "www", "secret"), exist_ok=True)
        os.makedirs(os.path.join(folder, "www", "upload"), exist_ok=True)
        tls = ""
        if certificate:
            tls = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
        text = NGINX.format(folder=folder, port=port, tls=tls)
        if certificate:
            text = text.replace(f"listen 127.0.0.1:{port};", f"listen 127.0.0.1:{port} ssl;")
        if os.getuid() == 0:
            text = "user root;\n" + text
        with open(os.path.join(folder, "nginx.conf"), "w") as f:
            f.write(text)
        self.root = os.path.join(folder, "www")
        self.write("public/hello.txt", b"hello from inside the plant\n")
        self.write("public/deep/er.txt", b"deeper\n")
        self.write("secret/plan.txt", b"not for the cloud\n")
        self.write("public/small.bin", b"x" * 1024)
        super().__init__("nginx", ["/usr/sbin/nginx", "-p", folder, "-c",
                                   os.path.join(folder, "nginx.conf")], folder)

    def write(self, name, data):
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(data)

    def make_big(self, name, megabytes):
        """A file of random-looking bytes; returns its SHA-256."""
        digest = hashlib.sha256()
        block = hashlib.sha512(name.encode()).digest() * (1 << 14)
        with open(os.path.join(self.root, name), "wb") as f:
            for i in range(megabytes):
                piece = i.to_bytes(8, "big") + block[8:]
                digest.update(piece)
                f.write(piece)
        return digest.hexdigest()

    def digest(self, name):
        digest = hashlib.sha256()
        with open(os.path.join(self.root, name), "rb") as f:
            for piece in iter(lambda: f.read(1 << 20), b""):
                digest.update(piece)
        return digest.hexdigest()

    def start(self):
        super().start()
        wait_for(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None,
                 "nginx listening")
        return self


class Squid(Program):
    """A corporate proxy that admits CONNECT to our tunnel port; with Basic credentials when asked."""

    def __init__(self, folder, port, tunnel_port, user=None, password=None):
        self.port = port
        rules = f"acl tunnel port {tunnel_port}\nacl CONNECT method CONNECT\n"
        if user:
            helper = next((p for p in ("/usr/lib/squid/basic_ncsa_auth",) if os.path.exists(p)), None)
            if helper is None:
                raise Failure("squid has no basic_ncsa_auth helper")
            hashed = subprocess.run(["openssl", "passwd", "-apr1", password], check=True,
                                    capture_output=True, text=True).stdout.strip()
            with open(os.path.join(folder, "passwords"), "w") as f:
                f.write(f"{user}:{hashed}\n")
            os.chmod(os.path.join(folder, "passwords"), 0o644)
            rules += (f"auth_param basic program {helper} {folder}/passwords\n"
                      "auth_param basic realm plant\nacl known proxy_auth REQUIRED\n"
                      "http_access deny !known\n")
        rules += "http_access deny CONNECT !tunnel\nhttp_access allow CONNECT tunnel\nhttp_access deny all\n"
        with open(os.path.join(folder, "squid.conf"), "w") as f:
            f.write(f"http_port 127.0.0.1:{port}\n{rules}"
                    f"pid_filename {folder}/squid.pid\naccess_log stdio:{folder}/access.log\n"
                    f"cache_log {folder}/cache.log\ncoredump_dir {folder}\ncache deny all\n"
                    "shutdown_lifetime 0 seconds\nvisible_hostname plant-proxy\n"
                    "netdb_filename none\npinger_enable off\n")
        if os.getuid() == 0:
            # squid gives root up for its own user, who must be able to write here.
            shutil.chown(folder, "proxy")
            os.chmod(folder, 0o755)
        super().__init__("squid", ["/usr/sbin/squid", "-N", "-f", os.path.join(folder, "squid.conf")],
                         folder)

    def start(self):
        super().start()
        wait_for(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None,
                 "squid listening")
        return self


class Postgres(Program):
    """A PostgreSQL server; initdb refuses root, so it runs as another user then."""

    def __init__(self, folder, port):
        self.port = port
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.data = os.path.join(folder, "data")
        self.prefix = []
        if os.getuid() == 0:
            user = next(name for name in ("postgres", "nobody")
                        if contextlib.suppress(KeyError) and pwd.getpwnam(name))
            os.chmod(folder, 0o755)
            shutil.chown(folder, user)
            self.prefix = ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid),
                           "--clear-groups"]
        super().__init__("postgres", self.prefix + [
            os.path.join(self.bin, "postgres"), "-D", self.data, "-h", "127.0.0.1", "-p", str(port),
            "-k", folder, "-c", "fsync=off", "-c", "max_connections=60"], folder)
        self.url = f"postgresql://drawbridge@127.0.0.1:{port}/postgres"

    def start(self):
        if not os.path.exists(self.data):
            done = subprocess.run(self.prefix + [os.path.join(self.bin, "initdb"), "-D", self.data, "-U",
                                                 "drawbridge", "--auth=trust", "-E", "UTF8", "--locale=C"],
                                  capture_output=True, text=True, cwd="/")
            if done.returncode != 0:
                raise Failure("initdb: " + done.stderr)
        super().start()
        wait_for(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None,
                 "PostgreSQL listening")
        return self


EXIM = """
primary_hostname = mail.example
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
pid_file_path = {folder}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
host_lookup =
rfc1413_hosts =
queue_only = false
acl_smtp_rcpt = recipients
deliver_drop_privilege = true
begin acl
recipients:
  deny message = log in first
       !authenticated = *
  accept domains = plant.example
  deny message = no relaying
begin routers
all:
  driver = accept
  transport = inbox
begin transports
inbox:
  driver = appendfile
  file = {folder}/mail/inbox
  message_prefix = ""
  message_suffix = "{end}\\n"
  envelope_to_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_condition = ${{if and{{{{eq{{$auth2}}{{{login}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


class Exim(Program):
    """A mail server that wants STARTTLS and a login, and puts what it takes into one file."""
    END = "-- all of the mail is here --"  # it writes a mail in pieces

    def __init__(self, folder, port, certificate, key, login, password):
        self.port, self.inbox = port, os.path.join(folder, "mail", "inbox")
        for name in ("spool", "mail"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        if os.getuid() == 0:  # it gives its own rights away
            for name in ("", "spool", "mail"):
                shutil.chown(os.path.join(folder, name), "Debian-exim", "Debian-exim")
            os.chmod(key, 0o644)
        config = os.path.join(folder, "exim.conf")
        with open(config, "w") as f:
            f.write(EXIM.format(folder=folder, port=port, certificate=certificate, key=key,
                                login=login, password=password, end=self.END))
        os.chmod(config, 0o644)
        super().__init__("exim", ["/usr/sbin/exim4", "-C", config, "-bdf", "-q1s"], folder)

    def start(self):
        super().start()
        wait_for(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None,
                 "exim listening")
        return self

    def mails(self):
        """What was delivered, oldest first: a mail for each recipient's copy."""
        if not os.path.exists(self.inbox):
            return []
        with open(self.inbox, "rb") as f:
            whole = f.read().split(self.END.encode() + b"\n")[:-1]
        return [email.message_from_bytes(text) for text in whole]


def aged_certificate(folder, name, age_days, days_left):
    """A self-signed certificate that is in use for a while: the path of its PEM."""
    path = {end: os.path.join(folder, name + "." + end) for end in ("key", "csr", "pem", "conf", "index")}
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    with open(path["conf"], "w") as f:
        f.write(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {path['index']}\nnew_certs_dir = {folder}\n"
                "rand_serial = yes\ndefault_md = sha256\npolicy = p\nx509_extensions = x\n"
                "[p]\ncommonName = supplied\n[x]\nbasicConstraints = critical,CA:TRUE\n"
                "subjectKeyIdentifier = hash\n")
    open(path["index"], "w").close()
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", path["key"], "-out", path["csr"], "-subj", f"/CN={name}"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-notext", "-config", path["conf"], "-in", path["csr"],
                    "-keyfile", path["key"], "-out", path["pem"],
                    "-startdate", (now - age_days * day).strftime("%Y%m%d%H%M%SZ"),
                    "-enddate", (now + days_left * day).strftime("%Y%m%d%H%M%SZ")],
                   check=True, capture_output=True)
    return path["pem"]


def self_signed(folder, name, days=30):
    """A certificate for tests of HTTPS back ends: returns (certificate path, key path)."""
    certificate, key = (os.path.join(folder, name + end) for end in (".pem", ".key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", str(days), "-subj",
                    f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
                   check=True, capture_output=True)
    return certificate, key


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
