"""relay-uevents.py FILE: sends what the simulated kernel says in FILE to the listeners of this network name space.

A mount cannot send uevents, but who rules a network name space may speak as its kernel: the real one adds the number and
passes the message on. What stands in FILE at the start is old; "ready" on stdout says that everything later is sent. /run/uevents-sent has the number
of the last one.
"""
import socket
import struct
import sys
import time

NETLINK_KOBJECT_UEVENT = 15
NLM_F_REQUEST_ACK = 5
FIRST_TYPE = 16
ERROR = 2


def messages(path):
    """Each event of the file as its lines, with its number."""
    with open(path, encoding='ascii') as file:
        for event in file.read().split('\n\n'):
            lines = event.strip('\n').split('\n')
            numbers = [int(line[7:]) for line in lines if line.startswith('SEQNUM=')]
            if numbers:
                yield numbers[0], [line for line in lines if not line.startswith('SEQNUM=')]


def send(link, lines):
    payload = '\0'.join(lines).encode() + b'\0'
    link.send(struct.pack('=LHHLL', 16 + len(payload), FIRST_TYPE, NLM_F_REQUEST_ACK, 1, 0) + payload)
    _length, kind, _flags, _seq, _pid, errno = struct.unpack('=LHHLLl', link.recv(4096)[:20])
    if kind == ERROR and errno != 0:
        raise OSError(-errno, 'the kernel does not take the event')


def main(path):
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
    link.bind((0, 0))
    sent = max((number for number, _ in messages(path)), default=0)
    print('ready', flush=True)
    while True:
        with open('/run/uevents-sent', 'w', encoding='ascii') as file:
            file.write(f'{sent}\n')
        for number, lines in messages(path):
            if number > sent:
                send(link, lines)
                sent = number
        time.sleep(0.05)


main(sys.argv[1])
