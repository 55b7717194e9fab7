"""Files that hold prompts are for their owner alone, from their first moment on and whatever the umask is."""
import os
import signal
import stat
import unittest

from harness import Case, stats, wait_for

JOB = ("--api", "openai", "--model", "m", "--prompt", "hi", "--offline", "--name", "run", "--stream")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Private(Case):
    def modes(self):
        return {name: mode(self.path("outputs/" + name)) for name in os.listdir(self.path("outputs"))}

    def open_umask(self, *args, **more):
        return self.spawn(*args, preexec_fn=lambda: os.umask(0), **more)

    def test_of_a_run(self):
        root = self.mock("--ttft", "20ms", "--itl", "20ms", "--tokens", 20)
        process = self.open_umask("--url", root, *JOB, "-d", "60s", "--debug", "--quiet", "--json", "report.json")
        wait_for(lambda: stats(root)["requests"]["total"] > 0)  # all files are there before the first request
        self.assertEqual(self.modes(), dict.fromkeys(("run.db", "run.db-wal", "run.db-shm", "run.log"), 0o600))
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.wait(process).code, 130)
        self.assertEqual(self.modes(), dict.fromkeys(("run.db", "run.log"), 0o600))
        self.assertEqual(mode(self.path("report.json")), 0o600)  # with --prompt among the options

    def test_of_an_export(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.llmbench("--url", root, *JOB, expect=0)
        for name in ("evalscope-2024", "evalscope-2025"):
            process = self.open_umask("export", "--format", name, "outputs/run.db", name + ".db")
            self.assertEqual(self.wait(process).code, 0)
            self.assertEqual(mode(self.path(name + ".db")), 0o600)

    def test_a_report_that_is_there_keeps_its_rights(self):
        """Somebody has said who may read it."""
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        os.chmod(self.write("report.json", "old"), 0o640)
        process = self.open_umask("--url", root, *JOB, "--json", "report.json")
        self.assertEqual(self.wait(process).code, 0)
        self.assertEqual(mode(self.path("report.json")), 0o640)
        with open(self.path("report.json"), encoding="utf-8") as text:
            self.assertIn('"schema_version"', text.read())


if __name__ == "__main__":
    unittest.main()
