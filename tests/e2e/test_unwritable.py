"""A disk that is full, a lock that somebody else holds, a folder that takes no file: the run goes on, and says what it lost."""
import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
import unittest

from harness import Case, wait_for

LONG_TEXT = "x" * 20000


def locked(path):
    """Takes the lock between two transactions of the program, which are short but follow each other soon."""
    base = sqlite3.connect(path, isolation_level=None, timeout=0)

    def lock():
        try:
            base.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True
    wait_for(lock, every=0.0005, what="the lock of the database")
    return base


class Unwritable(Case):
    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 8)

    def start(self, *args, name="run", outputs=None, **popen):
        return self.spawn("--url", self.root + "/v1/chat/completions", "--model", "m", "--prompt", LONG_TEXT, "--stream",
                          "--offline", "--json", self.path("report.json"), "--name", name,
                          "--outputs-dir", outputs or self.path("outputs"), *args, **popen)

    def judge(self, result, number, path, code=1):
        """All of the run is in the report, and the rows with the lost ones are all that there were."""
        self.assertEqual(result.code, code, result.out + result.err)
        with open(self.path("report.json"), encoding="utf-8") as text:
            report = json.load(text)
        self.assertEqual(report["counts"]["ok"], number)
        self.assertIn("Verdict: not sound", result.out)
        base = sqlite3.connect(path)
        self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        rows = base.execute("SELECT count(*) FROM result").fetchone()[0]
        base.close()
        lost = report["trust"]["results_lost"]
        self.assertGreater(lost, 0)
        self.assertEqual(rows + lost, number)
        self.assertRegex(result.out, r"Results not in the database +%d \(it could not be written\)" % lost)
        self.assertIn(f"{lost} result", " ".join(report["verdict"]["reasons"]))
        self.assertIn("the database is without %d result" % lost, result.err)
        self.assertEqual(result.err.count("cannot write to the database"), 1)
        return report, rows

    def test_a_limit_on_the_size_of_files(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
        process = self.start("-n", 400, "-c", 8, "--rate", 300, preexec_fn=limit)
        _, rows = self.judge(self.wait(process), 400, self.path("outputs/run.db"))
        self.assertGreater(rows, 10)

    def test_a_disk_that_becomes_full(self):
        """A disk of our own, where this may be mounted."""
        disk = self.path("disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True).returncode:
            self.skipTest("this user may not mount; the test above stands in for it")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        process = self.start("-n", 400, "-c", 8, "--rate", 300, outputs=disk)
        _, rows = self.judge(self.wait(process), 400, disk + "/run.db")
        self.assertGreater(rows, 10)

    def test_a_lock_of_somebody_else(self):
        """What comes while the database is locked for long is lost; what comes afterwards is not."""
        process = self.start("-n", 800, "-c", 4, "--rate", 100, "-q")
        path = self.path("outputs/run.db")

        def rows():
            if not os.path.exists(path):
                return 0
            base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return base.execute("SELECT count(*) FROM result").fetchone()[0]
            except sqlite3.OperationalError:
                return 0
            finally:
                base.close()
        wait_for(rows, what="the first row")
        base = locked(path)
        before = rows()
        time.sleep(3.5)
        base.execute("ROLLBACK")
        base.close()
        _, after = self.judge(self.wait(process), 800, path)
        self.assertGreater(after, before)
        base = sqlite3.connect(path)
        due, ended = base.execute("SELECT stage.due, run.ended FROM stage, run").fetchone()
        base.close()
        self.assertEqual(due, 800)
        self.assertIsNotNone(ended)

    def test_a_short_lock_loses_nothing(self):
        process = self.start("-n", 300, "-c", 4, "--rate", 100, "-q")
        path = self.path("outputs/run.db")
        wait_for(lambda: os.path.exists(path), what="the database")
        time.sleep(0.7)
        base = locked(path)
        time.sleep(0.5)
        base.execute("ROLLBACK")
        base.close()
        self.assertEqual(self.wait(process).code, 0)
        base = sqlite3.connect(path)
        self.assertEqual(base.execute("SELECT count(*) FROM result").fetchone()[0], 300)
        base.close()

    def test_a_folder_that_takes_no_file(self):
        """Told before anything is sent."""
        where = self.write("file", "")
        result = self.wait(self.start("-n", 1, outputs=where))
        self.assertEqual(result.code, 3, result.err)
        self.assertRegex(result.err, "--outputs-dir: .*file")
        if os.geteuid() != 0:
            os.mkdir(self.path("shut"), 0o500)
            result = self.wait(self.start("-n", 1, outputs=self.path("shut")))
            self.assertEqual(result.code, 3, result.err)
            self.assertIn("cannot create the database", result.err)

    def test_a_folder_that_goes_away(self):
        """The files are open: what is written goes nowhere, but nothing hangs and the report is there."""
        process = self.start("-n", 200, "-c", 4, "--rate", 100)
        folder = self.path("outputs")
        wait_for(lambda: os.path.exists(folder + "/run.db-wal"), what="the database")
        time.sleep(0.5)
        os.rename(folder, self.path("moved"))
        result = self.wait(process)
        self.assertIn("Succeed requests", result.out)
        self.assertNotIn(result.code, (-signal.SIGSEGV, -signal.SIGABRT))


if __name__ == "__main__":
    unittest.main()
