"""A slow script is seen as load of the station that runs it, and never as a slow server: the times stay those of the server's own stamps."""
import json
import statistics
import unittest

from harness import SANITIZED, Case, judged_by_the_clock
from recompute import Recomputed

# Burns CPU, `ms` of it a call.
SCRIPT = """local api = require "apis.openai"
local build, read, parse = api.build_request, api.read_event, api.parse_responses
local function burn(ms)
    local from = os.clock()
    while os.clock() - from < ms / 1000 do end
end
%s
return api
"""

ITERATOR = "function api.build_messages() return function() burn(25) return 'x' end end"
METRIC = 'api.metrics = { { name = "slow", unit = "count", of = function() burn(15) return 1 end } }'
ROWS = [  # the station, what is slow in it
    ("composer", "function api.build_request(...) burn(25) return build(...) end"),
    ("composer", ITERATOR),
    ("scorer", "function api.read_event(...) burn(2) return read(...) end"),
    ("scorer", "function api.parse_responses(...) burn(15) return parse(...) end"),
    ("scorer", METRIC),
]
OFF = 0.03 if SANITIZED else 0.01  # seconds by which a median may be off on a busy machine


class SlowScripts(Case):
    def server_times(self, name):
        """(how far each TTFT, each latency is from what the server's stamps say, the server's own TTFTs), in seconds."""
        first, whole, own = [], [], []
        for x in Recomputed(self.database(name)).exchanges:
            stamps = [json.loads(m) for m in json.loads(x["response_messages"]) if m != "[DONE]"]
            begin, sent = stamps[0]["read_ns"], [stamps[i]["sent_ns"] for i in x.text]
            own.append((sent[0] - begin) / 1e9)
            first.append((x.first_token - x["sent_ns"]) / 1e9 - own[-1])
            whole.append((x.last_token - x["sent_ns"] - (sent[-1] - begin)) / 1e9)
        return first, whole, own

    def check_times(self, report, name):
        first, whole, own = self.server_times(name)
        self.assertLess(abs(statistics.median(first)), OFF)
        self.assertLess(abs(statistics.median(whole)), OFF)
        self.assertLess(abs(report["metrics"]["ttft"]["p50"] - statistics.median(own)), OFF)

    def check_load(self, report, station):
        """CPU, of which a busy machine gives less a second but not less in all."""
        trust, other = report["trust"], "scorer" if station == "composer" else "composer"
        self.assertGreater(trust[station + "_cpu_s"], 0.6)
        self.assertLess(trust[other + "_cpu_s"], 0.6 / 3)
        self.assertGreater(trust[station + "_cpu_share"], 3 * trust[other + "_cpu_share"])
        if station == "composer":
            self.assertGreater(trust["starved"], 10)
            self.assertGreater(trust["starved_s"], 0.2)
            self.assertIn("waited for a request to be composed", " ".join(report["verdict"]["reasons"]))
        else:
            self.assertNotIn("composed", " ".join(report["verdict"]["reasons"]))

    @judged_by_the_clock
    def test_they_are_seen_where_they_are(self):
        root = self.mock("--ttft", "30ms", "--itl", "5ms", "--tokens", 4)
        for number, (station, slow) in enumerate(ROWS):
            with self.subTest(slow=slow):
                script = self.write("slow.lua", SCRIPT % slow)
                report, _ = self.run_against(root, "--stream", "-c", 4, "-n", 50, "--name", f"r{number}",
                                             api=script, dataset=script if slow == ITERATOR else "openqa")
                self.assertEqual(report["counts"]["ok"], 50)
                self.check_load(report, station)
                self.check_times(report, f"r{number}")


if __name__ == "__main__":
    unittest.main()
