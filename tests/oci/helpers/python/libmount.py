"""What crun's tests use of the Python binding of libmount, which Debian does not package: the options
of one mount of a file in the form of /proc/self/mountinfo (proc_pid_mountinfo(5))."""


class Mount:
    """One line."""

    def __init__(self, line):
        before, after = (part.split() for part in line.split(" - ", 1))
        self.target = before[4]
        self.vfs_options = before[5]
        self.fs_options = after[2]


class Table:
    """All lines of a file."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.mounts = [Mount(line) for line in file if " - " in line]

    def find_target(self, target):
        """The mount that is seen at a path: the last one made there."""
        return [mount for mount in self.mounts if mount.target == target][-1]
