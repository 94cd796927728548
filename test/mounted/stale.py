"""Makes and removes mediated devices, and looks after each change whether anything old is to be seen.

    stale.py MATRIX ROUNDS        MATRIX: devices/vfio_ap/matrix of a mount

Looks by path and through descriptors that were open before, at names, link counts, times and listings.
"""
import os
import sys

matrix, rounds = sys.argv[1], int(sys.argv[2])
create = f"{matrix}/mdev_supported_types/vfio_ap-passthrough/create"
held = os.open(matrix, os.O_DIRECTORY)
wrong = []


def store(path, text):
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)


def links():
    return os.fstat(held).st_nlink, os.stat(matrix).st_nlink


def expect(what, found, wanted):
    if found != wanted:
        wrong.append(f"{what}: {found}, not {wanted}")


base = os.stat(matrix).st_nlink
# From now on its times follow its entries.
os.utime(matrix)
for i in range(rounds):
    uuid = f"{i % 7:08x}-1111-4111-8111-111111111111"
    path = f"{matrix}/{uuid}"
    before = os.fstat(held).st_mtime_ns, os.stat(matrix).st_mtime_ns
    store(create, uuid.encode())
    expect("links after create", links(), (base + 1, base + 1))
    expect("there", os.path.exists(path), True)
    expect("listed", uuid in os.listdir(held), True)
    inode = os.stat(path).st_ino
    inside = os.open(path, os.O_DIRECTORY)
    expect("reads", os.read(os.open(f"{path}/control_domains", os.O_RDONLY), 99), b"")
    store(f"{path}/remove", b"1")
    expect("links after remove", links(), (base, base))
    expect("gone", os.path.exists(path), False)
    expect("its file", os.path.exists(f"{path}/matrix"), False)
    expect("from inside", os.path.exists(f"/proc/self/fd/{inside}/matrix"), False)
    expect("not listed", uuid in os.listdir(held), False)
    expect("nothing inside", os.listdir(inside), [])
    os.close(inside)
    os.closerange(inside + 1, inside + 8)
for line in wrong[:20]:
    print(line)
print(f"{2 * rounds} changes, {len(wrong)} stale")
