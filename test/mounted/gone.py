"""Opens, reads and polls a file that comes and goes: whoever is told that it is gone must not find it.

    gone.py SYS CHANGES

One process makes and removes a mediated device, another opens one of its files by path, another reads and another polls
one that is open. Prints how many changes there were, who was told nothing, and what was found after it was said to be
gone.
"""
import errno
import os
import select
import sys
from multiprocessing import Process, Value

SYS, CHANGES = sys.argv[1], int(sys.argv[2])
MATRIX = f"{SYS}/devices/vfio_ap/matrix"
UUID = "33333333-1111-4111-8111-111111111111"
FILE = f"{MATRIX}/{UUID}/matrix"
OLD, TOLD = ({name: Value("i", 0) for name in ("open", "read", "poll")} for _ in range(2))
done = Value("b", 0)


def store(path, text):
    with open(f"{MATRIX}/{path}", "w") as file:
        file.write(text)


def number():
    try:
        return os.stat(FILE).st_ino
    except FileNotFoundError:
        return None


def opens():
    """By path it is there or not: between is only what came and went while it was opened, as on sysfs (ENODEV)."""
    while not done.value:
        try:
            os.close(os.open(FILE, os.O_RDONLY))
        except FileNotFoundError:
            TOLD["open"].value += 1
        except OSError as e:
            if e.errno != errno.ENODEV:
                print(f"open: {e.strerror}")
                OLD["open"].value += 1


def goes_on(how):
    def watch():
        while not done.value:
            try:
                fd = os.open(FILE, os.O_RDONLY)
            except FileNotFoundError:
                continue
            except OSError as e:
                if e.errno != errno.ENODEV:
                    raise
                continue
            try:
                inode = os.fstat(fd).st_ino
                poll = select.poll()
                poll.register(fd, select.POLLPRI)
                try:
                    os.read(fd, 99)
                    while not done.value and not (how == "poll" and poll.poll(0)):
                        if how == "read":
                            os.pread(fd, 99, 0)
                    if done.value:
                        continue
                except OSError:
                    pass
                TOLD[how].value += 1
                OLD[how].value += number() == inode
            finally:
                os.close(fd)

    return watch


clients = [Process(target=opens), Process(target=goes_on("read")), Process(target=goes_on("poll"))]
for client in clients:
    client.start()
for _ in range(CHANGES):
    store("mdev_supported_types/vfio_ap-passthrough/create", UUID)
    for _ in range(20):
        number()
    store(f"{UUID}/remove", "1")
done.value = 1
for client in clients:
    client.join(10)
print(CHANGES, "changes; told nothing:", [name for name, n in TOLD.items() if not n.value], "; found:",
      {name: n.value for name, n in OLD.items()})
