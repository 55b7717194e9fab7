"""llmbench calibrate: the error against a server whose times are known, the search for a load, and what a run records."""
import json
import os
import re
import signal
import subprocess
import unittest

from harness import Case, SANITIZED, judged_by_the_clock, wait_for

QUICK = ("--ttft", "20ms", "--itl", "10ms", "--tokens", "20", "-d", "1s")
FOUND = re.compile(r"Calibrated +(.*)")


class Calibrate(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("tmp"))
        self.env = {"XDG_STATE_HOME": self.path("state"), "TMPDIR": self.path("tmp")}
        self.kept = self.path("state/llmbench/calibration.json")

    def calibrate(self, *args, expect=0):
        result = self.llmbench("calibrate", *QUICK, *args, env=self.env, expect=expect)
        self.assertEqual(os.listdir(self.path("tmp")), [], "what the runs wrote goes away")
        return result

    def spread(self, spread):
        self.assertGreater(spread["n"], 0)
        self.assertLessEqual(0, spread["p50"])
        self.assertLessEqual(spread["p50"], spread["p99"])
        self.assertLessEqual(spread["p99"], spread["max"])

    def probe(self, probe):
        self.assertGreater(probe["answers"], 0)
        self.assertEqual(probe["unread"], 0)
        self.assertEqual(probe["ttft_error"]["n"], probe["answers"])
        self.assertEqual(probe["itl_error"]["n"], 19 * probe["answers"])
        self.assertEqual(probe["server_lateness"]["n"], 20 * probe["answers"])
        for key in ("ttft_error", "itl_error", "server_lateness"):
            self.spread(probe[key])
        # the measured times are the server's but for what a loaded machine does
        self.assertLess(probe["itl_error"]["p50"], 0.005 if SANITIZED else 0.001)
        self.assertLess(probe["ttft_error"]["p50"], 0.05 if SANITIZED else 0.01)
        self.assertEqual(probe["why"] == "", probe["sound"])

    def keep(self, **changes):
        """A calibration that was kept, of this machine and version unless it says otherwise."""
        version = self.llmbench("version").out.split()[1]
        with open("/proc/sys/kernel/hostname", encoding="utf-8") as name:
            machine = name.read().strip()
        content = {"calibrated": "2026-11-23T10:00:00+0000", "version": version, "machine": machine, "unit": "streams",
                   "host": self.host(), "base": {"load": 100, "itl_error": {"p99": 12e-6}},
                   "search": {"sound_up_to": 800}, **changes}
        os.makedirs(os.path.dirname(self.kept), exist_ok=True)
        with open(self.kept, "w", encoding="utf-8") as out:
            json.dump(content, out)
        return content

    def host(self):
        report, _ = self.run_against(self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", "2"), "-n", "1", "--name",
                                     f"host{os.urandom(4).hex()}")
        return report["run"]["host"]

    def one_run(self, name):
        url = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", "2")
        report, result = self.run_against(url, "--stream", "-n", "2", "--name", name, env=self.env)
        row = self.database(name).execute("SELECT calibration FROM run").fetchone()[0]
        return report["run"], result, row and json.loads(row)

    @judged_by_the_clock
    def test_one_load_and_the_run_after_it(self):
        for _ in range(5):  # while the machine is busy with something else the server may be late: then nothing is kept
            result = self.calibrate("--parallel", "4", "--search", "0", "--json", "-", "--quiet")
            found = json.loads(result.out)
            self.probe(found["base"])
            self.assertIn("TTFT error", result.err)
            self.assertEqual(os.path.exists(self.kept), not found["base"]["server_late"])
            if not found["base"]["server_late"]:
                break
            self.assertIn("This does not count", result.err)
        else:
            self.skipTest("the mock server was late itself, five times")
        self.assertEqual((found["unit"], found["base"]["load"], found["search"]), ("streams", 4, None))
        self.assertEqual((found["ttft_s"], found["itl_s"], found["tokens"], found["threads"]), (0.02, 0.01, 20, 1))
        with open(self.kept, encoding="utf-8") as kept:
            self.assertEqual(json.load(kept), found)
        run, result, row = self.one_run("after")
        self.assertEqual(run["calibration"], found)
        self.assertEqual(row, found)
        self.assertRegex(run["calibrated"], r"^\d{4}-\d\d-\d\d: ITL error p99 [\d.]+ (ns|us|ms) at 4 streams$")
        self.assertIn(run["calibrated"], FOUND.search(result.out).group(1))

    def test_search(self):
        result = self.calibrate("--parallel", "2", "--search", "7s", "--json", self.path("out.json"))
        with open(self.path("out.json"), encoding="utf-8") as out:
            found = json.load(out)
        if found["base"]["server_late"]:
            self.assertIsNone(found["search"])
            self.skipTest("the mock server was late itself")
        search = found["search"]
        self.assertEqual(search["probes"][0], found["base"])
        good = [probe["load"] for probe in search["probes"] if probe["sound"] and not probe["server_late"]]
        bad = [probe["load"] for probe in search["probes"] if not probe["sound"] or probe["server_late"]]
        self.assertEqual(search["sound_up_to"], max(good, default=0))
        self.assertEqual(search["stops_at"], min(bad, default=None))
        self.assertEqual(len(set(good + bad)), len(search["probes"]), "no load twice")
        if len(search["probes"]) > 1:
            self.assertEqual(search["probes"][1]["load"], 4 if found["base"]["sound"] else 1)
        self.assertTrue(search["out_of_time"] or search["limit"] in ("client", "server"))
        if good:
            self.assertIn(f"Highest load at which the verdict stays sound: {max(good):.0f} stream", result.out)

    def test_search_finds_what_the_client_bears(self):
        """More work than a core can do ends in a reason of the verdict, not in silence."""
        result = self.llmbench("calibrate", "--ttft", "1ms", "--itl", "100us", "--tokens", "200", "-d", "1s", "--parallel", "200",
                               "--search", "0", "--json", "-", env=self.env, expect=0)
        base = json.loads(result.out)["base"]
        self.assertTrue(base["server_late"] or not base["sound"], base)

    @judged_by_the_clock
    def test_rate(self):
        found = json.loads(self.calibrate("--rate", "30", "--search", "0", "--json", "-").out)
        self.assertEqual((found["unit"], found["base"]["load"]), ("requests/s", 30))
        self.probe(found["base"])
        self.assertGreater(found["base"]["achieved"], 10)

    def test_other_machines_and_versions(self):
        self.keep()
        run, result, _ = self.one_run("same")
        self.assertEqual(run["calibrated"], "2026-11-23: ITL error p99 12 us at 100 streams; sound up to 800 streams")
        self.assertIn(run["calibrated"], result.out)
        self.keep(version="0.0.1", machine="elsewhere", host="a toaster")
        run, _, row = self.one_run("other")
        self.assertTrue(run["calibrated"].endswith("; that was llmbench 0.0.1; that was another machine (elsewhere, a toaster)"))
        self.assertEqual(row["machine"], "elsewhere")

    def test_no_calibration(self):
        run, result, row = self.one_run("none")
        self.assertEqual((run["calibration"], run["calibrated"], row), (None, None, None))
        self.assertNotIn("Calibrated", result.out)
        os.makedirs(os.path.dirname(self.kept))
        for i, damaged in enumerate((b"", b"{", b"[]", b'{"base":1}', b"\xff" * 100, b"x" * (2 << 20))):
            with open(self.kept, "wb") as out:
                out.write(damaged)
            run, result, row = self.one_run(f"damaged{i}")
            self.assertEqual((run["calibration"], run["calibrated"], row), (None, None, None))
            self.assertIn("passed over", result.err)

    def test_wrong_words(self):
        for words, says in (
                (("--rate", "5", "--parallel", "5"), "--rate and --parallel are two kinds of load; give one"),
                (("what",), '"what" belongs to no option of calibrate'),
                (("--itl", "0"), "itl"),
                (("--paralel", "5"), "--parallel")):
            result = self.llmbench("calibrate", *words, env=self.env, expect=2)
            self.assertIn(says, result.err)

    def test_cannot_be_kept(self):
        self.env["XDG_STATE_HOME"] = "/dev/null/nowhere"
        for _ in range(5):
            result = self.llmbench("calibrate", *QUICK, "-c", "2", "--search", "0", env=self.env)
            if "does not count" not in result.out:
                break
        else:
            self.skipTest("the mock server was late itself, five times")
        self.assertEqual(result.code, 1)
        self.assertIn("/dev/null/nowhere", result.err)
        self.assertIn("ITL error", result.out)

    def test_interrupted(self):
        """Nothing is kept, and neither the server nor a file is left."""
        process = self.spawn("calibrate", "-c", "3", "-d", "60s", env=self.env)
        wait_for(lambda: os.listdir(self.path("tmp")) and os.listdir(self.path("tmp/" + os.listdir(self.path("tmp"))[0])),
                 what="the run")
        child = wait_for(lambda: subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], stdout=subprocess.PIPE,
                                                check=False).stdout.split(), what="the server")[0]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        result = self.wait(process)
        self.assertEqual(result.code, 130, result.err)
        self.assertEqual(os.listdir(self.path("tmp")), [])
        self.assertFalse(os.path.exists(self.kept))
        self.assertFalse(os.path.exists(f"/proc/{int(child)}"))


if __name__ == "__main__":
    unittest.main()
