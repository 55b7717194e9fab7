"""What the 2024 guide of `evalscope perf` shows: every question with its answer, from the successes of a database."""
import base64
import json
import pickle
import sqlite3
import sys

QUERY = "SELECT request, response_messages, prompt_tokens, completion_tokens FROM result WHERE success='True'"

base = sqlite3.connect(sys.argv[1])
with base:
    rows = base.execute(QUERY).fetchall()
for row in rows:
    request = pickle.loads(base64.b64decode(row[0]))
    answer = ""
    for message in pickle.loads(base64.b64decode(row[1])):
        answer += json.loads(message)["choices"][0]["delta"]["content"]
    print("prompt: %s, tokens: %s, completion: %s, tokens: %s" % (request["messages"][0]["content"], row[2], answer, row[3]))
