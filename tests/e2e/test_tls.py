"""https: a certificate nobody signed is refused in a clear sentence, and what --cacert and --insecure say is done."""
import os
import signal
import time
import unittest

from harness import Certificates, GOOD, ScriptedServer, judged_by_the_clock, plain, read_request, wait_for

ONE_PROMPT = ("--api", "openai", "--prompt", "x", "--model", "m", "--offline")


class Tls(Certificates):
    def setUp(self):
        super().setUp()
        self.make_ca("ca")
        self.make_ca("other")
        self.context = self.issue("here", "IP:127.0.0.1,DNS:localhost")

    @staticmethod
    def serve(connection, _):
        while read_request(connection):
            connection.sendall(GOOD)

    def go(self, *words, context=None, host="127.0.0.1", expect=0, number=8):
        with ScriptedServer(self.serve, context=context or self.context) as server:
            return self.llmbench(*ONE_PROMPT, "-n", number, "--parallel", 2, "--stream", "--name",
                                 f"r{time.monotonic_ns()}", "--url", f"https://{host}:{server.port}/x", *words,
                                 expect=expect)

    def refused(self, *words, fragment="certificate", **more):
        result = self.go(*words, expect=3, **more)
        self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
        self.assertIn(fragment, result.err)
        self.assertEqual(result.out, "")
        self.assertFalse(os.path.exists(self.path("outputs")))

    def test_unknown_authority_is_refused(self):
        self.refused()
        self.refused("--cacert", self.path("other.pem"))

    def test_cacert(self):
        result = self.go("--cacert", self.path("ca.pem"))
        self.assertRegex(result.out, r"Succeed requests\s+8")
        self.go("--cacert", self.path("ca.pem"), host="localhost")
        name = next(name for name in os.listdir(self.path("outputs")) if name.endswith(".db"))
        rows = self.database(name[:-3]).execute("SELECT * FROM result").fetchall()
        fresh = [row for row in rows if not row["reused"]]
        self.assertTrue(fresh)
        for row in rows:
            if row["reused"]:
                self.assertIsNone(row["tls_done_ns"])
            else:
                times = [row[name + "_ns"] for name in ("started", "connected", "tls_done", "sent", "end")]
                self.assertEqual(times, sorted(times))

    def test_insecure(self):
        self.assertRegex(self.go("--insecure").out, r"Succeed requests\s+8")
        self.go("--insecure", context=self.issue("elsewhere", "DNS:example.invalid"))

    def unasked(self, send):
        """Each answer comes with another one, which must not become that of the next request; returns the outcomes."""
        late = plain({"id": "late"}, "500 Late")
        seen = []

        def serve(connection, _):
            while read_request(connection):
                seen.append(1)
                send(connection, late)
        with ScriptedServer(serve, context=self.context) as server:
            self.llmbench(*ONE_PROMPT, "-n", 8, "--rate", "20", "--arrival", "constant", "--url",
                          f"https://127.0.0.1:{server.port}/x", "--stream", "--name", "run", "--cacert", self.path("ca.pem"))
        self.assertEqual(len(seen), 8)
        return [row["outcome"] for row in self.database().execute("SELECT outcome FROM result")]

    @judged_by_the_clock
    def test_an_answer_nobody_asked_for(self):
        def in_records_of_their_own(connection, late):
            connection.sendall(GOOD)
            connection.sendall(late)
        self.assertEqual(self.unasked(in_records_of_their_own), ["ok"] * 8)

    @judged_by_the_clock
    def test_an_answer_nobody_asked_for_within_the_last_one(self):
        """libcurl reads a body of known length to its end, and the TLS library keeps the rest of the record."""
        def in_one_record(connection, late):
            head, body = plain({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).split(b"\r\n\r\n", 1)
            connection.sendall(head + b"\r\n\r\n")
            time.sleep(0.01)
            connection.sendall(body + late)
        outcomes = self.unasked(in_one_record)
        self.assertLessEqual(set(outcomes), {"ok", "bad_response"})
        self.assertGreaterEqual(outcomes.count("ok"), 4)

    def test_another_name_is_refused(self):
        elsewhere = self.issue("elsewhere", "DNS:example.invalid")
        self.refused("--cacert", self.path("ca.pem"), context=elsewhere, fragment="name")

    def test_expired_is_refused(self):
        old = self.issue("old", "IP:127.0.0.1", days="-1")
        self.refused("--cacert", self.path("ca.pem"), context=old, fragment="expired")

    def test_bad_files_of_authorities(self):
        self.write("empty.pem", "")
        self.write("text.pem", "no certificate")
        for name in ("gone.pem", "empty.pem", "text.pem"):
            result = self.go("--cacert", self.path(name), expect=None)
            self.assertIn(result.code, (2, 3), name)
            self.assertIn(name, result.err)
            self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)

    def test_no_tls_behind_https(self):
        with ScriptedServer(lambda connection, _: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
            result = self.llmbench(*ONE_PROMPT, "--insecure", "--url", f"https://127.0.0.1:{server.port}/x", expect=3)
        self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)

    def test_interrupt_during_the_handshake(self):
        """A server that takes the connection and says nothing: Ctrl-C is heard all the same."""
        with ScriptedServer(lambda connection, _: connection.recv(1 << 20) and connection.recv(1)) as server:
            process = self.spawn(*ONE_PROMPT, "--url", f"https://127.0.0.1:{server.port}/x")
            wait_for(lambda: server.connections, what="the connection")
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            self.assertEqual(self.wait(process, 60).code, 130)

    def test_certificate_that_changes_during_the_run(self):
        """The first connection is fine, all later ones are not: failures of their own name, not of the start."""
        wrong = self.issue("elsewhere", "DNS:example.invalid")

        def serve(connection, number):
            with (self.context if number < 4 else wrong).wrap_socket(connection, server_side=True) as safe:
                if read_request(safe):
                    safe.sendall(GOOD.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n"))
        with ScriptedServer(serve) as server:
            report, _ = self.run_against(server.url.replace("http:", "https:"), "--cacert", self.path("ca.pem"),
                                         "--stream", "-n", 10)
        self.assertEqual(report["counts"]["ok"], 2)
        self.assertEqual(report["counts"]["by_outcome"]["tls_failed"], 8)
        self.assertIn("name", report["errors"][0]["example"])


if __name__ == "__main__":
    unittest.main()
