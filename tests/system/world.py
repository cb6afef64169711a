"""The whole scene of most system tests: a cloud side, a connector, an internal system, set up through
the public REST APIs as a user would. Story-free: tests and demo decide what to look at.
"""
import base64
import json
import os
import secrets
import shutil
import tempfile
import urllib.parse

from servers import Nginx, basic
from stage import (Answer, Failure, Program, ProxyClient, Rest, equal, expect, free_ports, wait_for)

ADMIN = "Administrator"
SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Ports:
    """Fixed offsets from a base, or free ones."""
    NAMES = ("console", "tunnel", "proxy", "metrics", "admin", "backend", "connector_metrics", "spare")

    def __init__(self, base=None):
        numbers = [base + i for i in range(len(self.NAMES))] if base else free_ports(len(self.NAMES))
        for name, number in zip(self.NAMES, numbers):
            setattr(self, name, number)


def wait_file(path, what):
    return wait_for(lambda: os.path.exists(path) and open(path).read().strip(), what)


class World:
    def __init__(self, build, folder=None, ports=None, database=None, workers=1, options=None):
        self.build = os.path.abspath(build)
        self.folder = folder or tempfile.mkdtemp(prefix="drawbridge-")
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.ports = ports or Ports()
        self.database, self.workers = database, workers
        self.options = options or {}
        self.region = f"localhost:{self.ports.tunnel}"
        self.subaccount = None
        self.programs = []
        self.cloud = self.connector = self.backend = None
        self.cloud_password = "Cloud-" + secrets.token_urlsafe(9)
        self.owner, self.owner_password = "olga@plant.example", "Owner-" + secrets.token_urlsafe(9)
        self.connector_password = "Plant-" + secrets.token_urlsafe(9)
        self.key = None

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
