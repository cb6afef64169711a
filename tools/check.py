"""Every gate and test of Drawbridge; the last line is "N passed, N failed".

    tools/check               everything (what CI runs)
    tools/check --fast        the gates and the unit tests of the sanitizer build
    tools/check NAME ...      only the steps whose names start so; --list names them

Installs what is missing with apt-get and says what. Builds go to build-check/ and are reused.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILDS = {
    # name: (compiler, meson options)
    "asan": ("gcc", ["-Db_sanitize=address,undefined", "-Db_lundef=false"]),
    "clang": ("clang", []),
    "tsan": ("gcc", ["-Db_sanitize=thread", "-Db_lundef=false"]),
    "release": ("gcc", ["--buildtype=release", "-Db_lto=true", "-Dtests=false"]),
}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=66",
}


class Score:
    def __init__(self):
        self.passed = 0
        self.failures = []

    @property
    def failed(self):
        return len(self.failures)

    def count(self, name, ok, seconds, output=""):
        if ok:
            self.passed += 1
        else:
            self.failures.append(name)
        print(f"{'ok' if ok else 'not ok'} {name} ({seconds:.1f} s)", flush=True)
        if not ok and output:
            print("\n".join("    " + line for line in output.splitlines()[-60:]), flush=True)


def run(command, **more):
    start = time.monotonic()
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors="replace",
                          env=dict(os.environ, **ENVIRONMENT), **more)
    return done.returncode == 0, done.stdout, time.monotonic() - start


def gate(*command):
    def step(score, name):
        ok, output, seconds = run(list(command))
        score.count(name, ok, seconds, output)
    return step


def folder(build):
    return os.path.join("build-check", build)


def compiled(build):
    """Configures and compiles one of BUILDS."""
    def step(score, name):
        compiler, options = BUILDS[build]
        path = folder(build)
        setup = ["env", f"CC={compiler}", "meson", "setup", path] + options
        start = time.monotonic()
        if os.path.exists(os.path.join(TOP, path, "build.ninja")):
            ok, output = True, ""
        else:
            shutil.rmtree(os.path.join(TOP, path), ignore_errors=True)
            ok, output, _ = run(setup)
        if ok:
            ok, output, _ = run(["ninja", "-C", path])
        score.count(name, ok, time.monotonic() - start, output)
    return step


def meson_tests(build, *arguments):
    """Each test of a meson run counts as one."""
    def step(score, name):
        path = folder(build)
        log = os.path.join(TOP, path, "meson-logs", "testlog.json")
        if os.path.exists(log):
            os.unlink(log)
        ok, output, seconds = run(["meson", "test", "-C", path, "--no-rebuild", "--print-errorlogs",
                                   "--num-processes", "2", "--timeout-multiplier", "4", *arguments])
        rows = [json.loads(line) for line in open(log)] if os.path.exists(log) else []
        for row in rows:
            good = row["result"] in ("OK", "EXPECTEDFAIL")
            score.count(f"{name}: {row['name']}", good, row["duration"],
                        row.get("stdout", "") + row.get("stderr", ""))
        if not rows or (not ok and all(row["result"] == "OK" for row in rows)):
            score.count(name + ": ran", False, seconds, output)
    return step


def system_tests(build, *arguments):
    """tests/system/run prints TAP lines; each counts as one."""
    def step(score, name):
        start = time.monotonic()
        process = subprocess.Popen(["tests/system/run", "--build", folder(build), *arguments], cwd=TOP,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, text=True, errors="replace",
                                   env=dict(os.environ, **ENVIRONMENT))
        seen = bad = 0
        for line in process.stdout:
            print(f"  {name}: {line}" if line.startswith(("ok ", "not ok ")) else f"    {line}",
                  end="", flush=True)
            if line.startswith("ok "):
                score.passed += 1
                seen += 1
            elif line.startswith("not ok "):
                score.failures.append(f"{name}: {line.strip()}")
                bad += 1
        status = process.wait()
        if seen + bad == 0 or (status != 0 and bad == 0):
            score.count(name + ": ran to its end", False, time.monotonic() - start,
                        f"exit status {status}")
    return step


def steps(fast):
    rows = [
        ("format", gate("tools/format", "--check")),
        ("floors", gate("tools/check-floors")),
        ("headers", gate("tools/check-headers")),
        ("mirror", gate("tools/check-mirror")),
        ("spelling", gate("tools/check-spelling")),
        ("asan build", compiled("asan")),
        ("asan unit", meson_tests("asan", "--suite", "unit", "--suite", "fuzz")),
    ]
    if fast:
        return rows
    return rows + [
        ("release build", compiled("release")),
        ("man pages", gate("tools/check-man", folder("release"))),
        ("demo", system_tests("release", "demo")),
        ("asan system", system_tests("asan")),
        ("clang build", compiled("clang")),
        ("tsan build", compiled("tsan")),
        ("tsan unit", meson_tests("tsan", "--suite", "unit")),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="gates and unit tests only")
    parser.add_argument("--list", action="store_true", help="name the steps")
    parser.add_argument("names", nargs="*", help="only steps whose names start so")
    options = parser.parse_args()
    rows = steps(options.fast)
    if options.names:
        rows = [row for row in rows if any(row[0].startswith(name) for name in options.names)]
    if options.list:
        print("\n".join(name for name, _ in rows))
        return 0
    if subprocess.run([os.path.join(TOP, "tools/install"), "build", "demo", "check"]).returncode != 0:
        print("0 passed, 1 failed")
        return 1
    score = Score()
    for name, step in rows:
        step(score, name)
    for name in score.failures:  # again, where a reader of the last lines looks
        print(f"failed: {name}")
    print(f"{score.passed} passed, {score.failed} failed")
    return 1 if score.failed or not score.passed else 0


sys.exit(main())
