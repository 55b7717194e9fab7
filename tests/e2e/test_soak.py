"""bench/soak.sh --faults: every request has its one outcome in the database, the report, the table and the server's own count,
and everything comes back. A short one; five minutes of 500 streams with LLMBENCH_LONG=1."""
import os
import subprocess
import sys
import unittest

from harness import LLMBENCH, SANITIZED, SOURCE, clean_environment

LONG = bool(os.environ.get("LLMBENCH_LONG"))


class Soak(unittest.TestCase):
    def test_mixed_faults(self):
        words = ["--seconds", "300"] if LONG else ["--seconds", "4", "--streams", "100", "--read", "12" if SANITIZED else "5",
                                                   "--total", "24" if SANITIZED else "10"]
        if SANITIZED or not LONG:
            words.append("--no-memory")
        done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "bench/soak_faults.py"), LLMBENCH, *words],
                              env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=580, check=False)
        print("\n" + done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertGreaterEqual(done.stdout.count("PASS"), 8)


if __name__ == "__main__":
    unittest.main()
