"""The console's rules for people and scripts: first start, sessions, edits of what somebody else changed, pages,
the audit log, and the description of both programs.
"""
import os
import pty
import secrets
import select
import sqlite3
import stat
import subprocess
import time
import urllib.parse

from stage import Program, Rest, equal, expect, free_ports, wait_for
from world import ADMIN, CLOUD, SANITIZER, Installation, setup_code

DATABASES = ("sqlite", "postgresql")


def case_setup_code_file(world):
    """the setup code lies in a file of mode 0400, in no log, and goes when the password is changed"""
    other = Installation(world, "code", free_ports(1)[0])
    other.start()
    try:
        code = setup_code(other.state_dir)
        path = os.path.join(other.state_dir, "setup-code")
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o400, "mode")
        expect(code not in other.program.log(1000), "the code is in the log")
        other.program.stop()
        other.start()
        equal(setup_code(other.state_dir), code, "the code after a restart")
        other.first_start()
        expect(not os.path.exists(path), "the file is still there")
    finally:
        other.end()


def case_setup_code_on_a_terminal(world):
    """the setup code is printed where a person started the program on a terminal"""
    other = Installation(world, "terminal", free_ports(1)[0])
    master, slave = pty.openpty()
    seen = b""

    class OnTerminal(Program):
        def start(self):
            import subprocess
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                            cwd=self.folder, env=self.env, start_new_session=True)
            return self
    program = OnTerminal("terminal", other.command(), world.folder, env=SANITIZER).start()
    try:
        code = setup_code(other.state_dir).encode()
        end = time.monotonic() + 30
        while code not in seen and time.monotonic() < end:
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
        expect(code in seen, f"printed {seen[-500:]!r}")
    finally:
        program.stop()
        os.close(master)
        os.close(slave)


def person(world, roles=(), name=None):
    name = name or f"p{secrets.token_hex(4)}@plant.example"
    password = "Person-" + secrets.token_urlsafe(9)
    world.console.must("POST", CLOUD + "/users", {"name": name, "password": password, "roles": list(roles)})
    return name, Rest(world.ports.console, name, password)


def case_session(world):
    """a session by JSON has a strict cookie, needs its token to write, and ends at logout"""
    name, mine = person(world)
    anonymous = Rest(world.ports.console)
    answer = anonymous.call("POST", CLOUD + "/session", {"user": name, "password": mine.password})
    equal((answer.status, answer.json()["user"]), (200, name), "login")
    cookie, token = answer.headers["Set-Cookie"], answer.headers["X-CSRF-Token"]
    for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        expect(word in cookie, f"{word} is missing in {cookie}")
    session = {"Cookie": cookie.split(";")[0], "Connection": "keep-alive"}
    equal(anonymous.call("GET", CLOUD + "/session", headers=session).json()["user"], name, "who")
    path = f"{CLOUD}/users/{name}/password"
    body = {"oldPassword": "x", "newPassword": "y"}
    equal(anonymous.call("PUT", path, body, headers=session).status, 403, "without the token")
    equal(anonymous.call("DELETE", CLOUD + "/session", headers=session).status, 403, "logout without it")
    equal(anonymous.call("DELETE", CLOUD + "/session", headers={**session, "X-CSRF-Token": token}).status, 204,
          "logout")
    equal(anonymous.call("GET", CLOUD + "/session", headers=session).status, 401, "afterwards")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        equal(anonymous.call("POST", CLOUD + "/session", {"user": name, "password": mine.password},
                             headers=headers).status, 403, f"a login with {headers}")
        equal(mine.call("PUT", path, body, headers=headers).status, 403, f"a write with {headers}")


def case_locked_user(world):
    """a user who is locked, or loses a role, feels it in the session that is open"""
    name, mine = person(world, ["display"])
    answer = Rest(world.ports.console).call("POST", CLOUD + "/session", {"user": name, "password": mine.password})
    session = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "Connection": "keep-alive"}
    anonymous = Rest(world.ports.console)
    equal(anonymous.call("GET", CLOUD + "/users", headers=session).status, 200, "may read")
    world.console.must("PUT", f"{CLOUD}/users/{name}", {"locked": True})
    equal(anonymous.call("GET", CLOUD + "/users", headers=session).status, 401, "the session")
    equal(mine.call("GET", CLOUD + "/users").status, 403, "the password")
    world.console.must("PUT", f"{CLOUD}/users/{name}", {"locked": False, "roles": []})
    equal(mine.call("GET", CLOUD + "/users").status, 403, "without the role")


