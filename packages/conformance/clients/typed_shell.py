"""Types into an interactive shell on a terminal of its own and prints what the shell printed.

usage: typed_shell.py END SHELL [ARGUMENT...]   with a JSON list of texts on standard input

Types one text after the other, each once END was printed for the one before. Exit status 1 when that takes more than a minute.
"""
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

end, command = sys.argv[1].encode(), sys.argv[2:]
texts = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(command[0], command)
# Wide enough that no line is broken.
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))

printed = b""
seen = True
for number, text in enumerate(texts, 1):
    os.write(terminal, text.encode())
    deadline = time.monotonic() + 180
    while printed.count(end) < number and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                printed += os.read(terminal, 65536)
            except OSError:
                break
    seen = printed.count(end) >= number
    if not seen:
        break
os.kill(pid, 9)
os.waitpid(pid, 0)
sys.stdout.buffer.write(printed)
sys.exit(0 if seen else 1)
