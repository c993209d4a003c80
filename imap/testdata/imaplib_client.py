"""Reads a mailbox with imaplib, and compares what the server says of each message with
what the email package finds in its octets."""
import email
import email.policy
import imaplib
import re
import ssl
import sys

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
box = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context)


def ask(what, *args):
    status, data = what(*args)
    if status != "OK":
        sys.exit(f"{what.__name__} {args}: {status} {data}")
    return data


def texts(data):
    return [item[1] for item in data if isinstance(item, tuple)]


box.login(user, password)
count = int(ask(box.select, "INBOX")[0])
whole = texts(ask(box.fetch, "1:*", "(BODY.PEEK[])"))
heads = texts(ask(box.fetch, "1:*", "(BODY.PEEK[HEADER])"))
bodies = texts(ask(box.fetch, "1:*", "(BODY.PEEK[TEXT])"))
sizes = [int(re.search(rb"RFC822.SIZE (\d+)", line).group(1)) for line in ask(box.fetch, "1:*", "(RFC822.SIZE)")]
for i, text in enumerate(whole):
    if heads[i] + bodies[i] != text or sizes[i] != len(text):
        sys.exit(f"message {i + 1}: {sizes[i]} octets, {text}")
    message = email.message_from_bytes(text)
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        for n, part in enumerate(message.get_payload(), 1):
            if part.is_multipart():
                continue
            mine = texts(ask(box.fetch, str(i + 1), f"(BODY.PEEK[{n}])"))[0]
            if mine.decode("latin-1").rstrip() != part.get_payload().rstrip():
                sys.exit(f"part {n} of message {i + 1}: {mine}, and {part.get_payload()!r}")
every = " ".join(str(n + 1) for n in range(count)).encode()
if ask(box.search, None, "ALL")[0] != every or ask(box.uid, "SEARCH", "UNSEEN")[0] != every:
    sys.exit("not all are found")
by_size = [int(n) for n in ask(box.sort, "(SIZE)", "UTF-8", "ALL")[0].split()]
if [sizes[n - 1] for n in by_size] != sorted(sizes):
    sys.exit(f"sorted by size: {by_size}")
if sorted(re.findall(rb"\d+", ask(box.thread, "REFERENCES", "UTF-8", "ALL")[0])) != sorted(every.split()):
    sys.exit("the threads have not all messages")
box.logout()
print(count, "messages are as they should be")
