"""Sends events into this network name space as its kernel's: one a line, in hexadecimal, without their number."""

import fcntl
import socket
import struct
import sys

NETLINK_KOBJECT_UEVENT = 15
TYPE, REQUEST = 16, 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

# A network name space begins with its loopback down.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lo:
    try:
        fcntl.ioctl(lo, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    except OSError:
        pass

kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
kernel.bind((0, 0))
for line in sys.stdin:
    event = bytes.fromhex(line.strip())
    # struct nlmsghdr: length, type, flags, sequence, port.
    header = struct.pack("=LHHLL", 16 + len(event), TYPE, REQUEST, 0, 0)
    try:
        kernel.sendto(header + event, (0, 0))
    except OSError as error:
        print(f"ap-sysfs: an event was not sent: {error.strerror}", file=sys.stderr)