def case_edits(world):
    """an edit of what somebody else changed meanwhile is 412 and changes nothing"""
    path = f"{CLOUD}/subaccounts/{world.subaccount}"
    first = world.console.must("GET", path)
    tag = first.headers["ETag"]
    second = world.console.must("PUT", path, {"description": "one"}, headers={"If-Match": tag})
    expect(second.headers["ETag"] != tag, "the ETag stays")
    answer = world.console.call("PUT", path, {"description": "two"}, headers={"If-Match": tag})
    equal(answer.status, 412, f"saw {answer}")
    equal(world.console.must("GET", path).json()["description"], "one", "description")
    equal(world.console.call("PUT", path, {"description": "x"}, headers={"If-Match": "W/x"}).status, 400, "no ETag")
    world.console.must("PUT", path, {"description": "three"}, headers={"If-Match": second.headers["ETag"]})
    name, _ = person(world)
    path = f"{CLOUD}/users/{name}"
    tag = world.console.must("GET", path).headers["ETag"]
    world.console.must("PUT", path, {"displayName": "A"}, headers={"If-Match": tag})
    equal(world.console.call("PUT", path, {"displayName": "B"}, headers={"If-Match": tag}).status, 412, "user")


def pages(rest, path, key):
    found, after = [], None
    while True:
        query = "?limit=3" + (f"&after={urllib.parse.quote(after, safe='')}" if after else "")
        page = rest.must("GET", path + query).json()
        expect(len(page["items"]) <= 3, "a page is too long")
        found += [row[key] for row in page["items"]]
        after = page["next"]
        if after is None:
            return found


def case_pages(world):
    """lists come in pages that miss nothing and repeat nothing; a senseless limit is 400"""
    for i in range(7):
        person(world, name=f"page {i}+%&=ä@plant.example")
        world.create_subaccount(f"Page {i}")
    for path, key in (("/users", "name"), ("/subaccounts", "id"), ("/audit", "n")):
        seen = pages(world.console, CLOUD + path, key)
        whole = world.console.must("GET", CLOUD + path + "?limit=1000").json()["items"]
        equal(len(set(seen)), len(seen), f"{path}: repeated")
        expect([row[key] for row in whole][-7:] == seen[-7:] and len(seen) >= 7, f"{path}: {seen[-7:]}")
        for limit in ("0", "-1", "x", "1001", "99999999999999999999"):
            equal(world.console.call("GET", f"{CLOUD}{path}?limit={limit}").status, 400, f"{path} limit {limit}")


def case_audit(world):
    """a change is in the audit log with who, from where and on what; secrets are not"""
    secret = "Secret-" + secrets.token_urlsafe(9)
    name = f"audit{secrets.token_hex(3)}@plant.example"
    world.console.must("POST", CLOUD + "/users", {"name": name, "password": secret})
    key = world.create_service_key("audited")
    answer = world.console.must("GET", CLOUD + "/audit?limit=20")
    rows = answer.json()["items"]
    row = next(row for row in rows if row["what"] == "user.create" and row["object"] == name)
    equal(row["who"], "user:" + ADMIN, "who")
    expect(row["from"].startswith("127.0.0.1"), f"from {row['from']}")
    numbers = [row["n"] for row in rows]
    equal(numbers, list(range(numbers[0], numbers[0] - len(numbers), -1)), "numbers without gaps")
    expect(secret not in answer.text and key["clientsecret"] not in answer.text, "a secret in the audit log")
    _, mine = person(world)
    for path in ("/audit", "/users"):
        equal(mine.call("GET", CLOUD + path).status, 403, path)


