"""The command line on both programs, as an administrator uses it."""
import json
import os
import secrets
import subprocess

from stage import equal, expect, free_ports, wait_for
from world import ADMIN, Installation, setup_code


def run(world, *words, password=None, port=None, status=0, text=None, output=None):
    env = dict(os.environ, DRAWBRIDGE_PASSWORD=password or world.cloud_password)
    where = f"https://localhost:{port or world.ports.console}"
    ca = world.first_ca(port or world.ports.console)
    command = [world.binary("drawbridge"), *words, "--url", where, "--ca-file", ca]
    if output:
        command += ["--output", output]
    done = subprocess.run(command, env=env, capture_output=True, text=True, input=text or "", timeout=120)
    expect(done.returncode == status, f"{' '.join(words)}: status {done.returncode}, said "
           f"{done.stdout[-500:]} {done.stderr[-500:]}")
    return done.stdout + done.stderr if status else done.stdout


def case_help(world):
    """--help works everywhere, and a wrong word is a usage error that names it"""
    for words in ((), ("subaccount",), ("subaccount", "add"), ("cloud", "cert", "revoke")):
        done = subprocess.run([world.binary("drawbridge"), *words, "--help"], capture_output=True, text=True)
        equal(done.returncode, 0, f"{words} --help")
        expect("usage" in done.stdout.lower(), f"{words}: {done.stdout[:100]}")
    done = subprocess.run([world.binary("drawbridge"), "subacount"], capture_output=True, text=True)
    equal(done.returncode, 2, "a mistyped command")
    expect("subacount" in done.stderr, f"said {done.stderr}")


def case_lists(world):
    """lists come as text and as JSON"""
    text = run(world, "cloud", "subaccount", "list")
    expect(world.subaccount in text and "Plant North" in text, f"said {text}")
    rows = json.loads(run(world, "cloud", "subaccount", "list", output="json"))
    expect(world.subaccount in json.dumps(rows), f"said {rows}")
    text = run(world, "subaccount", "list", port=world.ports.admin, password=world.first.password)
    expect(world.subaccount in text, f"said {text}")


def case_wrong_password(world):
    """a wrong password is refused with status 1 and a reason"""
    said = run(world, "cloud", "subaccount", "list", password="wrong", status=1)
    expect("401" in said or "password" in said.lower(), f"said {said}")


def case_untrusted_server(world):
    """a server that is not trusted gets no password; the message says what to do"""
    done = subprocess.run([world.binary("drawbridge"), "cloud", "subaccount", "list", "--url",
                           f"https://localhost:{world.ports.console}"], capture_output=True, text=True,
                          env=dict(os.environ, DRAWBRIDGE_PASSWORD="x"), timeout=60)
    equal(done.returncode, 1, "status")
    expect("ca-file" in done.stderr or "root-pin" in done.stderr, f"said {done.stderr}")


def case_whole_story(world):
    """a connector is set up, enrolled, given a mapping and used by commands alone"""
    other = Installation(world, "bycli", free_ports(1)[0], "bycli")
    other.start()
    try:
        code = setup_code(other.state_dir)
        new = "Cli-" + secrets.token_urlsafe(9)
        secret = os.path.join(world.folder, "new-password")
        with open(secret, "w") as f:
            f.write(new)
        run(world, "connector", "setup", "--new-password-file", secret, port=other.port, password=code)
        data = json.loads(run(world, "cloud", "auth-data", world.subaccount, output="json"))
        data_file = os.path.join(world.folder, "authentication-data")
        with open(data_file, "w") as f:
            f.write(data["authenticationData"])
        run(world, "subaccount", "add", "--authentication-data-file", data_file, "--location-id", "bycli",
            port=other.port, password=new)
        other.admin.password = new
        wait_for(other.connected, "the tunnel")
        run(world, "mapping", "add", world.subaccount, "cli.virtual:80",
            f"127.0.0.1:{world.ports.backend}", "--protocol", "HTTP", "--backend-type", "nonSAPsys",
            "--authentication-mode", "NONE", port=other.port, password=new)
        run(world, "resource", "add", world.subaccount, "cli.virtual:80", "/public", "--enabled",
            port=other.port, password=new)
        answer = world.client(location="bycli").get("http://cli.virtual:80/public/hello.txt")
        equal(answer.status, 200, f"saw {answer}")
        run(world, "subaccount", "disconnect", world.subaccount, port=other.port, password=new)
        equal(world.client(location="bycli").get("http://cli.virtual:80/public/hello.txt").status, 503,
              "after disconnect")
    finally:
        other.end()
