"""Reads a trace made by `strace -f -y` and sorts the calls that concern a directory."""

import re

CHANGING = ("creat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir chmod fchmod fchmodat fchmodat2 chown "
            "fchown lchown fchownat truncate ftruncate fallocate utime utimes utimensat futimesat link linkat symlink "
            "symlinkat mknod mknodat setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr "
            "removexattrat file_setattr open_tree_attr write pwrite64 writev pwritev pwritev2 sendfile "
            "copy_file_range").split()
# The question mark lets an older strace pass over a call that it does not know.
TRACED = ",".join(f"?{name}" for name in ["open", "openat", "openat2", "fcntl", "flock", "ioctl", "mmap", *CHANGING])
CALL = re.compile(r"^\d+\s+(\w+)\((.*)$")
WRITING_FLAGS = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
TAKING_LOCK = re.compile(r"F_(?:OFD_)?SETLKW?\b|F_SETLEASE")
# Many requests change a file (its flags, its blocks, whom it belongs to); these do not.
HARMLESS_REQUEST = re.compile(r"\b(?:FIONBIO|FIONREAD|FIOCLEX|FIONCLEX|TCGETS2?|TIOCGWINSZ)\b")
QUERYING_LOCK = re.compile(r"F_(?:OFD_)?GETLK\b")


class Calls:
    """`opened` counts opens below the root; `writing` and `locking` hold the lines that must not be there."""

    def __init__(self, trace, root):
        self.seen = self.opened = self.lock_queries = 0
        self.writing, self.locking = [], []
        # As a quoted argument or as the path of a descriptor: "<root>… or <<root>…
        below = re.compile(r'["<]' + re.escape(str(root)) + r'(?=[/">])')
        with open(trace, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                call = CALL.match(line)
                if call and below.search(_target(*call.groups())):
                    self._sort(call.group(1), call.group(2), line.strip())

    def _sort(self, name, arguments, line):
        self.seen += 1
        if name in ("open", "openat", "openat2"):
            self.opened += 1
            if WRITING_FLAGS.search(arguments):
                self.writing.append(line)
        elif name == "mmap":
            if "PROT_WRITE" in arguments and "MAP_SHARED" in arguments:
                self.writing.append(line)
        elif name == "ioctl":
            if not HARMLESS_REQUEST.search(arguments):
                self.writing.append(line)
        elif name == "flock" or (name == "fcntl" and TAKING_LOCK.search(arguments)):
            self.locking.append(line)
        elif name == "fcntl":
            self.lock_queries += bool(QUERYING_LOCK.search(arguments))
        elif name in CHANGING:
            self.writing.append(line)


def _target(name, arguments):
    """The part of the arguments that names what is acted on: data that merely mentions a path is no target."""
    if name in ("write", "pwrite64", "writev", "pwritev", "pwritev2", "fcntl", "flock", "ioctl", "ftruncate",
                "fallocate", "sendfile"):
        return arguments.split(",", 1)[0]
    return arguments
