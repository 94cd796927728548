"""Changes a machine at random, and looks after each store whether anything old is to be seen.

    caching.py SYS CHANGES SEED [--until-killed]

Two processes change the tree (each its own adapters, mediated devices and nodes), the others make sure that it is done
in the face of clients who hold the directories' locks: lookups of what is not there, listings, opens with O_CREAT,
chmod, and new names that are refused. Prints a line of JSON: how many stores succeeded and failed, what was stale, who
hung. With --until-killed it goes on until the daemon is gone, and says only who hung.

What is true comes from listings, which the kernel does not keep: what is listed must be found under its number, what is
not must not be found, by path and from a directory that was open before; and link counts must be those of the listing.
Whose own store has just returned may find nothing old at all. Of the other's changes what is old may be seen until its
store, or a read of anything, has returned.
"""
import errno
import fcntl
import json
import mmap
import os
import random
import signal
import struct
import sys
import threading
import time

SYS, CHANGES, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
UNTIL_KILLED = "--until-killed" in sys.argv
WRITERS, NOISY, HANGS_AFTER = 2, int(os.environ.get("NOISY", "4")), 60
# So many stale sights of each writer are told in words.
EXAMPLES = 5
# In so many of the directories that a store may have changed.
LOOKS = 3
DOMAINS = ("0004", "0006", "001b", "0047")
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)

AP = "bus/ap"
MATRIX = "devices/vfio_ap/matrix"
TYPE = f"{MATRIX}/mdev_supported_types/vfio_ap-passthrough"
CONTROL = "kernel/debug/ap_sim"
MDEV_DIRS = (MATRIX, f"{TYPE}/devices", "bus/mdev/devices", "bus/mdev/drivers/vfio_ap_mdev", "kernel/iommu_groups",
             "class/vfio", "class/vfio-dev", "devices/virtual", "dev/char")
DRIVERS = tuple(f"{AP}/drivers/{name}" for name in ("cex4card", "cex4queue", "vfio_ap"))
NODE_DIRS = ("class/zcrypt", "devices/virtual", "devices/virtual/zcrypt")
BUSY = (AP, f"{AP}/devices", *DRIVERS, "devices/ap", *MDEV_DIRS[:4], "class/zcrypt", "class", "bus")


def path(name):
    return f"{SYS}/{name}"


