"""Evaluates with python3-spf what comes as JSON lines on stdin, without network:
{"ip", "sender", "helo", "zone": {name: {type: [value...]}}, "broken": [name...]}
and writes "result<TAB>message" for each line.
"""
import json
import socket
import sys

import spf

zone, broken = {}, set()


def encode(rtype, value):
    if rtype == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if rtype == "TXT":
        return (value.encode("latin-1"),)
    if rtype == "MX":
        preference, host = value.split(" ")
        return (int(preference), host)
    return value


def lookup(name, qtype, strict=True, timeout=None, depth=0):
    name = name.rstrip(".").lower()
    records = zone.get(name, {})
    if qtype not in records and name in broken:
        raise spf.TempError("DNS timeout")
    for value in records.get(qtype, []):
        yield ((name, qtype), encode(qtype, value))


spf.DNSLookup = lookup

for line in sys.stdin:
    case = json.loads(line)
    zone = case["zone"]
    broken = set(case["broken"])
    query = spf.query(case["ip"], case["sender"], case["helo"], strict=True)
    try:
        result, _, message = query.check()
    except Exception as error:  # a crash of theirs is no answer
        result, message = "crash", repr(error)
    print(result + "\t" + " ".join(str(message).split()), flush=True)