def case_roles(world):
    """who may only look is refused every change, and an owner manages the own subaccount only"""
    _, display = person(world, ["display"])
    _, nobody = person(world)
    owner = Rest(world.ports.console, world.owner, world.owner_password)
    one = f"{CLOUD}/subaccounts/{world.subaccount}"
    other = CLOUD + "/subaccounts/" + world.console.must(
        "POST", CLOUD + "/subaccounts", {"displayName": "Not Olga's", "owner": ADMIN}).json()["id"]
    reads = ("", "/owners", "/connectors", "/certificates", "/service-keys")
    writes = (("PUT", "", {"description": "x"}), ("PUT", "/owners/" + ADMIN, None),
              ("POST", "/authentication-data", {}), ("POST", "/service-keys", {"name": "r"}),
              ("DELETE", "/service-keys/none", None), ("DELETE", "", None))
    for path in reads:
        equal(display.call("GET", one + path).status, 200, f"display reads {path}")
        equal(owner.call("GET", one + path).status, 200, f"owner reads {path}")
        equal(owner.call("GET", other + path).status, 403, f"owner reads {path} of another")
        equal(nobody.call("GET", one + path).status, 403, f"nobody reads {path}")
    for method, path, body in writes:
        equal(display.call(method, one + path, body).status, 403, f"display: {method} {path}")
        equal(owner.call(method, other + path, body).status, 403, f"owner: {method} {path} of another")
    equal(owner.call("DELETE", one).status, 403, "an owner deletes")
    equal(owner.call("POST", one + "/authentication-data", {}).status, 201, "an owner's authentication data")
    equal(world.console.call("DELETE", f"{one}/owners/{world.owner}").status, 409, "the last owner")


def case_throttle(world):
    """many wrong passwords are answered 429 with the seconds to wait; it passes"""
    name, mine = person(world)
    wrong = Rest(world.ports.console, name, "wrong")
    equal(wrong.call("GET", CLOUD + "/session").status, 401, "the first one")

    def throttled():  # the first pauses are so short that a slow machine sleeps through them
        answer = wrong.call("GET", CLOUD + "/session")
        expect(answer.status in (401, 429), f"{answer}")
        return answer if answer.status == 429 else None
    last = wait_for(throttled, "429", pause=0)
    expect(1 <= int(last.headers["Retry-After"]) <= 300, f"Retry-After {last.headers}")
    wait_for(lambda: mine.call("GET", CLOUD + "/session").status == 200, "the right password", 120, pause=1)


def case_denied_attempts(world):
    """a refused attempt leaves a row in the chain of denied attempts of either program"""
    _, mine = person(world)
    equal(mine.call("GET", CLOUD + "/audit").status, 403, "refused")
    equal(Rest(world.ports.admin, "mallory", "wrong").call("GET", "/api/v1/configuration/connector").status, 401,
          "refused by the connector")

    def rows(name):
        if name == "cloud" and world.postgres:
            said = subprocess.run([os.path.join(world.postgres.bin, "psql"), world.postgres.url, "-AtF", "\t",
                                   "-c", "SELECT who, what, object FROM denied"],
                                  check=True, capture_output=True, text=True).stdout
            return [line.split("\t") for line in said.splitlines()]
        with sqlite3.connect(f"file:{world.state_file(name)}?mode=ro", uri=True) as db:
            return db.execute("SELECT who, what, object FROM denied").fetchall()
    expect(any(mine.user in row[0] and row[2].endswith("/audit") for row in rows("cloud")), f"{rows('cloud')}")
    expect(any("mallory" in row[0] for row in rows("connector")), f"{rows('connector')}")
    equal(world.client().get(world.url("/secret/plan.txt")).status, 403, "a path that is not exposed")
    wait_for(lambda: any(row[2] == world.virtual + "/secret/plan.txt" for row in rows("connector")),
             "the row of the application's attempt")


def case_description(world):
    """/openapi.json of both programs is a valid description (where the validator is installed)"""
    for rest in (world.console, world.admin):
        text = rest.must("GET", "/openapi.json").json()
        equal(text["openapi"][:2], "3.", "version")
        names = [(path, method) for path, row in text["paths"].items() for method in row]
        expect(len(names) > 25, f"only {len(names)} operations")
        for path, row in text["paths"].items():
            for operation in row.values():
                places = {part["name"] for part in operation["parameters"]}
                expect(all("{" + name + "}" in path for name in places) and path.count("{") == len(places),
                       f"{path}: {places}")
        try:
            from openapi_spec_validator import validate
        except ImportError:
            continue
        validate(text)
