#!/usr/bin/perl
# Sends events into this network name space as its kernel's: one a line, in hexadecimal, without their number.
# Needs no module: perl-base has all of it.
use strict;
use warnings;
my ($AF_NETLINK, $SOCK_RAW, $UEVENT, $TYPE, $REQUEST) = (16, 3, 15, 16, 1);
my $kernel = pack('S S L L', $AF_NETLINK, 0, 0, 0);
# A network name space begins with its loopback down: SIOCSIFFLAGS, IFF_UP.
if (socket(my $lo, 2, 2, 0)) { ioctl($lo, 0x8914, my $up = pack('a16 s x22', 'lo', 1)); }
socket(my $socket, $AF_NETLINK, $SOCK_RAW, $UEVENT) or die "ap-sysfs: no socket for events: $!\n";
bind($socket, $kernel) or die "ap-sysfs: no socket for events: $!\n";
while (my $line = <STDIN>) {
    chomp $line;
    my $event = pack('H*', $line);
    # struct nlmsghdr: length, type, flags, sequence, port.
    defined send($socket, pack('L S S L L', 16 + length $event, $TYPE, $REQUEST, 0, 0) . $event, 0, $kernel)
        or warn "ap-sysfs: an event was not sent: $!\n";
}
