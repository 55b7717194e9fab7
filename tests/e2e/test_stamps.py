"""The kernel takes the times: judged by the server's own stamps, plain, behind nginx as a TLS server, and with a client that is stopped."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import Case, judged_by_the_clock, stats, wait_for

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIG = """
daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {work}/a; proxy_temp_path {work}/b; fastcgi_temp_path {work}/c;
    uwsgi_temp_path {work}/d; scgi_temp_path {work}/e;
    upstream mock {{ server 127.0.0.1:{mock}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port} ssl; keepalive_requests 100000;
        ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;
        location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stamps(Case):
    def nginx(self, root):
        """TLS in front of the server at `root`; its URL."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem")], check=True, capture_output=True, timeout=60)
        for _ in range(5):  # somebody else may take the free port first
            port = free_port()
            self.write("nginx.conf", CONFIG.format(work=self.work, port=port, mock=root.rsplit(":", 1)[1].rstrip("/")))
            process = subprocess.Popen([NGINX, "-p", self.work, "-c", self.path("nginx.conf")], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.terminate)
            wait_for(lambda: self.listens(port) or process.poll() is not None, what="nginx")
            if process.poll() is None:
                break
        return f"https://127.0.0.1:{port}"

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def rows(self, name):
        return self.database(name).execute("SELECT * FROM result WHERE success").fetchall()

    def events(self, row):
        """(time, the server's stamps, whether the time is an upper bound) of each event that has stamps."""
        said = json.loads(row["events"])
        together = set(said.get("coalesced", ()))
        for i, text in enumerate(json.loads(row["response_messages"])):
            if text.startswith("{"):
                event = json.loads(text)
                yield row["sent_ns"] + said["t"][i], event["sent_ns"], event.get("read_ns"), i in together

    def judge(self, report, rows):
        """What must be so of any true times: no event comes before it is sent, no request is read before it is."""
        self.assertGreater(report["trust"]["reads_kernel"], len(rows))
        self.assertLessEqual(report["trust"]["reads_user"], 0.01 * report["trust"]["reads_kernel"])
        self.assertLessEqual(0, report["trust"]["receive_delay"]["p50"])
        for row in rows:
            for time_ns, sent_ns, read_ns, _ in self.events(row):
                self.assertGreaterEqual(time_ns, sent_ns)
                if read_ns:
                    self.assertLessEqual(row["sent_ns"], read_ns)
            self.assertLessEqual(row["started_ns"], row["sent_ns"])
            self.assertLessEqual(row["sent_ns"], row["first_byte_ns"])

    def test_plain(self):
        root = self.mock("--ttft", "20ms", "--itl", "5ms", "--tokens", 16)
        report, _ = self.run_against(root, "--stream", "-n", 100, "--parallel", 20, "--name", "plain")
        self.judge(report, self.rows("plain"))
        self.assertEqual(report["counts"]["ok"], 100)

    def test_tls(self):
        root = self.nginx(self.mock("--ttft", "20ms", "--itl", "5ms", "--tokens", 16))
        report, _ = self.run_against(root, "--cacert", self.path("cert.pem"), "--stream", "-n", 100, "--parallel", 20, "--name", "tls")
        rows = self.rows("tls")
        self.judge(report, rows)
        self.assertEqual(report["counts"]["ok"], 100)
        self.assertTrue(any(row["tls_done_ns"] for row in rows))

    @judged_by_the_clock
    def test_a_client_that_is_stopped(self):
        """It reads long after the bytes came; the kernel's stamps say when that was, and what came together is marked."""
        root = self.mock("--ttft", "20ms", "--itl", "40ms", "--jitter", "0%", "--tokens", 100)
        process = self.spawn("--url", root + "/v1/chat/completions", "--model", "m", "--prompt", "x", "--stream", "-n", 1, "--name", "late",
                             "--json", "late.json", "-q")
        wait_for(lambda: stats(root)["events"] > 10, what="the first events")
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(self.wait(process).code, 0)
        with open(self.path("late.json"), encoding="utf-8") as file:
            report = json.load(file)
        found = list(self.events(self.rows("late")[0]))
        late = [time_ns - sent_ns for time_ns, sent_ns, _, together in found if not together]
        self.assertGreater(len(late), 20)
        self.assertLess(max(late), 700e6, "times do not hold the stop")
        self.assertGreater(sum(together for *_, together in found), 10)
        self.assertGreater(report["trust"]["receive_delay"]["max"], 0.05)
        self.assertGreater(report["metrics"]["coalesced_share"]["value"], 0.1)


if __name__ == "__main__":
    unittest.main()
