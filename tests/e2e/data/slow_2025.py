"""What the 2025 guide of `evalscope perf` shows: the columns of a database, and the ids of the requests whose first
chunk took more than a second."""
import base64
import json
import pickle
import sqlite3
import sys

base = sqlite3.connect(sys.argv[1])
columns = [row[1] for row in base.execute("PRAGMA table_info(result)")]
print("columns:", ", ".join(columns))
for row in base.execute("SELECT * FROM result WHERE success=1 AND first_chunk_latency > 1"):
    found = dict(zip(columns, row))
    request = pickle.loads(base64.b64decode(found["request"]))
    messages = pickle.loads(base64.b64decode(found["response_messages"]))
    assert isinstance(request, dict)
    print("request_id: %s, first_chunk_latency: %.3f" % (json.loads(messages[0])["id"], found["first_chunk_latency"]))