def store(name, text):
    """The shell's echo. Returns whether the machine took it."""
    try:
        fd = os.open(path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    except OSError as e:
        return failed(e)
    try:
        os.write(fd, text.encode())
        return True
    except OSError as e:
        return failed(e)
    finally:
        os.close(fd)


def failed(e):
    if UNTIL_KILLED and e.errno in GONE:
        os._exit(0)
    return False


def listing(at):
    with os.scandir(at) as entries:
        return {entry.name: (entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in entries}


def number(name, fd=None):
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


class Writer:
    def __init__(self, index, random, report):
        self.index, self.random, self.report = index, random, report
        self.adapters = (2 * index, 2 * index + 1)
        self.uuids = [f"{index}{i:07x}-1111-4111-8111-111111111111" for i in range(4)]
        self.nodes = [f"node{index}{i}" for i in range(3)]
        # Opened here, so that the lock is this process's own.
        self.turn = os.open(__file__, os.O_RDONLY)
        self.seen = {}
        self.held = {}

    def mine(self, name):
        return name.startswith(tuple(f"{a:02x}." for a in self.adapters)) or name in self.uuids + self.nodes

    def queue(self):
        return f"{self.random.choice(self.adapters):02x}.{self.random.choice(DOMAINS)}"

    def queue_dirs(self, adapter):
        card = f"devices/ap/card{adapter:02x}"
        return [card] + [f"{card}/{adapter:02x}.{domain}" for domain in DOMAINS]

    # Changes: each stores something, and says in which directories names may have come or gone.

    def bind(self):
        queue = self.queue()
        at = f"devices/ap/card{queue[:2]}/{queue}"
        try:
            done = store(f"{AP}/drivers/{os.path.basename(os.readlink(path(f'{at}/driver')))}/unbind", queue)
        except OSError as e:
            failed(e)
            done = any(store(f"{AP}/drivers/{driver}/bind", queue) for driver in ("cex4queue", "vfio_ap"))
        return done, [*DRIVERS[1:], at]

    def apmask(self):
        adapter = self.random.choice(self.adapters)
        done = store(f"{AP}/apmask", f"{self.random.choice('+-')}{adapter}")
        return done, [*DRIVERS, *self.queue_dirs(adapter)]

    def aqmask(self):
        done = store(f"{AP}/aqmask", f"{self.random.choice('++-')}{int(self.random.choice(DOMAINS), 16)}")
        return done, [*DRIVERS, *self.queue_dirs(self.random.choice(self.adapters))]

    def mdev(self):
        """Made if it is not there, else removed."""
        uuid = self.random.choice(self.uuids)
        done = store(f"{MATRIX}/{uuid}/remove", "1") or store(f"{TYPE}/create", uuid)
        return done, [*MDEV_DIRS, f"{MATRIX}/{uuid}"]

    def blocked_remove(self):
        """A guest keeps the store from returning; the tree changes meanwhile, and the next store here returns."""
        uuid = self.random.choice(self.uuids)
        if not store(f"{CONTROL}/guest", f"start {uuid} nokernel"):
            return self.mdev()
        remover = threading.Thread(target=store, args=(f"{MATRIX}/{uuid}/remove", "1"))
        remover.start()
        time.sleep(self.random.random() / 50)
        self.look([*MDEV_DIRS, f"{MATRIX}/{uuid}"], strict=False)
        store(f"{CONTROL}/guest", f"exit {uuid}")
        remover.join()
        return True, [*MDEV_DIRS, f"{MATRIX}/{uuid}"]

    def node(self):
        name = self.random.choice(self.nodes)
        return store("class/zcrypt/destroy", name) or store("class/zcrypt/create", name), NODE_DIRS

    def configure(self):
        adapter = self.random.choice(self.adapters)
        done = store(f"devices/ap/card{adapter:02x}/config", self.random.choice("01"))
        return done, [f"{AP}/devices", *DRIVERS, *self.queue_dirs(adapter)]

    def card(self):
        """Pulled out or put back, and found by a scan."""
        adapter = self.random.choice(self.adapters)
        command = self.random.choice(("remove", "add cex8 cca", "add cex8 cca", "configure", "deconfigure"))
        store(f"{CONTROL}/hw", f"card {adapter} {command}")
        done = store(f"{AP}/scans", "1")
        return done, [f"{AP}/devices", *DRIVERS, "devices/ap", *self.queue_dirs(adapter)]

    KINDS = (bind,) * 16 + (apmask,) * 4 + (aqmask,) + (mdev,) * 16 + (node,) * 6 + (configure,) * 2 + (card,) * 2 + \
            (blocked_remove,)

    def change(self):
        kind = self.random.choice(self.KINDS)
        # A mask of domains is about everybody's queues.
        fcntl.flock(self.turn, fcntl.LOCK_EX if kind is Writer.aqmask else fcntl.LOCK_SH)
        done, dirs = kind(self)
        if done:
            self.look(self.random.sample(dirs, min(len(dirs), LOOKS)), strict=True)
        fcntl.flock(self.turn, fcntl.LOCK_UN)
        return done

    # Looking.

    def look(self, dirs, strict):
        for name in dirs:
            for _ in range(5):
                if self.settled(name, strict):
                    break

    def settled(self, name, strict):
        """Compares; False if the directory changed meanwhile."""
        at = path(name)
        seen = self.seen.setdefault(name, set())
        try:
            before = listing(at)
        except FileNotFoundError:
            return self.gone(name, at, seen)
        seen.update(before)
        found = {entry: number(f"{at}/{entry}") for entry in seen}
        try:
            links = os.stat(at).st_nlink
            if listing(at) != before:
                return False
        except FileNotFoundError:
            return False
        old = [entry for entry in seen if found[entry] != before.get(entry, (None,))[0]]
        strange = [entry for entry in old if strict and self.mine(entry)]
        if len(old) > len(strange) and not strange:
            # Somebody else's store, which has not returned yet. Nothing old is to be seen after any read.
            open(path(f"{AP}/ap_domain")).read()
            strange = [entry for entry in old if number(f"{at}/{entry}") != before.get(entry, (None,))[0]]
            try:
                if listing(at) != before:
                    return False
            except FileNotFoundError:
                return False
        for entry in strange:
            self.report(f"{name}/{entry}: {found[entry]}, listed {before.get(entry)}")
        if not old and links != 2 + sum(is_dir for _, is_dir in before.values()):
            # The other's entry may have come and gone meanwhile. Then the count is right by now.
            try:
                again = os.stat(at).st_nlink
                if listing(at) != before:
                    return False
            except FileNotFoundError:
                return False
            if again == links:
                self.report(f"{name}: {links} links, {before}")
        if name not in self.held and self.random.random() < 0.1:
            self.hold(name, at)
        return True

    def hold(self, name, at):
        try:
            self.held[name] = os.open(at, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            pass

    def gone(self, name, at, seen):
        strange = [entry for entry in seen if number(f"{at}/{entry}") is not None]
        held = self.held.pop(name, None)
        if held is not None:
            strange += [f"{entry} from inside" for entry in seen if number(entry, held) is not None]
            strange += [f"{entry} listed inside" for entry in os.listdir(held)]
            os.close(held)
        if os.path.lexists(at):
            # Is it there again, or still to be seen?
            try:
                listing(at)
                return False
            except FileNotFoundError:
                strange.append("itself")
        for entry in strange:
            self.report(f"{name} is gone, but {entry}")
        return True


def noise(random, progress):
    """What holds a directory's lock while it waits for an answer."""
    def directory():
        name = random.choice(BUSY)
        return path(name if random.random() < 0.6 else f"devices/ap/card{random.randrange(4):02x}")

    def create():
        os.close(os.open(f"{directory()}/{random.choice(('nothing', 'uevent', 'online'))}",
                         os.O_WRONLY | os.O_CREAT | os.O_TRUNC))

    deeds = (
        lambda: os.stat(f"{directory()}/nothing{random.randrange(1000)}"),
        lambda: os.listdir(directory()),
        lambda: [entry.stat() for entry in os.scandir(directory())],
        create,
        lambda: os.chmod(directory(), 0o755),
        lambda: os.mkdir(f"{directory()}/nothing"),
        lambda: os.rename(f"{directory()}/uevent", f"{directory()}/nothing"),
        lambda: os.unlink(f"{directory()}/uevent"),
        lambda: os.symlink("x", f"{directory()}/nothing"),
        lambda: os.utime(directory()),
    )
    while True:
        try:
            random.choice(deeds)()
        except OSError as e:
            failed(e)
        progress()


def shells(random, progress):
    """A shell's own way of the same; a new process each time."""
    while True:
        at = path(random.choice(BUSY))
        deeds = "echo x > nothing; mkdir nothing; : > uevent; chmod 755 .; ls -la"
        os.system(f"{{ cd {at} && {{ {deeds}; }}; }} > /dev/null 2>&1")
        # What is remembered is there also when the daemon is not: a listing must be asked for.
        os.listdir(path(AP))
        progress()


def write(index, random, progress, results):
    """Makes this process's share of the changes."""
    counts = {"stores": 0, "refused": 0, "stale": 0, "examples": []}

    def report(line):
        counts["stale"] += 1
        if counts["stale"] <= EXAMPLES:
            counts["examples"].append(line)
    writer = Writer(index, random, report)
    while UNTIL_KILLED or counts["stores"] < CHANGES // WRITERS:
        try:
            counts["stores" if writer.change() else "refused"] += 1
        except OSError as e:
            failed(e)
            raise
        progress()
    with os.fdopen(results, "w") as out:
        print(json.dumps(counts), file=out)


def main():
    clock = mmap.mmap(-1, 8 * (WRITERS + NOISY + 1))
    reading, results = os.pipe()
    children = {}

    def start(index, body, *more):
        pid = os.fork()
        if pid:
            children[pid] = index
            return
        os.setpgid(0, 0)
        rounds = 0

        def progress():
            nonlocal rounds
            rounds += 1
            clock[8 * index:8 * index + 8] = struct.pack("Q", rounds)
        try:
            body(random.Random(SEED * 1000 + index), progress, *more)
            os._exit(0)
        except OSError as e:
            failed(e)
            print(f"client {index}: {e}", file=sys.stderr)
        except Exception as e:
            print(f"client {index}: {e!r}", file=sys.stderr)
        os._exit(1)

    for i in range(WRITERS):
        start(i, lambda random, progress, i=i: write(i, random, progress, results))
    for i in range(NOISY):
        start(WRITERS + i, noise)
    start(WRITERS + NOISY, shells)
    os.close(results)
    hung = watch(children, clock)
    with os.fdopen(reading) as lines:
        shares = [json.loads(line) for line in lines]
    sums = {key: sum(share[key] for share in shares) for key in ("stores", "refused", "stale")}
    print(json.dumps({**sums, "examples": [line for share in shares for line in share["examples"]], "hung": hung}))


def watch(children, clock):
    """Waits for the writers (or for all, once the daemon is killed). Returns who made no progress, and where it was."""
    seen = {pid: (b"", time.monotonic()) for pid in children}
    left, hung = set(children), []
    said = time.monotonic()
    while left if UNTIL_KILLED else any(children[pid] < WRITERS for pid in left):
        time.sleep(0.2)
        for pid in list(left):
            if os.waitpid(pid, os.WNOHANG)[0]:
                left.discard(pid)
                continue
            now = clock[8 * children[pid]:8 * children[pid] + 8]
            if now != seen[pid][0]:
                seen[pid] = now, time.monotonic()
            elif time.monotonic() - seen[pid][1] > HANGS_AFTER:
                hung.append(f"client {children[pid]}: {where(pid)}")
                left.discard(pid)
                os.kill(pid, signal.SIGKILL)
        if sys.stderr.isatty() and time.monotonic() - said > 10:
            said = time.monotonic()
            rounds = [struct.unpack("Q", clock[8 * i:8 * i + 8])[0] for i in range(WRITERS)]
            print(f"{sum(rounds)} of {CHANGES}", file=sys.stderr)
    for pid in left:
        os.killpg(pid, signal.SIGKILL)
    return hung


def where(pid):
    try:
        return open(f"/proc/{pid}/stack").read().split("\n")[0:6]
    except OSError:
        return "?"


main()
