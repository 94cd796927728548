#!/usr/bin/perl
# stepper.pl WORK: prepares a mount namespace in which /sys is the simulated tree, then runs steps.
#
# Started as `unshare -mpf --mount-proc`, so it is the first process of its own
# process namespace: whatever the steps leave behind ends with it.
# On stdin one step after the other, "LENGTH\n" and so many bytes; answers on
# stdout "pid N" when it has started and "rc N" when it has ended. Output of a
# step goes to WORK/out and WORK/err.
use strict;
$| = 1;
my $work = shift @ARGV;

sub run { system(@_) == 0 or die "@_: $?\n" }

for my $dir ("$work/etc", "$work/etc.work", "$work/lib", "$work/lib.work") { -d $dir or mkdir $dir }
# No driver of this system must be reached through a simulated node: /dev without devices, but for the usual ones.
run('mount', '--bind', "$work/dev", "$work/dev");
run('mount', '-o', 'remount,bind,nodev', "$work/dev");
for my $node (qw(null zero full random urandom tty)) { run('mount', '--bind', "/dev/$node", "$work/dev/$node") }
run('mount', '--rbind', "$work/dev", '/dev');
run('mount', '--bind', "$work/sys", '/sys');
# mdevctl insists on directories of its package.
if (!-d '/etc/mdevctl.d' || !-d '/usr/lib/mdevctl/scripts.d/callouts') {
  run('mount', '-t', 'overlay', 'overlay', '-o', "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc.work", '/etc');
  run('mount', '-t', 'overlay', 'overlay', '-o', "lowerdir=/usr/lib,upperdir=$work/lib,workdir=$work/lib.work", '/usr/lib');
  run('mkdir', '-p', '/etc/mdevctl.d', '/usr/lib/mdevctl/scripts.d/callouts', '/usr/lib/mdevctl/scripts.d/notifiers');
}
run('mount', '--bind', "$work/run", '/run');
chdir '/' or die;
# Too late: the step has ended after all.
$SIG{USR1} = 'IGNORE';
print "ready\n";

while (defined(my $length = <STDIN>)) {
  read(STDIN, my $step, $length + 0);
  my $pid = fork();
  if ($pid == 0) {
    setpgrp(0, 0);
    $SIG{USR1} = 'DEFAULT';
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>', "$work/out");
    open(STDERR, '>', "$work/err");
    exec { '/bin/bash' } 'bash', '-c', $step;
    exit 127;
  }
  print "pid $pid\n";
  # SIGUSR1: the step was killed and does not end, as it waits inside the kernel. Go on without it.
  my $status;
  eval {
    local $SIG{USR1} = sub { die };
    my $ended = 0;
    $ended = waitpid(-1, 0) until $ended == $pid;
    $status = $?;
  };
  my $rc = !defined $status ? 137 : $status & 127 ? 128 + ($status & 127) : $status >> 8;
  print "rc $rc\n";
}
