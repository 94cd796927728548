/*
 * A small sysfs-like tree on libfuse's low-level API: what a C program with the
 * usual library costs, for comparison. One directory three levels down with
 * FILES files; content is made at each read (direct_io).
 *
 * tree MOUNTPOINT SECONDS single|multi FILES
 * SECONDS: how long the kernel may remember names and attributes; 0: not at all.
 */
#define FUSE_USE_VERSION 32
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dirs[] = { "devices", "ap", "card00" };
enum { DIRS = sizeof dirs / sizeof *dirs, FIRST_FILE = FUSE_ROOT_ID + DIRS + 1 };
static double timeout;
static unsigned files;

static void attributes(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	if (ino < FIRST_FILE) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 3;
	} else {
		st->st_mode = S_IFREG | 0644;
		st->st_nlink = 1;
		st->st_size = 4096;
	}
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .attr_timeout = timeout, .entry_timeout = timeout };
	unsigned n;

	if (parent < FUSE_ROOT_ID + DIRS) {
		if (strcmp(name, dirs[parent - FUSE_ROOT_ID]) == 0)
			e.ino = parent + 1;
	} else if (parent == FUSE_ROOT_ID + DIRS && sscanf(name, "file%u", &n) == 1 && n < files) {
		e.ino = FIRST_FILE + n;
	}
	if (!e.ino) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	attributes(e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	fuse_reply_attr(req, &st, timeout);
}

static void setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	(void)attr;
	(void)to_set;
	getattr(req, ino, fi);
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	char text[32];
	int length = snprintf(text, sizeof text, "%lu\n", (unsigned long)ino);

	(void)fi;
	if (off >= length)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, text + off, (size_t)(length - off) < size ? (size_t)(length - off) : size);
}

static void write_file(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	(void)buf;
	(void)off;
	(void)fi;
	fuse_reply_write(req, size);
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	char *buf = malloc(size);
	size_t used = 0;
	unsigned count = ino == FUSE_ROOT_ID + DIRS ? files : 1;

	(void)fi;
	for (unsigned n = off; n < count; n++) {
		char name[32];
		struct stat st;
		size_t more;

		if (ino == FUSE_ROOT_ID + DIRS)
			snprintf(name, sizeof name, "file%u", n);
		else
			snprintf(name, sizeof name, "%s", dirs[ino - FUSE_ROOT_ID]);
		attributes(ino == FUSE_ROOT_ID + DIRS ? FIRST_FILE + n : ino + 1, &st);
		more = fuse_add_direntry(req, buf + used, size - used, name, &st, n + 1);
		if (more > size - used)
			break;
		used += more;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = lookup,
	.getattr = getattr,
	.setattr = setattr,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.readdir = read_dir,
};

int main(int argc, char *argv[])
{
	char *words[] = { argv[0], "-ofsname=ap-sysfs-bench", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, words);
	struct fuse_session *se;
	int rc;

	if (argc != 5) {
		fprintf(stderr, "usage: %s MOUNTPOINT SECONDS single|multi FILES\n", argv[0]);
		return 2;
	}
	timeout = atof(argv[2]);
	files = (unsigned)atoi(argv[4]);
	se = fuse_session_new(&args, &ops, sizeof ops, NULL);
	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[1]))
		return 1;
	puts("mounted on it");
	fflush(stdout);
	if (strcmp(argv[3], "multi") == 0) {
		struct fuse_loop_config config = { .clone_fd = 0, .max_idle_threads = 10 };
		rc = fuse_session_loop_mt(se, &config);
	} else {
		rc = fuse_session_loop(se);
	}
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return rc ? 1 : 0;
}
