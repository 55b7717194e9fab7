"""--cert and --key: a server that asks who the client is."""
import os
import ssl
import subprocess
import unittest

from harness import Case, GOOD, ScriptedServer, read_request

JOB = ("--api", "openai", "--prompt", "x", "--model", "m", "--offline", "--stream")
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
PASSWORD = "open-sesame-0123"


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


class ClientCertificate(Case):
    def setUp(self):
        super().setUp()
        for name in ("client", "other"):
            openssl("req", "-x509", *NEW_KEY, "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout",
                    self.path(name + ".key"), "-out", self.path(name + ".pem"))
        openssl("req", "-x509", *NEW_KEY, "-nodes", "-days", "2", "-subj", "/CN=server", "-addext",
                "subjectAltName=IP:127.0.0.1", "-keyout", self.path("server.key"), "-out", self.path("server.pem"))
        openssl("ec", "-in", self.path("client.key"), "-aes256", "-passout", "pass:" + PASSWORD, "-out",
                self.path("locked.key"))
        with open(self.path("client.pem"), encoding="ascii") as cert, open(self.path("client.key"), encoding="ascii") as key:
            self.write("both.pem", cert.read() + key.read())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(self.path("client.pem"))
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2  # a refusal comes within the handshake

    def serve(self, connection, _):
        self.names.append(dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"])
        while read_request(connection):
            connection.sendall(GOOD)

    def go(self, *words, expect, env=None):
        self.names = []
        with ScriptedServer(self.serve, context=self.context) as server:
            result = self.llmbench(*JOB, "-n", 4, "--cacert", self.path("server.pem"), "--url", server.url + "/x", "--name",
                                   f"r{len(os.listdir(self.work))}-{self._testMethodName}", *words, env=env, expect=expect)
            self.accepted = server.connections
        return result

    def test_the_server_learns_who_it_is(self):
        for number, (words, env) in enumerate((
                (("--cert", "client.pem", "--key", "client.key"), None), (("--cert", "both.pem"), None),
                (("--cert", "client.pem", "--key", "locked.key"), {"LLMBENCH_KEY_PASSWORD": PASSWORD}))):
            with self.subTest(words):
                result = self.go(*words, "--name", f"r{number}", "--debug", expect=0, env=env)
                self.assertRegex(result.out, r"Succeed requests\s+4")
                self.assertEqual(set(self.names), {"client"})
                for folder, _, names in os.walk(self.path("outputs")):
                    for name in names:
                        with open(os.path.join(folder, name), "rb") as data:
                            self.assertNotIn(PASSWORD.encode(), data.read())

    def test_none_or_a_stranger_is_refused_by_the_server(self):
        for words in ((), ("--cert", "other.pem", "--key", "other.key")):
            result = self.go(*words, expect=3)
            self.assertEqual(len(result.err.splitlines()), 1, result.err)
            self.assertGreater(self.accepted, 0)

    def test_files_that_do_not_fit(self):
        self.write("text.pem", "no certificate")
        for words, part in (
                (("--cert", "client.pem", "--key", "other.key"), "--cert client.pem --key other.key: "),
                (("--cert", "gone.pem"), "--cert gone.pem: No such file"),
                (("--cert", "client.pem", "--key", "gone.key"), "--key gone.key: No such file"),
                (("--cert", "text.pem", "--key", "client.key"), "--cert text.pem --key client.key: "),
                (("--cert", "client.pem", "--key", "text.pem"), "--cert client.pem --key text.pem: "),
                (("--cert", "client.pem"), "--cert client.pem: "),
                (("--cert", "client.pem", "--key", "locked.key"), "--cert client.pem --key locked.key: "),
                (("--key", "client.key"), "give --cert too")):
            with self.subTest(words):
                result = self.go(*words, expect=2, env={"LLMBENCH_KEY_PASSWORD": "wrong"} if "locked.key" in words else None)
                self.assertEqual(len(result.err.splitlines()), 1, result.err)
                self.assertIn(part, result.err)
                self.assertEqual(self.accepted, 0)
                self.assertFalse(os.path.exists(self.path("outputs")))
        self.go("--cert", "client.pem", "--key", "locked.key", expect=2)  # and no question on the terminal

    def test_without_https_it_would_not_be_shown(self):
        result = self.llmbench(*JOB, "--url", "http://127.0.0.1:9/", "--cert", "both.pem", expect=2)
        self.assertIn("--cert both.pem is shown to https servers only", result.err)


if __name__ == "__main__":
    unittest.main()
